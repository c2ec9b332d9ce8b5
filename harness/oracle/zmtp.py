"""Rules for what a ZMTP 3 peer sends: greeting, handshake of NULL, PLAIN and CURVE, frames and commands."""

from __future__ import annotations

import re
import struct

from harness.oracle.reading import Fields, Outcome, Unjudged, Wrong, demand

_GREETING = 64
_MORE, _LONG, _COMMAND = 1, 2, 4
_SHORT = "zmtp.short"
_MECHANISM = re.compile(rb"[A-Z0-9\-_.+]+\0*", re.DOTALL)
_PROPERTY_NAME = re.compile(rb"[A-Za-z0-9\-_.+]+")
_SOCKET_TYPES = {
    b"REQ", b"REP", b"DEALER", b"ROUTER", b"PUB", b"XPUB", b"SUB", b"XSUB", b"PUSH", b"PULL", b"PAIR",
    b"CLIENT", b"SERVER", b"RADIO", b"DISH", b"SCATTER", b"GATHER", b"PEER", b"CHANNEL", b"STREAM",
}  # fmt: skip
#: What may come first after the greeting, by mechanism (23/ZMTP, 24/ZMTP-PLAIN, 25/ZMTP-CURVE).
_OPENINGS = {
    b"NULL": {b"READY", b"ERROR"},
    b"PLAIN": {b"HELLO", b"WELCOME", b"ERROR"},
    b"CURVE": {b"HELLO", b"WELCOME", b"ERROR"},
}
#: Sizes of CURVE's commands after their name (25/ZMTP-CURVE): from and to, null where it is open.
_CURVE = {b"HELLO": (194, 194), b"WELCOME": (160, 160), b"INITIATE": (248, None), b"READY": (24, None)}


def judge(data: bytes) -> Outcome:
    """What one peer sent on one connection."""
    outcome = Outcome()
    if len(data) < _GREETING:
        outcome.rest = len(data)
        return outcome
    with outcome.frame(_GREETING):
        _greeting(data[:_GREETING])
    if outcome.objections or outcome.unjudged:
        return outcome
    mechanism, offset, is_open, inside = data[12:32].rstrip(b"\0"), _GREETING, False, False
    while offset + 2 <= len(data):
        flags = data[offset]
        head = 9 if flags & _LONG else 2
        if offset + head > len(data):
            break
        size = struct.unpack_from(">Q", data, offset + 1)[0] if flags & _LONG else data[offset + 1]
        end = offset + head + size
        if flags & ~(_MORE | _LONG | _COMMAND) or size >= 1 << 63:
            with outcome.frame(offset + head):
                demand(size < 1 << 63, "zmtp.long-size")
                raise Wrong("zmtp.reserved-flags", f"flags {flags:08b}")
            return outcome
        if end > len(data):
            break
        with outcome.frame(end):
            body = data[offset + head : end]
            demand(not (flags & _COMMAND and flags & _MORE), "zmtp.command-more")
            if flags & _COMMAND:
                demand(not inside, "zmtp.command-inside")
                is_first, is_open = not is_open, True
                name = _command(body, mechanism)
                demand(not is_first or name in _OPENINGS.get(mechanism, {name}), "zmtp.handshake-first", name.decode())
            else:
                # libzmq sends CURVE's MESSAGE as a message and not as a command: 25/ZMTP-CURVE leaves that open.
                demand(is_open, "zmtp.message-before-handshake")
                inside = bool(flags & _MORE)
        offset = end
    outcome.rest = len(data) - offset
    return outcome


def _greeting(data: bytes) -> None:
    demand(data[0] == 0xFF and data[9] == 0x7F, "zmtp.signature", data[:10].hex(" "))
    if data[10] != 3:
        raise Unjudged(f"ZMTP {data[10]} is not judged, only 3")
    demand(_MECHANISM.fullmatch(data[12:32]), "zmtp.mechanism", data[12:32].hex(" "))
    demand(data[32] in (0, 1), "zmtp.as-server", f"{data[32]}")
    demand(data[12:17] != b"NULL\0" or not data[32], "zmtp.as-server-null")
    demand(not any(data[33:]), "zmtp.filler")


def _command(body: bytes, mechanism: bytes) -> bytes:
    """Check a command; returns its name."""
    fields = Fields(body, _SHORT)
    name = fields.take(fields.byte())
    demand(name and name.isalpha(), "zmtp.command-name", repr(name))
    if mechanism == b"CURVE":
        # The rest is encrypted; only sizes can be told.
        least, most = _CURVE.get(name, (0, None))
        fits = least <= fields.left <= (fields.left if most is None else most)
        demand(fits, "zmtp.curve-size", f"{name.decode()} of {fields.left} bytes")
        return name
    if name in (b"READY", b"INITIATE"):
        _metadata(fields)
    elif name == b"PING":
        fields.number("H")
        demand(fields.left <= 16, "zmtp.ping-context", f"{fields.left} bytes")
    elif name == b"PONG":
        demand(fields.left <= 16, "zmtp.ping-context", f"{fields.left} bytes")
    elif name == b"ERROR":
        fields.take(fields.byte())
        fields.finish("zmtp.left-over")
    elif name == b"HELLO" and mechanism == b"PLAIN":
        fields.take(fields.byte())
        fields.take(fields.byte())
        fields.finish("zmtp.left-over")
    return name


def _metadata(fields: Fields) -> None:
    while fields.left:
        name = fields.take(fields.byte())
        demand(_PROPERTY_NAME.fullmatch(name), "zmtp.property-name", repr(name))
        value = fields.take(fields.number("I"))
        if name.lower() == b"socket-type":
            demand(value in _SOCKET_TYPES, "zmtp.socket-type", repr(value))
        demand(name.lower() != b"identity" or len(value) <= 255, "zmtp.identity", f"{len(value)} bytes")
