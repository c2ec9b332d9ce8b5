"""After the connection was lost: working again, without losing what was promised and without a fight."""

from __future__ import annotations

from collections.abc import Callable

from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered, MqttClient
from harness.cells.peer import RECOVERY
from harness.errors import RefusedByCrate
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.references.mqtt import MqttReference
from harness.scenario import scenario

#: Seconds that a client is left alone while nobody answers it.
_OUTAGE = 5.0
#: Connection attempts in that time that nobody would call a tight loop.
_MANY_ATTEMPTS = 50

_PRACTICE = "https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html#_Toc398718098"


def _expect_told_or_arrived(
    cell: MqttCell,
    client: MqttClient,
    reader: MqttReference,
    finish: Callable[[float], bool],
    topic: str,
    payload: bytes,
) -> None:
    """The publish that `finish` ends was reported as failed, or its message arrives once the client is back."""
    marker = cell.payload()
    told = False
    try:
        finish(RECOVERY)
    except RefusedByCrate as error:
        told = True
        cell.remark(f"the application was told: {error.observed}")
    client.recover(connections=2)
    client.publish(topic, marker, qos=1, within=RECOVERY)
    got = cell.drain_until(reader, marker)
    cell.expect(
        told or payload in got,
        expected="the message arrives once the client is back, or the publish ended in an error",
        observed="the crate took the message over, reported no error, and it never arrived",
    )


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_PRACTICE],
    needs=[Need.RECONNECT],
    deadline=150.0,
    timer=RECOVERY,
)
def test_publishes_again_after_a_cut(cell: MqttCell) -> None:
    """After its connection was cut, the client publishes again within 60 seconds."""
    topic, payload = cell.topic("again"), cell.payload()
    reader = cell.reference(topic)
    client = cell.connected()
    cell.relay().cut()
    client.recover(connections=2)
    client.publish(topic, payload, qos=1, within=RECOVERY)
    cell.expect_received(reader, [Delivered(topic, payload)], expected="a message published after the cut arrives")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_PRACTICE],
    needs=[Need.RECONNECT],
    own_broker=True,
    deadline=150.0,
    timer=RECOVERY,
)
def test_publishes_again_after_a_broker_restart(cell: MqttCell) -> None:
    """After its broker was restarted, the client publishes again within 60 seconds."""
    topic, payload = cell.topic("again"), cell.payload()
    client = cell.connected()
    cell.peer.control.restart()
    client.recover(connections=2)
    reader = cell.reference(topic)
    client.publish(topic, payload, qos=1, within=RECOVERY)
    cell.expect_received(reader, [Delivered(topic, payload)], expected="a message published after the restart arrives")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=[_PRACTICE],
    needs=[Need.RECONNECT],
    own_broker=True,
    deadline=150.0,
    timer=RECOVERY,
)
def test_is_subscribed_again_after_a_broker_restart(cell: MqttCell) -> None:
    """After a restart the broker has forgotten a clean session: the client, or its application, subscribes again."""
    topic, payload = cell.topic("again"), cell.payload()
    client = cell.connected()
    client.subscribe(topic, qos=1)
    cell.peer.control.kill()
    client.recover(connections=2)
    client.resubscribe(topic, qos=1)
    cell.await_second_subscription(client)
    writer = cell.reference()
    writer.publish(topic, payload, qos=1)
    cell.expect_delivered(client, [Delivered(topic, payload)], expected="a message published after the restart arrives")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-4.4.0-1", "MQTT-4.3.2-1"],
    needs=[Need.RECONNECT, Need.RESEND],
    deadline=150.0,
    timer=RECOVERY,
)
def test_loses_no_qos1_message_across_a_cut(cell: MqttCell) -> None:
    """A QoS 1 publish whose connection is cut before PUBACK is sent again, or the application is told.

    The session is a lasting one, so that the client has to send what was not acknowledged again.
    """
    topic, payload = cell.topic("cut"), cell.payload()
    reader = cell.reference(topic)
    client = cell.connected(clean_session=False)
    cell.relay().hold()
    finish = client.begin_publish(topic, payload, qos=1)
    cell.relay().await_held(10.0)
    cell.relay().cut()
    cell.relay().release()
    _expect_told_or_arrived(cell, client, reader, finish, topic, payload)


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=["section 4.4, non-normative: clients may queue"],
    needs=[Need.RECONNECT],
    deadline=150.0,
    timer=RECOVERY,
)
def test_drops_nothing_silently_while_offline(cell: MqttCell) -> None:
    """What is published while there is no connection is kept for later or refused, and never silently dropped."""
    topic, payload = cell.topic("offline"), cell.payload()
    reader = cell.reference(topic)
    client = cell.connected()
    cell.relay().refuse(True)
    cell.relay().cut()
    finish = client.begin_publish(topic, payload, qos=1)
    cell.relay().refuse_for(2.0)
    _expect_told_or_arrived(cell, client, reader, finish, topic, payload)


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.CONVENIENCE,
    spec=["https://docs.aws.amazon.com/general/latest/gr/api-retries.html"],
    needs=[Need.RECONNECT],
    deadline=60.0,
    timer=_OUTAGE,
)
def test_does_not_reconnect_in_a_tight_loop(cell: MqttCell) -> None:
    """While the broker refuses connections, the client pauses between its attempts.

    Fifty attempts in five seconds are still no tight loop; hundreds are, and cost the battery and the network. A client
    that does not try at all passes: that it comes back is another scenario's.
    """
    client = cell.connected()
    cell.relay().refuse(True)
    cell.relay().cut()
    before = cell.relay().accepted
    client.idle_through_errors(_OUTAGE)
    attempts = cell.relay().accepted - before
    cell.expect(
        attempts <= _MANY_ATTEMPTS,
        expected=f"at most {_MANY_ATTEMPTS} connection attempts in {_OUTAGE:g} s of outage",
        observed=f"{attempts} attempts",
    )
