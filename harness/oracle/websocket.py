"""Takes MQTT out of WebSocket, by the frames of the library that the gateway stands on (`harness.peers.websocket`)."""

from __future__ import annotations

from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from harness.oracle.captures import Half

#: What ends HTTP's part of a connection.
_HEADERS_END = b"\r\n\r\n"
_DATA = (Opcode.BINARY, Opcode.TEXT, Opcode.CONT)


def unwrap(half: Half, *, masked: bool) -> Half:
    """What one end sent inside its data frames, each with the packet in which the frame ends.

    Args:
        half: everything that it sent; what follows a frame that cannot be read is left out.
        masked: as clients have to send frames, and servers must not (RFC 6455, section 5.1).
    """
    inside, data = Half(), bytes(half.data)
    start = data.find(_HEADERS_END)
    if start < 0:
        return inside
    reader = StreamReader()
    reader.feed_data(data[start + len(_HEADERS_END) :])
    while reader.buffer:
        frame = _next(reader, masked)
        if frame is None:
            break
        if frame.opcode in _DATA and frame.data:
            inside.add(bytes(frame.data), half.packet(len(data) - len(reader.buffer)))
    return inside


def _next(reader: StreamReader, masked: bool) -> Frame | None:
    """The next whole frame; null where there is none, or what comes is no frame."""
    parsing = Frame.parse(reader.read_exact, mask=masked)
    try:
        next(parsing)
    except StopIteration as done:
        frame: Frame = done.value
        return frame
    except WebSocketException:
        return None
    return None
