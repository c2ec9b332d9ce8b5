"""Rules for what an MQTT client sends: packets of 3.1.1 and 5.0, and their order in a connection; less of 3.1."""

from __future__ import annotations

from collections.abc import Callable

from harness.oracle.mqtt_properties import read_properties
from harness.oracle.reading import Fields, Outcome, Wrong, demand, text
from harness.oracle.rules import MQTT_3_1, RULES

CONNECT, PUBLISH, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, AUTH = 1, 3, 8, 10, 14, 15
#: What only servers send, by its type (3.1.1 table 2.1, 5.0 table 2-1).
_SERVERS = {2: "CONNACK", 9: "SUBACK", 11: "UNSUBACK", 13: "PINGRESP"}
_ACKNOWLEDGEMENTS = {4: "PUBACK", 5: "PUBREC", 6: "PUBREL", 7: "PUBCOMP"}
#: The flags that a type's first byte has to have, where they are reserved.
_FLAGS = {6: 2, 8: 2, 10: 2}
#: Reason codes that a client may send, by packet type (5.0, sections 3.4.2.1 to 3.15.2.1).
_REASONS = {
    4: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    5: {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    6: {0x00, 0x92},
    7: {0x00, 0x92},
    DISCONNECT: {0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99},
    AUTH: {0x18, 0x19},
}


def judge(data: bytes) -> Outcome:
    """What a client sent on one connection."""
    outcome = Outcome()
    if _read(data, outcome) == MQTT_3_1:
        outcome.objections = [objection for objection in outcome.objections if RULES[objection.rule].oldest]
    return outcome


def _read(data: bytes, outcome: Outcome) -> int:
    """Note what is said of each packet; returns the protocol level, 0 where nobody knows it."""
    offset, version, ended = 0, 0, False
    while offset < len(data):
        size, width = remaining_length(data, offset + 1)
        if width == 0:
            break
        start, end = offset + 1 + width, offset + 1 + width + size
        if width > 4:
            with outcome.frame(offset + 5):
                raise Wrong("mqtt.remaining-length", "its last byte says that a fifth one follows")
            return version
        if end > len(data):
            break
        first, body = data[offset], data[start:end]
        with outcome.frame(end):
            demand(not ended, "mqtt.after-disconnect")
            ended = first >> 4 == DISCONNECT
            if not version:
                version = _version(first, body)
            demand(first >> 4 != CONNECT or offset == 0, "mqtt.second-connect")
            demand(version < 5 or width == _width(size), "mqtt.variable-byte-integer", f"{size} in {width} bytes")
            _check(first, body, version)
        if not version:
            # Nothing can be said of a stream that does not begin with CONNECT.
            return version
        offset = end
    outcome.rest = len(data) - offset
    return version


def remaining_length(data: bytes, offset: int) -> tuple[int, int]:
    """The remaining length at an offset and its width in bytes: 0 where it is not all there, 5 where it is too long."""
    value = 0
    for width in range(4):
        if offset + width >= len(data):
            return 0, 0
        value |= (data[offset + width] & 0x7F) << 7 * width
        if not data[offset + width] & 0x80:
            return value, width + 1
    return value, 5


def _width(value: int) -> int:
    return 1 + (value > 0x7F) + (value > 0x3FFF) + (value > 0x1FFFFF)


def _version(first: int, body: bytes) -> int:
    demand(first >> 4 == CONNECT, "mqtt.connect-first", f"it is of type {first >> 4}")
    if body[:9] == b"\0\6MQIsdp\3":
        return MQTT_3_1
    demand(body[:6] == b"\0\4MQTT", "mqtt.protocol-name", body[:8].hex(" "))
    level = body[6] if len(body) > 6 else 0
    demand(level in (4, 5), "mqtt.protocol-level", f"level {level}")
    return level


def _check(first: int, body: bytes, version: int) -> None:
    kind, flags = first >> 4, first & 0x0F
    demand(kind != 0 and (kind != AUTH or version == 5), "mqtt.packet-type", f"type {kind}")
    demand(kind not in _SERVERS, "mqtt.server-packet", _SERVERS.get(kind, ""))
    if kind != PUBLISH:
        wanted = _FLAGS.get(kind, 0)
        demand(flags == wanted, "mqtt.reserved-flags", f"type {kind} with {flags:04b}, which has to be {wanted:04b}")
    fields = Fields(body, "mqtt.short")
    if kind == PUBLISH:
        _publish(flags, fields, version)
        return
    _CHECKS.get(kind, _nothing)(kind, fields, version)
    fields.finish("mqtt.left-over")


def _connect(kind: int, fields: Fields, version: int) -> None:
    fields.take(9 if version == MQTT_3_1 else 7)
    flags = fields.byte()
    will, has_will = flags >> 3 & 3, flags & 4
    demand(not flags & 1, "mqtt.connect-reserved")
    demand(will != 3, "mqtt.will-qos")
    demand(has_will or not (will or flags & 0x20), "mqtt.will-flags", f"connect flags {flags:08b}")
    demand(version == 5 or flags & 0x80 or not flags & 0x40, "mqtt.password-alone")
    fields.number("H")
    if version == 5:
        read_properties(fields, "CONNECT")
    name = _string(fields, "the client identifier")
    demand(version == 5 or name or flags & 2, "mqtt.empty-client-id")
    if has_will:
        if version == 5:
            read_properties(fields, "will")
        _topic_name(_string(fields, "the will's topic"), empty_allowed=False)
        fields.take(fields.number("H"))
    # In 3.1 the remaining length goes before these flags (section 3.1): the strings may be missing.
    if flags & 0x80 and (version > MQTT_3_1 or fields.left):
        _string(fields, "the user name")
    if flags & 0x40 and (version > MQTT_3_1 or fields.left):
        fields.take(fields.number("H"))


def _publish(flags: int, fields: Fields, version: int) -> None:
    qos = flags >> 1 & 3
    demand(qos != 3, "mqtt.qos-3")
    demand(qos or not flags & 8, "mqtt.dup-qos-0")
    topic = _string(fields, "the topic")
    _topic_name(topic, empty_allowed=version == 5)
    if qos:
        demand(fields.number("H"), "mqtt.packet-id")
    if version == 5:
        found = read_properties(fields, "PUBLISH")
        demand(topic or 35 in found, "mqtt.no-topic-no-alias")


def _acknowledgement(kind: int, fields: Fields, version: int) -> None:
    demand(fields.number("H"), "mqtt.packet-id")
    if version == 5 and fields.left:
        _reason(kind, fields, _ACKNOWLEDGEMENTS[kind])


def _reason(kind: int, fields: Fields, name: str) -> None:
    code = fields.byte()
    demand(code in _REASONS[kind], "mqtt.reason-code", f"{name} with {code:#04x}")
    if fields.left:
        read_properties(fields, name)


def _subscribe(kind: int, fields: Fields, version: int) -> None:
    demand(fields.number("H"), "mqtt.packet-id")
    if version == 5:
        read_properties(fields, "SUBSCRIBE")
    demand(fields.left, "mqtt.no-filter")
    while fields.left:
        wanted = _string(fields, "a topic filter")
        _topic_filter(wanted)
        options = fields.byte()
        demand(options & 3 != 3, "mqtt.subscription-qos")
        demand(not options & (0xC0 if version == 5 else 0xFC), "mqtt.subscription-reserved", f"options {options:08b}")
        demand(options & 0x30 != 0x30, "mqtt.retain-handling")
        demand(not (options & 4 and wanted.startswith("$share/")), "mqtt.shared-no-local")


def _unsubscribe(kind: int, fields: Fields, version: int) -> None:
    demand(fields.number("H"), "mqtt.packet-id")
    if version == 5:
        read_properties(fields, "UNSUBSCRIBE")
    demand(fields.left, "mqtt.no-filter")
    while fields.left:
        _topic_filter(_string(fields, "a topic filter"))


def _goodbye(kind: int, fields: Fields, version: int) -> None:
    """DISCONNECT and AUTH, whose reason code may be left out where it is 0; AUTH's is 0 from servers only."""
    if version == 5 and fields.left:
        _reason(kind, fields, "DISCONNECT" if kind == DISCONNECT else "AUTH")


def _nothing(kind: int, fields: Fields, version: int) -> None:
    """PINGREQ has no fields."""


_CHECKS: dict[int, Callable[[int, Fields, int], None]] = {
    CONNECT: _connect,
    4: _acknowledgement,
    5: _acknowledgement,
    6: _acknowledgement,
    7: _acknowledgement,
    SUBSCRIBE: _subscribe,
    UNSUBSCRIBE: _unsubscribe,
    DISCONNECT: _goodbye,
    AUTH: _goodbye,
}


def _string(fields: Fields, what: str) -> str:
    found = text(fields.take(fields.number("H")), "mqtt.utf-8", what)
    demand("\0" not in found, "mqtt.null-character", what)
    return found


def _topic_name(topic: str, *, empty_allowed: bool) -> None:
    demand(topic or empty_allowed, "mqtt.empty-topic")
    demand("#" not in topic and "+" not in topic, "mqtt.wildcard-in-name", topic)


def _topic_filter(wanted: str) -> None:
    demand(wanted, "mqtt.empty-topic")
    levels = wanted.split("/")
    hash_ends = all(level == "#" for level in levels if "#" in level) and "#" not in "".join(levels[:-1])
    demand(hash_ends, "mqtt.multi-level-wildcard", wanted)
    demand(all(level == "+" for level in levels if "+" in level), "mqtt.single-level-wildcard", wanted)
