"""What a subscription lets through, and for how long."""

from __future__ import annotations

import pytest

from harness.cells.zmtp import SIDES, Side, ZmtpCell
from harness.cells.zmtp_client import Message, messages
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.scenario import scenario

_PUBSUB = "https://rfc.zeromq.org/spec/29/"
_SUBSCRIBE = "http://api.zeromq.org/4-3:zmq-setsockopt#toc57"
_XPUB = "http://api.zeromq.org/4-3:zmq-setsockopt (ZMQ_XPUB_VERBOSE)"

sides = pytest.mark.parametrize("side", SIDES)


@pytest.mark.parametrize("other", [pytest.param("ä/".encode(), id="text"), pytest.param(b"\xff\x00", id="binary")])
@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_PUBSUB, _SUBSCRIBE],
)
def test_subscribes_by_prefix(cell: ZmtpCell, other: bytes) -> None:
    """A subscription lets through what begins with its bytes, which need not be text, and nothing else."""
    link = cell.link("SUB", "XPUB", "crate-connects")
    prefixes = (b"a/", other)
    for prefix in prefixes:
        link.crate.subscribe(prefix)
        cell.await_subscription(link, prefix)
    nonce = cell.payload()
    sent = [b"a/" + nonce, b"b/" + nonce, b"A/" + nonce, b"a", other + nonce, other[:-1] + nonce, b"", b"a/"]
    for payload in sent:
        cell.send(link.reference, payload)
    wanted = messages(payload for payload in sent if payload.startswith(prefixes))
    cell.expect_delivered(link.crate, wanted, expected="only what begins with a prefix is delivered")


@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_PUBSUB],
)
def test_publishes_by_prefix(cell: ZmtpCell) -> None:
    """What the crate publishes reaches a subscriber where it begins with the subscription's bytes, and only there."""
    link = cell.link("PUB", "SUB", "crate-binds")
    link.reference.subscribe(b"a/")
    cell.await_subscriber(link.crate, link.reference, b"a/")
    nonce = cell.payload()
    sent = [b"a/" + nonce, b"b/" + nonce, b"A/" + nonce, b"a", b"", b"a/"]
    for payload in sent:
        link.crate.send(payload)
    wanted = messages(payload for payload in sent if payload.startswith(b"a/"))
    cell.expect_received(link.reference, wanted, expected="only what begins with the prefix arrives")


@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_PUBSUB, _SUBSCRIBE],
)
def test_unsubscribes(cell: ZmtpCell) -> None:
    """After an unsubscription nothing of it is delivered, while another subscription goes on."""
    link = cell.link("SUB", "XPUB", "crate-connects")
    for prefix in (b"kept/", b"ended/"):
        link.crate.subscribe(prefix)
        cell.await_subscription(link, prefix)
    link.crate.subscribe(b"ended/", on=False)
    cell.await_subscription(link, b"ended/", on=False)
    nonce = cell.payload()
    for prefix in (b"ended/", b"kept/"):
        cell.send(link.reference, prefix + nonce)
    cell.expect_delivered(link.crate, [Message.of(b"kept/" + nonce)], expected="only the other subscription's")


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_PUBSUB],
    needs=[Need.RECONNECT],
)
def test_keeps_subscriptions_across_a_cut(cell: ZmtpCell, side: Side) -> None:
    """After the connection broke, a SUB socket is subscribed again by itself, to what it was subscribed to."""
    # Verbose, because an XPUB that connects remembers over a cut who is subscribed, and would not tell again.
    link = cell.link("SUB", "XPUB", side, reference_options={"xpub_verbose": True})
    joined = b"kept/" + cell.payload()
    link.crate.subscribe(b"kept/")
    cell.await_subscription(link, b"kept/")
    # The crate has joined for certain: a subscription that is made meanwhile is another matter than a cut.
    cell.send(link.reference, joined)
    cell.expect_delivered(link.crate, [Message.of(joined)], expected="what is published before the cut")
    link.crate.subscribe(b"ended/")
    cell.await_subscription(link, b"ended/")
    link.crate.subscribe(b"ended/", on=False)
    cell.await_subscription(link, b"ended/", on=False)
    link.relay.cut()
    cell.await_subscription(link, b"kept/", after_cut=True)
    nonce = cell.payload()
    for prefix in (b"ended/", b"kept/"):
        cell.send(link.reference, prefix + nonce)
    wanted = [Message.of(b"kept/" + nonce)]
    cell.expect_delivered(link.crate, wanted, expected="what is published after the cut", after_cut=True)


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_XPUB],
)
@pytest.mark.parametrize("verbose", [False, True], ids=["default", "verbose"])
def test_reports_repeated_subscriptions(cell: ZmtpCell, verbose: bool) -> None:
    """An XPUB socket delivers a second subscription to the same topic only where it is set to be verbose."""
    publisher = cell.client().open("XPUB", xpub_verbose=verbose)
    topic, last = f"topic-{cell.token}".encode(), f"last-{cell.token}".encode()
    relay = cell.relay_to(publisher.bind())
    first, second = (cell.reference.open("XSUB") for _ in range(2))
    for subscriber, topics in ((first, [topic]), (second, [topic, last])):
        subscriber.connect(f"tcp://127.0.0.1:{relay.endpoint[1]}")
        for name in topics:
            cell.send(subscriber, b"\x01" + name)
        if subscriber is first:
            cell.expect_delivered(publisher, [Message.of(b"\x01" + topic)], expected="the first subscription")
    wanted = messages([b"\x01" + topic] * verbose + [b"\x01" + last])
    cell.expect_delivered(publisher, wanted, expected=f"the second one{'' if verbose else ' not'}, and the last")
