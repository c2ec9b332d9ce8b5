"""What a message may be: frames of any number, size and content."""

from __future__ import annotations

import pytest

from harness.cells.zmtp import ZmtpCell, endpoint_of
from harness.cells.zmtp_client import Message
from harness.errors import RefusedByCrate
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario

_FRAMING = "https://rfc.zeromq.org/spec/23/#framing"
_RECV = "http://api.zeromq.org/4-3:zmq-msg-recv"
_TEN_MEGABYTES = 10_000_000
_EVERY_BYTE = bytes(range(256))
_unchanged = scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_FRAMING],
)
_large = scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_FRAMING],
    deadline=60.0,
)


def _sends(cell: ZmtpCell, message: Message, expected: str) -> None:
    link = cell.link("PUSH", "PULL", "crate-connects")
    marker = cell.payload()
    link.crate.send(*message.frames)
    link.crate.send(marker)
    cell.expect_received(link.reference, [message, Message.of(marker)], expected=expected)


def _receives(cell: ZmtpCell, message: Message, expected: str) -> None:
    link = cell.link("PULL", "PUSH", "crate-binds")
    marker = cell.payload()
    cell.send(link.reference, *message.frames)
    cell.send(link.reference, marker)
    cell.expect_delivered(link.crate, [message, Message.of(marker)], expected=expected)


@_unchanged
def test_sends_several_frames(cell: ZmtpCell) -> None:
    """A message of several frames, some of them empty, arrives as one message with the same frames."""
    frames = (b"", cell.payload(), b"", cell.payload(300), b"")
    _sends(cell, Message(frames), "the message of five frames, then the marker")


@_unchanged
def test_receives_several_frames(cell: ZmtpCell) -> None:
    """A message of several frames, some of them empty, is delivered as one message with the same frames."""
    frames = (b"", cell.payload(), b"", cell.payload(300), b"")
    _receives(cell, Message(frames), "the message of five frames, then the marker")


@_unchanged
def test_sends_an_empty_message(cell: ZmtpCell) -> None:
    """A message of one empty frame arrives."""
    _sends(cell, Message.of(b""), "the empty message, then the marker")


@_unchanged
def test_receives_an_empty_message(cell: ZmtpCell) -> None:
    """A message of one empty frame is delivered."""
    _receives(cell, Message.of(b""), "the empty message, then the marker")


@_unchanged
def test_sends_every_byte(cell: ZmtpCell) -> None:
    """A frame may have any byte values; they arrive unchanged."""
    _sends(cell, Message.of(_EVERY_BYTE + cell.payload()), "the very bytes, then the marker")


@_unchanged
def test_receives_every_byte(cell: ZmtpCell) -> None:
    """A frame may have any byte values; they are delivered unchanged."""
    _receives(cell, Message.of(_EVERY_BYTE + cell.payload()), "the very bytes, then the marker")


@_large
def test_sends_10_megabytes(cell: ZmtpCell) -> None:
    """A frame of 10 MB, whose size takes eight bytes, arrives unchanged."""
    _sends(cell, Message.of(cell.payload(_TEN_MEGABYTES)), "all 10,000,000 bytes, then the marker")


@_large
def test_receives_10_megabytes(cell: ZmtpCell) -> None:
    """A frame of 10 MB, whose size takes eight bytes, is delivered unchanged."""
    _receives(cell, Message.of(cell.payload(_TEN_MEGABYTES)), "all 10,000,000 bytes, then the marker")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_FRAMING],
)
def test_frame_sizes_around_the_short_form(cell: ZmtpCell) -> None:
    """Frames of 254, 255 and 256 bytes, around the longest that has a size of one byte, go both ways unchanged."""
    link = cell.link("DEALER", "DEALER", "crate-connects")
    sizes = Message(tuple(cell.payload(size) for size in (254, 255, 256)))
    link.crate.send(*sizes.frames)
    cell.expect_received(link.reference, [sizes], expected="three frames arrive unchanged")
    back = Message(tuple(cell.payload(size) for size in (254, 255, 256)))
    cell.send(link.reference, *back.frames)
    cell.expect_delivered(link.crate, [back], expected="three frames are delivered unchanged")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=[_RECV, "https://github.com/erickt/rust-zmq/issues/112"],
)
def test_receiving_text_survives_other_bytes(cell: ZmtpCell) -> None:
    """A call that returns a string gives an error or the very bytes where they are no UTF-8, and goes on working."""
    link = cell.link("PULL", "PUSH", "crate-binds")
    wrong, text = b"\xff\xfe" + cell.payload(), f"näher {cell.token} 温度".encode()
    cell.send(link.reference, wrong)
    cell.send(link.reference, text)
    try:
        message, is_text = link.crate.receive(as_text=True)
    except RefusedByCrate as error:
        cell.expect(error.code != "timeout", expected="the message or an error comes", observed=error.observed)
    else:
        cell.expect(
            (message, is_text) == (Message.of(wrong), False),
            expected=f"{Message.of(wrong)}, and that this is no text",
            observed=f"{message}, {'as text' if is_text else 'and that this is no text'}",
        )
    message, is_text = link.crate.receive(as_text=True)
    cell.expect(
        (message, is_text) == (Message.of(text), True),
        expected=f"the next message, {Message.of(text)}, as text",
        observed=f"{message}, {'as text' if is_text else 'and that this is no text'}",
    )


@scenario(
    Dialect.ZMTP,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_FRAMING],
)
def test_takes_bytes_one_by_one(cell: ZmtpCell) -> None:
    """Where every byte comes by itself, from the greeting on, messages are whole nevertheless."""
    receiver = cell.client().open("PULL")
    relay = cell.relay_to(receiver.bind())
    relay.drip(0.001)
    sender = cell.reference.open("PUSH")
    sender.connect(endpoint_of(relay))
    wanted = [Message.of(cell.payload(), b"", cell.payload(300)), Message.of(cell.payload())]
    for message in wanted:
        cell.send(sender, *message.frames)
    cell.expect_delivered(receiver, wanted, expected="two whole messages are delivered")


@pytest.mark.parametrize("way", ["sends", "receives"])
@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["https://rfc.zeromq.org/spec/28/"],
    deadline=60.0,
)
def test_loses_none_of_many(cell: ZmtpCell, way: str) -> None:
    """More messages than the high-water mark, while nobody is slow to read them, all arrive in order."""
    link = cell.link("DEALER", "DEALER", "crate-connects")
    payloads = [number.to_bytes(2, "big") + cell.token.encode() for number in range(1_200)]  # the mark is 1,000
    seen: list[bytes] = []
    for start in range(0, len(payloads), 100):
        for payload in payloads[start : start + 100]:
            if way == "sends":
                link.crate.send(payload)
            else:
                cell.send(link.reference, payload)
        for _ in range(100):
            got = link.reference.receive() if way == "sends" else link.crate.receive()[0].frames
            seen += got or (b"",)
    wrong = [number for number, payload in enumerate(payloads) if seen[number] != payload]
    cell.expect(
        not wrong,
        expected=f"{len(payloads)} messages in order",
        observed=f"another one at number {wrong[:1]} and at {len(wrong)} places in all",
    )
