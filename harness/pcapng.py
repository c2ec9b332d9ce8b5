"""Writes what a relay saw as a pcapng file that Wireshark opens as ordinary TCP or UDP over IPv4.

The relay of TCP sees byte streams and no packets, so addresses, handshake, sequence numbers and closing are made here;
ports are canonical, so that dissectors need no hint. Format: draft-ietf-opsawg-pcapng, sections 4.1 to 4.3.
"""

from __future__ import annotations

import ipaddress
import struct
import threading
import time
from pathlib import Path
from typing import BinaryIO

_LINKTYPE_RAW = 101
_OPT_COMMENT = 1
_OPT_TSRESOL = 9
_OPT_IFNAME = 2
#: The most payload that one made-up segment carries; IPv4's total length is 16 bits.
_SEGMENT = 60_000

#: As which captures show WebSocket, so that Wireshark sees it through HTTP's handshake.
HTTP = 80
#: The ports of protocols over TLS, for captures of what the relay cannot read: IANA's, and of Kafka the customary one.
OVER_TLS = {1883: 8883, 5672: 5671, 9092: 9093}

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


def padded(data: bytes) -> bytes:
    """`data`, filled up with zeros to a multiple of four bytes."""
    return data + bytes(-len(data) % 4)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + padded(value)


def block(kind: int, body: bytes) -> bytes:
    """A block, whose body is a multiple of four bytes (section 3.1)."""
    length = 12 + len(body)
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


class Capture:
    """One pcapng file; safe to use from several threads."""

    def __init__(self, path: Path, name: str) -> None:
        self._lock = threading.Lock()
        self._file: BinaryIO | None = path.open("wb")
        header = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
        options = _option(_OPT_IFNAME, name.encode()) + _option(_OPT_TSRESOL, b"\x09") + struct.pack("<HH", 0, 0)
        self._file.write(header + block(1, struct.pack("<HHI", _LINKTYPE_RAW, 0, 0) + options))

    def packet(self, data: bytes, comment: str = "") -> None:
        """Write one IP packet; ignored once the file is closed."""
        now = time.time_ns()
        options = _option(_OPT_COMMENT, comment.encode()) + struct.pack("<HH", 0, 0) if comment else b""
        head = struct.pack("<IIIII", 0, now >> 32, now & 0xFFFFFFFF, len(data), len(data))
        with self._lock:
            if self._file is not None:
                self._file.write(block(6, head + padded(data) + options))

    def close(self) -> None:
        """Complete the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


class TcpFlow:
    """One connection's packets in a capture: `a` is the client, `b` the server."""

    def __init__(self, capture: Capture, client: tuple[str, int], server: tuple[str, int]) -> None:
        self._capture = capture
        self._ends = {"a": client, "b": server}
        self._next = {"a": 0, "b": 0}

    def opened(self) -> None:
        """The three-way handshake."""
        self._send("a", SYN)
        self._send("b", SYN | ACK)
        self._send("a", ACK)

    def data(self, end: str, payload: bytes, comment: str = "") -> None:
        """Bytes from the client (`a`) or the server (`b`); `comment` says what the relay did with them."""
        for start in range(0, len(payload), _SEGMENT):
            self._send(end, PSH | ACK, payload[start : start + _SEGMENT], comment)

    def finished(self, end: str) -> None:
        """One side closed its half in good order."""
        self._send(end, FIN | ACK)

    def reset(self, end: str, comment: str = "") -> None:
        """One side broke the connection off; `comment` says so where it was our doing."""
        self._send(end, RST | ACK, comment=comment)

    def _send(self, end: str, flags: int, payload: bytes = b"", comment: str = "") -> None:
        other = "b" if end == "a" else "a"
        (source, source_port), (target, target_port) = self._ends[end], self._ends[other]
        acknowledged = self._next[other] if flags & ACK else 0
        tcp = struct.pack(
            ">HHIIBBHHH", source_port, target_port, self._next[end] & 0xFFFFFFFF, acknowledged & 0xFFFFFFFF,
            5 << 4, flags, 65535, 0, 0,
        )  # fmt: skip
        self._capture.packet(ipv4(source, target, 6, tcp + payload), comment)
        self._next[end] += len(payload) + (1 if flags & (SYN | FIN) else 0)


class UdpFlow:
    """The datagrams between a client, `a`, and a server, `b`, in a capture."""

    def __init__(self, capture: Capture, client: tuple[str, int], server: tuple[str, int]) -> None:
        self._capture = capture
        self._ends = {"a": (client, server), "b": (server, client)}

    def datagram(self, end: str, payload: bytes, comment: str = "") -> None:
        """One datagram from the client (`a`) or the server (`b`); `comment` says what the relay did with it."""
        (source, source_port), (target, target_port) = self._ends[end]
        udp = struct.pack(">HHHH", source_port, target_port, 8 + len(payload), 0)
        self._capture.packet(ipv4(source, target, 17, udp + payload), comment)


def ipv4(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    """An IPv4 packet around `payload` (RFC 791, section 3.1); the transport's checksum is left to the reader."""
    addresses = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(target).packed
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0) + addresses
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return head[:10] + struct.pack(">H", checksum) + head[12:] + payload
