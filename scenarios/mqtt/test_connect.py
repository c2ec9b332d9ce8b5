"""Connecting, being refused, and leaving."""

from __future__ import annotations

from harness.cells.mqtt import PASSWORD, USERNAME, MqttCell
from harness.cells.mqtt_client import Delivered
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.1.0-1"],
)
def test_connects(cell: MqttCell) -> None:
    """The broker accepts the client's CONNECT, and the client notices.

    CONNECT is the first packet, in protocol level 4, with the client id and the keep-alive that the application chose.
    """
    position = cell.peer.log.position()
    client = cell.connected()
    line = cell.await_log(f"as {client.id} (", position, "the broker accepts the client id that was chosen")
    cell.expect("p2, c1, k5" in line, expected="protocol 3.1.1, clean session, keep-alive 5 s", observed=line)


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=["MQTT-3.2.2-4", "MQTT-3.2.2-5"],
    features=["credentials"],
)
def test_reports_a_wrong_password(cell: MqttCell) -> None:
    """A CONNACK that refuses the connection surfaces as an error.

    Mosquitto answers a wrong password with return code 5, not authorised.
    """
    client = cell.client()
    cell.expect_refused(
        lambda: client.connect(username=USERNAME, password="guess"),  # noqa: S106
        expected="connect ends in an error, because the broker refused the password",
    )


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=["MQTT-3.1.3-11", "MQTT-3.1.2-19", "MQTT-3.1.2-21"],
    features=["credentials"],
)
def test_logs_in_with_a_password(cell: MqttCell) -> None:
    """With the right user name and password the client gets in and can work."""
    topic, payload = cell.topic("login"), cell.payload()
    reader = cell.reference(topic)
    position = cell.peer.log.position()
    client = cell.connected(username=USERNAME, password=PASSWORD)
    line = cell.await_log(f"as {client.id} (", position, "the broker accepts the user name and password")
    cell.expect(f"u'{USERNAME}'" in line, expected=f"the broker knows the client as {USERNAME}", observed=line)
    client.publish(topic, payload, qos=1)
    cell.expect_received(reader, [Delivered(topic, payload)], expected="the message of the logged-in client arrives")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.14.4-1", "MQTT-3.14.4-2", "section 3.14"],
)
def test_disconnects_gracefully(cell: MqttCell) -> None:
    """Leaving sends DISCONNECT before the connection is closed.

    A client that only closes the connection makes the broker publish its will and looks like a broken network.
    """
    client = cell.connected()
    position = cell.peer.log.position()
    client.disconnect()
    line = cell.await_log_of_end(client, position)
    cell.expect(f"Client {client.id} disconnected" in line, expected="the broker gets DISCONNECT", observed=line)
