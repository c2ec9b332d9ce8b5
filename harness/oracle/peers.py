"""What the peer itself calls a protocol error: the strictest reader of all, because it has to live with the client.

Only real brokers are believed; what a scripted peer says is the scenario's doing.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from harness.oracle.mqtt import CONNECT

#: AMQP's reply codes by which a server says that a client's frames are wrong (AMQP 0-9-1, 1.2 Constants).
_AMQP_CODES = {501: "frame-error", 502: "syntax-error", 503: "command-invalid", 505: "unexpected-frame"}
_AMQP_CLOSE = (10, 50)
#: MQTT 5's reason codes that say the same (section 2.4).
_MQTT_CODES = {0x81: "Malformed Packet", 0x82: "Protocol Error"}
_CONNACK, _DISCONNECT = 2, 14
_MOSQUITTO = re.compile(
    # 2.0 and 2.1 word it differently.
    r"Client (\S+) (?:disconnected due to|\[\S+\] disconnected:) (malformed packet|protocol error)"
)


@dataclass(frozen=True)
class Refusal:
    """What a peer said, in its own words, and the clause that gives them their meaning."""

    rule: str
    clause: str
    says: str


def in_amqp(answers: bytes) -> Iterator[Refusal]:
    """Refusals in what a server sent."""
    offset = 0
    while offset + 7 <= len(answers):
        kind, _, size = struct.unpack_from(">BHI", answers, offset)
        payload = answers[offset + 7 : offset + 7 + size]
        if kind == 1 and len(payload) >= 7 and struct.unpack_from(">HH", payload) == _AMQP_CLOSE:
            (code,) = struct.unpack_from(">H", payload, 4)
            if code in _AMQP_CODES:
                words = payload[7 : 7 + payload[6]].decode("utf-8", "replace")
                yield Refusal("amqp.refused", "AMQP 0-9-1, 1.2 (reply codes)", f"{code} {_AMQP_CODES[code]}: {words}")
        offset += 8 + size


def in_mqtt(answers: bytes, version: int) -> Iterator[Refusal]:
    """Refusals in what a server of MQTT 5 sent; before 5 a server closes without a word."""
    offset = 0
    while version == 5 and offset + 2 <= len(answers):
        kind, size, width = answers[offset] >> 4, 0, 0
        while width < 4 and offset + 1 + width < len(answers):
            size |= (answers[offset + 1 + width] & 0x7F) << 7 * width
            width += 1
            if not answers[offset + width] & 0x80:
                break
        body = answers[offset + 1 + width : offset + 1 + width + size]
        code = body[1] if kind == _CONNACK and len(body) > 1 else body[0] if kind == _DISCONNECT and body else 0
        if code in _MQTT_CODES:
            yield Refusal("mqtt.refused", "MQTT 5.0 2.4", f"reason code {code:#04x}, {_MQTT_CODES[code]}")
        offset += 1 + width + size


def in_mosquitto_log(log: str) -> Iterator[tuple[str, Refusal]]:
    """The client identifier and what Mosquitto says of it, for clients that it put out."""
    for client, words in _MOSQUITTO.findall(log):
        yield client, Refusal("mqtt.refused", "MQTT 3.1.1 [MQTT-4.8.0-1]", f"disconnected due to {words}")


def client_of(sent: bytes) -> tuple[int, str]:
    """Protocol level and client identifier of the CONNECT that a client's stream begins with; 0 where there is none."""
    if len(sent) < 14 or sent[0] >> 4 != CONNECT:
        return 0, ""
    offset = 1
    while offset < 4 and sent[offset] & 0x80:
        offset += 1
    # After the protocol's name: MQTT, and in 3.1 MQIsdp.
    head = offset + 3 + int.from_bytes(sent[offset + 1 : offset + 3], "big")
    if head >= len(sent):
        return 0, ""
    level = sent[head]
    at = head + 4
    if level == 5:
        # A property length of more than one byte is rare; its continuation bits say how wide it is.
        size, shift = 0, 0
        while at < len(sent):
            size |= (sent[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if not sent[at - 1] & 0x80:
                break
        at += size
    length = int.from_bytes(sent[at : at + 2], "big")
    return level, sent[at + 2 : at + 2 + length].decode("utf-8", "replace")
