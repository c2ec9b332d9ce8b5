"""Retained messages: setting, receiving and clearing them."""

from __future__ import annotations

from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-3.3.1-5", "MQTT-3.3.1-6"],
    also={Dialect.MQTT_5: ["MQTT-3.3.1-5"]},
)
def test_sets_a_retained_message(cell: MqttCell) -> None:
    """What the crate publishes as retained is there for who subscribes later."""
    topic, payload = cell.topic("kept"), cell.payload()
    client = cell.connected()
    position = cell.peer.log.position()
    client.publish(topic, payload, qos=1, retain=True)
    line = cell.await_log(f"Received PUBLISH from {client.id} (", position, "the broker gets PUBLISH")
    cell.expect(", r1, " in line, expected="PUBLISH has RETAIN=1", observed=line)
    late = cell.reference(topic)
    cell.expect_received(
        late, [Delivered(topic, payload, retain=True)], expected="a later subscriber gets the retained message"
    )


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-3.3.1-6", "MQTT-3.3.1-8"],
    also={Dialect.MQTT_5: ["MQTT-3.3.1-9", "MQTT-3.3.1-12"]},
)
def test_receives_a_retained_message(cell: MqttCell) -> None:
    """A retained message is delivered on subscribing, and told apart from one that is new, where the crate tells."""
    topic, payload, fresh = cell.topic("kept"), cell.payload(), cell.payload()
    writer = cell.reference()
    writer.publish(topic, payload, qos=1, retain=True)
    client = cell.connected()
    client.subscribe(topic, qos=1)
    cell.expect_delivered(
        client, [Delivered(topic, payload, retain=True)], expected="the crate delivers the retained message"
    )
    writer.publish(topic, fresh, qos=1)
    cell.expect_delivered(
        client, [Delivered(topic, fresh, retain=False)], expected="the crate delivers the new message as not retained"
    )


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.3.1-10", "MQTT-3.3.1-11"],
    also={Dialect.MQTT_5: ["MQTT-3.3.1-6", "MQTT-3.3.1-7"]},
)
def test_clears_a_retained_message(cell: MqttCell) -> None:
    """An empty retained message removes what was retained."""
    topic, marker_topic = cell.topic("kept"), cell.topic("marker")
    payload, marker = cell.payload(), cell.payload()
    writer = cell.reference()
    writer.publish(topic, payload, qos=1, retain=True)
    writer.publish(marker_topic, marker, qos=1, retain=True)
    client = cell.connected()
    position = cell.peer.log.position()
    client.publish(topic, b"", qos=1, retain=True)
    line = cell.await_log(f"Received PUBLISH from {client.id} (", position, "the broker gets PUBLISH")
    cell.expect(", r1, " in line, expected="PUBLISH has RETAIN=1", observed=line)
    late = cell.reference()
    late.subscribe(topic)
    late.subscribe(marker_topic)
    cell.expect_received(
        late, [Delivered(marker_topic, marker)], expected="a later subscriber gets only the marker that stays retained"
    )
