"""Discovery of resources (RFC 6690)."""

from __future__ import annotations

import pytest

from harness.cells.coap import CoapCell
from harness.model import Consequence, Dialect, Level, Requirement
from harness.peers.coap import Opt
from harness.references.coap import Shape
from harness.scenario import scenario

_DISCOVERY = "https://www.rfc-editor.org/rfc/rfc6690#section-4"
_FILTERS = "https://www.rfc-editor.org/rfc/rfc6690#section-4.1"


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        pytest.param("", {"/a", "/b", "/c"}, id="all"),
        pytest.param("rt=first", {"/a", "/b"}, id="rt"),
        pytest.param("rt=sec*", {"/b"}, id="rt-prefix"),
        pytest.param("rt=*", {"/a", "/b", "/c"}, id="rt-any"),
        pytest.param("if=one", {"/a"}, id="if"),
        pytest.param("if=on*", {"/a"}, id="if-prefix"),
        pytest.param("sz=*", {"/b"}, id="sz-any"),
        pytest.param("ct=42", {"/c"}, id="ct"),
        pytest.param("href=/b*", {"/b"}, id="href"),
        pytest.param("href=/a", {"/a"}, id="href-exact"),
        pytest.param("rt=none", set(), id="nothing"),
    ],
)
@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.CONVENIENCE,
    spec=["TD_COAP_LINK_01 to 09", _DISCOVERY, _FILTERS],
)
def test_discovers_resources(cell: CoapCell, query: str, wanted: set[str]) -> None:
    """What a server describes at /.well-known/core is read, with every attribute; a filter is sent as it is."""
    described: dict[str, dict[str, str | None]] = {
        "/a": {"rt": "first", "if": "one"},
        "/b": {"rt": "first second", "title": "two, and; more", "sz": "280"},
        "/c": {"rt": "third", "ct": "42", "obs": None},
    }
    link = cell.link()
    for path, attributes in described.items():
        link.server.has(path, Shape(attributes=attributes))
    found = link.client.discover(*([query] if query else []))
    told = {path: attributes for path, attributes in found.items() if path != "/.well-known/core"}
    right = {path: described[path] for path in wanted}
    cell.expect(told == right, expected=f"the links {right}", observed=f"{told}")
    asked = cell.packets(link.relay, "a")[0].packet
    sent = [value.decode() for value in asked.all(Opt.URI_QUERY)]
    cell.expect(
        (asked.path, sent) == ("/.well-known/core", [query] if query else []),
        expected=f"a GET of /.well-known/core with the query {query!r}",
        observed=f"{asked} with the query {sent}",
    )
