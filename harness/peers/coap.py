"""CoAP message by message: a scripted client or server on a UDP socket, which does what its scenario says and no more.

Messages are written and read by aiocoap's codec. What that would not write is made from bytes.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal

from aiocoap import Message
from aiocoap.error import UnparsableMessage
from aiocoap.numbers.optionnumbers import OptionNumber
from aiocoap.numbers.types import Type
from aiocoap.optiontypes import OpaqueOption

Kind = Literal["CON", "NON", "ACK", "RST"]
_KINDS: tuple[Kind, ...] = ("CON", "NON", "ACK", "RST")
_METHODS = {"0.01": "GET", "0.02": "POST", "0.03": "PUT", "0.04": "DELETE"}
EMPTY = "0.00"


class Opt(IntEnum):
    """Option numbers that scenarios name (RFC 7252, section 12.2; 7641; 7959)."""

    IF_MATCH = 1
    ETAG = 4
    IF_NONE_MATCH = 5
    OBSERVE = 6
    LOCATION_PATH = 8
    URI_PATH = 11
    CONTENT_FORMAT = 12
    MAX_AGE = 14
    URI_QUERY = 15
    ACCEPT = 17
    LOCATION_QUERY = 20
    BLOCK2 = 23
    BLOCK1 = 27


Options = tuple[tuple[int, bytes], ...]


def uint(number: int) -> bytes:
    """A number as options carry it: no leading zeros (RFC 7252, section 3.2)."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


@dataclass(frozen=True)
class Block:
    """A Block1 or Block2 option (RFC 7959, section 2.2)."""

    number: int
    more: bool
    szx: int

    @property
    def size(self) -> int:
        """Bytes in a block."""
        return 1 << (self.szx + 4)

    def value(self) -> bytes:
        """The option's value."""
        return uint(self.number << 4 | self.more << 3 | self.szx)

    @classmethod
    def of(cls, value: bytes) -> Block:
        """What the option's value says."""
        number = int.from_bytes(value, "big")
        return cls(number >> 4, bool(number & 8), number & 7)

    def __str__(self) -> str:
        return f"{self.number}/{int(self.more)}/{self.size}"


@dataclass(frozen=True)
class Packet:
    """One CoAP message."""

    kind: Kind
    code: str
    mid: int
    token: bytes = b""
    options: Options = ()
    payload: bytes = b""

    @classmethod
    def decode(cls, data: bytes) -> Packet | None:
        """What a datagram says; null where it is no CoAP message."""
        try:
            found = Message.decode(data)
        except (UnparsableMessage, ValueError):  # the second: text that is no UTF-8
            return None
        return cls(
            _KINDS[int(found.mtype)],
            _dotted(int(found.code)),
            int(found.mid),
            bytes(found.token),
            tuple((int(option.number), bytes(option.encode())) for option in found.opt.option_list()),
            bytes(found.payload),
        )

    def encode(self) -> bytes:
        """The datagram."""
        major, _, minor = self.code.partition(".")
        message = Message(
            code=int(major) << 5 | int(minor),
            _mtype=Type(_KINDS.index(self.kind)),
            _mid=self.mid,
            _token=self.token,
            payload=self.payload,
        )
        for number, value in self.options:
            message.opt.add_option(OpaqueOption(OptionNumber(number), value))
        return bytes(message.encode())

    @property
    def is_request(self) -> bool:
        """True for a method."""
        return self.code[0] == "0" and self.code != EMPTY

    @property
    def is_response(self) -> bool:
        """True for a response code."""
        return self.code[0] in "245"

    def all(self, number: int) -> list[bytes]:
        """The values of all options of this number."""
        return [value for found, value in self.options if found == number]

    def first(self, number: int) -> bytes | None:
        """The value of the first option of this number."""
        return next(iter(self.all(number)), None)

    def block(self, number: Literal[Opt.BLOCK1, Opt.BLOCK2]) -> Block | None:
        """The Block1 or Block2 option."""
        value = self.first(number)
        return None if value is None else Block.of(value)

    @property
    def path(self) -> str:
        """Uri-Path, with slashes."""
        return "/" + "/".join(segment.decode("utf-8", "replace") for segment in self.all(Opt.URI_PATH))

    def __str__(self) -> str:
        what = _METHODS.get(self.code, "Empty" if self.code == EMPTY else self.code)
        parts = [f"{self.kind} {what}", f"mid {self.mid}"]
        if self.token:
            parts.append(f"token {self.token.hex()}")
        if self.is_request:
            parts.append(self.path)
        shown = (Opt.OBSERVE, Opt.BLOCK1, Opt.BLOCK2)
        for number, value in self.options:
            if number in (Opt.BLOCK1, Opt.BLOCK2):
                parts.append(f"{Opt(number).name.title()} {Block.of(value)}")
            elif number in shown:
                parts.append(f"{Opt(number).name.title()} {int.from_bytes(value, 'big')}")
        return ", ".join(parts)

    # -- what answers it ---------------------------------------------------------------------------

    def ack(self) -> Packet:
        """The empty acknowledgement."""
        return Packet("ACK", EMPTY, self.mid)

    def reset(self) -> Packet:
        """The reset."""
        return Packet("RST", EMPTY, self.mid)

    def piggybacked(self, code: str, payload: bytes = b"", options: Options = ()) -> Packet:
        """The response in the acknowledgement."""
        return Packet("ACK", code, self.mid, self.token, options, payload)

    def separate(self, kind: Kind, code: str, payload: bytes = b"", options: Options = ()) -> Packet:
        """A response in a message of its own."""
        return Packet(kind, code, secrets.randbelow(1 << 16), self.token, options, payload)

    def with_(self, **changes: object) -> Packet:
        """The same with other fields."""
        return replace(self, **changes)  # type: ignore[arg-type]


def request(kind: Kind, method: str, path: str, payload: bytes = b"", options: Options = ()) -> Packet:
    """A request with a random message id and token; `path` is absolute."""
    codes = {name: code for code, name in _METHODS.items()}
    segments = [part.encode() for part in path.strip("/").split("/")]
    whole = (*((int(Opt.URI_PATH), segment) for segment in segments), *options)
    return Packet(kind, codes[method], secrets.randbelow(1 << 16), secrets.token_bytes(4), whole, payload)


def _dotted(code: int) -> str:
    return f"{code >> 5}.{code & 31:02}"


class RawPeer:
    """A UDP socket on 127.0.0.1 that speaks CoAP as it is told."""

    def __init__(self, remote: tuple[str, int] | None = None) -> None:
        """Open the socket.

        Args:
            remote: whom it sends to; null: whoever it heard from last.
        """
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._remote = remote
        self.port: int = self._socket.getsockname()[1]

    def send(self, message: Packet | bytes) -> None:
        """Send one datagram; one that nobody can take is lost."""
        if self._remote is None:
            raise RuntimeError("nobody was heard from yet")
        with contextlib.suppress(ConnectionRefusedError):
            self._socket.sendto(message if isinstance(message, bytes) else message.encode(), self._remote)

    def receive(self, within: float) -> Packet | None:
        """The next CoAP message; null where none came within `within` seconds."""
        end = time.monotonic() + within
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                data, address = self._socket.recvfrom(65_535)
            except TimeoutError:
                return None
            except ConnectionRefusedError:  # what was sent before found nobody
                continue
            self._remote = (str(address[0]), int(address[1]))
            found = self.read(data)
            if found is not None:
                return found
        return None

    def read(self, data: bytes) -> Packet | None:
        """What a datagram says; null where it is no CoAP message."""
        return Packet.decode(data)

    def receive_where(self, check: Callable[[Packet], bool], within: float) -> Packet | None:
        """The next CoAP message that `check` accepts; others before it are passed over."""
        end = time.monotonic() + within
        while (left := end - time.monotonic()) > 0:
            found = self.receive(left)
            if found is not None and check(found):
                return found
        return None

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
