"""What networks do to connections: odd pieces, other addresses, silence."""

from __future__ import annotations

from harness.cells.doors import IPV6, SECOND_ADDRESS
from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered
from harness.cells.peer import RECOVERY
from harness.errors import RefusedByCrate
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.scenario import scenario

#: Seconds between two bytes.
_DRIP = 0.001
#: Messages that arrive in one read.
_TOGETHER = 20
#: Times that the connection is lost one after the other.
_LOSSES = 3

_STREAM = "section 4.2: an ordered, lossless stream of bytes"
_STREAM_5 = "MQTT-4.2-1"


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_STREAM],
    also={Dialect.MQTT_5: [_STREAM_5]},
)
def test_reads_packets_byte_by_byte(cell: MqttCell) -> None:
    """Packets that come one byte at a time are put together."""
    topic = cell.topic("slow")
    cell.relay().drip(_DRIP)
    writer = cell.reference()
    client = cell.connected()
    client.subscribe(topic, qos=1)
    wanted = [Delivered(topic, cell.payload()) for _ in range(3)]
    for message in wanted:
        writer.publish(topic, message.payload, qos=1)
    cell.expect_delivered(client, wanted, expected="the crate delivers each message once")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_STREAM, "MQTT-4.6.0-6"],
    also={Dialect.MQTT_5: [_STREAM_5, "MQTT-4.6.0-6"]},
)
def test_reads_packets_that_come_together(cell: MqttCell) -> None:
    """Twenty packets that come in one read are all delivered, in their order."""
    topic = cell.topic("together")
    writer = cell.reference()
    client = cell.connected()
    client.subscribe(topic, qos=0)
    wanted = [Delivered(topic, cell.payload()) for _ in range(_TOGETHER)]
    position = cell.peer.log.position()
    cell.relay().hold("b")
    for message in wanted:
        writer.publish(topic, message.payload, qos=0)
    sent = f"Sending PUBLISH to {client.id} "
    cell.expect_soon(
        lambda: "" if cell.peer.log.count(sent, position) == _TOGETHER else "the broker sent less",
        expected=f"the broker sends {_TOGETHER} messages",
    )
    cell.relay().release()
    cell.expect_delivered(client, wanted, expected="the crate delivers each message once, in order")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.INTEROP,
    spec=["RFC 6540: IPv6 support required"],
    also={Dialect.MQTT_5: ["RFC 6540: IPv6 support required"]},
    needs=[Need.ADDRESSES],
)
def test_works_over_ipv6(cell: MqttCell) -> None:
    """The client connects to an IPv6 address, and messages pass in both directions."""
    topic, outward, inward = cell.topic("in"), cell.payload(), cell.payload()
    reader = cell.reference(cell.topic("out"))
    client = cell.connected(door=IPV6)
    client.publish(cell.topic("out"), outward, qos=1)
    cell.expect_received(reader, [Delivered(cell.topic("out"), outward)], expected="what the client publishes arrives")
    client.subscribe(topic, qos=1)
    reader.publish(topic, inward, qos=1)
    cell.expect_delivered(client, [Delivered(topic, inward)], expected="what others publish arrives")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.INTEROP,
    spec=["RFC 1123, section 2.3: try the addresses until one succeeds"],
    also={Dialect.MQTT_5: ["RFC 1123, section 2.3: try the addresses until one succeeds"]},
    needs=[Need.ADDRESSES],
)
def test_tries_every_address(cell: MqttCell) -> None:
    """A host name whose first address refuses connections is reached by its second one.

    Such as `localhost` where the broker listens on IPv4 alone.
    """
    topic, payload = cell.topic("out"), cell.payload()
    reader = cell.reference(topic)
    client = cell.connected(door=SECOND_ADDRESS)
    client.publish(topic, payload, qos=1)
    cell.expect_received(reader, [Delivered(topic, payload)], expected="what the client publishes arrives")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.SHOULD,
    consequence=Consequence.HANG,
    spec=["section 3.1.2.10: no PINGRESP within a reasonable time"],
    also={Dialect.MQTT_5: ["section 3.1.2.10: no PINGRESP within a reasonable time"]},
    needs=[Need.RECONNECT],
    deadline=60.0,
    timer=MqttCell.notice,
)
def test_notices_a_half_open_connection(cell: MqttCell) -> None:
    """A client whose packets vanish, and which gets none, gives the connection up within two keep-alives and 10 s."""
    client = cell.connected()
    client.subscribe(cell.topic("any"), qos=1)
    cell.relay().hold("ab")
    noticed = client.await_notice(cell.notice)
    cell.expect(
        bool(noticed),
        expected=f"the client notices within {cell.notice:g} s that nobody answers",
        observed="it neither reported anything nor gave the connection up",
    )
    cell.remark(noticed)


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.SHOULD,
    consequence=Consequence.HANG,
    spec=["section 3.1.4, non-normative: no CONNACK within a reasonable time"],
    also={Dialect.MQTT_5: ["section 3.1.4, non-normative: no CONNACK within a reasonable time"]},
    needs=[Need.RECONNECT],
    deadline=115.0,
    timer=MqttCell.answer,
)
def test_gives_up_on_a_silent_peer(cell: MqttCell) -> None:
    """Connecting to a peer that accepts the connection and never answers ends in an error within 75 seconds."""
    cell.relay().hold("b")
    client = cell.client()
    expected = f"connect ends in an error within {cell.answer:g} s"
    try:
        client.connect(within=cell.answer)
    except RefusedByCrate as error:
        cell.expect(True, expected=expected, observed=error.observed)
    else:
        cell.expect(False, expected=expected, observed="the crate reported success")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html#_Toc398718098"],
    also={Dialect.MQTT_5: ["section 4.2: network connections"]},
    needs=[Need.RECONNECT],
    deadline=150.0,
    timer=RECOVERY,
)
def test_comes_back_again_and_again(cell: MqttCell) -> None:
    """A subscribed client whose connection is cut three times, one after the other, publishes again each time."""
    topic = cell.topic("again")
    reader = cell.reference(topic)
    client = cell.connected()
    client.subscribe(cell.topic("other"), qos=1)
    for loss in range(_LOSSES):
        payload = cell.payload()
        cell.relay().cut()
        client.recover(connections=loss + 2)
        client.publish(topic, payload, qos=1, within=RECOVERY)
        cell.expect_received(reader, [Delivered(topic, payload)], expected=f"a message arrives after cut {loss + 1}")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html#_Toc398718098"],
    also={Dialect.MQTT_5: ["section 4.2: network connections"]},
    needs=[Need.RECONNECT],
    own_broker=True,
    deadline=270.0,
    timer=_LOSSES * RECOVERY,
)
def test_works_through_several_broker_restarts(cell: MqttCell) -> None:
    """A broker that keeps its sessions is restarted three times: the client publishes and receives after each.

    The session is a lasting one, so that nobody has to subscribe again.
    """
    inward, outward = cell.topic("in"), cell.topic("out")
    client = cell.connected(clean_session=False)
    client.subscribe(inward, qos=1)
    for restart in range(_LOSSES):
        cell.peer.control.restart()
        client.recover(connections=restart + 2, clean_session=False)
        other = cell.reference(outward)
        mine, others = cell.payload(), cell.payload()
        client.publish(outward, mine, qos=1, within=RECOVERY)
        cell.expect_received(
            other, [Delivered(outward, mine)], expected=f"what the client publishes after restart {restart + 1} arrives"
        )
        other.publish(inward, others, qos=1)
        cell.expect_delivered(
            client, [Delivered(inward, others)], expected=f"what others publish after restart {restart + 1} arrives"
        )
