"""After the connection was lost: working again, without losing what was promised and without a fight."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered, MqttClient
from harness.cells.peer import RECOVERY
from harness.cells.rounds import MANY_ATTEMPTS, OUTAGE, expect_pauses
from harness.errors import RefusedByCrate
from harness.model import Consequence, Dialect, Duty, Level, Need, Requirement
from harness.references.mqtt import MqttReference
from harness.scenario import scenario

_PRACTICE = "https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html#_Toc398718098"
_PRACTICE_5 = "section 4.2: network connections"


def _expect_told_or_arrived(
    cell: MqttCell,
    client: MqttClient,
    reader: MqttReference,
    finish: Callable[[float], bool],
    topic: str,
    payload: bytes,
    connections: int = 2,
) -> None:
    """The publish that `finish` ends was reported as failed, or its message arrives once the client is back."""
    marker = cell.payload()
    told = False
    try:
        finish(RECOVERY)
    except RefusedByCrate as error:
        told = True
        cell.remark(f"the application was told: {error.observed}")
    client.recover(connections)
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
    also={Dialect.MQTT_5: [_PRACTICE_5]},
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
    also={Dialect.MQTT_5: [_PRACTICE_5]},
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
    also={Dialect.MQTT_5: [_PRACTICE_5]},
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
    also={Dialect.MQTT_5: ["MQTT-4.4.0-1", "MQTT-4.3.2-3"]},
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
    also={Dialect.MQTT_5: ["section 4.4, non-normative: clients may queue"]},
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
    also={Dialect.MQTT_5: ["https://docs.aws.amazon.com/general/latest/gr/api-retries.html"]},
    needs=[Need.RECONNECT],
    deadline=60.0,
    timer=OUTAGE,
)
def test_does_not_reconnect_in_a_tight_loop(cell: MqttCell) -> None:
    """While the broker refuses connections, the client pauses between its attempts.

    Fifty attempts in five seconds are still no tight loop; hundreds are, and cost the battery and the network. A client
    that does not try at all passes: that it comes back is another scenario's.
    """
    client = cell.connected()
    expect_pauses(cell, cell.relay(), client.idle_through_errors)


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-4.4.0-1", "MQTT-4.3.2-1"],
    also={Dialect.MQTT_5: ["MQTT-4.4.0-1", "MQTT-4.3.2-3"]},
    needs=[Need.RECONNECT, Need.RESEND],
    deadline=210.0,
    timer=2 * RECOVERY,
)
def test_loses_nothing_when_cut_while_sending_again(cell: MqttCell) -> None:
    """A QoS 1 publish whose connection is cut twice, before PUBACK and while it is sent again, is not lost silently."""
    topic, payload = cell.topic("twice"), cell.payload()
    reader = cell.reference(topic)
    position = cell.peer.log.position()
    client = cell.connected(clean_session=False)
    relay = cell.relay()
    relay.hold("ab")
    finish = client.begin_publish(topic, payload, qos=1)
    relay.await_held(10.0)
    relay.cut()
    relay.release("a")
    if not cell.crate.leaves(Duty.RECONNECT):
        connected = f"Sending CONNACK to {client.id} "
        cell.expect_soon(
            # Both are counted: the log may lag behind, and then the first line comes late.
            lambda: "" if cell.peer.log.count(connected, position) > 1 else "the broker got no second CONNECT",
            expected="the client connects again",
            within=RECOVERY,
        )
        # It hears of that only now, and what it sends again is lost as well.
        relay.hold("a")
        relay.release("b")
        relay.await_held(10.0)
        relay.cut()
    relay.release()
    _expect_told_or_arrived(cell, client, reader, finish, topic, payload, connections=3)


@pytest.mark.parametrize("qos", [1, 2], ids=lambda qos: f"qos{qos}")
@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.DUPLICATE,
    spec=["MQTT-4.4.0-1", "MQTT-3.3.1-1"],
    also={Dialect.MQTT_5: ["MQTT-4.4.0-1", "MQTT-3.3.1-1"]},
    needs=[Need.RECONNECT, Need.RESEND],
    deadline=150.0,
    timer=RECOVERY,
)
def test_sends_again_as_a_duplicate(cell: MqttCell, qos: int) -> None:
    """A PUBLISH whose acknowledgement was lost is sent again with the same packet id and DUP=1.

    The session is a lasting one. The broker knows by the id that it has a QoS 2 message already.
    """
    topic, payload, marker = cell.topic("again"), cell.payload(), cell.payload()
    reader = cell.reference(topic)
    client = cell.connected(clean_session=False)
    position = cell.peer.log.position()
    cell.relay().hold("b")
    finish = client.begin_publish(topic, payload, qos=qos)
    first = cell.await_log(f"Received PUBLISH from {client.id} (", position, "the broker gets PUBLISH")
    position = cell.peer.log.position()
    cell.relay().await_held(10.0)
    cell.relay().cut()
    cell.relay().release()
    with contextlib.suppress(RefusedByCrate):  # telling the application is right, and does not end the flow
        finish(RECOVERY)
    client.recover(connections=2, clean_session=False)
    client.publish(topic, marker, qos=qos, within=RECOVERY)
    # The marker's PUBLISH follows the one that was sent again, which has to come first (MQTT-4.6.0-1).
    again = cell.await_log(f"Received PUBLISH from {client.id} (", position, "the broker gets PUBLISH again")
    _, _, flags = first.partition(" (d0, ")
    wanted = "(d1, " + flags.split(", '")[0]
    cell.expect(wanted in again, expected=f"PUBLISH comes again with DUP=1 and its packet id: {wanted}", observed=again)
    copies = cell.drain_until(reader, marker).count(payload)
    cell.expect(
        copies == 1 or (qos == 1 and copies == 2),
        expected="a subscriber gets the message once, at QoS 1 perhaps twice",
        observed=f"the subscriber got it {copies} times",
    )


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.DUPLICATE,
    spec=["MQTT-4.3.3-2", "section 3.1.2.4: session state"],
    also={Dialect.MQTT_5: ["MQTT-4.3.3-10", "section 4.1: session state"]},
    needs=[Need.RECONNECT, Need.SESSION],
    deadline=150.0,
    timer=RECOVERY,
)
def test_delivers_qos2_once_across_a_cut(cell: MqttCell) -> None:
    """A QoS 2 message that the broker sends again after a reconnect is delivered once.

    The session is a lasting one, and the connection is cut before the client's PUBREC arrives.
    """
    topic, payload, marker = cell.topic("once"), cell.payload(), cell.payload()
    expected = "the crate delivers the message once, and then the marker"
    writer = cell.reference()
    client = cell.connected(clean_session=False)
    client.subscribe(topic, qos=2)
    position = cell.peer.log.position()
    cell.relay().hold()
    writer.publish(topic, payload, qos=2)
    client.idle_through_errors(1.0)
    cell.relay().await_held(10.0)
    cell.relay().cut()
    cell.relay().release()
    client.recover(connections=2, clean_session=False)
    cell.await_log(f"Sending PUBLISH to {client.id} (d1, q2", position, "the broker sends it again")
    writer.publish(topic, marker, qos=2)
    cell.expect_delivered(client, [Delivered(topic, payload, 2), Delivered(topic, marker, 2)], expected=expected)


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["MQTT-3.1.4-2"],
    also={Dialect.MQTT_5: ["MQTT-3.1.4-3"]},
    needs=[Need.RECONNECT],
    deadline=60.0,
    timer=OUTAGE,
)
def test_does_not_fight_over_a_client_id(cell: MqttCell) -> None:
    """Two clients that use the same client id by mistake do not throw each other out again and again at full speed.

    The broker closes the connection of the first when the second comes. Fifty connections in five seconds are still no
    fight; hundreds are, and neither client gets anything done. It takes a mistake of the operator's, and no clause asks
    for the pause: a caveat, and no reason to advise against a client.
    """
    first, second = cell.connected(), cell.client()
    second.id = first.id
    position = cell.peer.log.position()
    second.connect()
    cell.await_log_of_end(first, position)
    before = cell.relay().accepted
    end = time.monotonic() + OUTAGE
    while time.monotonic() < end:
        for client in (first, second):
            client.idle_through_errors(0.25)
    connections = cell.relay().accepted - before
    cell.expect(
        connections <= MANY_ATTEMPTS,
        expected=f"at most {MANY_ATTEMPTS} new connections in {OUTAGE:g} s",
        observed=f"{connections} connections",
    )
