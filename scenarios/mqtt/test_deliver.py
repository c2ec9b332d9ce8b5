"""Messages in both directions: every QoS, every size and every byte."""

from __future__ import annotations

import pytest

from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario

every_qos = pytest.mark.parametrize("qos", [0, 1, 2], ids=lambda qos: f"qos{qos}")

_QOS_CLAUSES = ["MQTT-4.3.1-1", "MQTT-4.3.2-1", "MQTT-4.3.3-1"]
_QOS_CLAUSES_5 = ["MQTT-4.3.1-1", "MQTT-4.3.2-2", "MQTT-4.3.3-2"]


def _publishes(cell: MqttCell, topic: str, payload: bytes, qos: int, expected: str) -> None:
    """The crate publishes `payload` and a marker; a subscriber gets exactly the two."""
    marker = cell.payload()
    reader = cell.reference(topic)
    client = cell.connected()
    client.publish(topic, payload, qos=qos, within=15)
    client.publish(topic, marker, qos=qos)
    cell.expect_received(reader, [Delivered(topic, payload, qos), Delivered(topic, marker, qos)], expected=expected)


def _receives(cell: MqttCell, topic: str, payload: bytes, qos: int, expected: str) -> None:
    """The reference publishes `payload` and a marker; the crate delivers exactly the two."""
    marker = cell.payload()
    writer = cell.reference()
    client = cell.connected()
    client.subscribe(topic, qos=qos)
    writer.publish(topic, payload, qos=qos)
    writer.publish(topic, marker, qos=qos)
    cell.expect_delivered(client, [Delivered(topic, payload, qos), Delivered(topic, marker, qos)], expected=expected)


@every_qos
@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=_QOS_CLAUSES,
    also={Dialect.MQTT_5: _QOS_CLAUSES_5},
)
def test_publishes(cell: MqttCell, qos: int) -> None:
    """What the crate publishes reaches a subscriber, once and unchanged."""
    _publishes(cell, cell.topic("out"), cell.payload(), qos, "the subscriber gets each message once")


@every_qos
@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[*_QOS_CLAUSES, "MQTT-4.3.2-2", "MQTT-4.3.3-2"],
    also={Dialect.MQTT_5: [*_QOS_CLAUSES_5, "MQTT-4.3.2-4", "MQTT-4.3.3-8"]},
)
def test_receives(cell: MqttCell, qos: int) -> None:
    """What others publish is delivered to the application, once and unchanged."""
    _receives(cell, cell.topic("in"), cell.payload(), qos, "the crate delivers each message once")


@every_qos
@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=_QOS_CLAUSES,
    also={Dialect.MQTT_5: _QOS_CLAUSES_5},
)
def test_talks_to_itself(cell: MqttCell, qos: int) -> None:
    """Two clients of the crate exchange a message: mistakes that cancel out elsewhere show here, and the reverse."""
    topic, payload, marker = cell.topic("own"), cell.payload(), cell.payload()
    reader = cell.connected()
    reader.subscribe(topic, qos=qos)
    writer = cell.connected()
    writer.publish(topic, payload, qos=qos)
    writer.publish(topic, marker, qos=qos)
    cell.expect_delivered(
        reader,
        [Delivered(topic, payload, qos), Delivered(topic, marker, qos)],
        expected="the other client delivers each message once",
    )


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["section 3.3.3: a zero-length payload is valid"],
    also={Dialect.MQTT_5: ["section 3.3.3: a zero-length payload is valid"]},
)
def test_publishes_an_empty_payload(cell: MqttCell) -> None:
    """A message without payload can be published."""
    _publishes(cell, cell.topic("empty"), b"", 1, "the subscriber gets the empty message, then the marker")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["section 3.3.3: a zero-length payload is valid"],
    also={Dialect.MQTT_5: ["section 3.3.3: a zero-length payload is valid"]},
)
def test_receives_an_empty_payload(cell: MqttCell) -> None:
    """A message without payload is delivered."""
    _receives(cell, cell.topic("empty"), b"", 1, "the crate delivers the empty message, then the marker")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["section 3.3.3: the payload's content is the application's"],
    also={Dialect.MQTT_5: ["section 3.3.3: the payload's content is the application's"]},
)
def test_publishes_every_byte(cell: MqttCell) -> None:
    """A payload may contain every byte value, in particular what is no UTF-8."""
    payload = bytes(range(256)) + cell.payload()
    _publishes(cell, cell.topic("bytes"), payload, 1, "the subscriber gets the very bytes")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["section 3.3.3: the payload's content is the application's"],
    also={Dialect.MQTT_5: ["section 3.3.3: the payload's content is the application's"]},
)
def test_receives_every_byte(cell: MqttCell) -> None:
    """A payload that is no UTF-8 is delivered unchanged."""
    payload = bytes(range(256)) + cell.payload()
    _receives(cell, cell.topic("bytes"), payload, 1, "the crate delivers the very bytes")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["section 2.2.3: a remaining length of up to four bytes"],
    also={Dialect.MQTT_5: ["section 2.1.4: a remaining length of up to four bytes"]},
)
def test_publishes_128_kib(cell: MqttCell) -> None:
    """A payload of 128 KiB, whose remaining length takes three bytes, can be published."""
    _publishes(cell, cell.topic("large"), cell.payload(128 * 1024), 1, "the subscriber gets all 131072 bytes")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["section 2.2.3: a remaining length of up to four bytes"],
    also={Dialect.MQTT_5: ["section 2.1.4: a remaining length of up to four bytes"]},
)
def test_receives_128_kib(cell: MqttCell) -> None:
    """A payload of 128 KiB, which comes in several reads, is delivered."""
    _receives(cell, cell.topic("large"), cell.payload(128 * 1024), 1, "the crate delivers all 131072 bytes")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-1.5.3-1", "MQTT-4.7.3-1"],
    also={Dialect.MQTT_5: ["MQTT-1.5.4-1", "MQTT-4.7.3-4"]},
)
def test_publishes_to_a_utf8_topic(cell: MqttCell) -> None:
    """A topic may contain any UTF-8, such as umlauts, Chinese characters and an emoji."""
    _publishes(cell, cell.topic("höhe", "温度", "🌡"), cell.payload(), 1, "the subscriber gets it under that topic")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-1.5.3-1", "MQTT-4.7.3-1"],
    also={Dialect.MQTT_5: ["MQTT-1.5.4-1", "MQTT-4.7.3-4"]},
)
def test_receives_from_a_utf8_topic(cell: MqttCell) -> None:
    """A message on a topic with any UTF-8 is delivered under that topic."""
    _receives(cell, cell.topic("höhe", "温度", "🌡"), cell.payload(), 1, "the crate delivers it under that topic")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-1.5.3-3"],
    also={Dialect.MQTT_5: ["MQTT-1.5.4-3"]},
)
def test_keeps_a_byte_order_mark(cell: MqttCell) -> None:
    """A topic that begins with U+FEFF is delivered with it: it is a character of the topic and no byte order mark."""
    _receives(cell, f"\ufeff{cell.topic('mark')}", cell.payload(), 1, "the crate delivers it under that topic")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["section 2.2.3: a remaining length of up to four bytes"],
    also={Dialect.MQTT_5: ["section 2.1.4: a remaining length of up to four bytes"]},
)
def test_publishes_1_mib(cell: MqttCell) -> None:
    """A payload of 1 MiB can be published."""
    _publishes(cell, cell.topic("large"), cell.payload(1024 * 1024), 1, "the subscriber gets all 1048576 bytes")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["section 2.2.3: a remaining length of up to four bytes"],
    also={Dialect.MQTT_5: ["section 2.1.4: a remaining length of up to four bytes"]},
)
def test_receives_1_mib(cell: MqttCell) -> None:
    """A payload of 1 MiB is delivered."""
    _receives(cell, cell.topic("large"), cell.payload(1024 * 1024), 1, "the crate delivers all 1048576 bytes")
