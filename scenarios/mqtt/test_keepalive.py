"""Keep-alive: staying connected while nothing is said."""

from __future__ import annotations

from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import KEEP_ALIVE, Delivered
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario

#: Seconds of silence: more than two keep-alive intervals, and more than the 1.5 after which a broker gives a client up.
_SILENCE = 2.5 * KEEP_ALIVE
#: A keep-alive that is more usual, and the same for it, in seconds.
_LONGER, _LONGER_SILENCE = 10, 25.0


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-3.1.2-23", "MQTT-3.1.2-24"],
    also={Dialect.MQTT_5: ["MQTT-3.1.2-20", "MQTT-3.1.2-22"]},
    deadline=60.0,
    timer=_SILENCE,
)
def test_stays_connected_while_idle(cell: MqttCell) -> None:
    """A client that has nothing to say pings in time, and keeps its connection and its subscription."""
    topic, payload = cell.topic("idle"), cell.payload()
    writer = cell.reference()
    client = cell.connected()
    client.subscribe(topic, qos=1)
    client.idle(_SILENCE)
    connections = cell.relay().accepted
    cell.expect(
        connections == 1,
        expected=f"one connection over {_SILENCE:g} s of silence",
        observed=f"the crate made {connections} connections",
    )
    writer.publish(topic, payload, qos=1)
    cell.expect_delivered(client, [Delivered(topic, payload)], expected="the idle client still gets its messages")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-3.1.2-23", "MQTT-3.1.2-24"],
    also={Dialect.MQTT_5: ["MQTT-3.1.2-20", "MQTT-3.1.2-22"]},
    deadline=90.0,
    timer=_LONGER_SILENCE,
)
def test_stays_connected_after_a_publish(cell: MqttCell) -> None:
    """A client with a keep-alive of 10 s that publishes once and is then idle for 25 s keeps its connection."""
    topic, payload = cell.topic("out"), cell.payload()
    reader = cell.reference(topic)
    client = cell.connected(keep_alive=_LONGER)
    for published in (payload, cell.payload()):
        client.publish(topic, published, qos=1)
        cell.expect_received(reader, [Delivered(topic, published)], expected="what the client publishes arrives")
        if published is payload:
            client.idle(_LONGER_SILENCE)
    connections = cell.relay().accepted
    cell.expect(
        connections == 1,
        expected=f"one connection over {_LONGER_SILENCE:g} s of silence",
        observed=f"the crate made {connections} connections",
    )
