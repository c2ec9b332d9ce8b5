"""AMQP frames as pika writes them, and wrong in one way."""

from __future__ import annotations

import struct

from pika import frame, spec

from tests.unit.oracle.mutants import Mutant, edited

HEADER = b"AMQP\0\0\x09\x01"
#: The opening, which agrees on frames of 4096 bytes.
OPENING = (
    HEADER
    + frame.Method(0, spec.Connection.StartOk({"product": "test"}, "PLAIN", "\0u\0p")).marshal()
    + frame.Method(0, spec.Connection.TuneOk(0, 4096, 0)).marshal()
    + frame.Method(0, spec.Connection.Open("/")).marshal()
    + frame.Method(1, spec.Channel.Open()).marshal()
)
_HEARTBEAT = frame.Heartbeat().marshal()
_DECLARE = frame.Method(1, spec.Queue.Declare(queue="q", arguments={"x-max-length": 5})).marshal()
_ACK = frame.Method(1, spec.Basic.Ack(delivery_tag=1)).marshal()
_PUBLISH = frame.Method(1, spec.Basic.Publish(exchange="", routing_key="q")).marshal()
_PROPERTIES = spec.BasicProperties(content_type="text/plain", delivery_mode=2)
_HEAD = frame.Header(1, 4, _PROPERTIES).marshal()
_BODY = frame.Body(1, b"body").marshal()
_CONTENT = _PUBLISH + _HEAD + _BODY


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def _method(name: bytes, arguments: bytes = b"") -> bytes:
    return _frame(1, 1, name + arguments)


def _open(rule: str, valid: bytes, wrong: bytes) -> Mutant:
    return Mutant(rule, OPENING + valid, OPENING + wrong)


def _table(entries: bytes) -> bytes:
    """queue.declare with a table of arguments."""
    return _method(b"\0\x32\0\x0a", b"\0\0\1q\0" + struct.pack(">I", len(entries)) + entries)


MUTANTS: tuple[Mutant, ...] = (
    Mutant("amqp.protocol-header", HEADER, b"AMQP\1\1\0\x09"),
    _open("amqp.frame-type", _HEARTBEAT, edited(_HEARTBEAT, 0, b"\4")),
    _open("amqp.frame-end", _HEARTBEAT, edited(_HEARTBEAT, -1, b"\xcf")),
    _open(
        "amqp.frame-max",
        _PUBLISH + frame.Header(1, 4088, _PROPERTIES).marshal() + frame.Body(1, bytes(4088)).marshal(),
        _PUBLISH + frame.Header(1, 4089, _PROPERTIES).marshal() + frame.Body(1, bytes(4089)).marshal(),
    ),
    Mutant(
        "amqp.frame-min-size",
        HEADER + frame.Method(0, spec.Connection.TuneOk(0, 4096, 0)).marshal(),
        HEADER + frame.Method(0, spec.Connection.TuneOk(0, 4095, 0)).marshal(),
    ),
    _open("amqp.heartbeat-channel", _HEARTBEAT, edited(_HEARTBEAT, 1, b"\0\1")),
    _open("amqp.heartbeat-payload", _HEARTBEAT, _frame(8, 0, b"x")),
    _open("amqp.channel", _DECLARE, edited(_DECLARE, 1, b"\0\0")),
    _open(
        "amqp.channel",
        frame.Method(0, spec.Connection.CloseOk()).marshal(),
        frame.Method(1, spec.Connection.CloseOk()).marshal(),
    ),
    # basic.deliver, which servers send.
    _open("amqp.method", _ACK, edited(_ACK, 9, b"\0\x3c")),
    _open("amqp.method", _DECLARE, edited(_DECLARE, 7, b"\0\x33")),
    _open("amqp.short", _ACK, _method(b"\0\x3c\0\x50", bytes(8))),
    _open(
        "amqp.short",
        _HEAD and _CONTENT,
        _PUBLISH + _frame(2, 1, b"\0\x3c\0\0" + struct.pack(">QHB", 4, 0x8000, 9)) + _BODY,
    ),
    _open("amqp.left-over", _ACK, _method(b"\0\x3c\0\x50", bytes(10))),
    _open("amqp.left-over", _CONTENT, _PUBLISH + _frame(2, 1, _HEAD[7:-1] + b"\0") + _BODY),
    _open("amqp.table", _table(b"\1kI" + bytes(4)), _table(b"\1kI" + bytes(3))),
    _open("amqp.table", _table(b"\1kS\0\0\0\2ab"), _table(b"\1kS\0\0\0\3ab")),
    _open("amqp.table-type", _table(b"\1kI" + bytes(4)), _table(b"\1kZ" + bytes(4))),
    _open("amqp.header-alone", _CONTENT, _HEAD),
    _open("amqp.header-class", _CONTENT, _PUBLISH + edited(_HEAD, 7, b"\0\x32") + _BODY),
    _open("amqp.weight", _CONTENT, _PUBLISH + edited(_HEAD, 9, b"\0\1") + _BODY),
    _open("amqp.property-flags", _CONTENT, _PUBLISH + edited(_HEAD, 19, b"\x90\x02") + _BODY),
    _open("amqp.body-alone", _CONTENT, _BODY),
    _open("amqp.body-alone", _CONTENT, _CONTENT + _BODY),
    _open("amqp.body-size", _CONTENT, _PUBLISH + _HEAD + frame.Body(1, b"bodies").marshal()),
    _open("amqp.content-unfinished", _CONTENT + _ACK, _PUBLISH + _HEAD + _ACK),
    _open("amqp.content-unfinished", _CONTENT + _ACK, _PUBLISH + _ACK),
)
