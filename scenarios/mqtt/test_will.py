"""The will: published when the connection breaks, and not when the client leaves."""

from __future__ import annotations

from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario
from harness.wire import mqtt
from harness.wire.messages import encode


def _will(topic: str, text: str) -> mqtt.Will:
    """A will whose payload is text, because some crates take nothing else."""
    return mqtt.Will(topic=topic, payload=encode(text.encode()), qos=1)


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-3.1.2-8"],
    also={Dialect.MQTT_5: ["MQTT-3.1.2-8"]},
    features=["will"],
)
def test_is_published_when_the_connection_breaks(cell: MqttCell) -> None:
    """The broker publishes the will that the crate gave it, when the connection is cut."""
    topic, text = cell.topic("will"), f"gone {cell.token}"
    reader = cell.reference(topic)
    cell.connected(will=_will(topic, text))
    cell.relay().cut()
    cell.expect_received(reader, [Delivered(topic, text.encode(), 1)], expected="a subscriber gets the will")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.14.4-3", "MQTT-3.1.2-8"],
    also={Dialect.MQTT_5: ["MQTT-3.14.4-3", "MQTT-3.1.2-10"]},
    features=["will"],
)
def test_is_not_published_after_disconnect(cell: MqttCell) -> None:
    """A client that leaves in good order takes its will with it."""
    topic, text, marker = cell.topic("will"), f"gone {cell.token}", cell.payload()
    reader = cell.reference(topic)
    writer = cell.reference()
    client = cell.connected(will=_will(topic, text))
    position = cell.peer.log.position()
    client.disconnect()
    client.close()
    cell.await_log_of_end(client, position)
    writer.publish(topic, marker, qos=1)
    cell.expect_received(reader, [Delivered(topic, marker)], expected="a subscriber gets the marker, and no will")
