"""Takes MQTT out of WebSocket, for rules and for tshark, by the library of the gateway (`harness.peers.websocket`)."""

from __future__ import annotations

import struct
from collections.abc import Collection
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from harness.oracle.captures import Half, changed, port_of, read
from harness.pcapng import HTTP, ipv4

#: MQTT's own port.
_MQTT = 1883
#: What ends HTTP's part of a connection.
_HEADERS_END = b"\r\n\r\n"
_DATA = (Opcode.BINARY, Opcode.TEXT, Opcode.CONT)
#: Those in which MQTT has to come (MQTT 5.0 [MQTT-6.0.0-1]).
_BINARY = (Opcode.BINARY, Opcode.CONT)


def unwrap(half: Half, *, masked: bool, kinds: Collection[Opcode] = _DATA) -> Half:
    """What one end sent inside its data frames, each with the packet in which the frame ends.

    Args:
        half: everything that it sent; what follows a frame that cannot be read is left out.
        masked: as clients have to send frames, and servers must not (RFC 6455, section 5.1).
        kinds: of frames that count.
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
        if frame.opcode in kinds and frame.data:
            inside.add(bytes(frame.data), half.packet(len(data) - len(reader.buffer)))
    return inside


def as_plain_tcp(path: Path) -> bytes:
    """A capture as tshark gets it: where it has WebSocket, what carries MQTT is MQTT on its own port.

    tshark looks into no WebSocket for MQTT, and could not put together what is in several frames. Each packet stays
    where it is, so that numbers hold; it has what is in the binary frames that end there, and is as it was without any.
    """
    data = path.read_bytes()
    if port_of(data) != HTTP:
        return data
    inside: dict[int, _Segment] = {}
    for conversation in read(path).conversations:
        a = unwrap(conversation.a, masked=True, kinds=_BINARY)
        inside |= _segments(a, unwrap(conversation.b, masked=False, kinds=_BINARY))
    return changed(data, lambda number, packet: _carrying(packet, inside[number]) if number in inside else packet)


class _Segment(NamedTuple):
    """What a packet carries instead, and TCP's numbers: of its first byte, and of the next one from the other end."""

    payload: bytes
    sequence: int
    acknowledged: int


def _segments(a: Half, b: Half) -> dict[int, _Segment]:
    """By the packet's number, what each one of a connection is to carry."""
    pieces: list[tuple[int, str, bytes]] = []
    for end, half in (("a", a), ("b", b)):
        starts = [0, *half.ends]
        pieces += [
            (number, end, bytes(half.data[start:stop]))
            for start, stop, number in zip(starts, half.ends, half.numbers, strict=False)
        ]
    found: dict[int, _Segment] = {}
    sent = {"a": 1, "b": 1}
    for number, end, payload in sorted(pieces, key=lambda piece: piece[0]):
        before = found.get(number, _Segment(b"", sent[end], sent["b" if end == "a" else "a"]))
        found[number] = before._replace(payload=before.payload + payload)
        sent[end] += len(payload)
    return found


def _carrying(packet: bytes, segment: _Segment) -> bytes:
    """An IPv4 packet of HTTP's port as one of MQTT's, with another payload and place in the stream."""
    ports = (_MQTT if port == HTTP else port for port in struct.unpack_from(">HH", packet, 20))
    tcp = struct.pack(">HHII", *ports, segment.sequence, segment.acknowledged) + packet[32:40]
    source, target = (str(IPv4Address(packet[start : start + 4])) for start in (12, 16))
    return ipv4(source, target, packet[9], tcp + segment.payload)


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
