"""A cell that somebody names: by its id, or by the address of its page in any report."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from harness.errors import UsageError
from harness.model import NO_PEER, CellKey, Crate
from harness.report.addresses import cell_page

_ID = re.compile(r"[^/]+/[^/].*/(?P<crate>[^/@]+@[^/@]+)/(?P<peer>-|[^/@]+@[^/@]+)")
_PAGE = re.compile(r"(?:.*/)?(?P<page>cell/(?P<crate>[^/]+)/[^/]+/(?P<peer>[^/]+))/?(?:index\.html)?")


@dataclass(frozen=True)
class Asked:
    """A cell, as far as its name tells: `crate` may have a version; `page` is empty where it was named by its id."""

    text: str
    crate: str
    peer: str
    page: str = ""

    def is_of(self, crate: Crate, key: CellKey) -> bool:
        """True where this names the cell `key` of `crate`."""
        return cell_page(crate, key) == f"{self.page}/index.html" if self.page else str(key) == self.text


def parse(text: str) -> Asked:
    """The cell that `text` names.

    Raises:
        UsageError: it is neither an id nor the address of a cell's page.
    """
    found = _ID.fullmatch(text) if "://" not in text else None
    if found:
        return Asked(text, found["crate"], found["peer"])
    found = _PAGE.fullmatch(unquote(urlsplit(text).path))
    if found is None:
        raise UsageError(
            f"{text!r} is no cell: name it as its page does, "
            "dialect/scenario/crate@version/peer, or by the page's address"
        )
    peer = NO_PEER if found["peer"] == "build" else found["peer"]
    return Asked(text, found["crate"], peer, found["page"])
