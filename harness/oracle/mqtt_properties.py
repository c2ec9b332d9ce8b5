"""Rules for MQTT 5 properties (section 2.2.2.2): which packet may have which, how often, and with what values."""

from __future__ import annotations

from harness.oracle.reading import Fields, Wrong, demand, text

_PUBLISHES = frozenset({"PUBLISH", "will"})
_EVERYWHERE = _PUBLISHES | {
    "CONNECT", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "UNSUBSCRIBE", "DISCONNECT", "AUTH",
}  # fmt: skip
_ANSWERS = frozenset({"PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "DISCONNECT", "AUTH"})
_CONNECT = frozenset({"CONNECT"})
_USER_PROPERTY = 38
#: Identifier -> type, where a client may send it, and whether it must not be 0, or be 0 or 1 alone. Types: a letter of
#: `struct` for numbers, `v` variable byte integer, `s` string, `d` binary data, `p` string pair (table 2-4).
_PROPERTIES: dict[int, tuple[str, frozenset[str], str]] = {
    1: ("B", _PUBLISHES, "boolean"),
    2: ("I", _PUBLISHES, ""),
    3: ("s", _PUBLISHES, ""),
    8: ("s", _PUBLISHES, ""),
    9: ("d", _PUBLISHES, ""),
    11: ("v", frozenset({"SUBSCRIBE"}), "not 0"),
    17: ("I", frozenset({"CONNECT", "DISCONNECT"}), ""),
    21: ("s", frozenset({"CONNECT", "AUTH"}), ""),
    22: ("d", frozenset({"CONNECT", "AUTH"}), ""),
    23: ("B", _CONNECT, "boolean"),
    24: ("I", frozenset({"will"}), ""),
    25: ("B", _CONNECT, "boolean"),
    31: ("s", _ANSWERS, ""),
    33: ("H", _CONNECT, "not 0"),
    34: ("H", _CONNECT, ""),
    35: ("H", frozenset({"PUBLISH"}), "not 0"),
    _USER_PROPERTY: ("p", _EVERYWHERE, ""),
    39: ("I", _CONNECT, "not 0"),
}


def read_properties(fields: Fields, packet: str) -> set[int]:
    """Read the properties of a packet, or of a will; returns their identifiers."""
    inside = Fields(fields.take(_variable(fields)), "mqtt.property-length")
    found: set[int] = set()
    while inside.left:
        name = _variable(inside)
        known = _PROPERTIES.get(name)
        if known is None or packet not in known[1]:
            raise Wrong("mqtt.property", f"property {name} in {packet}")
        demand(name not in found or name == _USER_PROPERTY, "mqtt.property-twice", f"property {name} in {packet}")
        found.add(name)
        value = _value(inside, known[0], name)
        demand(known[2] != "not 0" or value, "mqtt.property-value", f"property {name} is 0")
        demand(known[2] != "boolean" or value in (0, 1), "mqtt.property-value", f"property {name} is {value}")
    demand(22 not in found or 21 in found, "mqtt.auth-data-alone")
    return found


def _value(fields: Fields, kind: str, name: int) -> int:
    """Read a value; 0 for what is no number."""
    if kind == "v":
        return _variable(fields)
    if kind in "sp":
        for _ in range(2 if kind == "p" else 1):
            found = text(fields.take(fields.number("H")), "mqtt.utf-8", f"property {name}")
            demand("\0" not in found, "mqtt.null-character", f"property {name}")
        return 0
    if kind == "d":
        fields.take(fields.number("H"))
        return 0
    return fields.number(kind)


def _variable(fields: Fields) -> int:
    value = 0
    for width in range(4):
        byte = fields.byte()
        value |= (byte & 0x7F) << 7 * width
        if not byte & 0x80:
            demand(byte or width == 0, "mqtt.variable-byte-integer", f"{value} in {width + 1} bytes")
            return value
    raise Wrong("mqtt.variable-byte-integer", "more than four bytes")
