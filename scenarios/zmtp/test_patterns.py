"""Each pair of socket types carries messages both ways, whoever binds.

pyzmq and the crate bind the same library: what passes here says that the binding is right, and `test_wire` has a peer
that shares no code with it.
"""

from __future__ import annotations

import pytest

from harness.cells.zmtp import SIDES, Side, ZmtpCell, endpoint_of
from harness.cells.zmtp_client import Message, messages
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario

_REQREP = "https://rfc.zeromq.org/spec/28/"
_PUBSUB = "https://rfc.zeromq.org/spec/29/"
_PIPELINE = "https://rfc.zeromq.org/spec/30/"
_PAIR = "https://rfc.zeromq.org/spec/31/"

sides = pytest.mark.parametrize("side", SIDES)
_core_pattern = scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_REQREP],
)


@sides
@_core_pattern
def test_requests(cell: ZmtpCell, side: Side) -> None:
    """A REQ socket of the crate sends requests to a REP socket and gets each reply."""
    link = cell.link("REQ", "REP", side)
    for request, reply in [(cell.payload(), cell.payload()) for _ in range(3)]:
        cell.send_first(link.crate, request)
        cell.expect_received(link.reference, [Message.of(request)], expected="the request arrives")
        cell.send(link.reference, reply)
        cell.expect_delivered(link.crate, [Message.of(reply)], expected="the reply is delivered")


@sides
@_core_pattern
def test_replies(cell: ZmtpCell, side: Side) -> None:
    """A REP socket of the crate gets requests from a REQ socket and answers each."""
    link = cell.link("REP", "REQ", side)
    for request, reply in [(cell.payload(), cell.payload()) for _ in range(3)]:
        cell.send(link.reference, request)
        cell.expect_delivered(link.crate, [Message.of(request)], expected="the request is delivered")
        link.crate.send(reply)
        cell.expect_received(link.reference, [Message.of(reply)], expected="the reply arrives")


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_PUBSUB],
)
def test_publishes(cell: ZmtpCell, side: Side) -> None:
    """A SUB socket gets what a PUB socket of the crate publishes, in order."""
    link = cell.link("PUB", "SUB", side)
    link.reference.subscribe()
    cell.await_subscriber(link.crate, link.reference, b"")
    payloads = [cell.payload() for _ in range(20)]
    for payload in payloads:
        link.crate.send(payload)
    cell.expect_received(link.reference, messages(payloads), expected="the subscriber gets all messages in order")


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_PUBSUB],
)
def test_subscribes(cell: ZmtpCell, side: Side) -> None:
    """A SUB socket of the crate delivers what is published from its subscription on, in order."""
    link = cell.link("SUB", "XPUB", side)
    link.crate.subscribe()
    cell.await_subscription(link, b"")
    payloads = [cell.payload() for _ in range(20)]
    for payload in payloads:
        cell.send(link.reference, payload)
    cell.expect_delivered(link.crate, messages(payloads), expected="the crate delivers all messages in order")


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_PIPELINE],
)
def test_pushes(cell: ZmtpCell, side: Side) -> None:
    """A PULL socket gets what a PUSH socket of the crate sends, in order."""
    link = cell.link("PUSH", "PULL", side)
    payloads = [cell.payload() for _ in range(20)]
    cell.send_first(link.crate, payloads[0])
    for payload in payloads[1:]:
        link.crate.send(payload)
    cell.expect_received(link.reference, messages(payloads), expected="all messages arrive in order")


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_PIPELINE],
)
def test_pulls(cell: ZmtpCell, side: Side) -> None:
    """A PULL socket of the crate delivers what a PUSH socket sends, in order."""
    link = cell.link("PULL", "PUSH", side)
    payloads = [cell.payload() for _ in range(20)]
    for payload in payloads:
        cell.send(link.reference, payload)
    cell.expect_delivered(link.crate, messages(payloads), expected="the crate delivers all messages in order")


@sides
@_core_pattern
def test_routes(cell: ZmtpCell, side: Side) -> None:
    """A ROUTER socket of the crate says which DEALER a message is from, and sends to the one that it names."""
    name = f"dealer-{cell.token}".encode()
    link = cell.link("ROUTER", "DEALER", side, reference_options={"routing_id": name})
    question, answer = cell.payload(), cell.payload()
    cell.send(link.reference, question)
    cell.expect_delivered(link.crate, [Message.of(name, question)], expected="the sender's name, then the message")
    link.crate.send(name, answer)
    cell.expect_received(link.reference, [Message.of(answer)], expected="the DEALER gets the message without its name")


@sides
@_core_pattern
def test_deals(cell: ZmtpCell, side: Side) -> None:
    """A DEALER socket of the crate is known to a ROUTER by its routing id, and gets what is sent to that."""
    name = f"dealer-{cell.token}".encode()
    link = cell.link("DEALER", "ROUTER", side, crate_options={"routing_id": name})
    question, answer = cell.payload(), cell.payload()
    cell.send_first(link.crate, question)
    cell.expect_received(link.reference, [Message.of(name, question)], expected="the ROUTER gets name and message")
    cell.send(link.reference, name, answer)
    cell.expect_delivered(link.crate, [Message.of(answer)], expected="the crate delivers the message without the name")


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_REQREP],
)
def test_requests_of_a_router(cell: ZmtpCell, side: Side) -> None:
    """A ROUTER sees an empty frame between the name of the crate's REQ socket and its request, and answers so."""
    link = cell.link("REQ", "ROUTER", side, crate_options={"routing_id": b"asker"})
    request, reply = cell.payload(), cell.payload()
    cell.send_first(link.crate, request)
    expected = "the ROUTER gets name, empty frame and request"
    cell.expect_received(link.reference, [Message.of(b"asker", b"", request)], expected=expected)
    cell.send(link.reference, b"asker", b"", reply)
    cell.expect_delivered(link.crate, [Message.of(reply)], expected="the crate delivers the reply alone")


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_REQREP],
)
def test_replies_to_a_dealer(cell: ZmtpCell, side: Side) -> None:
    """A REP socket of the crate takes a request behind a DEALER's empty frame, and puts one before its reply."""
    link = cell.link("REP", "DEALER", side)
    request, reply = cell.payload(), cell.payload()
    cell.send(link.reference, b"", request)
    cell.expect_delivered(link.crate, [Message.of(request)], expected="the crate delivers the request alone")
    link.crate.send(reply)
    cell.expect_received(link.reference, [Message.of(b"", reply)], expected="the DEALER gets an empty frame and reply")


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_REQREP],
)
def test_routes_requests(cell: ZmtpCell, side: Side) -> None:
    """A ROUTER socket of the crate gets name, empty frame and request of a REQ socket, which takes its answer."""
    link = cell.link("ROUTER", "REQ", side, reference_options={"routing_id": b"asker"})
    for request, reply in [(cell.payload(), cell.payload()) for _ in range(2)]:
        cell.send(link.reference, request)
        wanted = [Message.of(b"asker", b"", request)]
        cell.expect_delivered(link.crate, wanted, expected="the crate delivers name, empty frame and request")
        link.crate.send(b"asker", b"", reply)
        cell.expect_received(link.reference, [Message.of(reply)], expected="the REQ socket gets the reply alone")


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_REQREP],
)
def test_asks_as_a_dealer(cell: ZmtpCell, side: Side) -> None:
    """A DEALER socket of the crate asks a REP socket behind an empty frame, and gets one before the reply."""
    link = cell.link("DEALER", "REP", side)
    for request, reply in [(cell.payload(), cell.payload()) for _ in range(2)]:
        cell.send_first(link.crate, b"", request)
        cell.expect_received(link.reference, [Message.of(request)], expected="the REP socket gets the request alone")
        cell.send(link.reference, reply)
        wanted = [Message.of(b"", reply)]
        cell.expect_delivered(link.crate, wanted, expected="the crate delivers an empty frame and the reply")


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_REQREP],
)
def test_routes_to_a_router(cell: ZmtpCell, side: Side) -> None:
    """A ROUTER socket of the crate and another ROUTER reach each other by their routing ids."""
    own, other = f"own-{cell.token}".encode(), f"other-{cell.token}".encode()
    # Mandatory, because a ROUTER drops what is for nobody that it knows yet.
    options = {"routing_id": other, "router_mandatory": True}
    link = cell.link("ROUTER", "ROUTER", side, crate_options={"routing_id": own}, reference_options=options)
    question, answer = cell.payload(), cell.payload()
    cell.expect_soon(
        lambda: "" if link.reference.send(own, question, within=0.2) else "it knows nobody of that name",
        expected="the other ROUTER knows the crate by its routing id",
    )
    cell.expect_delivered(link.crate, [Message.of(other, question)], expected="the sender's name, then the message")
    link.crate.send(other, answer)
    cell.expect_received(link.reference, [Message.of(own, answer)], expected="the crate's name, then its message")


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_PUBSUB],
)
def test_reads_subscriptions(cell: ZmtpCell, side: Side) -> None:
    """An XPUB socket of the crate delivers subscriptions and their end as messages, and serves the subscriber."""
    link = cell.link("XPUB", "XSUB", side)
    topic, payload = f"topic-{cell.token}".encode(), cell.payload()
    cell.send(link.reference, b"\x01" + topic)
    cell.expect_delivered(link.crate, [Message.of(b"\x01" + topic)], expected="the crate delivers the subscription")
    link.crate.send(topic, payload)
    cell.expect_received(link.reference, [Message.of(topic, payload)], expected="the subscriber gets the message")
    cell.send(link.reference, b"\x00" + topic)
    cell.expect_delivered(link.crate, [Message.of(b"\x00" + topic)], expected="the crate delivers the cancellation")


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_PUBSUB],
)
def test_subscribes_by_messages(cell: ZmtpCell, side: Side) -> None:
    """An XSUB socket of the crate subscribes by sending a message, and delivers what is published."""
    link = cell.link("XSUB", "XPUB", side)
    topic, payload = f"topic-{cell.token}".encode(), cell.payload()
    link.crate.send(b"\x01" + topic)
    cell.await_subscription(link, topic)
    cell.send(link.reference, topic, payload)
    cell.expect_delivered(link.crate, [Message.of(topic, payload)], expected="the crate delivers the message")


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_PAIR],
)
def test_talks_to_a_pair(cell: ZmtpCell, side: Side) -> None:
    """A PAIR socket of the crate sends and receives as it likes, without taking turns."""
    link = cell.link("PAIR", "PAIR", side)
    there, back = [cell.payload() for _ in range(3)], [cell.payload() for _ in range(3)]
    cell.send_first(link.crate, there[0])
    for payload in there[1:]:
        link.crate.send(payload)
    cell.expect_received(link.reference, messages(there), expected="three messages arrive in order")
    for payload in back:
        cell.send(link.reference, payload)
    cell.expect_delivered(link.crate, messages(back), expected="three messages are delivered in order")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_PIPELINE],
)
def test_pushes_in_turns(cell: ZmtpCell) -> None:
    """A PUSH socket of the crate with two PULL sockets sends to them in turn."""
    sender = cell.client().open("PUSH")
    receivers = [cell.reference.open("PULL") for _ in range(2)]
    for receiver in receivers:
        sender.connect(endpoint_of(cell.relay_to(receiver.bind())))
    payloads = [cell.payload() for _ in range(8)]
    for payload in payloads:
        sender.send(payload)
    for index, receiver in enumerate(receivers):
        wanted = messages(payloads[index::2])
        cell.expect_received(receiver, wanted, expected=f"receiver {index + 1} gets every second message")
