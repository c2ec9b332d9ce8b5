"""A ZMTP 3 peer written from the specification, which shares no code with libzmq: NULL security, one connection.

https://rfc.zeromq.org/spec/23/ (3.0) and https://rfc.zeromq.org/spec/37/ (3.1)
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from harness.streams import read_exactly

#: Seconds that one step may take.
STEP = 10.0
_MORE, _LONG, _COMMAND = 0x01, 0x02, 0x04
_GREETING_SIZE = 64


class ProtocolError(Exception):
    """The other side sent what ZMTP does not have, or nothing; `str()` is a sentence about it."""


@dataclass(frozen=True)
class Greeting:
    """What the other side said first."""

    signature: bytes
    version: tuple[int, int]
    mechanism: bytes
    as_server: int


@dataclass(frozen=True)
class Command:
    """A command frame."""

    name: bytes
    body: bytes


class RawPeer:
    """One connection, to where it listens or to where it connects."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(STEP)
        self.endpoint = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._stream: socket.socket | None = None

    def accept(self) -> None:
        """Wait for a connection.

        Raises:
            ProtocolError: nobody came.
        """
        try:
            self._stream, _ = self._listener.accept()
        except TimeoutError as error:
            raise ProtocolError(f"nobody connected within {STEP:g} s") from error
        self._stream.settimeout(STEP)

    def connect(self, address: tuple[str, int]) -> None:
        """Connect instead of listening."""
        self._stream = socket.create_connection(address, STEP)

    def greet(self, minor: int) -> Greeting:
        """Exchange greetings as ZMTP 3.`minor` with NULL security."""
        mechanism = b"NULL".ljust(20, b"\0")
        self.write(b"\xff" + bytes(8) + b"\x7f" + bytes([3, minor]) + mechanism + bytes(32))
        theirs = self._read(_GREETING_SIZE)
        return Greeting(theirs[:1] + theirs[9:10], (theirs[10], theirs[11]), theirs[12:32].rstrip(b"\0"), theirs[32])

    def make_ready(self, properties: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        """Exchange READY; returns the other side's properties, names in lower case."""
        self.send_command(b"READY", b"".join(property_of(name, value) for name, value in properties.items()))
        command = self.receive()
        if not isinstance(command, Command) or command.name != b"READY":
            raise ProtocolError(f"expected READY, got {command}")
        return _properties(command.body)

    def send(self, *frames: bytes) -> None:
        """Send one message."""
        self.write(encoded(*frames))

    def send_command(self, name: bytes, body: bytes) -> None:
        """Send one command."""
        self.write(_frame(_COMMAND, bytes([len(name)]) + name + body))

    def write(self, data: bytes) -> None:
        """Write bytes as they are."""
        self._connected().sendall(data)

    def receive(self) -> Command | tuple[bytes, ...]:
        """The next command or message.

        Raises:
            ProtocolError: a frame is wrong, or none came.
        """
        frames: list[bytes] = []
        while True:
            (flags,) = self._read(1)
            if flags & ~(_MORE | _LONG | _COMMAND):
                raise ProtocolError(f"a frame has the flags {flags:#04x}, of which only the last three bits are used")
            size = struct.unpack(">Q", self._read(8))[0] if flags & _LONG else self._read(1)[0]
            body = self._read(size)
            if flags & _COMMAND:
                return Command(body[1 : 1 + body[0]], body[1 + body[0] :])
            frames.append(body)
            if not flags & _MORE:
                return tuple(frames)

    def close(self) -> None:
        """Close the connection and stop listening."""
        if self._stream is not None:
            self._stream.close()
        self._listener.close()

    def _read(self, size: int) -> bytes:
        try:
            return read_exactly(self._connected(), size)
        except OSError as error:
            raise ProtocolError(str(error)) from error

    def _connected(self) -> socket.socket:
        if self._stream is None:
            raise ProtocolError("there is no connection")
        return self._stream


def encoded(*frames: bytes) -> bytes:
    """One message as it goes over the wire."""
    last = len(frames) - 1
    return b"".join(_frame(_MORE if index < last else 0, frame) for index, frame in enumerate(frames))


def _frame(flags: int, body: bytes) -> bytes:
    long = len(body) > 255
    size = struct.pack(">Q", len(body)) if long else bytes([len(body)])
    return bytes([flags | (_LONG if long else 0)]) + size + body


def property_of(name: bytes, value: bytes) -> bytes:
    """A metadata property as READY has it."""
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value


def _properties(body: bytes) -> dict[bytes, bytes]:
    found = {}
    while body:
        name, body = body[1 : 1 + body[0]], body[1 + body[0] :]
        (size,) = struct.unpack(">I", body[:4])
        found[name.lower()], body = body[4 : 4 + size], body[4 + size :]
    return found
