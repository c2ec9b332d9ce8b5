"""Field tables and basic properties between the contract's form and pika's.

The contract has `{"t": <type letter>, "v": <value>}`. pika picks letters by the Python type: `t` bool, `I` and `l` int,
`D` Decimal, `S` str, `x` bytes, `A` list, `T` datetime, `F` dict, `V` None. The other numbers are sent by a wrapper
around its encoder. A wrapper around its decoder reads `f` and `d`, of which pika cuts the fraction off.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pika
import pika.data  # type: ignore[import-untyped]

from harness.wire import amqp
from harness.wire.messages import ErrorCode, decode, encode
from harness.wire.serve import ProbeFailure

#: Numbers that pika does not send by itself: how their bytes are packed.
_FORMATS = {"b": ">b", "B": ">B", "s": ">h", "u": ">H", "i": ">I", "f": ">f", "d": ">d"}


@dataclass(frozen=True)
class _Number:
    """A number with the letter that it is to be sent with."""

    letter: str
    value: float


_encode_value: Callable[[list[bytes], Any], int] = pika.data.encode_value


def _encode_any(pieces: list[bytes], value: Any) -> int:
    if not isinstance(value, _Number):
        return _encode_value(pieces, value)
    data = value.letter.encode() + struct.pack(_FORMATS[value.letter], value.value)
    pieces.append(data)
    return len(data)


pika.data.encode_value = _encode_any

_decode_value: Callable[[bytes, int], tuple[Any, int]] = pika.data.decode_value


def _decode_any(encoded: bytes, offset: int) -> tuple[Any, int]:
    letter = encoded[offset : offset + 1].decode("latin-1")
    if letter not in ("f", "d"):
        return _decode_value(encoded, offset)
    (value,) = struct.unpack_from(_FORMATS[letter], encoded, offset + 1)
    return value, offset + 1 + struct.calcsize(_FORMATS[letter])


pika.data.decode_value = _decode_any


def _is_int32(value: int) -> bool:
    # No `in range(...)`: pika's integers are a subclass, which Python looks for item by item.
    return -(2**31) <= value < 2**31


def to_pika(table: amqp.Table) -> dict[str, Any]:
    """A table as pika wants it.

    Raises:
        ProbeFailure: pika cannot send one of its types.
    """
    return {name: _value_to_pika(entry) for name, entry in table.items()}


def _value_to_pika(entry: Any) -> Any:
    letter, value = entry["t"], entry.get("v")
    match letter:
        case "t" | "S" | "V":
            return value
        case "I" if _is_int32(value):
            return value
        case "l" if not _is_int32(int(value)):
            return int(value)
        case _ if letter in _FORMATS:
            return _Number(letter, value)
        case "D":
            return Decimal(value)
        case "x":
            return decode(value)
        case "A":
            return [_value_to_pika(item) for item in value]
        case "T":
            return datetime.fromtimestamp(int(value), UTC).replace(tzinfo=None)
        case "F":
            return to_pika(value)
        case _:
            raise ProbeFailure(
                ErrorCode.UNSUPPORTED, f"pika cannot send a field of type {letter}", feature=f"table-type-{letter}"
            )


def from_pika(table: Mapping[str, Any]) -> amqp.Table:
    """A table as pika delivered it."""
    return {name: _value_from_pika(value) for name, value in table.items()}


def _value_from_pika(value: Any) -> dict[str, Any]:
    match value:
        case None:
            return {"t": "V", "v": None}
        case bool():
            return {"t": "t", "v": value}
        case int():
            return {"t": "I", "v": int(value)} if _is_int32(value) else {"t": "l", "v": str(int(value))}
        case str():
            return {"t": "S", "v": value}
        case bytes():
            return {"t": "x", "v": encode(value)}
        case Decimal():
            return {"t": "D", "v": str(value)}
        case float():
            return {"t": "d", "v": value}
        case datetime():
            return {"t": "T", "v": str(int(value.replace(tzinfo=UTC).timestamp()))}
        case list():
            return {"t": "A", "v": [_value_from_pika(item) for item in value]}
        case dict():
            return {"t": "F", "v": from_pika(value)}
        case _:
            raise TypeError(f"pika delivered a {type(value).__name__} in a table")


#: Properties that are short strings in both forms.
_PLAIN = (
    "content_type",
    "content_encoding",
    "delivery_mode",
    "priority",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "type",
    "user_id",
    "app_id",
)


def properties_to_pika(properties: amqp.Properties) -> pika.BasicProperties:
    """Basic properties as pika wants them."""
    fields: dict[str, Any] = {name: getattr(properties, name) for name in _PLAIN}
    if properties.headers is not None:
        fields["headers"] = to_pika(properties.headers)
    if properties.timestamp is not None:
        fields["timestamp"] = int(properties.timestamp)
    return pika.BasicProperties(**fields)


def properties_from_pika(properties: pika.BasicProperties) -> amqp.Properties:
    """Basic properties as pika delivered them."""
    fields: dict[str, Any] = {name: getattr(properties, name) for name in _PLAIN}
    if properties.headers is not None:
        fields["headers"] = from_pika(properties.headers)
    if properties.timestamp is not None:
        fields["timestamp"] = str(properties.timestamp)
    return amqp.Properties.model_validate({name: value for name, value in fields.items() if value is not None})
