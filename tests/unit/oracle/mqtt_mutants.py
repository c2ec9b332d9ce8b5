"""MQTT packets, each right and wrong in one way. Written by hand from the specifications' tables."""

from __future__ import annotations

import struct

from tests.unit.oracle.mutants import Mutant


def packet(first: int, body: bytes = b"") -> bytes:
    """A packet with a remaining length of one byte."""
    return bytes([first, len(body)]) + body


def string(value: str | bytes) -> bytes:
    """A string with its length."""
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(data)) + data


def properties(*pairs: bytes) -> bytes:
    """Properties with their length."""
    data = b"".join(pairs)
    return bytes([len(data)]) + data


def connect(
    level: int = 4,
    flags: int = 2,
    payload: bytes = string("c"),
    name: str = "MQTT",
    props: bytes = b"",
) -> bytes:
    """CONNECT with a keep-alive of 60 s."""
    return packet(0x10, string(name) + bytes([level, flags, 0, 60]) + props + payload)


OLD = connect()
NEW = connect(5, props=properties())
#: A will on the topic w with the payload x.
WILL = string("c") + string("w") + string("x")
_ID = b"\0\7"


def _old(rule: str, valid: bytes, wrong: bytes) -> Mutant:
    return Mutant(rule, OLD + valid, OLD + wrong)


def _new(rule: str, valid: bytes, wrong: bytes) -> Mutant:
    return Mutant(rule, NEW + valid, NEW + wrong)


def _publish(first: int, rest: bytes, topic: str | bytes = "t") -> bytes:
    return packet(first, string(topic) + rest)


def _subscribe(options: int, topic: str = "t", props: bytes = b"") -> bytes:
    return packet(0x82, _ID + props + string(topic) + bytes([options]))


def _asking(*pairs: bytes) -> bytes:
    return connect(5, props=properties(*pairs))


MUTANTS: tuple[Mutant, ...] = (
    _old("mqtt.remaining-length", packet(0xC0), b"\xc0\x80\x80\x80\x80\x01"),
    _new("mqtt.variable-byte-integer", packet(0xC0), b"\xc0\x80\x00"),
    _new("mqtt.variable-byte-integer", _publish(0x30, b"\0"), _publish(0x30, b"\x80\0")),
    Mutant("mqtt.connect-first", OLD + packet(0xC0), packet(0xC0)),
    Mutant("mqtt.second-connect", OLD, OLD + OLD),
    Mutant("mqtt.protocol-name", OLD, connect(name="MQTY")),
    Mutant("mqtt.protocol-level", OLD, connect(level=6)),
    _old("mqtt.after-disconnect", packet(0xC0) + packet(0xE0), packet(0xE0) + packet(0xC0)),
    _old("mqtt.packet-type", packet(0xC0), packet(0x00)),
    _old("mqtt.packet-type", packet(0xC0), packet(0xF0)),
    _old("mqtt.server-packet", packet(0xC0), packet(0xD0)),
    _old("mqtt.server-packet", packet(0xC0), packet(0x90, _ID + b"\0")),
    _old("mqtt.reserved-flags", _subscribe(1), packet(0x80, _ID + string("t") + b"\1")),
    _old("mqtt.reserved-flags", packet(0x62, _ID), packet(0x60, _ID)),
    _old("mqtt.reserved-flags", packet(0xE0), packet(0xE1)),
    _old("mqtt.short", packet(0x40, _ID), packet(0x40, b"\7")),
    _old("mqtt.short", _publish(0x30, b""), packet(0x30, b"\0\2t")),
    Mutant("mqtt.short", connect(flags=0x82, payload=string("c") + string("u")), connect(flags=0x82)),
    _old("mqtt.left-over", packet(0x40, _ID), packet(0x40, _ID + b"\0")),
    _old("mqtt.left-over", packet(0xC0), packet(0xC0, b"\0")),
    Mutant("mqtt.left-over", OLD, connect(payload=string("c") + b"x")),
    Mutant("mqtt.connect-reserved", OLD, connect(flags=3)),
    Mutant("mqtt.will-qos", connect(flags=0x0E, payload=WILL), connect(flags=0x1E, payload=WILL)),
    Mutant("mqtt.will-flags", OLD, connect(flags=0x0A)),
    Mutant("mqtt.will-flags", OLD, connect(flags=0x22)),
    Mutant(
        "mqtt.password-alone",
        connect(flags=0xC2, payload=string("c") + string("u") + string("p")),
        connect(flags=0x42, payload=string("c") + string("p")),
    ),
    Mutant("mqtt.empty-client-id", connect(payload=string("")), connect(flags=0, payload=string(""))),
    _old("mqtt.utf-8", _publish(0x30, b""), _publish(0x30, b"", b"\xed\xa0\x80")),
    _old("mqtt.null-character", _publish(0x30, b""), _publish(0x30, b"", "a\0b")),
    _old("mqtt.qos-3", _publish(0x32, _ID), _publish(0x36, _ID)),
    _old("mqtt.dup-qos-0", _publish(0x30, b"x"), _publish(0x38, b"x")),
    _old("mqtt.packet-id", _publish(0x32, _ID), _publish(0x32, b"\0\0")),
    _old("mqtt.packet-id", packet(0x40, _ID), packet(0x40, b"\0\0")),
    _new("mqtt.packet-id", _subscribe(1, props=b"\0"), packet(0x82, b"\0\0\0" + string("t") + b"\1")),
    _old("mqtt.empty-topic", _publish(0x30, b""), _publish(0x30, b"", "")),
    _old("mqtt.empty-topic", _subscribe(0), _subscribe(0, "")),
    _old("mqtt.wildcard-in-name", _publish(0x30, b"", "a/b"), _publish(0x30, b"", "a/#")),
    _old("mqtt.multi-level-wildcard", _subscribe(0, "a/#"), _subscribe(0, "a/#/b")),
    _old("mqtt.multi-level-wildcard", _subscribe(0, "a/#"), _subscribe(0, "a#")),
    _old("mqtt.single-level-wildcard", _subscribe(0, "a/+"), _subscribe(0, "a+")),
    _old("mqtt.no-filter", _subscribe(0), packet(0x82, _ID)),
    _old("mqtt.no-filter", packet(0xA2, _ID + string("t")), packet(0xA2, _ID)),
    _old("mqtt.subscription-qos", _subscribe(2), _subscribe(3)),
    _old("mqtt.subscription-reserved", _subscribe(2), _subscribe(6)),
    _new("mqtt.subscription-reserved", _subscribe(2, props=b"\0"), _subscribe(0x42, props=b"\0")),
    _new("mqtt.retain-handling", _subscribe(0x20, props=b"\0"), _subscribe(0x30, props=b"\0")),
    _new("mqtt.shared-no-local", _subscribe(4, "s/g/t", b"\0"), _subscribe(4, "$share/g/t", b"\0")),
    _new("mqtt.reason-code", packet(0x40, _ID + b"\x10"), packet(0x40, _ID + b"\x11")),
    _new("mqtt.reason-code", packet(0xE0, b"\4"), packet(0xE0, b"\x8b")),
    _new("mqtt.reason-code", packet(0xF0, b"\x18\0"), packet(0xF0, b"\0\0")),
    Mutant("mqtt.property", _asking(b"\x22\0\1"), _asking(b"\x23\0\1")),
    _new("mqtt.property", _publish(0x30, properties(b"\1\1")), _publish(0x30, properties(b"\x0b\1"))),
    Mutant("mqtt.property-length", _asking(b"\x21\0\1"), connect(5, props=b"\2\x21\0\1")),
    Mutant("mqtt.property-twice", _asking(b"\x21\0\1"), _asking(b"\x21\0\1", b"\x21\0\1")),
    Mutant("mqtt.property-value", _asking(b"\x21\0\1"), _asking(b"\x21\0\0")),
    Mutant("mqtt.property-value", _asking(b"\x17\1"), _asking(b"\x17\2")),
    _new(
        "mqtt.property-value",
        _publish(0x30, properties(b"\x23\0\1")),
        _publish(0x30, properties(b"\x23\0\0")),
    ),
    Mutant("mqtt.auth-data-alone", _asking(b"\x15\0\1m", b"\x16\0\1d"), _asking(b"\x16\0\1d")),
    _new("mqtt.no-topic-no-alias", _publish(0x30, properties(b"\x23\0\1"), ""), _publish(0x30, properties(), "")),
)
