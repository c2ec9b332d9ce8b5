"""Requests that reach the application, and the responses to them: types, tokens, paths and queries."""

from __future__ import annotations

import pytest

from harness.cells.coap import CoapCell
from harness.cells.coap_client import Response, Served
from harness.cells.peer import DELIVERY
from harness.model import Consequence, Dialect, Level, Requirement
from harness.peers.coap import EMPTY, Opt, Packet, request
from harness.scenario import scenario

_METHODS = "https://www.rfc-editor.org/rfc/rfc7252#section-5.8"
_TYPES = "https://www.rfc-editor.org/rfc/rfc7252#section-5.2"
_URI = "https://www.rfc-editor.org/rfc/rfc7252#section-5.10.1"
_MATCHING = "https://www.rfc-editor.org/rfc/rfc7252#section-5.3.2"
_PING = "https://www.rfc-editor.org/rfc/rfc7252#section-4.3"

kinds = pytest.mark.parametrize("confirmable", [True, False], ids=["con", "non"])


@kinds
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"], ids=str.lower)
@scenario(
    Dialect.COAP_SERVER,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_CORE_01 to 08", _METHODS, _TYPES],
)
def test_answers_requests(cell: CoapCell, method: str, confirmable: bool) -> None:
    """A request reaches the application as it was sent, and its response reaches the client."""
    service = cell.serve()
    client = cell.reference_client(service)
    body, sent = cell.payload(), cell.payload()
    cell.ask(client, "PUT", "/store", payload=body)
    service.crate.next_served(DELIVERY)
    payload = sent if method in ("POST", "PUT") else b""
    got = cell.ask(client, method, "/store", confirmable=confirmable, payload=payload)
    wanted = {
        "GET": Response("2.05", body),
        "POST": Response("2.04", sent),
        "PUT": Response("2.04", b""),
        "DELETE": Response("2.02", b""),
    }[method]
    told = Response(got.code, got.payload)
    cell.expect(told == wanted, expected=f"{wanted}", observed=f"{told}")
    served = service.crate.next_served(DELIVERY)
    right = Served(method, "/store", (), payload)
    cell.expect(served == right, expected=f"the application gets {right}", observed=f"{served}")


@kinds
@pytest.mark.parametrize("size", [0, 1, 8], ids=["no-token", "1-byte", "8-bytes"])
@scenario(
    Dialect.COAP_SERVER,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_CORE_10", "TD_COAP_CORE_11", "TD_COAP_CORE_12", _MATCHING, _TYPES],
    scripted=True,
)
def test_gives_the_token_back(cell: CoapCell, size: int, confirmable: bool) -> None:
    """A response has its request's token; a confirmable request is acknowledged with its message id."""
    service = cell.serve()
    peer = cell.raw_client(service)
    asked = request("CON" if confirmable else "NON", "GET", "/store").with_(token=cell.payload(size))
    peer.send(asked)
    answer = cell.take(peer, lambda packet: packet.is_response, "a response")
    right = answer.token == asked.token
    if confirmable:
        right = right and (answer.kind == "CON" or (answer.kind == "ACK" and answer.mid == asked.mid))
    cell.expect(right, expected=f"a response with the token, to {asked}", observed=f"{answer}")
    if confirmable and answer.kind == "CON":
        cell.await_packet(service.relay, "b", lambda packet: packet == asked.ack(), f"{asked.ack()}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_CORE_13", "TD_COAP_CORE_14", _URI],
)
def test_reads_path_and_query(cell: CoapCell) -> None:
    """Every segment of a path, and every part of a query, reaches the application by itself."""
    service = cell.serve()
    query = ("first=1", "second=2 & 3", f"näher={cell.token}")
    cell.ask(cell.reference_client(service), "GET", "/a/b/c", query=query)
    served = service.crate.next_served(DELIVERY)
    right = Served("GET", "/a/b/c", query, b"")
    cell.expect(served == right, expected=f"the application gets {right}", observed=f"{served}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_CORE_31", _PING],
    scripted=True,
)
def test_answers_a_ping(cell: CoapCell) -> None:
    """An empty confirmable message is answered with a reset."""
    service = cell.serve()
    ping = Packet("CON", EMPTY, 0x5EED)
    answer = cell.exchange(cell.raw_client(service), ping, f"an answer to {ping}")
    cell.expect(answer == ping.reset(), expected=f"{ping.reset()}, to {ping}", observed=f"{answer}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_METHODS],
    scripted=True,
)
def test_refuses_an_unknown_method(cell: CoapCell) -> None:
    """A request with a method that nobody knows is answered 4.05."""
    service = cell.serve()
    asked = request("CON", "GET", "/store").with_(code="0.30")
    answer = cell.exchange(cell.raw_client(service), asked, f"a response to {asked}")
    cell.expect(answer.code == "4.05", expected=f"4.05, to {asked}", observed=f"{answer}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["https://www.rfc-editor.org/rfc/rfc7252#section-5.9.2.5"],
)
def test_says_what_is_not_there(cell: CoapCell) -> None:
    """A path that no resource has is answered 4.04."""
    got = cell.ask(cell.reference_client(cell.serve()), "GET", f"/{cell.token}")
    cell.expect(got.code == "4.04", expected="4.04", observed=got.code)


@pytest.mark.parametrize("what", ["nothing-known", "format"])
@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["https://www.rfc-editor.org/rfc/rfc7252#section-5.4.1"],
    scripted=True,
)
def test_takes_elective_options(cell: CoapCell, what: str) -> None:
    """An option that is elective is passed over where it is not known, and the request answered."""
    service = cell.serve()
    option = (65000, b"?") if what == "nothing-known" else (int(Opt.CONTENT_FORMAT), b"\x7f\xff")
    body = cell.payload()
    asked = request("CON", "POST", "/store", body, (option,))
    answer = cell.exchange(cell.raw_client(service), asked, f"a response to {asked}")
    cell.expect(
        (answer.code, answer.payload) == ("2.04", body),
        expected=f"{Response('2.04', body)}",
        observed=f"{Response(answer.code, answer.payload)}",
    )
