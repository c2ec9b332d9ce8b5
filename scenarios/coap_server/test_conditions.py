"""Options that decide about a representation. Where a server leaves them to its handlers, crates.toml says so."""

from __future__ import annotations

import pytest

from harness.cells.coap import CoapCell, Service
from harness.cells.coap_client import Response
from harness.cells.peer import described
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.peers.coap import Opt, Options, Packet, request, uint
from harness.references.coap import ReferenceClient
from harness.scenario import scenario

_OPTIONS = "https://www.rfc-editor.org/rfc/rfc7252#section-5.10"
#: The format of /store, and another one: application/octet-stream and application/xml.
_FORMAT, _OTHER_FORMAT = 42, 41


def _kept(cell: CoapCell) -> tuple[Service, ReferenceClient, bytes]:
    """A server that keeps a body at /store, a client for it, and the body."""
    service = cell.serve()
    client, body = cell.reference_client(service), cell.payload()
    cell.ask(client, "PUT", "/store", payload=body, options=((Opt.CONTENT_FORMAT, uint(_FORMAT)),))
    return service, client, body


def _get(cell: CoapCell, service: Service, *options: tuple[int, bytes]) -> Packet:
    asked = request("CON", "GET", "/store", options=options)
    return cell.exchange(cell.raw_client(service), asked, f"a response to {asked}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_CORE_18", "TD_COAP_CORE_19", f"{_OPTIONS}.7"],
    needs=[Need.LOCATIONS],
)
def test_tells_where_it_created_something(cell: CoapCell) -> None:
    """A POST that creates a resource is answered 2.01 with Location-Path or Location-Query, which lead to it."""
    client, body = cell.reference_client(cell.serve()), cell.payload()
    made = cell.ask(client, "POST", "/store", payload=body)
    path, query = ([part.decode() for part in made.all(number)] for number in (Opt.LOCATION_PATH, Opt.LOCATION_QUERY))
    cell.expect(
        made.code == "2.01" and bool(path or query),
        expected="2.01 with Location-Path or Location-Query",
        observed=f"{made.code} with Location-Path {path} and Location-Query {query}",
    )
    got = cell.ask(client, "GET", "/".join(path), query=query)
    cell.expect(got.payload == body, expected=described(body), observed=f"{got.code} with {described(got.payload)}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_CORE_20", f"{_OPTIONS}.4"],
    needs=[Need.FORMATS],
    scripted=True,
)
def test_gives_no_format_but_the_one_asked_for(cell: CoapCell) -> None:
    """A GET is answered in the format that Accept names, and with 4.06 where the resource has it not."""
    service, _client, body = _kept(cell)
    answer = _get(cell, service, (Opt.ACCEPT, uint(_FORMAT)))
    cell.expect(
        (answer.code, answer.payload) == ("2.05", body), expected=f"{Response('2.05', body)}", observed=f"{answer}"
    )
    answer = _get(cell, service, (Opt.ACCEPT, uint(_OTHER_FORMAT)))
    cell.expect(answer.code == "4.06", expected="4.06, to a format that nobody has PUT", observed=f"{answer}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.CONVENIENCE,
    spec=["TD_COAP_CORE_21", f"{_OPTIONS}.6"],
    needs=[Need.VALIDATION],
    scripted=True,
)
def test_validates_by_etag(cell: CoapCell) -> None:
    """A GET with the ETag of what the server has is answered 2.03 without it; after a change, 2.05 with the new."""
    service, client, _body = _kept(cell)
    tag = _get(cell, service).first(Opt.ETAG)
    cell.expect(bool(tag), expected="a response with an ETag", observed=f"the ETag {tag!r}")
    known = (Opt.ETAG, tag or b"")
    answer = _get(cell, service, known)
    cell.expect((answer.code, answer.payload) == ("2.03", b""), expected="2.03, to its own ETag", observed=f"{answer}")
    other = cell.payload()
    cell.ask(client, "PUT", "/store", payload=other)
    answer = _get(cell, service, known)
    cell.expect(
        (answer.code, answer.payload) == ("2.05", other), expected=f"{Response('2.05', other)}", observed=f"{answer}"
    )


@pytest.mark.parametrize(
    "option", [(Opt.IF_MATCH, b"another"), (Opt.IF_NONE_MATCH, b"")], ids=["if-match", "if-none-match"]
)
@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_CORE_22", "TD_COAP_CORE_23", f"{_OPTIONS}.8"],
    needs=[Need.CONDITIONS],
    scripted=True,
)
def test_keeps_to_a_condition(cell: CoapCell, option: tuple[int, bytes]) -> None:
    """A PUT whose If-Match or If-None-Match does not hold is answered 4.12 and changes nothing."""
    service, client, body = _kept(cell)
    options: Options = (option,)
    answer = cell.ask(client, "PUT", "/store", payload=cell.payload(), options=options)
    cell.expect(answer.code == "4.12", expected="4.12", observed=answer.code)
    got = _get(cell, service)
    cell.expect(got.payload == body, expected=f"{described(body)}, as before", observed=described(got.payload))
