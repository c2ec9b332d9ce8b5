"""Options that ask for a representation, set a condition, or say where something was created."""

from __future__ import annotations

import pytest

from harness.cells.coap import CoapCell
from harness.cells.coap_client import Response
from harness.model import Consequence, Dialect, Level, Requirement
from harness.peers.coap import Opt, uint
from harness.references.coap import Shape, etag_of
from harness.scenario import scenario

_LOCATION = "https://www.rfc-editor.org/rfc/rfc7252#section-5.10.7"
_ACCEPT = "https://www.rfc-editor.org/rfc/rfc7252#section-5.10.4"
_ETAG = "https://www.rfc-editor.org/rfc/rfc7252#section-5.10.6"
_CONDITION = "https://www.rfc-editor.org/rfc/rfc7252#section-5.10.8"
_TEXT, _XML, _JSON = 0, 41, 50
_extended = scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_CORE_18 to 23", _LOCATION, _ACCEPT, _ETAG, _CONDITION],
)


@pytest.mark.parametrize("option", [Opt.LOCATION_PATH, Opt.LOCATION_QUERY], ids=["path", "query"])
@_extended
def test_tells_where_something_was_created(cell: CoapCell, option: Opt) -> None:
    """The options Location-Path and Location-Query of a response are delivered, each part by itself."""
    told = ("first=1", cell.token) if option is Opt.LOCATION_QUERY else ("created", cell.token)
    where = ((), told) if option is Opt.LOCATION_QUERY else (told, ())
    link = cell.link(test=Shape(location=where))
    got = link.client.request("POST", "/test", payload=cell.payload())
    values = [value.decode() for value in got.all(option)]
    cell.expect(
        (got.code, values) == ("2.01", list(told)),
        expected=f"2.01 with the parts {list(told)}",
        observed=f"{got.code} with the parts {values}",
    )


@pytest.mark.parametrize("wanted", [_TEXT, _XML, _JSON], ids=["text", "xml", "json"])
@_extended
def test_asks_for_a_format(cell: CoapCell, wanted: int) -> None:
    """Accept chooses among a resource's formats; one that it has not is answered 4.06."""
    formats = {_TEXT: cell.payload(), _XML: cell.payload()}
    link = cell.link(test=Shape(formats=formats))
    got = link.client.request("GET", "/test", options=((Opt.ACCEPT, uint(wanted)),))
    told = (got.code, got.payload, got.all(Opt.CONTENT_FORMAT))
    right = ("2.05", formats[wanted], [uint(wanted)]) if wanted in formats else ("4.06", b"", [])
    cell.expect(
        told == right,
        expected=f"{Response(right[0], right[1])} and the Content-Format {right[2]}",
        observed=f"{got} and the Content-Format {told[2]}",
    )


@_extended
def test_validates_by_etag(cell: CoapCell) -> None:
    """With the ETag of what it has, a client is told 2.03 and gets no body; once that changed, it gets the new one."""
    bodies = [cell.payload(), cell.payload()]
    shape = Shape(body=bodies[0], tagged=True)
    link = cell.link(test=shape)
    first = link.client.request("GET", "/test")
    tags = first.all(Opt.ETAG)
    cell.expect(tags == [etag_of(bodies[0])], expected="the ETag is delivered", observed=f"the ETags {tags}")
    condition = ((Opt.ETAG, tags[0]),)
    second = link.client.request("GET", "/test", options=condition)
    cell.expect(
        (second.code, second.payload, second.all(Opt.ETAG)) == ("2.03", b"", tags),
        expected="2.03 without a body, with the ETag",
        observed=f"{second} and the ETags {second.all(Opt.ETAG)}",
    )
    link.client.request("PUT", "/test", payload=bodies[1])
    third = link.client.request("GET", "/test", options=condition)
    cell.expect(
        (third.code, third.payload) == ("2.05", bodies[1]),
        expected=f"{Response('2.05', bodies[1])}",
        observed=f"{third}",
    )


@pytest.mark.parametrize("holds", [True, False], ids=["holds", "fails"])
@pytest.mark.parametrize("option", [Opt.IF_MATCH, Opt.IF_NONE_MATCH], ids=["if-match", "if-none-match"])
@_extended
def test_sets_a_condition(cell: CoapCell, option: Opt, holds: bool) -> None:
    """A PUT with If-Match or If-None-Match changes the resource only where that holds; else it is told 4.12."""
    old, new = cell.payload(), cell.payload()
    if option is Opt.IF_MATCH:
        link = cell.link(test=Shape(body=old, tagged=True))
        condition: tuple[int, bytes] = (option, etag_of(old if holds else new))
        success = "2.04"
    else:
        link = cell.link(test=Shape(body=None if holds else old))
        condition = (option, b"")
        success = "2.01"
    got = link.client.request("PUT", "/test", options=(condition,), payload=new)
    wanted = success if holds else "4.12"
    cell.expect(got.code == wanted, expected=wanted, observed=f"{got}")
    now = link.client.request("GET", "/test")
    body = new if holds else old
    cell.expect(now.payload == body, expected=f"the resource has {Response('2.05', body)}", observed=f"{now}")
