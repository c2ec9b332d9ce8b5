"""Duplicates, and requests that take the application long."""

from __future__ import annotations

import pytest

from harness.cells.coap import CoapCell, named
from harness.cells.coap_client import Response
from harness.cells.peer import DELIVERY
from harness.model import Consequence, Dialect, Level, Requirement
from harness.peers.coap import request
from harness.scenario import scenario

_DUPLICATES = "https://www.rfc-editor.org/rfc/rfc7252#section-4.5"
_SEPARATE = "https://www.rfc-editor.org/rfc/rfc7252#section-5.2.2"
_MATCHING = "https://www.rfc-editor.org/rfc/rfc7252#section-5.3.2"
#: How long the handler of /slow takes, in seconds.
_SLOW = 4.0


@scenario(
    Dialect.COAP_SERVER,
    level=Level.CORE,
    requirement=Requirement.SHOULD,
    consequence=Consequence.DUPLICATE,
    spec=[_DUPLICATES],
    scripted=True,
)
def test_runs_a_repeated_request_once(cell: CoapCell) -> None:
    """A confirmable request that comes twice is acknowledged twice, alike, and reaches the application once."""
    service = cell.serve()
    peer = cell.raw_client(service)
    asked = request("CON", "POST", "/store", cell.payload())
    answers = [cell.exchange(peer, asked, f"a response to {asked}") for _ in range(2)]
    cell.expect(
        answers[0] == answers[1], expected=f"the same answer twice: {answers[0]}", observed=f"then {answers[1]}"
    )
    cell.expect_served(service, 1, expected="the application gets the request once")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.DUPLICATE,
    spec=[_DUPLICATES],
    scripted=True,
)
def test_runs_a_repeated_non_confirmable_request_once(cell: CoapCell) -> None:
    """A request that asks for no acknowledgement, and comes twice, reaches the application once."""
    service = cell.serve()
    peer = cell.raw_client(service)
    asked = request("NON", "POST", "/store", cell.payload())
    service.relay.repeat("a", 1)
    peer.send(asked)
    cell.take(peer, lambda packet: packet.is_response and packet.token == asked.token, f"a response to {asked}")
    cell.expect_served(service, 1, expected="the application gets the request once")


@pytest.mark.parametrize("lost", ["request", "response"])
@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.DUPLICATE,
    spec=["TD_COAP_CORE_15", _DUPLICATES],
    timer=3.0,
)
def test_runs_a_request_once_over_a_lossy_link(cell: CoapCell, lost: str) -> None:
    """Where a request or its response is lost, the client sends the request again; the application gets it once."""
    service = cell.serve()
    service.relay.lose("a" if lost == "request" else "b", 1)
    got = cell.ask(cell.reference_client(service), "POST", "/store", payload=cell.payload())
    cell.expect(got.code == "2.04", expected="2.04", observed=got.code)
    cell.expect_served(service, 1, expected="the application gets the request once")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.CORE,
    requirement=Requirement.SHOULD,
    consequence=Consequence.DUPLICATE,
    spec=["TD_COAP_CORE_09", _SEPARATE, _DUPLICATES],
    timer=_SLOW * 2,
    deadline=_SLOW * 2 + 30.0,
)
def test_runs_a_slow_request_once(cell: CoapCell) -> None:
    """A request that takes the application longer than ACK_TIMEOUT reaches it once.

    A server acknowledges such a request before its response is ready, so that the client does not send it again; where
    it does not, it has to know the copies for what they are.
    """
    service = cell.serve()
    body = cell.payload()
    got = cell.ask(cell.reference_client(service), "POST", "/slow", payload=body, within=_SLOW + DELIVERY)
    cell.expect(got.payload == body, expected="the response", observed=f"{got}")
    served = service.crate.next_served(DELIVERY)
    cell.expect(served is not None, expected="the application gets the request", observed="it got nothing")
    copy = service.crate.next_served(_SLOW)
    sent = [seen.packet for seen in cell.packets(service.relay, "a") if seen.packet.is_request]
    cell.expect(
        copy is None,
        expected="the application gets the request once",
        observed=f"{copy} once more, after {named(sent)}",
    )


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_CORE_11", _SEPARATE, _MATCHING],
    timer=_SLOW,
    deadline=_SLOW + 30.0,
    scripted=True,
)
def test_gives_the_token_back_in_a_late_response(cell: CoapCell) -> None:
    """The response to a request that takes the application long has the token of the request."""
    service = cell.serve()
    peer, body = cell.raw_client(service), cell.payload()
    asked = request("CON", "POST", "/slow", body).with_(token=cell.payload(8))
    peer.send(asked)
    answer = cell.take(peer, lambda packet: packet.is_response, f"a response to {asked}", _SLOW + DELIVERY)
    if answer.kind == "CON":
        peer.send(answer.ack())
    kind = answer.kind == "CON" or (answer.kind == "ACK" and answer.mid == asked.mid)
    cell.expect(
        kind and (answer.token, answer.payload) == (asked.token, body),
        expected=f"a CON response, or an ACK with mid {asked.mid}, with the token {asked.token.hex()}",
        observed=f"{answer}",
    )


@pytest.mark.parametrize("lost", ["acknowledgement", "response"])
@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_CORE_16", _SEPARATE, _DUPLICATES],
    timer=_SLOW * 2,
    deadline=_SLOW * 2 + 35.0,
)
def test_answers_a_slow_request_over_a_lossy_link(cell: CoapCell, lost: str) -> None:
    """The response to a request that takes the application long arrives, whichever message of the server is lost."""
    service = cell.serve()
    service.relay.lose("b", 1 if lost == "acknowledgement" else 2)
    body = cell.payload()
    client = cell.reference_client(service)
    got = cell.ask(client, "POST", "/slow", payload=body, within=_SLOW * 2 + DELIVERY)
    cell.expect((got.code, got.payload) == ("2.04", body), expected=f"{Response('2.04', body)}", observed=f"{got}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_CORE_17", _SEPARATE],
    timer=_SLOW,
    deadline=_SLOW + 30.0,
    scripted=True,
)
def test_answers_a_slow_non_confirmable_request(cell: CoapCell) -> None:
    """A request that asks for no acknowledgement, and takes the application long, is answered all the same."""
    service = cell.serve()
    peer, body = cell.raw_client(service), cell.payload()
    asked = request("NON", "POST", "/slow", body)
    peer.send(asked)
    answer = cell.take(peer, lambda packet: packet.token == asked.token, f"a response to {asked}", _SLOW + DELIVERY)
    cell.expect(
        answer.kind in ("NON", "CON") and (answer.code, answer.payload) == ("2.04", body),
        expected=f"{Response('2.04', body)} in a NON or a CON",
        observed=f"{answer}",
    )
