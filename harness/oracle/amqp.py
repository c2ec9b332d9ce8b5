"""Rules for what an AMQP 0-9-1 client sends: frames, methods with their arguments, contents."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from harness.oracle.reading import Fields, Outcome, Wrong, demand

_METHOD, _HEADER, _BODY, _HEARTBEAT = 1, 2, 3, 8
_PUBLISH, _CONNECTION, _BASIC = (60, 40), 10, 60
_TUNE_OK = (10, 31)
#: frame-min-size (section 4.2.3): what may be sent before and whatever is agreed.
_SMALLEST_LIMIT = 4096
#: What clients may send, with the types of the arguments: B octet, H short, I long, Q long-long (as in `struct`),
#: s short string, S long string, F table, b one octet of bits. From amqp0-9-1.extended.xml, with RabbitMQ's extensions.
_METHODS: dict[tuple[int, int], str] = {
    (10, 11): "FsSs", (10, 21): "S", _TUNE_OK: "HIH", (10, 40): "ssb", (10, 50): "HsHH", (10, 51): "", (10, 70): "Ss",
    (20, 10): "s", (20, 20): "b", (20, 21): "b", (20, 40): "HsHH", (20, 41): "",
    (30, 10): "sb",
    (40, 10): "HssbF", (40, 20): "Hsb", (40, 30): "HsssbF", (40, 40): "HsssbF",
    (50, 10): "HsbF", (50, 20): "HsssbF", (50, 30): "Hsb", (50, 40): "Hsb", (50, 50): "HsssF",
    (60, 10): "IHb", (60, 20): "HssbF", (60, 30): "sb", (60, 31): "s", _PUBLISH: "Hssb", (60, 70): "Hsb",
    (60, 80): "Qb", (60, 90): "Qb", (60, 100): "b", (60, 110): "b", (60, 120): "Qb",
    (85, 10): "b", (90, 10): "", (90, 20): "", (90, 30): "",
}  # fmt: skip
#: The properties of class basic, from bit 15 downwards (section 4.2.6.1).
_BASIC_PROPERTIES = "ssFBBssssQssss"
#: Sizes of values in tables whose size is fixed: the specification's types and those of its errata.
_FIXED = {b"t": 1, b"b": 1, b"B": 1, b"U": 2, b"u": 2, b"s": 2, b"I": 4, b"i": 4, b"L": 8, b"l": 8,
          b"f": 4, b"d": 8, b"D": 5, b"T": 8, b"V": 0}  # fmt: skip
_SHORT = "amqp.short"


@dataclass
class _Content:
    """A content that a channel is in the middle of; `missing` is null until its header came."""

    missing: int | None = None


@dataclass
class _State:
    limit: int = _SMALLEST_LIMIT
    contents: dict[int, _Content] = field(default_factory=dict)


def judge(data: bytes) -> Outcome:
    """What a client sent on one connection."""
    outcome, state, offset = Outcome(), _State(), 8
    if len(data) < offset:
        outcome.rest = len(data)
        return outcome
    with outcome.frame(offset):
        demand(data[:8] == b"AMQP\0\0\x09\x01", "amqp.protocol-header", data[:8].hex(" "))
    if outcome.objections:
        return outcome
    while offset + 7 <= len(data):
        kind, channel, size = struct.unpack_from(">BHI", data, offset)
        end = offset + 8 + size
        if kind not in (_METHOD, _HEADER, _BODY, _HEARTBEAT):
            with outcome.frame(offset + 7):
                raise Wrong("amqp.frame-type", f"type {kind}")
            return outcome
        if end > len(data):
            break
        ended, limit = data[end - 1] == 0xCE, state.limit
        with outcome.frame(end):
            demand(ended, "amqp.frame-end", f"it ends with {data[end - 1]:#04x}")
            _frame(kind, channel, data[offset + 7 : end - 1], state)
            demand(size + 8 <= limit, "amqp.frame-max", f"{size + 8} bytes where {limit} are agreed")
        if not ended:
            # Where the next frame begins is anybody's guess.
            return outcome
        offset = end
    outcome.rest = len(data) - offset
    return outcome


def _frame(kind: int, channel: int, payload: bytes, state: _State) -> None:
    if kind == _HEARTBEAT:
        demand(channel == 0, "amqp.heartbeat-channel", f"channel {channel}")
        demand(not payload, "amqp.heartbeat-payload", f"{len(payload)} bytes")
    elif kind == _METHOD:
        _method(channel, payload, state)
    elif kind == _HEADER:
        _header(channel, payload, state)
    else:
        content = state.contents.get(channel)
        if content is None or content.missing is None:
            raise Wrong("amqp.body-alone", f"channel {channel}")
        demand(len(payload) <= content.missing, "amqp.body-size", f"{len(payload) - content.missing} bytes too many")
        content.missing -= len(payload)
        if not content.missing:
            del state.contents[channel]


def _method(channel: int, payload: bytes, state: _State) -> None:
    fields = Fields(payload, _SHORT)
    name = (fields.number("H"), fields.number("H"))
    interrupted = state.contents.pop(channel, None)
    arguments = _METHODS.get(name)
    if arguments is None:
        raise Wrong("amqp.method", f"method {name[0]}.{name[1]}")
    demand((name[0] == _CONNECTION) == (channel == 0), "amqp.channel", f"method {name[0]}.{name[1]} on {channel}")
    start = fields.offset
    for kind in arguments:
        _argument(fields, kind)
    fields.finish("amqp.left-over")
    if name == _TUNE_OK:
        _, limit = struct.unpack_from(">HI", payload, start)
        demand(limit == 0 or limit >= _SMALLEST_LIMIT, "amqp.frame-min-size", f"frame-max is {limit}")
        state.limit = limit or 1 << 32
    if name == _PUBLISH:
        state.contents[channel] = _Content()
    # Closing may come at any moment.
    demand(interrupted is None or name in ((20, 40), (20, 41)), "amqp.content-unfinished", f"channel {channel}")


def _header(channel: int, payload: bytes, state: _State) -> None:
    content = state.contents.get(channel)
    demand(content is not None and content.missing is None, "amqp.header-alone", f"channel {channel}")
    fields = Fields(payload, _SHORT)
    owner, weight, size, flags = (fields.number(kind) for kind in "HHQH")
    # What follows belongs to this content, whatever is wrong with its header.
    state.contents[channel] = _Content(size)
    if not size:
        del state.contents[channel]
    demand(owner == _BASIC, "amqp.header-class", f"class {owner}")
    demand(weight == 0, "amqp.weight", f"weight {weight}")
    demand(not flags & 3, "amqp.property-flags", f"flags {flags:016b}")
    for bit, kind in enumerate(_BASIC_PROPERTIES):
        if flags & 0x8000 >> bit:
            _argument(fields, kind)
    fields.finish("amqp.left-over")


def _argument(fields: Fields, kind: str) -> None:
    if kind == "s":
        fields.take(fields.byte())
    elif kind == "S":
        fields.take(fields.number("I"))
    elif kind == "F":
        _table(fields)
    else:
        fields.number("B" if kind == "b" else kind)


def _table(fields: Fields) -> None:
    inside = Fields(fields.take(fields.number("I")), "amqp.table")
    while inside.left:
        inside.take(inside.byte())
        _value(inside)


def _value(fields: Fields) -> None:
    kind = fields.take(1)
    if kind in _FIXED:
        fields.take(_FIXED[kind])
    elif kind in (b"S", b"x"):
        fields.take(fields.number("I"))
    elif kind == b"F":
        _table(fields)
    elif kind == b"A":
        inside = Fields(fields.take(fields.number("I")), "amqp.table")
        while inside.left:
            _value(inside)
    else:
        raise Wrong("amqp.table-type", f"type {kind!r}")
