"""Reads the captures that the relays wrote: who said what in each connection, and in which packet."""

from __future__ import annotations

import re
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from harness.pcapng import SYN, block, padded

_INTERFACE, _PACKET = 1, 6
_OPT_COMMENT, _OPT_NAME = 1, 2
#: What `harness.capture` and `harness.datagrams` call their interfaces.
_RELAY = re.compile(rb"relay to port (\d+)(, served by the crate)?")
_TCP, _UDP = 6, 17


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


class Packet(NamedTuple):
    """One packet, without its bytes. `flags` are TCP's, and 0 of a datagram; `at` is in nanoseconds since 1970."""

    number: int
    at: int
    end: str
    #: The client's address and port, which tell connections apart.
    client: bytes
    flags: int
    #: Bytes of payload.
    size: int
    #: What the relay did with it.
    comment: str


@dataclass
class Recording:
    """One capture. `crate` is the end that the crate was, `port` the canonical one of what was spoken."""

    crate: str = "a"
    port: int = 0
    packets: list[Packet] = field(default_factory=list)
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
            relay = _relay(body)
            if relay is None:
                return recording
            recording.port = int(relay[1])
            recording.crate = "b" if relay[2] else "a"
        if kind != _PACKET:
            continue
        number += 1
        high, low, length = struct.unpack_from("<III", body, 4)
        data = body[20 : 20 + length]
        source_port, target_port = struct.unpack_from(">HH", data, 20)
        # Clients have addresses of their own in captures, servers have 127.0.0.1 (see `harness.cells.peer`).
        end = "b" if bytes(data[12:16]) == b"\x7f\x00\x00\x01" else "a"
        address, port = (12, 20) if end == "a" else (16, 22)
        client = bytes(data[address : address + 4]) + bytes(data[port : port + 2])
        flags, start = (data[33], 40) if data[9] == _TCP else (0, 28)
        options = body[20 + length + -length % 4 :]
        comment = _option(options, _OPT_COMMENT).decode("utf-8", "replace") if options else ""
        recording.packets.append(Packet(number, high << 32 | low, end, client, flags, length - start, comment))
        if (source_port if end == "b" else target_port) != recording.port:
            continue
        if data[9] == _UDP:
            recording.datagrams.append(Datagram(end, bytes(data[28:]), number))
        elif data[9] == _TCP:
            if end == "a" and flags & SYN:
                open_now[client] = Conversation()
                recording.conversations.append(open_now[client])
            if len(data) > 40 and client in open_now:
                (open_now[client].a if end == "a" else open_now[client].b).add(data[40:], number)
    return recording


def port_of(data: bytes) -> int:
    """The canonical port of what a capture has; 0 where that is no relay's."""
    for kind, body in _blocks(data):
        if kind == _INTERFACE:
            relay = _relay(body)
            return int(relay[1]) if relay else 0
    return 0


def changed(data: bytes, change: Callable[[int, bytes], bytes]) -> bytes:
    """A capture with other packets.

    Args:
        data: the capture.
        change: is given the number of each packet and its bytes, and returns others.
    """
    blocks, number = [], 0
    for kind, body in _blocks(data):
        content = bytes(body)
        if kind == _PACKET:
            number += 1
            (length,) = struct.unpack_from("<I", content, 12)
            new = change(number, content[20 : 20 + length])
            sizes = struct.pack("<II", len(new), len(new))
            content = content[:12] + sizes + padded(new) + content[20 + length + -length % 4 :]
        blocks.append(block(kind, content))
    return b"".join(blocks)


def packet_blocks(data: bytes, first: int, last: int) -> tuple[bytes, list[bytes], int]:
    """What stands before the first packet of a capture, and the blocks of its first and its last packets, as they are.

    Returns how many packets between them were left out as well.
    """
    head, packets, offset = b"", [], 0
    for kind, body in _blocks(data):
        block = slice(offset, offset + len(body) + 12)
        offset = block.stop
        if kind == _PACKET:
            packets.append(block)
        elif not packets:
            head += data[block]
    left_out = max(0, len(packets) - first - last)
    kept = packets[:first] + packets[first + left_out :]
    return head, [data[block] for block in kept], left_out


def _blocks(data: bytes) -> Iterator[tuple[int, memoryview]]:
    """Type and body of every whole block (draft-ietf-opsawg-pcapng, section 3.1)."""
    view, offset = memoryview(data), 0
    while offset + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, offset)
        if length < 12 or offset + length > len(data):
            return
        yield kind, view[offset + 8 : offset + length - 4]
        offset += length


def _relay(interface: memoryview) -> re.Match[bytes] | None:
    return _RELAY.fullmatch(_option(interface[8:], _OPT_NAME))


def _option(data: memoryview, wanted: int) -> bytes:
    offset = 0
    while offset + 4 <= len(data):
        code, length = struct.unpack_from("<HH", data, offset)
        if code == wanted:
            return bytes(data[offset + 4 : offset + 4 + length])
        offset += 4 + length + -length % 4
    return b""
