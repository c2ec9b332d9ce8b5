"""Reads pcapng independently of harness.pcapng: blocks by draft-ietf-opsawg-pcapng, IPv4, TCP and UDP by their RFCs."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FLAGS = {0x01: "FIN", 0x02: "SYN", 0x04: "RST", 0x08: "PSH", 0x10: "ACK"}


@dataclass(frozen=True)
class Segment:
    """One TCP segment of a capture."""

    time_ns: int
    source: str
    target: str
    seq: int
    ack: int
    flags: frozenset[str]
    payload: bytes
    comment: str


def blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of every block; both lengths have to agree and the last one has to end the file."""
    offset = 0
    while offset < len(data):
        kind, length = struct.unpack_from("<II", data, offset)
        assert length % 4 == 0
        assert length >= 12
        assert struct.unpack_from("<I", data, offset + length - 4) == (length,)
        yield kind, data[offset + 8 : offset + length - 4]
        offset += length
    assert offset == len(data)


def options(data: bytes) -> dict[int, bytes]:
    """The options of a block; none, or ended by code 0."""
    found: dict[int, bytes] = {}
    offset = 0
    while offset < len(data):
        code, length = struct.unpack_from("<HH", data, offset)
        if code == 0:
            assert length == 0
            assert offset + 4 == len(data)
            return found
        found[code] = data[offset + 4 : offset + 4 + length]
        offset += 4 + length + -length % 4
    assert not found, "options without an end"
    return found


@dataclass(frozen=True)
class UdpPacket:
    """One datagram of a capture."""

    source: str
    target: str
    payload: bytes
    comment: str


def segments(file: Path) -> list[Segment]:
    """All packets of a capture that holds TCP over IPv4 without a link layer."""
    return [_segment(*found) for found in _packets(file)]


def datagrams(file: Path) -> list[UdpPacket]:
    """All packets of a capture that holds UDP over IPv4 without a link layer."""
    return [_datagram(packet, comment) for _, packet, comment in _packets(file)]


def _packets(file: Path) -> list[tuple[int, bytes, str]]:
    """Time, bytes and comment of every packet."""
    found = []
    for number, (kind, body) in enumerate(blocks(file.read_bytes())):
        if number == 0:
            assert kind == 0x0A0D0D0A
            assert struct.unpack("<IHHq", body) == (0x1A2B3C4D, 1, 0, -1)
        elif number == 1:
            assert kind == 1
            assert struct.unpack_from("<H", body) == (101,), "LINKTYPE_RAW"
            assert options(body[8:])[9] == b"\x09", "nanoseconds"
        else:
            assert kind == 6
            interface, high, low, captured, original = struct.unpack_from("<IIIII", body)
            assert interface == 0
            assert captured == original
            padded = captured + -captured % 4
            comment = options(body[20 + padded :]).get(1, b"").decode()
            found.append(((high << 32) + low, body[20 : 20 + captured], comment))
    return found


def _ends(packet: bytes, protocol: int) -> tuple[str, str]:
    """Source and target, with ports, of a packet whose IPv4 header is in order."""
    assert packet[0] == 0x45
    assert struct.unpack_from(">H", packet, 2) == (len(packet),)
    assert packet[9] == protocol
    folded = sum(struct.unpack(">10H", packet[:20]))
    while folded > 0xFFFF:
        folded = (folded & 0xFFFF) + (folded >> 16)
    assert folded == 0xFFFF, "the header's checksum"
    source, target = (ipaddress.IPv4Address(packet[start : start + 4]) for start in (12, 16))
    source_port, target_port = struct.unpack_from(">HH", packet, 20)
    return f"{source}:{source_port}", f"{target}:{target_port}"


def _datagram(packet: bytes, comment: str) -> UdpPacket:
    source, target = _ends(packet, 17)
    length, checksum = struct.unpack_from(">HH", packet, 24)
    assert (length, checksum) == (len(packet) - 20, 0)
    return UdpPacket(source, target, packet[28:], comment)


def _segment(time_ns: int, packet: bytes, comment: str) -> Segment:
    source, target = _ends(packet, 6)
    seq, ack, length, flags = struct.unpack_from(">IIBB", packet, 24)
    assert length == 5 << 4
    return Segment(
        time_ns,
        source,
        target,
        seq,
        ack,
        frozenset(name for bit, name in _FLAGS.items() if flags & bit),
        packet[40:],
        comment,
    )


def stream(found: list[Segment], source: str, target: str) -> bytes:
    """What `source` sent to `target`, put together by sequence numbers; a gap or an overlap is an error."""
    data, expected = b"", None
    for segment in found:
        if (segment.source, segment.target) != (source, target):
            continue
        if expected is not None:
            assert segment.seq == expected, "a gap or an overlap in the sequence numbers"
        length = len(segment.payload) + len(segment.flags & {"SYN", "FIN"})
        expected = (segment.seq + length) & 0xFFFFFFFF
        data += segment.payload
    return data
