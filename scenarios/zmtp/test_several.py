"""A socket with several peers: who gets what, and in which turn."""

from __future__ import annotations

import itertools
import time

import pytest

from harness.cells.peer import DELIVERY
from harness.cells.zmtp import ZmtpCell, endpoint_of
from harness.cells.zmtp_client import Message, messages
from harness.errors import Mismatch
from harness.model import Consequence, Dialect, Level, Requirement
from harness.references.zmtp import Socket
from harness.scenario import scenario
from harness.wire.zmtp import SocketType

_REQREP = "https://rfc.zeromq.org/spec/28/"
_PUBSUB = "https://rfc.zeromq.org/spec/29/"
#: Seconds between two looks at the peers.
_GLANCE = 0.05


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_PUBSUB],
)
def test_publishes_to_every_subscriber(cell: ZmtpCell) -> None:
    """Of what a PUB socket of the crate publishes, each of its subscribers gets what it subscribed to, in order."""
    publisher = cell.client().open("PUB")
    relay = cell.relay_to(publisher.bind())
    subscribers = {own: cell.reference.open("SUB") for own in (b"one/", b"two/", b"three/")}
    for own, subscriber in subscribers.items():
        subscriber.connect(endpoint_of(relay))
        subscriber.subscribe(b"all/")
        subscriber.subscribe(own)  # after the other one, so that both are known where this one is
        cell.await_subscriber(publisher, subscriber, own)
    published = [prefix + cell.payload() for prefix in [*subscribers, b"all/"] * 3]
    for payload in published:
        publisher.send(payload)
    for own, subscriber in subscribers.items():
        wanted = [payload for payload in published if payload.startswith((own, b"all/"))]
        cell.expect_received(subscriber, messages(wanted), expected=f"the subscriber to all/ and {own.decode()} gets")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_REQREP],
)
def test_answers_who_asked(cell: ZmtpCell) -> None:
    """A REP socket of the crate that several clients ask at the same time sends each the reply to its own request."""
    replier = cell.client().open("REP")
    relay = cell.relay_to(replier.bind())
    asking = {cell.payload(): cell.reference.open("REQ") for _ in range(3)}
    for request, asker in asking.items():
        asker.connect(endpoint_of(relay))
        cell.send(asker, request)
    for _ in asking:
        replier.send(*(b"re: " + frame for frame in replier.receive()[0].frames))
    for request, asker in asking.items():
        cell.expect_received(asker, [Message.of(b"re: " + request)], expected="the reply to its own request arrives")


@pytest.mark.parametrize("kind", ["REQ", "DEALER"], ids=str.lower)
@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_REQREP],
)
def test_asks_in_turns(cell: ZmtpCell, kind: SocketType) -> None:
    """A REQ or DEALER socket of the crate that is connected to two REP sockets asks them in turn."""
    asker = cell.client().open(kind)
    repliers = [cell.reference.open("REP") for _ in range(2)]
    for replier in repliers:
        asker.connect(endpoint_of(cell.relay_to(replier.bind())))
    envelope = (b"",) if kind == "DEALER" else ()
    asked = []
    for number in range(6):
        request, reply = bytes([number]) + cell.payload(), cell.payload()
        asker.send(*envelope, request)
        asked.append(_who_is_asked(cell, repliers, request))
        cell.send(repliers[asked[-1]], reply)
        cell.expect_delivered(asker, [Message.of(*envelope, reply)], expected="the reply is delivered")
    cell.expect(
        all(one != next_one for one, next_one in itertools.pairwise(asked)),
        expected="six requests go to the two in turn",
        observed=f"they went to {', '.join(f'number {who + 1}' for who in asked)}",
    )


def _who_is_asked(cell: ZmtpCell, repliers: list[Socket], request: bytes) -> int:
    expected = "one of the REP sockets gets the request"
    end = time.monotonic() + DELIVERY
    while (left := end - time.monotonic()) > 0:
        for who, replier in enumerate(repliers):
            found = replier.receive(min(_GLANCE, cell.remaining(left, expected)))
            if found is not None:
                cell.expect(found == (request,), expected=expected, observed=f"number {who + 1} got {Message(found)}")
                return who
    raise Mismatch(f"neither got anything within {DELIVERY:g} s", expected=expected)
