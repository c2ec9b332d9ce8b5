"""MQTT over WebSocket: a gateway takes it, and passes it on to the broker."""

from __future__ import annotations

from harness.cells.doors import WEBSOCKET
from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.peers.websocket import SUBPROTOCOL, WebSocketGateway
from harness.scenario import scenario

#: Bytes of a frame that no packet fits in.
_FEW = 3
#: Seconds in which a client that closes its connection has done so; no keep-alive is over by then.
_PATIENCE = 3.0


def _expect_messages(cell: MqttCell, gateway: WebSocketGateway) -> None:
    """A client connects, and messages pass in both directions, as WebSocket asks."""
    topic, outward, inward = cell.topic("in"), cell.payload(), cell.payload(1000)
    reader = cell.reference(cell.topic("out"))
    client = cell.connected(door=WEBSOCKET)
    client.publish(cell.topic("out"), outward, qos=1)
    cell.expect_received(reader, [Delivered(cell.topic("out"), outward)], expected="what the client publishes arrives")
    client.subscribe(topic, qos=1)
    reader.publish(topic, inward, qos=1)
    cell.expect_delivered(client, [Delivered(topic, inward)], expected="what others publish arrives")
    cell.expect(not gateway.texts, expected="packets come in binary frames", observed="a text frame came")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=["MQTT-6.0.0-1", "MQTT-6.0.0-3"],
    also={Dialect.MQTT_5: ["MQTT-6.0.0-1", "MQTT-6.0.0-3"]},
    capability="websocket",
    needs=[Need.WEBSOCKET],
    features=["websocket"],
)
def test_works_over_websocket(cell: MqttCell) -> None:
    """The client offers the subprotocol `mqtt`, sends binary frames, and messages pass in both directions."""
    gateway = cell.gateway()
    _expect_messages(cell, gateway)
    offered = gateway.offered[0]
    cell.expect(
        SUBPROTOCOL in offered,
        expected=f"the client offers the subprotocol {SUBPROTOCOL}",
        observed=f"it offered {', '.join(offered) or 'none'}",
    )


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-6.0.0-2"],
    also={Dialect.MQTT_5: ["MQTT-6.0.0-2"]},
    capability="websocket",
    needs=[Need.WEBSOCKET],
    features=["websocket"],
)
def test_reads_packets_across_websocket_frames(cell: MqttCell) -> None:
    """Packets that come in frames of three bytes are put together."""
    _expect_messages(cell, cell.gateway(largest=_FEW))


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-6.0.0-1"],
    also={Dialect.MQTT_5: ["MQTT-6.0.0-1"]},
    capability="websocket",
    needs=[Need.WEBSOCKET],
    features=["websocket"],
)
def test_closes_at_a_text_frame(cell: MqttCell) -> None:
    """A text frame is none of MQTT's: who gets one closes the connection, or reports an error."""
    gateway = cell.gateway()
    client = cell.connected(door=WEBSOCKET)
    gateway.send_text("no packet")
    noticed = gateway.left or client.await_notice(_PATIENCE, WEBSOCKET)
    cell.expect(
        bool(noticed),
        expected=f"the client closes the connection within {_PATIENCE:g} s, or reports an error",
        observed="it did neither",
    )
