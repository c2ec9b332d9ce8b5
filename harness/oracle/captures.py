"""Reads the captures that the relays wrote: who said what in each connection, and in which packet."""

from __future__ import annotations

import re
import struct
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_INTERFACE, _PACKET = 1, 6
_OPT_NAME = 2
#: What `harness.capture` and `harness.datagrams` call their interfaces.
_RELAY = re.compile(rb"relay to port (\d+)(, served by the crate)?")
_TCP, _UDP = 6, 17
_SYN = 0x02


@dataclass
class Half:
    """What one end of a connection sent, put together, and in which packets."""

    data: bytearray = field(default_factory=bytearray)
    ends: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def add(self, payload: bytes | memoryview, number: int) -> None:
        """The next bytes."""
        self.data += payload
        self.ends.append(len(self.data))
        self.numbers.append(number)

    def packet(self, end: int) -> int:
        """The number of the packet that has the last byte before the offset `end`."""
        return self.numbers[bisect_left(self.ends, end)]


@dataclass
class Conversation:
    """One TCP connection: `a` is who opened it."""

    a: Half = field(default_factory=Half)
    b: Half = field(default_factory=Half)


@dataclass(frozen=True)
class Datagram:
    """One UDP datagram; `end` is `a` for the client and `b` for the server that it spoke to."""

    end: str
    data: bytes
    number: int


@dataclass
class Recording:
    """One capture. `crate` is the end that the crate was, `port` the canonical one of what was spoken."""

    crate: str = "a"
    port: int = 0
    conversations: list[Conversation] = field(default_factory=list)
    datagrams: list[Datagram] = field(default_factory=list)


def read(path: Path) -> Recording:
    """What a relay recorded.

    A last packet that was not written to its end, where the machine died, is left out.
    """
    recording = Recording()
    open_now: dict[bytes, Conversation] = {}
    number = 0
    for kind, body in _blocks(path.read_bytes()):
        if kind == _INTERFACE:
            relay = _RELAY.fullmatch(_option(body[8:], _OPT_NAME))
            if relay is None:
                return recording
            recording.port = int(relay[1])
            recording.crate = "b" if relay[2] else "a"
        if kind != _PACKET:
            continue
        number += 1
        (length,) = struct.unpack_from("<I", body, 12)
        packet = body[20 : 20 + length]
        source_port, target_port = struct.unpack_from(">HH", packet, 20)
        # Clients have addresses of their own in captures, servers have 127.0.0.1 (see `harness.cells.peer`).
        end = "b" if bytes(packet[12:16]) == b"\x7f\x00\x00\x01" else "a"
        if (source_port if end == "b" else target_port) != recording.port:
            continue
        if packet[9] == _UDP:
            recording.datagrams.append(Datagram(end, bytes(packet[28:]), number))
        elif packet[9] == _TCP:
            client = (
                bytes(packet[12:16]) + bytes(packet[20:22])
                if end == "a"
                else bytes(packet[16:20]) + bytes(packet[22:24])
            )
            if end == "a" and packet[33] & _SYN:
                open_now[client] = Conversation()
                recording.conversations.append(open_now[client])
            if len(packet) > 40 and client in open_now:
                (open_now[client].a if end == "a" else open_now[client].b).add(packet[40:], number)
    return recording


def packet_blocks(data: bytes, most: int) -> tuple[bytes, list[bytes]]:
    """What stands before the first packet of a capture, and the blocks of its first `most` packets, as they are."""
    head, packets, offset = b"", [], 0
    for kind, body in _blocks(data):
        block = data[offset : offset + len(body) + 12]
        offset += len(block)
        if kind == _PACKET:
            packets.append(block)
            if len(packets) == most:
                break
        elif not packets:
            head += block
    return head, packets


def _blocks(data: bytes) -> Iterator[tuple[int, memoryview]]:
    """Type and body of every whole block (draft-ietf-opsawg-pcapng, section 3.1)."""
    view, offset = memoryview(data), 0
    while offset + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, offset)
        if length < 12 or offset + length > len(data):
            return
        yield kind, view[offset + 8 : offset + length - 4]
        offset += length


def _option(data: memoryview, wanted: int) -> bytes:
    offset = 0
    while offset + 4 <= len(data):
        code, length = struct.unpack_from("<HH", data, offset)
        if code == wanted:
            return bytes(data[offset + 4 : offset + 4 + length])
        offset += 4 + length + -length % 4
    return b""
