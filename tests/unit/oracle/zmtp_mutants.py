"""What a ZMTP 3.1 peer sends, and wrong in one way. Written by hand from 23/ZMTP and 37/ZMTP."""

from __future__ import annotations

import struct

from tests.unit.oracle.mutants import Mutant, edited


def greeting(mechanism: bytes = b"NULL", as_server: int = 0) -> bytes:
    """A whole greeting."""
    return b"\xff" + bytes(8) + b"\x7f\3\1" + mechanism.ljust(20, b"\0") + bytes([as_server]) + bytes(31)


def command(name: bytes, data: bytes, flags: int = 4) -> bytes:
    """A short command frame."""
    body = bytes([len(name)]) + name + data
    return bytes([flags, len(body)]) + body


def metadata(name: bytes, value: bytes) -> bytes:
    """One property."""
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value


_READY = command(b"READY", metadata(b"Socket-Type", b"PUSH"))
NULL = greeting() + _READY
_PLAIN = greeting(b"PLAIN")
_HELLO = b"\4user\6secret"


def _then(rule: str, valid: bytes, wrong: bytes) -> Mutant:
    return Mutant(rule, NULL + valid, NULL + wrong)


def _ready(rule: str, wrong: bytes) -> Mutant:
    return Mutant(rule, NULL, greeting() + command(b"READY", wrong))


MUTANTS: tuple[Mutant, ...] = (
    Mutant("zmtp.signature", NULL, edited(NULL, 9, b"\x7e")),
    Mutant("zmtp.mechanism", NULL, edited(NULL, 17, b"X")),
    Mutant("zmtp.mechanism", NULL, edited(NULL, 12, b"null")),
    Mutant("zmtp.as-server", NULL, edited(NULL, 32, b"\2")),
    Mutant("zmtp.as-server-null", NULL, edited(NULL, 32, b"\1")),
    Mutant("zmtp.filler", NULL, edited(NULL, 40, b"\1")),
    _then("zmtp.reserved-flags", b"\0\1x", b"\x08\1x"),
    _then("zmtp.long-size", b"\2" + struct.pack(">Q", 1) + b"x", b"\2" + struct.pack(">Q", 1 << 63) + b"x"),
    _then("zmtp.command-more", command(b"PING", b"\0\1"), command(b"PING", b"\0\1", flags=5)),
    _then(
        "zmtp.command-inside",
        b"\1\1x\0\1y" + command(b"PING", b"\0\1"),
        b"\1\1x" + command(b"PING", b"\0\1") + b"\0\1y",
    ),
    Mutant("zmtp.handshake-first", NULL, greeting() + command(b"PING", b"\0\1") + _READY),
    Mutant("zmtp.message-before-handshake", NULL + b"\0\1x", greeting() + b"\0\1x" + _READY),
    _then("zmtp.command-name", command(b"PING", b"\0\1"), command(b"PI-G", b"\0\1")),
    _then("zmtp.command-name", command(b"PING", b"\0\1"), command(b"", b"\0\1")),
    _then("zmtp.short", command(b"PING", b"\0\1"), command(b"PING", b"\1")),
    _then("zmtp.short", command(b"ERROR", b"\x03400"), b"\4\x09^RROR\x03400"),
    _ready("zmtp.short", metadata(b"Socket-Type", b"PUSH")[:-1]),
    _then("zmtp.left-over", command(b"ERROR", b"\x03400"), command(b"ERROR", b"\x03400!")),
    Mutant("zmtp.left-over", _PLAIN + command(b"HELLO", _HELLO), _PLAIN + command(b"HELLO", _HELLO + b"!")),
    _ready("zmtp.property-name", metadata(b"Socket Type", b"PUSH")),
    _ready("zmtp.property-name", metadata(b"", b"PUSH")),
    _ready("zmtp.socket-type", metadata(b"Socket-Type", b"PUSHY")),
    Mutant(
        "zmtp.identity",
        greeting() + b"\6" + struct.pack(">Q", 274) + b"\5READY" + metadata(b"Identity", bytes(255)),
        greeting() + b"\6" + struct.pack(">Q", 275) + b"\5READY" + metadata(b"Identity", bytes(256)),
    ),
    _then("zmtp.ping-context", command(b"PING", bytes(18)), command(b"PING", bytes(19))),
    _then("zmtp.ping-context", command(b"PONG", bytes(16)), command(b"PONG", bytes(17))),
    Mutant(
        "zmtp.curve-size",
        greeting(b"CURVE") + command(b"HELLO", bytes(194)),
        greeting(b"CURVE") + command(b"HELLO", bytes(193)),
    ),
)
