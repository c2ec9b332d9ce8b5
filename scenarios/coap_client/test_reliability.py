"""Retransmission, acknowledgements, resets, and responses that come late, twice or never."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from harness.cells.coap import CoapCell, named
from harness.cells.coap_client import Response
from harness.cells.peer import DELIVERY
from harness.errors import Mismatch, RefusedByCrate
from harness.model import Consequence, Dialect, Level, Requirement
from harness.peers.coap import EMPTY, Packet
from harness.references.coap import Shape
from harness.scenario import scenario

_TYPES = "https://www.rfc-editor.org/rfc/rfc7252#section-4.2"
_TIMES = "https://www.rfc-editor.org/rfc/rfc7252#section-4.8"
_SEPARATE = "https://www.rfc-editor.org/rfc/rfc7252#section-5.2.2"
_DUPLICATES = "https://www.rfc-editor.org/rfc/rfc7252#section-4.5"
#: ACK_RANDOM_FACTOR, and how late a busy machine may be, in seconds.
_FACTOR, _LATE = 1.5, 0.3
#: By how much a busy machine may shift one gap among others, in seconds.
_JITTER = 0.15
#: A short ACK_TIMEOUT, in seconds, and how long a client that has it tries (MAX_TRANSMIT_WAIT, section 4.8.2).
_SHORT = 0.2
_GIVES_UP = _SHORT * 31 * _FACTOR


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_CORE_09", _SEPARATE],
)
def test_takes_a_separate_response(cell: CoapCell) -> None:
    """A response that comes in a message of its own, after an empty acknowledgement, is delivered and acknowledged."""
    body = cell.payload()
    link = cell.link(separate=Shape(body=body, delay=1.0))
    got = link.client.request("GET", "/separate")
    cell.expect((got.code, got.payload) == ("2.05", body), expected=f"{Response('2.05', body)}", observed=f"{got}")
    came = cell.await_packet(
        link.relay, "b", lambda packet: packet.is_response and packet.kind == "CON", "the response is confirmable"
    )
    cell.await_packet(
        link.relay,
        "a",
        lambda packet: packet == came.packet.ack(),
        f"the crate acknowledges the response with {came.packet.ack()}",
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.DUPLICATE,
    spec=["TD_COAP_CORE_09", "TD_COAP_CORE_16", _TYPES],
    timer=5.0,
    deadline=35.0,
)
def test_stops_retransmitting_once_acknowledged(cell: CoapCell) -> None:
    """After an empty acknowledgement the request is not sent again, however long the response takes."""
    body = cell.payload()
    link = cell.link(separate=Shape(body=body, delay=5.0))
    got = link.client.request("GET", "/separate", within=20.0)
    cell.expect(got.payload == body, expected=f"{Response('2.05', body)}", observed=f"{got}")
    seen = cell.packets(link.relay)
    acknowledged = next(index for index, found in enumerate(seen) if found.packet.code == EMPTY and found.end == "b")
    again = [found for found in seen[acknowledged:] if found.end == "a" and found.packet.is_request]
    late = " · ".join(f"{found.packet} {found.at - seen[acknowledged].at:.1f} s after it" for found in again)
    cell.expect(
        not again, expected=f"no request after {seen[acknowledged].packet}", observed=late or "no request after it"
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_CORE_15", _TYPES, _TIMES],
    timer=3.0,
)
def test_retransmits_in_time(cell: CoapCell) -> None:
    """A request that was lost is sent again, the same, between 2 and 3 seconds later."""
    body = cell.payload()
    link = cell.link(test=Shape(body=body))
    link.relay.lose("a", 1)
    got = link.client.request("GET", "/test")
    cell.expect(got.payload == body, expected=f"{Response('2.05', body)}", observed=f"{got}")
    first, second, *more = cell.packets(link.relay, "a")
    gap = second.at - first.at
    cell.expect(
        second.data == first.data and not more and 2.0 - 0.05 <= gap <= 2.0 * _FACTOR + _LATE,
        expected=f"{first.packet} once more, the same, 2 to 3 s later",
        observed=f"{second.packet} {gap:.2f} s later, then {named([found.packet for found in more])}",
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_CORE_15", _TYPES],
    timer=5.0,
)
def test_doubles_the_time_between_retransmissions(cell: CoapCell) -> None:
    """Each time that a request is sent again, the time until the next one is twice as long.

    The last gap, the longest, tells best what the first one was meant to be.
    """
    body = cell.payload()
    link = cell.link(ack_timeout=2 * _SHORT, test=Shape(body=body))
    link.relay.lose("a", 1, 2, 3)
    got = link.client.request("GET", "/test")
    cell.expect(got.payload == body, expected=f"{Response('2.05', body)}", observed=f"{got}")
    seen = cell.packets(link.relay, "a")
    gaps = [after.at - before.at for before, after in pairwise(seen)]
    doubled = len(gaps) == 3 and all(
        abs(gap - gaps[-1] * share) <= _JITTER for gap, share in zip(gaps, (0.25, 0.5, 1.0), strict=True)
    )
    cell.expect(
        doubled and len({found.data for found in seen}) == 1,
        expected="the request four times, the same, with gaps that double",
        observed=f"{len(seen)} requests with gaps of {', '.join(f'{gap:.2f} s' for gap in gaps)}",
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[_TYPES, _TIMES],
    scripted=True,
    timer=_GIVES_UP,
    deadline=_GIVES_UP + 25.0,
)
def test_gives_up(cell: CoapCell) -> None:
    """A request that is never answered is sent five times in all, and ends in an error."""
    link = cell.raw_link(ack_timeout=_SHORT)
    started = time.monotonic()
    error = cell.expect_refused(
        lambda: link.client.request("GET", "/test", within=_GIVES_UP + DELIVERY),
        expected=f"an error within {_GIVES_UP:.1f} s",
    )
    took = time.monotonic() - started
    sent = [found.packet for found in cell.packets(link.relay, "a")]
    cell.expect(
        len(sent) == 5 and len(set(sent)) == 1 and _SHORT * 31 - 0.1 <= took <= _GIVES_UP + 2.0,
        expected=f"the request 5 times, and then an error after {_SHORT * 31:.1f} to {_GIVES_UP:.1f} s",
        observed=f"{named(sent)}, and after {took:.1f} s the error {error.observed}",
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["https://www.rfc-editor.org/rfc/rfc7252#section-4.3"],
    scripted=True,
    timer=3.0,
)
def test_sends_a_non_confirmable_request_once(cell: CoapCell) -> None:
    """A request that asks for no acknowledgement is not sent again by the message layer."""
    link = cell.raw_link(ack_timeout=_SHORT)
    finish = link.client.begin_request("GET", "/test", confirmable=False)
    asked = cell.take_request(link)
    again = link.peer.receive_where(lambda packet: packet.mid == asked.mid, _SHORT * 3 * _FACTOR * 2)
    cell.expect(again is None, expected=f"{asked} is sent once", observed=f"{again} was sent once more")
    link.peer.send(asked.separate("NON", "2.05"))
    try:
        finish(DELIVERY)
    except RefusedByCrate as error:
        cell.remark(f"the crate had given up by then: {error.observed}")


@pytest.mark.parametrize("lost", ["request", "acknowledgement", "response", "its-acknowledgement"])
@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_CORE_16", _SEPARATE, _DUPLICATES],
    timer=4.0,
    deadline=34.0,
)
def test_takes_a_separate_response_over_a_lossy_link(cell: CoapCell, lost: str) -> None:
    """A separate response is delivered whichever message is lost, and each of its copies is acknowledged."""
    body = cell.payload()
    link = cell.link(separate=Shape(body=body, delay=0.7))
    end, number = {
        "request": ("a", 1),
        "acknowledgement": ("b", 1),
        "response": ("b", 2),
        "its-acknowledgement": ("a", 2),
    }[lost]
    link.relay.lose(end, number)
    got = link.client.request("GET", "/separate", within=20.0)
    cell.expect((got.code, got.payload) == ("2.05", body), expected=f"{Response('2.05', body)}", observed=f"{got}")
    if lost == "its-acknowledgement":
        response = cell.await_packet(link.relay, "b", lambda packet: packet.is_response, "the response").packet
        cell.expect_soon(
            lambda: "" if [seen.packet for seen in cell.packets(link.relay, "b")].count(response) > 1 else "one copy",
            expected="the response comes once more",
        )
        cell.expect_soon(
            lambda: (
                ""
                if [seen.packet for seen in cell.packets(link.relay, "a")].count(response.ack()) > 1
                else f"the crate sent {named([seen.packet for seen in cell.packets(link.relay, 'a')])}"
            ),
            expected=f"the second copy is acknowledged as the first: {response.ack()}",
        )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.DUPLICATE,
    spec=["TD_COAP_CORE_16", _SEPARATE],
    timer=4.0,
    deadline=34.0,
    scripted=True,
)
def test_takes_a_response_for_the_acknowledgement(cell: CoapCell) -> None:
    """Where the acknowledgement of a request is lost, its confirmable response ends the retransmission as well."""
    link = cell.raw_link(ack_timeout=1.0)
    body = cell.payload()
    finish = link.client.begin_request("GET", "/test")
    asked = cell.take_request(link)
    response = asked.separate("CON", "2.05", body)
    link.peer.send(response)
    cell.take(link.peer, lambda packet: packet == response.ack(), f"{response.ack()}, to {response}")
    again = link.peer.receive_where(lambda packet: packet.mid == asked.mid, 4.0)
    cell.expect(
        again is None, expected=f"no request after {response}", observed=f"{again} once more, within 4 s after it"
    )
    got = finish(DELIVERY)
    cell.expect(got.payload == body, expected=f"{Response('2.05', body)}", observed=f"{got}")


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_SEPARATE],
    timer=_GIVES_UP,
    deadline=_GIVES_UP + 40.0,
    scripted=True,
)
def test_gives_up_on_a_response_that_never_comes(cell: CoapCell) -> None:
    """A request that was acknowledged, and whose response never comes, ends in an error.

    No clause says when. It may take the client as long as giving up on a request that nobody acknowledges.
    """
    link = cell.raw_link(ack_timeout=_SHORT)
    finish = link.client.begin_request("GET", "/test")
    link.peer.send(cell.take_request(link).ack())
    cell.expect_refused(
        lambda: finish(_GIVES_UP + DELIVERY), expected=f"an error within {_GIVES_UP + DELIVERY:.1f} s after the ACK"
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["TD_COAP_CORE_17", _SEPARATE],
)
def test_takes_a_late_response_to_a_non_confirmable_request(cell: CoapCell) -> None:
    """A response that comes a second after a request that asks for no acknowledgement is delivered."""
    body = cell.payload()
    link = cell.link(separate=Shape(body=body, delay=1.0))
    got = link.client.request("GET", "/separate", confirmable=False)
    cell.expect((got.code, got.payload) == ("2.05", body), expected=f"{Response('2.05', body)}", observed=f"{got}")


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.DUPLICATE,
    spec=[_DUPLICATES],
    scripted=True,
)
def test_takes_a_response_that_comes_twice_for_one(cell: CoapCell) -> None:
    """A response that the network repeats, late, is not taken for the response to the next request."""
    link = cell.raw_link()
    bodies = [cell.payload(), cell.payload()]
    finish = link.client.begin_request("GET", "/test")
    first = cell.take_request(link).piggybacked("2.05", bodies[0])
    link.peer.send(first)
    finish(DELIVERY)
    finish = link.client.begin_request("GET", "/test")
    second = cell.take_request(link).piggybacked("2.05", bodies[1])
    link.peer.send(first)
    link.peer.send(second)
    got = finish(DELIVERY)
    cell.expect(
        got.payload == bodies[1],
        expected=f"{Response('2.05', bodies[1])}, of {second}, and not of {first} once more",
        observed=f"{got}",
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["TD_COAP_OBS_06", _TYPES, "https://www.rfc-editor.org/rfc/rfc7641#section-3.6"],
    scripted=True,
)
def test_rejects_a_response_that_it_did_not_ask_for(cell: CoapCell) -> None:
    """A confirmable response with a token that nobody waits for is rejected with a reset."""
    link = cell.raw_link()
    finish = link.client.begin_request("GET", "/test")
    link.peer.send(cell.take_request(link).piggybacked("2.05"))
    finish(DELIVERY)
    strange = Packet("CON", "2.05", 0x7EAD, cell.payload(5), payload=cell.payload())
    got = cell.exchange(link.peer, strange, f"an answer to {strange}")
    cell.expect(got == strange.reset(), expected=f"{strange.reset()}, to {strange}", observed=f"{got}")


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[_TYPES],
    scripted=True,
    timer=4.0,
    deadline=34.0,
)
def test_stops_when_it_is_reset(cell: CoapCell) -> None:
    """A request that the server rejects with a reset is not sent again."""
    link = cell.raw_link(ack_timeout=1.0)
    finish = link.client.begin_request("GET", "/test")
    asked = cell.take_request(link)
    link.peer.send(asked.reset())
    again = link.peer.receive_where(lambda packet: packet.mid == asked.mid, 4.0)
    cell.expect(again is None, expected=f"{asked} is not sent again", observed=f"{again} was sent once more")
    try:
        got = finish(DELIVERY)
    except RefusedByCrate as error:
        cell.remark(f"as expected: the crate reports an error: {error.observed}")
    else:
        raise Mismatch(f"{got}", expected="an error, because the request was rejected")
