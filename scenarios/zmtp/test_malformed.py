"""What a crate makes of frames that ZMTP does not have: whatever it is, it is over with that peer."""

from __future__ import annotations

import struct

import pytest

from harness.cells.zmtp import ZmtpCell, step
from harness.cells.zmtp_client import Message, ZmtpSocket
from harness.model import Consequence, Dialect, Level, Requirement
from harness.references.zmtp_raw import RawPeer, property_of
from harness.scenario import scenario

_FRAMING = "https://rfc.zeromq.org/spec/37/#framing"
_ERRORS = "https://rfc.zeromq.org/spec/37/#error-handling"
_METADATA = "https://rfc.zeromq.org/spec/37/#connection-metadata"
#: What follows a frame's head that is malformed.
_BODY = b"never a message"
#: Messages of another peer afterwards: a crate that takes turns with its peers has come to the malformed one by then.
_AFTERWARDS = 6
_PUSH = property_of(b"Socket-Type", b"PUSH")


def _joined(cell: ZmtpCell, address: tuple[str, int]) -> RawPeer:
    """A peer that has shaken hands as a PUSH socket."""
    peer = cell.raw_peer()
    peer.connect(address)
    step("the crate greets", lambda: peer.greet(1))
    step("the crate sends READY", lambda: peer.make_ready({b"Socket-Type": b"PUSH"}))
    return peer


def _heard(cell: ZmtpCell) -> tuple[ZmtpSocket, tuple[str, int], RawPeer]:
    """A PULL socket of the crate, its address, and a peer of which it has delivered a message."""
    socket = cell.client().open("PULL")
    relay = cell.relay_to(socket.bind())
    stranger, before = _joined(cell, relay.endpoint), cell.payload()
    stranger.send(before)
    cell.expect_delivered(socket, [Message.of(before)], expected="what the peer sent before is delivered")
    return socket, relay.endpoint, stranger


def _expect_next(cell: ZmtpCell, socket: ZmtpSocket, payload: bytes, may_come: Message | None) -> None:
    """The next message is `payload`; before it the crate may report errors and deliver `may_come`."""
    came: list[Message | None] = []

    def missing() -> str:
        came.append(socket.take(0.2, after_cut=True))
        return "it did not come" if came[-1] in (None, may_come) else ""

    expected = "the message of another peer is delivered"
    cell.expect_soon(missing, expected=expected)
    cell.expect(came[-1] == Message.of(payload), expected=expected, observed=f"the crate delivered {came[-1]}")


def _expect_work(cell: ZmtpCell, socket: ZmtpSocket, address: tuple[str, int], may_come: Message | None = None) -> None:
    """Another peer joins, and its messages are delivered, one after the other; `may_come` may come before."""
    peer = _joined(cell, address)
    for payload in [cell.payload() for _ in range(_AFTERWARDS)]:
        peer.send(payload)
        _expect_next(cell, socket, payload, may_come)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"\xf8" + bytes([len(_BODY)]) + _BODY, id="reserved-flags"),
        pytest.param(b"\x02" + struct.pack(">Q", 1 << 63) + _BODY, id="size-above-the-greatest"),
        pytest.param(b"\x02" + struct.pack(">Q", 1 << 62) + _BODY, id="size-of-2^62"),
        pytest.param(b"\x04\x00", id="command-without-a-name"),
        pytest.param(b"\x04\x05\xc8PING", id="name-beyond-the-command"),
        pytest.param(b"\x04\x05\x04NOPE", id="unknown-command"),
    ],
)
@scenario(
    Dialect.ZMTP,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.SECURITY,
    spec=[_FRAMING, _ERRORS],
    scripted=True,
)
def test_survives_a_malformed_frame(cell: ZmtpCell, said: bytes) -> None:
    """A peer that sends what no frame is may be ignored, disconnected or reported; the crate works on with others.

    A size is what the peer says: who makes room for all of it at once is at everybody's mercy.
    """
    socket, address, stranger = _heard(cell)
    stranger.write(said)
    # Who ignores reserved flags takes this for a message; nothing forbids that to a receiver.
    _expect_work(cell, socket, address, Message.of(_BODY))


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"\x00\x64" + bytes(50), id="in-a-frame"),
        pytest.param(b"\x02\x00\x00\x00", id="in-a-size"),
        pytest.param(b"\x01\x03one\x01\x03two", id="in-a-message"),
    ],
)
@scenario(
    Dialect.ZMTP,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["https://rfc.zeromq.org/spec/37/#messages: all the frames of a message, or none of them"],
    scripted=True,
)
def test_delivers_nothing_of_half_a_message(cell: ZmtpCell, said: bytes) -> None:
    """A message of which only a part comes before the connection ends is not delivered; others are."""
    socket, address, stranger = _heard(cell)
    stranger.write(said)
    stranger.close()
    _expect_work(cell, socket, address)


@pytest.mark.parametrize(
    "ready",
    [
        pytest.param(
            b"\x05READY" + _PUSH + b"\x01X" + struct.pack(">I", 1 << 31) + b"x", id="value-beyond-the-command"
        ),
        pytest.param(b"\x05READY" + _PUSH + b"\xffX", id="name-beyond-the-command"),
        pytest.param(b"\x05READY" + _PUSH + b"\x01X\x00", id="half-a-size"),
        pytest.param(b"\x05READY" + property_of(b"", b"nameless") + _PUSH, id="empty-name"),
        pytest.param(b"\x05REA", id="half-a-command"),
        pytest.param(b"", id="empty-command"),
    ],
)
@scenario(
    Dialect.ZMTP,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.SECURITY,
    spec=[_METADATA, _ERRORS],
    scripted=True,
)
def test_survives_a_malformed_ready(cell: ZmtpCell, ready: bytes) -> None:
    """A peer whose READY is malformed may be let in or not; the crate works on with others."""
    socket = cell.client().open("PULL")
    relay = cell.relay_to(socket.bind())
    stranger = cell.raw_peer()
    stranger.connect(relay.endpoint)
    step("the crate greets", lambda: stranger.greet(1))
    stranger.write(b"\x04" + bytes([len(ready)]) + ready)
    _expect_work(cell, socket, relay.endpoint)
