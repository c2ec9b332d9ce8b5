"""Discovery of resources (RFC 6690)."""

from __future__ import annotations

import pytest

from harness.cells.coap import CoapCell
from harness.model import Consequence, Dialect, Level, Requirement
from harness.peers.coap import Opt, uint
from harness.scenario import scenario

_DISCOVERY = "https://www.rfc-editor.org/rfc/rfc6690#section-4"
_FILTERS = "https://www.rfc-editor.org/rfc/rfc6690#section-4.1"
_LINK_FORMAT = 40


@pytest.mark.parametrize(
    ("query", "there", "absent"),
    [
        pytest.param("", {"</store>", "</a/b/c>", "</obs>"}, set(), id="all"),
        pytest.param("rt=watched", {"</obs>"}, {"</store>", "</a/b/c>"}, id="rt"),
        pytest.param("rt=here", {"</store>"}, {"</obs>", "</a/b/c>"}, id="rt-one-of-two"),
        pytest.param("rt=wat*", {"</obs>"}, {"</store>", "</a/b/c>"}, id="rt-prefix"),
        pytest.param("rt=*", {"</store>", "</obs>"}, {"</a/b/c>"}, id="rt-any"),
        pytest.param("if=kee*", {"</store>"}, {"</obs>", "</a/b/c>"}, id="if-prefix"),
        pytest.param("sz=*", {"</store>"}, {"</obs>", "</a/b/c>"}, id="sz-any"),
        pytest.param("ct=42", {"</store>"}, {"</obs>", "</a/b/c>"}, id="ct"),
        pytest.param("href=/a*", {"</a/b/c>"}, {"</obs>", "</store>"}, id="href"),
        pytest.param("href=/obs", {"</obs>"}, {"</a/b/c>", "</store>"}, id="href-exact"),
    ],
)
@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.CONVENIENCE,
    spec=["TD_COAP_LINK_01 to 09", _DISCOVERY, _FILTERS],
)
def test_describes_its_resources(cell: CoapCell, query: str, there: set[str], absent: set[str]) -> None:
    """/.well-known/core has the links of all resources, or of those that a filter chooses, in the link format."""
    client = cell.reference_client(cell.serve())
    got = cell.ask(client, "GET", "/.well-known/core", query=[query] if query else [])
    formats = got.all(Opt.CONTENT_FORMAT)
    cell.expect(
        (got.code, formats) == ("2.05", [uint(_LINK_FORMAT)]),
        expected=f"2.05 with the Content-Format {_LINK_FORMAT}",
        observed=f"{got.code} with the Content-Formats {formats}",
    )
    text = got.payload.decode()
    links = {link.partition(";")[0] for link in text.split(",")}
    cell.expect(
        there <= links and not absent & links,
        expected=f"{', '.join(sorted(there))} and none of {', '.join(sorted(absent)) or 'nothing else'}",
        observed=text or "nothing",
    )
