"""What networks do to connections: pieces put together, other addresses, many peers, connections without end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.cells.doors import SECOND_ADDRESS
from harness.cells.rounds import CONNECTING, expect_freed
from harness.cells.zmtp import SIDES, Side, ZmtpCell, endpoint_of, step
from harness.cells.zmtp_client import Message
from harness.model import Consequence, Dialect, Level, Requirement
from harness.references.zmtp_raw import encoded
from harness.scenario import scenario

#: Messages that arrive in one read.
_TOGETHER = 20
#: Peers at work at the same time, and messages of each.
_PEERS, _EACH = 5, 40
#: Seconds within which the next of them comes.
_NEXT = 5.0

sides = pytest.mark.parametrize("side", SIDES)


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["https://rfc.zeromq.org/spec/23/#framing"],
    scripted=True,
)
def test_reads_frames_that_come_together(cell: ZmtpCell) -> None:
    """Twenty messages, some of several frames, that come in one read are all delivered, in their order."""
    socket = cell.client().open("PULL")
    peer = cell.raw_peer()
    peer.connect(cell.relay_to(socket.bind()).endpoint)
    step("the crate greets", lambda: peer.greet(1))
    step("the crate sends READY", lambda: peer.make_ready({b"Socket-Type": b"PUSH"}))
    wanted = [Message(tuple(cell.payload() for _ in range(1 + number % 3))) for number in range(_TOGETHER)]
    peer.write(b"".join(encoded(*message.frames) for message in wanted))
    cell.expect_delivered(socket, wanted, expected="all messages are delivered in order")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.INTEROP,
    spec=["RFC 1123, section 2.3: try the addresses until one succeeds"],
)
def test_tries_every_address(cell: ZmtpCell) -> None:
    """A host name whose first address refuses connections is reached by its second one.

    Such as `localhost` where the peer listens on IPv4 alone.
    """
    reference = cell.reference.open("PULL")
    relay = cell.relay_to(reference.bind())
    socket, payload = cell.client(SECOND_ADDRESS).open("PUSH"), cell.payload()
    socket.connect(f"tcp://{SECOND_ADDRESS.host}:{relay.endpoint[1]}")
    socket.send(payload)
    cell.expect_received(reference, [Message.of(payload)], expected="the message arrives")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["https://rfc.zeromq.org/spec/30/"],
    deadline=60.0,
)
def test_pushes_beside_others(cell: ZmtpCell) -> None:
    """Five clients push forty messages each at the same time: all arrive, those of each client in its order."""
    reference = cell.reference.open("PULL")
    relay = cell.relay_to(reference.bind())
    senders = [cell.client().open("PUSH") for _ in range(_PEERS)]
    for sender in senders:
        sender.connect(endpoint_of(relay))
    for number in range(_EACH):
        finishing = [sender.begin_send(bytes([who, number])) for who, sender in enumerate(senders)]
        for finish in finishing:
            finish()
    _expect_all(cell, reference.receive, "the reference")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["https://rfc.zeromq.org/spec/30/"],
    deadline=60.0,
)
def test_pulls_from_many(cell: ZmtpCell) -> None:
    """Five peers send forty messages each at the same time: all are delivered, those of each peer in its order."""
    socket = cell.client().open("PULL")
    relay = cell.relay_to(socket.bind())
    senders = [cell.reference.open("PUSH") for _ in range(_PEERS)]
    for sender in senders:
        sender.connect(endpoint_of(relay))
    for number in range(_EACH):
        for who, sender in enumerate(senders):
            cell.send(sender, bytes([who, number]))

    def take(within: float) -> tuple[bytes, ...] | None:
        message = socket.take(within)
        return message.frames if message else None

    _expect_all(cell, take, "the crate")


def _expect_all(cell: ZmtpCell, take: Callable[[float], tuple[bytes, ...] | None], who: str) -> None:
    """Every sender's messages come, in its order; a message is its sender's number and its own."""
    came: list[bytes] = []
    while len(came) < _PEERS * _EACH and (frames := take(_NEXT)) is not None:
        came += frames
    wanted = [bytes([sender, number]) for sender in range(_PEERS) for number in range(_EACH)]
    by_sender = sorted(came, key=lambda payload: payload[0])  # which keeps the order of what is equal
    cell.expect(
        by_sender == wanted,
        expected=f"{who} gets {_EACH} messages of each of {_PEERS} senders, each in order",
        observed=f"{who} got {len(came)}, {len(set(came))} of them different",
    )


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["a long-running device connects many times"],
    deadline=60.0 + CONNECTING,
    timer=CONNECTING,
)
def test_frees_what_a_connection_took(cell: ZmtpCell, side: Side) -> None:
    """After 200 connections the process has hardly more file descriptors, threads and memory than at first.

    One of four connections may leave something behind. A client that takes long is judged by the connections that it
    makes in 30 seconds.
    """
    client = cell.client()
    if side == "crate-binds":
        bound = client.open("PULL")
        relay = cell.relay_to(bound.bind())
    else:
        reference = cell.reference.open("PULL")
        relay = cell.relay_to(reference.bind())

    def one_round() -> None:
        payload = cell.payload()
        if side == "crate-binds":
            sender = cell.reference.open("PUSH")
            sender.connect(endpoint_of(relay))
            cell.send(sender, payload)
            message = bound.take(2.0, after_cut=True)
            sender.close()
        else:
            socket = client.open("PUSH")
            socket.connect(endpoint_of(relay))
            socket.send(payload)
            frames = reference.receive()
            message = Message(frames) if frames else None
            socket.close()
        cell.expect(message == Message.of(payload), expected="a message passes", observed=f"{message} came")

    expect_freed(cell, client, one_round)
