"""Connecting, being refused, and leaving."""

from __future__ import annotations

import pytest

from harness.cells.doors import SCRIPTED
from harness.cells.mqtt import PASSWORD, USERNAME, MqttCell
from harness.cells.mqtt_client import Delivered
from harness.cells.rounds import CONNECTING, expect_freed
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario

#: Why a server refuses a connection, and its CONNACK's code in 3.1.1 and in 5.0.
_REFUSALS = {
    "protocol": (0x01, 0x84),
    "client-id": (0x02, 0x85),
    "unavailable": (0x03, 0x88),
    "password": (0x04, 0x86),
    "authorisation": (0x05, 0x87),
}


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.1.0-1"],
    also={Dialect.MQTT_5: ["MQTT-3.1.0-1"]},
)
def test_connects(cell: MqttCell) -> None:
    """The broker accepts the client's CONNECT, and the client notices.

    CONNECT is the first packet, in the protocol level of its version, with the client id and the keep-alive that the
    application chose.
    """
    position = cell.peer.log.position()
    client = cell.connected()
    line = cell.await_log(f"as {client.id} (", position, "the broker accepts the client id that was chosen")
    # Mosquitto's own numbers for the versions, and since 2.1 those of CONNECT.
    levels = {"3.1.1": ("p2", "p4"), "5": ("p5",)}[cell.protocol]
    expected = f"protocol {cell.protocol}, clean session, keep-alive 5 s"
    cell.expect(any(f"{level}, c1, k5" in line for level in levels), expected=expected, observed=line)


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=["MQTT-3.2.2-4", "MQTT-3.2.2-5"],
    also={Dialect.MQTT_5: ["MQTT-3.1.4-2", "MQTT-3.2.2-7"]},
    features=["credentials"],
)
def test_reports_a_wrong_password(cell: MqttCell) -> None:
    """A CONNACK that refuses the connection surfaces as an error.

    Mosquitto answers a wrong password with not authorised, which is 5 in 3.1.1 and 0x87 in 5.
    """
    client = cell.client()
    cell.expect_refused(
        lambda: client.connect(username=USERNAME, password="guess"),  # noqa: S106
        expected="connect ends in an error, because the broker refused the password",
    )


@pytest.mark.parametrize("why", list(_REFUSALS))
@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=["section 3.2.2.3: connect return codes", "MQTT-3.2.2-5"],
    also={Dialect.MQTT_5: ["section 3.2.2.2: connect reason codes", "MQTT-3.2.2-7"]},
    deadline=60.0,
    scripted=True,
)
def test_reports_every_refusal(cell: MqttCell, why: str) -> None:
    """Whatever the reason for which CONNACK refuses the connection, connect ends in an error and never in success.

    A scripted broker refuses, and closes the connection as it has to.
    """
    code = _REFUSALS[why][cell.speaks_5]
    cell.scripted(refuses=code)
    client = cell.client()
    cell.expect_refused(
        lambda: client.connect(door=SCRIPTED),
        expected=f"connect ends in an error, because CONNACK's code is {code:#04x}",
    )


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=["MQTT-3.1.3-11", "MQTT-3.1.2-19", "MQTT-3.1.2-21"],
    also={Dialect.MQTT_5: ["MQTT-3.1.3-12", "MQTT-3.1.2-17", "MQTT-3.1.2-19"]},
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
    also={Dialect.MQTT_5: ["MQTT-3.14.4-1", "MQTT-3.14.4-2", "section 3.14"]},
)
def test_disconnects_gracefully(cell: MqttCell) -> None:
    """Leaving sends DISCONNECT before the connection is closed.

    A client that only closes the connection makes the broker publish its will and looks like a broken network.
    """
    client = cell.connected()
    position = cell.peer.log.position()
    client.disconnect()
    line = cell.await_log_of_end(client, position)
    told = cell.peer.log.count(f"Received DISCONNECT from {client.id}", position)
    cell.expect(told > 0, expected="the broker gets DISCONNECT", observed=line)


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.CONVENIENCE,
    spec=["MQTT-3.1.3-6", "MQTT-3.1.3-7"],
    also={Dialect.MQTT_5: ["MQTT-3.1.3-6", "MQTT-3.1.3-7"]},
    features=["empty-client-id"],
)
def test_leaves_the_client_id_to_the_broker(cell: MqttCell) -> None:
    """An empty client id is sent as it is, and the broker makes one up."""
    topic, payload = cell.topic("nameless"), cell.payload()
    reader = cell.reference(topic)
    client = cell.client()
    client.id = ""
    position = cell.peer.log.position()
    client.connect()
    client.publish(topic, payload, qos=1)
    cell.expect_received(reader, [Delivered(topic, payload)], expected="the message of the nameless client arrives")
    line = cell.await_log(f", '{topic}', ", position, "the broker gets PUBLISH")
    cell.expect("Received PUBLISH from auto-" in line, expected="the broker names the client itself", observed=line)


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=["section 3.14: a clean disconnect"],
    also={Dialect.MQTT_5: ["section 3.14: a clean disconnect"]},
)
def test_sends_everything_before_it_disconnects(cell: MqttCell) -> None:
    """What the crate reported as sent at QoS 0 arrives, though it disconnects right after."""
    topic = cell.topic("flush")
    reader = cell.reference(topic)
    client = cell.connected()
    payloads = [cell.payload() for _ in range(50)]
    reported = [payload for payload in payloads if client.publish(topic, payload, qos=0)]
    position = cell.peer.log.position()
    client.disconnect()
    cell.await_log_of_end(client, position)
    marker = cell.payload()
    cell.reference().publish(topic, marker, qos=0)
    got = cell.drain_until(reader, marker)
    lost = sum(payload not in got for payload in reported)
    cell.expect(
        not lost,
        expected="what was reported as sent arrives",
        observed=f"{lost} of {len(reported)} messages did not arrive",
    )


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["a long-running device connects many times"],
    also={Dialect.MQTT_5: ["a long-running device connects many times"]},
    deadline=60.0 + CONNECTING,
    timer=CONNECTING,
)
def test_frees_what_a_connection_took(cell: MqttCell) -> None:
    """After 200 connections the process has hardly more file descriptors, threads and memory than at first.

    One of four connections may leave something behind, because garbage is collected at leisure. A client that takes
    long is judged by the connections that it makes in 30 seconds.
    """
    client = cell.client()

    def one_round() -> None:
        client.connect()
        client.publish(cell.topic("round"), b"x", qos=0)
        client.disconnect()

    expect_freed(cell, client, one_round)


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["a long-running device tries many times while its broker is away"],
    also={Dialect.MQTT_5: ["a long-running device tries many times while its broker is away"]},
    scripted=True,
    deadline=60.0 + CONNECTING,
    timer=CONNECTING,
)
def test_frees_what_a_failed_attempt_took(cell: MqttCell) -> None:
    """After 200 attempts at which nobody listened the process has hardly more descriptors and memory than at first.

    One of four attempts may leave something behind, because garbage is collected at leisure. A client that takes long
    is judged by the attempts that it makes in 30 seconds.
    """
    client = cell.client(SCRIPTED)
    cell.scripted()  # which is gone before anybody comes
    cell.relay(SCRIPTED).close()

    def one_round() -> None:
        expected = "connecting ends in an error, as nobody listens"
        cell.expect_refused(lambda: client.connect(door=SCRIPTED, within=CONNECTING), expected=expected)

    expect_freed(cell, client, one_round, "attempts")
