"""CoAP messages as aiocoap writes them, and wrong in one way."""

from __future__ import annotations

import aiocoap
from aiocoap.numbers import Code, OptionNumber, Type

from tests.unit.oracle.mutants import Mutant, edited


def _encoded(code: Code, kind: Type = Type.CON, token: bytes = b"tk", payload: bytes = b"", **options: object) -> bytes:
    message = aiocoap.Message(code=code, _mtype=kind, _mid=0x1234, _token=token, payload=payload)
    for name, value in options.items():
        setattr(message.opt, name, value)
    data: bytes = message.encode()
    return data


_GET = _encoded(Code.GET, uri_path=("a", "b"))
_CONTENT = _encoded(Code.CONTENT, Type.ACK, payload=b"x", content_format=0, etag=b"e")
_EMPTY = _encoded(Code.EMPTY, Type.ACK, b"")
_HEAD = b"\x40\x01\x12\x34"


def _option(number: int, value: bytes) -> bytes:
    """An option that comes first."""
    assert len(value) < 13
    if number < 13:
        return bytes([number << 4 | len(value)]) + value
    return bytes([13 << 4 | len(value), number - 13]) + value


MUTANTS: tuple[Mutant, ...] = (
    Mutant("coap.version", _GET, edited(_GET, 0, b"\x82")),
    Mutant("coap.token-length", _GET, edited(_GET, 0, b"\x49")),
    Mutant("coap.empty", _EMPTY, _EMPTY + b"\xffx"),
    Mutant("coap.empty", _EMPTY, edited(_EMPTY, 0, b"\x61") + b"t"),
    Mutant("coap.code-class", _GET, edited(_GET, 1, b"\x21")),
    Mutant("coap.code-class", _CONTENT, edited(_CONTENT, 1, b"\xe1")),
    Mutant("coap.type-code", _GET, edited(_GET, 0, b"\x62")),
    Mutant("coap.type-code", _CONTENT, edited(_CONTENT, 0, b"\x72")),
    Mutant("coap.type-code", _EMPTY, edited(_EMPTY, 0, b"\x50")),
    Mutant("coap.short", _GET, _GET[:3]),
    Mutant("coap.short", _GET, _GET[:5]),
    Mutant("coap.short", _GET, _GET[:-1]),
    Mutant("coap.option-header", _HEAD + _option(11, b"a"), _HEAD + b"\xbfa"),
    Mutant("coap.option-header", _HEAD + _option(11, b"a"), _HEAD + b"\xf1a"),
    Mutant("coap.payload-marker", _CONTENT, _CONTENT[:-1]),
    Mutant("coap.option-repeated", _HEAD + _option(12, b"\0"), _HEAD + _option(12, b"\0") + b"\1\0"),
    Mutant(
        "coap.option-repeated", b"\x60\x45\x12\x34" + _option(4, b"e"), b"\x60\x45\x12\x34" + _option(4, b"e") + b"\1f"
    ),
    Mutant("coap.option-length", _HEAD + _option(12, b"\0\1"), _HEAD + _option(12, b"\0\0\1")),
    Mutant("coap.option-length", _HEAD + _option(3, b"h"), _HEAD + _option(3, b"")),
    Mutant("coap.option-length", _HEAD + _option(6, b"\1"), _HEAD + _option(6, b"\0\0\0\1")),
    Mutant("coap.option-text", _HEAD + _option(11, b"a"), _HEAD + _option(11, b"\xff")),
    Mutant("coap.dot-segment", _HEAD + _option(11, b"..a"), _HEAD + _option(11, b"..")),
    Mutant("coap.block-size", _HEAD + _option(int(OptionNumber.BLOCK2), b"\6"), _HEAD + _option(23, b"\7")),
)
