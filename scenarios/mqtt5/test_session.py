"""Sessions and connections as MQTT 5 has them: their end, names and keep-alives that the server chooses."""

from __future__ import annotations

import pytest

from harness.cells.doors import SCRIPTED
from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import MqttClient
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.peers.mqtt_packets import PacketType, connack_properties
from harness.scenario import scenario
from harness.wire import mqtt5

#: Seconds for which the server keeps a session that shall end.
_SHORT = 1
#: The server's keep-alive and the one that the client asks for, in seconds.
_SERVERS, _CLIENTS = 5, 60
#: Seconds of silence after which a server closes the connection (MQTT-3.1.2-22).
_SILENCE = 1.5 * _SERVERS

_TAKEN_OVER = 0x8E


def _leave(cell: MqttCell, client: MqttClient, properties: mqtt5.DisconnectProperties | None = None) -> None:
    position = cell.peer.log.position()
    client.disconnect(properties)
    cell.await_log_of_end(client, position)


def _expect_no_session(cell: MqttCell, client: MqttClient, expected: str) -> None:
    """The server knows nothing of the client any more, which it says in CONNACK."""
    position = cell.peer.log.position()
    present = client.connect(clean_session=False)
    line = cell.await_log(f"Sending CONNACK to {client.id} (", position, "the client connects again")
    cell.expect("(0, 0)" in line, expected=expected, observed=line)
    cell.expect(present is not True, expected="the crate says so", observed="it said that a session is present")


@pytest.mark.parametrize("seconds", [0, _SHORT], ids=lambda seconds: f"{seconds}s")
@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["section 3.1.2.11.2: session expiry interval", "MQTT-4.1.0-2"],
    capability="sessions",
    needs=[Need.SESSION],
    deadline=60.0,
    timer=20.0,
)
def test_a_session_ends_when_it_expires(cell: MqttCell, seconds: int) -> None:
    """A session that shall end a second after its connection, or with it, is gone after that time."""
    client = cell.connected(clean_session=False, properties=mqtt5.ConnectProperties(session_expiry_s=seconds))
    client.subscribe(cell.topic("any"), qos=1)
    position = cell.peer.log.position()
    _leave(cell, client)
    if seconds:
        cell.await_log(f"Expiring client {client.id} ", position, "the server ends the session after that time")
    _expect_no_session(cell, client, f"no session is left after {seconds} s")


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=["section 3.14.2.2.2: session expiry interval", "MQTT-4.1.0-2"],
    capability="sessions",
    needs=[Need.SESSION],
    features=["disconnect-properties"],
)
def test_ends_its_session_when_it_leaves(cell: MqttCell) -> None:
    """DISCONNECT with a session expiry of 0 ends a session that was meant to last."""
    client = cell.connected(clean_session=False)
    client.subscribe(cell.topic("any"), qos=1)
    _leave(cell, client, mqtt5.DisconnectProperties(session_expiry_s=0))
    _expect_no_session(cell, client, "no session is left")


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.CONVENIENCE,
    spec=["MQTT-3.1.3-7", "MQTT-3.2.2-16"],
    capability="sessions",
    features=["empty-client-id"],
)
def test_tells_the_client_id_that_the_broker_made_up(cell: MqttCell) -> None:
    """A client without a client id learns the one that the server assigned, which its session needs."""
    client = cell.client()
    client.id = ""
    client.connect()
    assigned = client.connack.assigned_client_id
    cell.expect(
        bool(assigned) and str(assigned).startswith("auto-"),
        expected="the crate tells the id that the server assigned, which begins with auto-",
        observed=f"it told {assigned!r}",
    )


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-3.1.2-21", "MQTT-3.2.2-21"],
    scripted=True,
    capability="sessions",
    deadline=40.0,
    timer=_SILENCE,
)
def test_takes_the_keep_alive_of_the_server(cell: MqttCell) -> None:
    """A client that asked for 60 seconds pings every 5, because the server says so in CONNACK.

    The server is scripted: Mosquitto (2.0.21, keepalive.c) takes a client whose keep-alive is its `max_keepalive` for
    silent when the packet comes as a second begins, and ends its connection.
    """
    server = cell.scripted(limits=connack_properties(ServerKeepAlive=_SERVERS))
    client = cell.client()
    client.connect(door=SCRIPTED, keep_alive=_CLIENTS)
    client.idle(_SILENCE)
    cell.expect(
        server.take(PacketType.PINGREQ, 0) is not None,
        expected=f"the client pings within {_SILENCE:g} s of silence",
        observed="it sent no PINGREQ",
    )


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.CONVENIENCE,
    spec=["MQTT-3.1.4-3", "section 3.14.2.1: disconnect reason code"],
    capability="reason codes",
    needs=[Need.RECONNECT],
    since="2.0.15",  # earlier ones close the connection alone: https://github.com/eclipse-mosquitto/mosquitto/issues/2607
)
def test_tells_why_the_server_ended_the_connection(cell: MqttCell) -> None:
    """DISCONNECT of the server reaches the application with its reason code: here that the session was taken over."""
    client, other = cell.connected(), cell.client()
    other.id = client.id
    other.connect()
    expected = f"the application is told reason code {_TAKEN_OVER:#x}"
    event = client.next_event("disconnected", 10.0, expected)
    cell.expect(
        event is not None and event.get("reason_code") == _TAKEN_OVER,
        expected=expected,
        observed=f"it was told {event or 'nothing'}",
    )
