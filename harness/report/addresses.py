"""Where each page of a report is, relative to the report's folder. Addresses derive from cell ids and stay.

index.html
guide/index.html
diff/index.html
crate/<name>/index.html        <name>@<version> where that is not the catalogue's version
badge/<name>.svg, .json         the same
cell/<name>/<scenario>[-params]/<broker line, or `build`>/index.html

A published site has its newest report there, and every report that it keeps, this one too, below run/<run's id>/
(`.ci/publish`).
"""

from __future__ import annotations

import functools
import hashlib
import re
from urllib.parse import quote

from harness.model import NO_PEER, CellKey, Crate, Dialect

_UNSAFE = re.compile(r"[^A-Za-z0-9._@=,+-]")
#: A path that needs no quoting in an address.
_PLAIN = re.compile(r"[A-Za-z0-9._@~/-]*")
#: Characters that one folder's name may have; file systems allow 255 bytes.
_LONGEST = 120


@functools.lru_cache(maxsize=10_000)
def slug(text: str) -> str:
    """`text` as one folder's name that needs no quoting in an address."""
    safe = _UNSAFE.sub(lambda found: "".join(f"~{byte:02x}" for byte in found[0].encode("utf-8", "replace")), text)
    if safe.startswith("."):
        safe = f"~2e{safe[1:]}"
    if len(safe) > _LONGEST:
        safe = f"{safe[:_LONGEST]}~{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:12]}"
    return safe


GUIDE_PAGE = "guide/index.html"
DIFF_PAGE = "diff/index.html"


def crate_page(handle: str) -> str:
    """The page of a crate, by its handle."""
    return f"crate/{slug(handle)}/index.html"


def badge_file(handle: str, suffix: str) -> str:
    """A crate's badge, by its handle."""
    return f"badge/{slug(handle)}.{suffix}"


def cell_page(crate: Crate, key: CellKey) -> str:
    """The page of a cell.

    A crate's first dialect goes without saying; a scenario of another one carries its name, because two versions of a
    protocol share scenarios.
    """
    plain = key.dialect is Dialect.PACKAGE or key.dialect is crate.dialects[0]
    scenario = key.scenario if plain else f"{key.dialect}.{key.scenario}"
    name = f"{scenario}-{key.params}" if key.params else scenario
    peer = "build" if key.peer == NO_PEER else key.peer
    return f"cell/{slug(crate.handle)}/{slug(name)}/{slug(peer)}/index.html"


def run_root(run_id: str) -> str:
    """The folder of a run's report in a published site, where it stays when a newer one is published."""
    return f"run/{slug(run_id)}/"


def anchor(text: str) -> str:
    """`text` as the id of an element."""
    return re.sub(r"[^a-z0-9.-]+", "-", text.lower()).strip("-")


def to_root(page: str) -> str:
    """The way from a page back to the report's folder."""
    return "../" * page.count("/")


def evidence_href(path: str) -> str:
    """A file of the run's folder as a relative address; empty where the path leads out of it."""
    if path.startswith("/") or ".." in path.split("/") or "\\" in path:
        return ""
    return path if _PLAIN.fullmatch(path) else quote(path, safe="/@")
