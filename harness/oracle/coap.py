"""Rules for CoAP messages over UDP, of clients and of servers."""

from __future__ import annotations

from harness.oracle.reading import Fields, Wrong, demand, text

_CON, _NON, _ACK, _RST = range(4)
_SHORT = "coap.short"
#: Options with the lengths of their values, whether they may be repeated, and whether they are text: RFC 7252 table 4,
#: RFC 7641 section 2, RFC 7959 sections 2.1 and 4, RFC 7967.
_OPTIONS: dict[int, tuple[str, int, int, bool, bool]] = {
    1: ("If-Match", 0, 8, True, False),
    3: ("Uri-Host", 1, 255, False, True),
    4: ("ETag", 1, 8, True, False),
    5: ("If-None-Match", 0, 0, False, False),
    6: ("Observe", 0, 3, False, False),
    7: ("Uri-Port", 0, 2, False, False),
    8: ("Location-Path", 0, 255, True, True),
    11: ("Uri-Path", 0, 255, True, True),
    12: ("Content-Format", 0, 2, False, False),
    14: ("Max-Age", 0, 4, False, False),
    15: ("Uri-Query", 0, 255, True, True),
    17: ("Accept", 0, 2, False, False),
    20: ("Location-Query", 0, 255, True, True),
    23: ("Block2", 0, 3, False, False),
    27: ("Block1", 0, 3, False, False),
    28: ("Size2", 0, 4, False, False),
    35: ("Proxy-Uri", 1, 1034, False, True),
    39: ("Proxy-Scheme", 1, 255, False, True),
    60: ("Size1", 0, 4, False, False),
}
#: Options of which a response gives one: a server that gives several ETags leaves open which is meant.
_ONCE_IN_RESPONSES = {4}
_BLOCKS, _PATHS = (23, 27), (8, 11)


def check(message: bytes) -> None:
    """Object to a datagram that is no CoAP message as RFC 7252 has it."""
    fields = Fields(message, _SHORT)
    first, code, _ = fields.byte(), fields.byte(), fields.number("H")
    version, kind, token = first >> 6, first >> 4 & 3, first & 0x0F
    demand(version == 1, "coap.version", f"version {version}")
    demand(token <= 8, "coap.token-length", f"{token} bytes")
    shown = f"{code >> 5}.{code & 0x1F:02}"
    if code == 0:
        demand(len(message) == 4 and token == 0, "coap.empty", f"{len(message)} bytes, token length {token}")
        demand(kind != _NON, "coap.type-code", "an Empty message that is non-confirmable")
        return
    demand(code >> 5 in (0, 2, 4, 5), "coap.code-class", shown)
    demand(kind != _RST, "coap.type-code", f"a Reset message with code {shown}")
    demand(kind != _ACK or code >> 5, "coap.type-code", f"an Acknowledgement with the request {shown}")
    fields.take(token)
    _options(fields, response=code >> 5 != 0)


def _options(fields: Fields, *, response: bool) -> None:
    number, seen = 0, set()
    while fields.left:
        first = fields.byte()
        if first == 0xFF:
            demand(fields.left, "coap.payload-marker")
            return
        number += _extended(fields, first >> 4)
        value = fields.take(_extended(fields, first & 0x0F))
        known = _OPTIONS.get(number)
        if known is None:
            continue
        name, least, most, repeatable, is_text = known
        again = number in seen and (not repeatable or (response and number in _ONCE_IN_RESPONSES))
        seen.add(number)
        demand(not again, "coap.option-repeated", name)
        demand(least <= len(value) <= most, "coap.option-length", f"{name} of {len(value)} bytes")
        if is_text:
            text(value, "coap.option-text", name)
        demand(number not in _PATHS or value not in (b".", b".."), "coap.dot-segment", name)
        demand(number not in _BLOCKS or not value or value[-1] & 7 != 7, "coap.block-size", name)


def _extended(fields: Fields, nibble: int) -> int:
    """An option's delta or length (section 3.1)."""
    if nibble == 15:
        raise Wrong("coap.option-header", "15 outside the payload marker")
    if nibble == 13:
        return fields.byte() + 13
    return fields.number("H") + 269 if nibble == 14 else nibble
