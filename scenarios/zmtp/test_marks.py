"""What is kept of messages that come faster than they are read."""

from __future__ import annotations

import time

from harness.cells.zmtp import ZmtpCell, step
from harness.cells.zmtp_client import Message
from harness.model import Consequence, Dialect, Level, Requirement
from harness.references.zmtp_raw import RawPeer, encoded
from harness.scenario import scenario

_OPTIONS = "http://api.zeromq.org/4-3:zmq-setsockopt"
#: Seconds in which a crate reads what has arrived at its machine, which has no event.
_READING = 0.5
#: The receiver's mark, messages far beyond it and their size; and how many may come beside those that the mark counts:
#: what a crate has read and not yet made messages of. libzmq reads 8 KiB at a time.
_MARK, _SENT, _SIZE, _IN_BUFFERS = 5, 100, 1000, 16
#: Messages, of one megabyte each, that no buffers of sockets between two processes hold.
_PUBLISHED, _MEGABYTE = 40, 1_000_000


def _joined(cell: ZmtpCell, address: tuple[str, int], kind: bytes) -> RawPeer:
    peer = cell.raw_peer()
    peer.connect(address)
    step("the crate greets", lambda: peer.greet(0))
    step("the crate sends READY", lambda: peer.make_ready({b"Socket-Type": kind}))
    return peer


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[f"{_OPTIONS} (ZMQ_RCVHWM)"],
    scripted=True,
)
def test_takes_no_more_than_its_mark(cell: ZmtpCell) -> None:
    """Of a hundred messages that nobody reads, a socket takes no more than its high-water mark for receiving.

    The rest waits on the other side. What was taken shows when the connection is cut: that alone can be delivered then.
    """
    socket = cell.client().open("PULL", rcvhwm=_MARK)
    relay = cell.relay_to(socket.bind())
    peer = _joined(cell, relay.endpoint, b"PUSH")
    payloads = [number.to_bytes(_SIZE, "big") for number in range(_SENT)]
    peer.write(b"".join(map(encoded, payloads)))
    time.sleep(_READING)
    relay.cut()
    taken: list[Message] = []
    while (message := socket.take(1.0)) is not None:
        taken.append(message)
    cell.expect(
        taken == [Message.of(payload) for payload in payloads[: len(taken)]],
        expected="what was taken is delivered in order",
        observed=f"{len(taken)} others",
    )
    cell.expect(
        1 <= len(taken) <= _MARK + _IN_BUFFERS,
        expected=f"1 to {_MARK} messages are taken, and at most {_IN_BUFFERS} more are in buffers",
        observed=f"{len(taken)} of {_SENT} messages",
    )


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=["https://rfc.zeromq.org/spec/29/", f"{_OPTIONS} (ZMQ_SNDHWM)"],
    deadline=90.0,
)
def test_publishes_past_who_does_not_read(cell: ZmtpCell) -> None:
    """A PUB socket never waits for a subscriber that does not read: it drops whole messages, and goes on afterwards."""
    link = cell.link("PUB", "SUB", "crate-binds", crate_options={"sndhwm": 2}, reference_options={"rcvhwm": 2})
    link.reference.subscribe()
    cell.await_subscriber(link.crate, link.reference, b"")
    payloads = [bytes([number]) * _MEGABYTE for number in range(_PUBLISHED)]
    for payload in payloads:
        link.crate.send(payload)
    came: list[bytes] = []
    while (frames := link.reference.receive(1.0)) is not None:
        came.append(b"".join(frames))
    numbers = [payload[0] for payload in came]
    cell.expect(
        numbers == sorted(set(numbers)) and all(payload == payloads[payload[0]] for payload in came),
        expected="what arrives is whole, once and in order",
        observed=f"{len(came)} messages: {numbers}",
    )
    cell.expect(
        1 <= len(came) < _PUBLISHED,
        expected=f"some of {_PUBLISHED} MB arrive, and not all",
        observed=f"{len(came)} messages",
    )
    cell.await_subscriber(link.crate, link.reference, b"")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[f"{_OPTIONS} (ZMQ_CONFLATE)"],
    scripted=True,
)
def test_delivers_the_last_message_alone(cell: ZmtpCell) -> None:
    """With the option to conflate, a socket that was not read delivers the last of a hundred messages.

    What was replaced before anybody read it is gone; one that was read meanwhile is not, if it comes before the last.
    """
    socket = cell.client().open("PULL", conflate=True)
    peer = _joined(cell, cell.relay_to(socket.bind()).endpoint, b"PUSH")
    payloads = [number.to_bytes(_SIZE, "big") for number in range(_SENT)]
    peer.write(b"".join(map(encoded, payloads)))
    time.sleep(_READING)
    got: list[bytes] = []
    while (message := socket.take(1.0)) is not None:
        got += message.frames
    cell.expect(
        got[-1:] == payloads[-1:] and len(got) <= _IN_BUFFERS and got == sorted(set(got)),
        expected=f"the last message, and at most {_IN_BUFFERS - 1} before it",
        observed=f"{len(got)} of {_SENT} messages, the last one {'among them' if payloads[-1] in got else 'missing'}",
    )
