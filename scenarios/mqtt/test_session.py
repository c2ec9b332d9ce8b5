"""Sessions that outlive a connection."""

from __future__ import annotations

from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered
from harness.cells.peer import RECOVERY
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.scenario import scenario

#: Messages that are not acknowledged when the connection is cut.
_UNDER_WAY = 5


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
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-4.3.2-2", "MQTT-4.4.0-1", "MQTT-3.1.2-4"],
    also={Dialect.MQTT_5: ["MQTT-4.3.2-4", "MQTT-4.4.0-1", "MQTT-3.1.2-5"]},
    needs=[Need.RECONNECT, Need.SESSION],
    deadline=150.0,
    timer=RECOVERY,
)
def test_gets_every_message_though_it_is_cut_off(cell: MqttCell) -> None:
    """QoS 1 messages that reached the client before its connection was cut, and PUBACK no broker, are all delivered.

    The session is a lasting one, and the broker sends them again after the reconnect; that they come twice is right.
    """
    topic, marker = cell.topic("cut"), cell.payload()
    payloads = [cell.payload() for _ in range(_UNDER_WAY)]
    writer = cell.reference()
    client = cell.connected(clean_session=False)
    client.subscribe(topic, qos=1)
    position = cell.peer.log.position()
    cell.relay().hold()
    for payload in payloads:
        writer.publish(topic, payload, qos=1)
    client.idle_through_errors(1.0)
    cell.relay().await_held(10.0)
    cell.relay().cut()
    cell.relay().release()
    client.recover(connections=2, clean_session=False)
    sent = f"Sending PUBLISH to {client.id} (d1, q1"
    cell.expect_soon(
        lambda: "" if cell.peer.log.count(sent, position) == _UNDER_WAY else "the broker sent less",
        expected="the broker sends them again",
    )
    writer.publish(topic, marker, qos=1)
    got = {message.payload for message in cell.delivered_until(client, marker)}
    missing = sum(payload not in got for payload in payloads)
    cell.expect(
        not missing,
        expected=f"the crate delivers all {_UNDER_WAY} messages",
        observed=f"{missing} were not delivered",
    )


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
