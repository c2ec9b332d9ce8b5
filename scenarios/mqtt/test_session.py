"""Sessions that outlive a connection."""

from __future__ import annotations

from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.scenario import scenario


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-3.1.2-4", "MQTT-3.1.2-5", "MQTT-3.2.2-2"],
    also={Dialect.MQTT_5: ["MQTT-3.1.2-5", "MQTT-3.1.2-23", "MQTT-3.2.2-3"]},
    needs=[Need.SESSION],
)
def test_gets_what_came_while_it_was_away(cell: MqttCell) -> None:
    """With a lasting session, QoS 1 messages that came while the client was away are delivered when it is back."""
    topic, payload, marker = cell.topic("away"), cell.payload(), cell.payload()
    writer = cell.reference()
    client = cell.connected(clean_session=False)
    client.subscribe(topic, qos=1)
    position = cell.peer.log.position()
    client.disconnect()
    cell.await_log_of_end(client, position)
    writer.publish(topic, payload, qos=1)
    present = client.connect(clean_session=False)
    cell.expect(
        present is not False,
        expected="the crate passes on that CONNACK says session present",
        observed="it said that no session is present",
    )
    # No marker yet: Mosquitto lets a new message overtake those that it queued for an absent client.
    cell.expect_delivered(client, [Delivered(topic, payload)], expected="the crate delivers what came meanwhile")
    writer.publish(topic, marker, qos=1)
    cell.expect_delivered(client, [Delivered(topic, marker)], expected="the crate delivers it once, then what is new")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.DUPLICATE,
    spec=["MQTT-3.1.2-6"],
    also={Dialect.MQTT_5: ["MQTT-3.1.2-4", "MQTT-4.1.0-2"]},
)
def test_clean_session_forgets(cell: MqttCell) -> None:
    """With a clean session nothing of an earlier connection comes back."""
    topic, other = cell.topic("before"), cell.topic("after")
    unwanted, marker = cell.payload(), cell.payload()
    writer = cell.reference()
    client = cell.connected(clean_session=True)
    client.subscribe(topic, qos=1)
    position = cell.peer.log.position()
    client.disconnect()
    cell.await_log_of_end(client, position)
    writer.publish(topic, unwanted, qos=1)
    client.connect(clean_session=True)
    client.subscribe(other, qos=1)
    writer.publish(topic, unwanted, qos=1)
    writer.publish(other, marker, qos=1)
    cell.expect_delivered(client, [Delivered(other, marker)], expected="the crate delivers only the new subscription's")
