"""What a client makes of a broker that repeats itself, says what nobody asked for, or breaks off; a scripted one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

import pytest

from harness.cells.doors import SCRIPTED
from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered, MqttClient
from harness.cells.peer import DELIVERY, RECOVERY, listed
from harness.cells.pressure import PATIENCE, expect_held_up
from harness.errors import RefusedByCrate
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.peers.mqtt import ScriptedBroker
from harness.peers.mqtt_packets import PacketType, acknowledgement, publish
from harness.scenario import scenario

#: The id of the broker's messages, and one that nothing was sent with.
_ID, _STRAY = 7, 999
#: A PUBLISH whose remaining length goes on in a fifth byte, which no packet may have.
_FIVE_LENGTH_BYTES = bytes([PacketType.PUBLISH << 4, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F])


def _subscribed(cell: MqttCell, topic: str) -> tuple[ScriptedBroker, MqttClient]:
    """A scripted broker, and a client that has subscribed there."""
    peer = cell.scripted()
    client = cell.connected(door=SCRIPTED)
    client.subscribe(topic, qos=2)
    return peer, client


def _expect_once(cell: MqttCell, peer: ScriptedBroker, client: MqttClient, topic: str, payload: bytes) -> None:
    """The client has delivered `payload` once, and still delivers on the same connection."""
    marker = cell.payload()
    peer.send(publish(topic, marker))
    got = cell.delivered_until(client, marker)
    cell.expect(
        [message.payload for message in got] == [payload],
        expected="the crate delivers the message once, and then the marker",
        observed=f"before the marker the crate delivered {listed(got)}",
    )


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.DUPLICATE,
    spec=["MQTT-4.3.3-2"],
    scripted=True,
    needs=[Need.SESSION],
)
def test_delivers_a_repeated_qos2_message_once(cell: MqttCell) -> None:
    """A QoS 2 PUBLISH that comes again before PUBREL is acknowledged again and delivered once.

    MQTT 3.1.1 lets a broker repeat it on the same connection; 5.0 does not.
    """
    topic, payload = cell.topic("once"), cell.payload()
    peer, client = _subscribed(cell, topic)
    for repeats in range(2):
        peer.send(publish(topic, payload, qos=2, packet_id=_ID, dup=bool(repeats)))
        cell.expect_packet(client, PacketType.PUBREC, after=repeats)
    peer.send(acknowledgement(PacketType.PUBREL, _ID))
    cell.expect_packet(client, PacketType.PUBCOMP)
    _expect_once(cell, peer, client, topic, payload)


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=["MQTT-4.3.3-2: respond to a PUBREL by sending a PUBCOMP"],
    scripted=True,
    needs=[Need.SESSION],
)
def test_answers_a_repeated_pubrel(cell: MqttCell) -> None:
    """A PUBREL that comes again, because its PUBCOMP was late or lost, is answered again; the connection goes on."""
    topic, payload = cell.topic("again"), cell.payload()
    peer, client = _subscribed(cell, topic)
    peer.send(publish(topic, payload, qos=2, packet_id=_ID))
    cell.expect_packet(client, PacketType.PUBREC)
    for repeats in range(2):
        peer.send(acknowledgement(PacketType.PUBREL, _ID))
        cell.expect_packet(client, PacketType.PUBCOMP, after=repeats)
    _expect_once(cell, peer, client, topic, payload)


@pytest.mark.parametrize("kind", ["PUBACK", "PUBREC", "PUBCOMP"])
@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["section 4.8: handling errors"],
    also={Dialect.MQTT_5: ["section 4.13: handling errors"]},
    scripted=True,
    needs=[Need.SESSION],
)
def test_survives_a_stray_acknowledgement(cell: MqttCell, kind: str) -> None:
    """An acknowledgement of nothing is ignored, or ends the connection; the client neither dies nor falls silent."""
    topic, marker = cell.topic("any"), cell.payload()
    peer, client = _subscribed(cell, topic)
    peer.send(acknowledgement(PacketType[kind], _STRAY), publish(topic, marker, five=cell.speaks_5))
    expected = f"the crate goes on, or ends the connection, within {DELIVERY:g} s"
    end = time.monotonic() + DELIVERY
    while not peer.left:
        left = cell.remaining(end - time.monotonic(), expected)
        cell.expect(left > 0, expected=expected, observed="it did neither")
        try:
            message = client.next_message(min(0.5, left), expected)
        except RefusedByCrate as error:
            cell.remark(f"the client reported: {error.observed}")
            return
        if message is not None:
            cell.expect(message.is_same(Delivered(topic, marker)), expected=expected, observed=f"it got {message}")
            return


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=["section 4.2: an ordered, lossless stream of bytes"],
    also={Dialect.MQTT_5: ["section 4.2: an ordered, lossless stream of bytes"]},
    scripted=True,
    needs=[Need.RECONNECT],
    deadline=60.0,
    timer=MqttCell.notice,
)
def test_delivers_nothing_of_half_a_packet(cell: MqttCell) -> None:
    """A PUBLISH of which only the first half comes before the connection ends is not delivered; the end is noticed."""
    topic = cell.topic("half")
    peer, client = _subscribed(cell, topic)
    whole = publish(topic, cell.payload(64), five=cell.speaks_5).encoded()
    peer.send_bytes(whole[: len(whole) // 2])
    peer.cut()
    noticed = client.await_notice(cell.notice, SCRIPTED)
    cell.expect(bool(noticed), expected="the client notices that the connection is gone", observed="it did not")
    cell.remark(noticed)
    client.idle_through_errors(1.0)
    got = client.kept
    cell.expect(not got, expected="nothing is delivered", observed=f"the crate delivered {listed(got)}")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=["section 2.2.3: at most four bytes", "MQTT-4.8.0-1"],
    also={Dialect.MQTT_5: ["section 1.5.5: at most four bytes", "MQTT-4.13.1-1"]},
    scripted=True,
    needs=[Need.RECONNECT],
    deadline=60.0,
    timer=MqttCell.notice,
)
def test_refuses_a_remaining_length_of_five_bytes(cell: MqttCell) -> None:
    """A packet whose length takes five bytes is malformed: the client closes the connection, or reports an error.

    Who reads on waits for 256 MiB that never come.
    """
    peer, client = _subscribed(cell, cell.topic("any"))
    peer.send_bytes(_FIVE_LENGTH_BYTES)
    noticed = client.await_notice(cell.notice, SCRIPTED)
    cell.expect(
        bool(noticed),
        expected=f"the client gives the connection up within {cell.notice:g} s",
        observed="it neither closed it nor reported anything",
    )
    cell.remark(noticed)


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-4.4.0-1"],
    also={Dialect.MQTT_5: ["MQTT-4.4.0-1"]},
    scripted=True,
    needs=[Need.RECONNECT, Need.RESEND],
    deadline=150.0,
    timer=RECOVERY,
)
def test_sends_pubrel_again_after_a_reconnect(cell: MqttCell) -> None:
    """A PUBREL whose PUBCOMP was lost is sent again, with the same packet id, to a broker that kept the session."""
    peer = cell.scripted(remembers=True, cuts_at=PacketType.PUBREL)
    client = cell.connected(door=SCRIPTED, clean_session=False)
    finish = client.begin_publish(cell.topic("out"), cell.payload(), qos=2)
    released = peer.take(PacketType.PUBREL, DELIVERY)
    with contextlib.suppress(RefusedByCrate):  # telling the application is right, and does not end the flow
        finish(RECOVERY)
    cell.expect(released is not None, expected="PUBREL answers PUBREC", observed="it did not come")
    client.recover(connections=2, clean_session=False, door=SCRIPTED)
    again = cell.expect_packet(client, PacketType.PUBREL, connection=2)
    cell.expect(again == released, expected=f"{released} comes again", observed=f"{again} came")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["a device has little memory"],
    also={Dialect.MQTT_5: ["a device has little memory"]},
    scripted=True,
    needs=[Need.SESSION],
    deadline=90.0,
    timer=PATIENCE,
)
def test_keeps_little_for_a_broker_that_stops_reading(cell: MqttCell) -> None:
    """Who publishes 100 MB at QoS 0 to a broker that reads nothing is held up or told, and grows by 64 MiB at most.

    A broker that cannot keep pace reads more slowly, so that TCP holds the client up; at QoS 0 nothing else does. A
    client without a limit of its own hides that from the application until no memory is left. A limit may be one of
    messages, so these are small.
    """
    cell.scripted()
    client = cell.connected(door=SCRIPTED)

    def publish_all(bodies: Sequence[bytes]) -> None:
        client.begin_publish_all(cell.topic("out"), bodies, qos=0)(PATIENCE)

    expect_held_up(cell, client, cell.relay(SCRIPTED), publish_all)
