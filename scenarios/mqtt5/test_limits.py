"""What each side says that it can take: packet sizes, messages under way, and topic aliases."""

from __future__ import annotations

import contextlib

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from harness.cells.doors import SCRIPTED
from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import KEEP_ALIVE, Delivered
from harness.cells.peer import DELIVERY, RECOVERY, listed
from harness.errors import RefusedByCrate
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.peers.mqtt import ScriptedBroker
from harness.peers.mqtt_packets import Packet, PacketType, acknowledgement, connack_properties, publish
from harness.scenario import scenario
from harness.wire import mqtt5

#: Bytes that the client takes, and a payload that is more.
_CLIENTS, _TOO_MUCH_FOR_IT = 1000, 2000
#: Messages that one side takes at once, and those that are published.
_AT_ONCE, _IN_ALL = 2, 5
#: Seconds in which a client that closes its connection has done so.
_PATIENCE = 3.0
#: Mosquitto's `max_packet_size`, in bytes, and a payload that is more.
_SERVERS, _TOO_MUCH = 3_000_000, 3_100_000
#: Mosquitto's default of `max_topic_alias`.
_ALIASES = 10


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.LOSS,
    spec=["MQTT-3.1.2-24", "MQTT-3.1.2-25"],
    capability="limits",
)
def test_limits_what_it_receives(cell: MqttCell) -> None:
    """What is larger than the client's Maximum Packet Size does not reach it, and nothing else is lost."""
    topic, marker = cell.topic("large"), cell.payload()
    writer = cell.reference()
    client = cell.connected(properties=mqtt5.ConnectProperties(maximum_packet_size=_CLIENTS))
    client.subscribe(topic, qos=1)
    writer.publish(topic, cell.payload(_TOO_MUCH_FOR_IT), qos=1)
    writer.publish(topic, marker, qos=1)
    cell.expect_delivered(client, [Delivered(topic, marker)], expected="the crate delivers what is small enough alone")
    connections = cell.relay().accepted
    cell.expect(connections == 1, expected="over one connection", observed=f"over {connections} connections")


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=["section 3.1.2.11.3: receive maximum", "MQTT-3.3.4-9"],
    capability="limits",
)
def test_limits_what_is_under_way_to_it(cell: MqttCell) -> None:
    """The server sends two messages and no third, as the client's Receive Maximum asks, until one is acknowledged."""
    topic, urgent = cell.topic("many"), cell.topic("urgent")
    wanted, marker = [cell.payload() for _ in range(_IN_ALL)], cell.payload()
    writer = cell.reference()
    client = cell.connected(properties=mqtt5.ConnectProperties(receive_maximum=_AT_ONCE))
    client.subscribe(topic, qos=1)
    client.subscribe(urgent, qos=0)
    position = cell.peer.log.position()
    cell.relay().hold("a")
    for payload in wanted:
        writer.publish(topic, payload, qos=1)
    # The limit does not hold for QoS 0, so that this one overtakes what has to wait.
    writer.publish(urgent, marker, qos=0)
    cell.await_log(f"Sending PUBLISH to {client.id} (d0, q0", position, "the broker sends the message at QoS 0")
    sent = cell.peer.log.count(f"Sending PUBLISH to {client.id} (d0, q1", position)
    cell.expect(
        sent == _AT_ONCE,
        expected=f"the broker sends {_AT_ONCE} messages at QoS 1 before the first is acknowledged",
        observed=f"it sent {sent}",
    )
    cell.relay().release()
    expected = f"the crate delivers all {_IN_ALL} messages, in order"
    got = [client.next_message(DELIVERY, expected) for _ in range(_IN_ALL + 1)]
    cell.expect(
        [message.payload for message in got if message is not None and message.topic == topic] == wanted,
        expected=expected,
        observed=f"it delivered {listed(got)}",
    )


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-3.2.2-15"],
    capability="limits",
)
def test_sends_nothing_larger_than_the_server_takes(cell: MqttCell) -> None:
    """A publish above the server's Maximum Packet Size ends in an error, and is not sent."""
    topic, marker = cell.topic("large"), cell.payload()
    client = cell.connected()
    position = cell.peer.log.position()
    cell.expect_refused(
        lambda: client.publish(topic, cell.payload(_TOO_MUCH), qos=1, within=15),
        expected=f"publishing more than the server's {_SERVERS} bytes ends in an error of the crate",
    )
    reference = cell.reference(topic)
    reference.publish(topic, marker)
    cell.expect_received(reference, [Delivered(topic, marker)], expected="nothing of it arrives")
    violations = cell.put_out(client, position, "oversize packet")
    cell.expect(not violations, expected="the server saw no packet that is too large", observed="it saw one")


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.LOSS,
    spec=["section 3.3.2.3.4: topic alias", "MQTT-3.3.2-12"],
    capability="limits",
)
def test_publishes_with_a_topic_alias(cell: MqttCell) -> None:
    """A second message with the alias that the first one introduced, and without a topic, goes to the same topic."""
    topic, first, second = cell.topic("long", "name"), cell.payload(), cell.payload()
    reader = cell.reference(topic)
    client = cell.connected()
    alias = mqtt5.PublishProperties(topic_alias=_ALIASES)
    client.publish(topic, first, qos=1, properties=alias)
    client.publish("", second, qos=1, properties=alias)
    cell.expect_received(
        reader,
        [Delivered(topic, first), Delivered(topic, second)],
        expected="the subscriber gets both, under the topic",
    )


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.2.2-17", "MQTT-3.3.2-9"],
    capability="limits",
)
def test_sends_no_topic_alias_above_the_maximum(cell: MqttCell) -> None:
    """A publish with an alias above the server's Topic Alias Maximum ends in an error, and is not sent."""
    topic = cell.topic("alias")
    client = cell.connected()
    position = cell.peer.log.position()
    alias = mqtt5.PublishProperties(topic_alias=_ALIASES + 1)
    cell.expect_refused(
        lambda: client.publish(topic, cell.payload(), qos=1, properties=alias, within=15),
        expected=f"publishing with an alias above the server's {_ALIASES} ends in an error of the crate",
    )
    violations = cell.put_out(client, position, "protocol error", "topic alias invalid")
    cell.expect(not violations, expected="the server saw no alias that is too high", observed="it saw one")


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-3.3.2-10", "section 3.3.2.3.4: topic alias"],
    scripted=True,
    capability="limits",
)
def test_resolves_a_topic_alias(cell: MqttCell) -> None:
    """A message that has an alias in place of its topic is delivered under the topic.

    The client allowed aliases; a scripted server introduces one with the first message and uses it for the second.
    """
    topic, first, second = cell.topic("long", "name"), cell.payload(), cell.payload()
    server = cell.scripted()
    client = cell.client()
    client.connect(door=SCRIPTED, properties=mqtt5.ConnectProperties(topic_alias_maximum=_ALIASES))
    client.subscribe(topic, qos=0)
    alias = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    alias.TopicAlias = 1
    server.send(publish(topic, first, five=True, properties=alias), publish("", second, five=True, properties=alias))
    cell.expect_delivered(
        client, [Delivered(topic, first), Delivered(topic, second)], expected="the crate delivers both under the topic"
    )


def _published(cell: MqttCell, limits: Properties, *, qos: int, retain: bool) -> list[Packet]:
    """What comes of a publish that the server does not take, where a plain message follows it as the barrier."""
    topic, marker = cell.topic("out"), cell.payload()
    server = cell.scripted(limits=limits)
    client = cell.client()
    client.connect(door=SCRIPTED)
    with contextlib.suppress(RefusedByCrate):  # telling the application is right
        client.publish(topic, cell.payload(), qos=qos, retain=retain)
    client.until_it_works(lambda: client.publish(topic, marker))
    cell.expect_soon(
        lambda: "" if marker in [packet.payload(five=True) for packet in server.published()] else "it did not come",
        expected="the message that follows arrives",
    )
    return [packet for packet in server.published() if packet.payload(five=True) != marker]


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.2.2-11"],
    scripted=True,
    capability="limits",
)
def test_publishes_at_no_qos_above_the_maximum(cell: MqttCell) -> None:
    """Where the server's Maximum QoS is 0, nothing is sent at QoS 1: the application is told, or it goes at QoS 0."""
    sent = _published(cell, connack_properties(MaximumQoS=0), qos=1, retain=False)
    cell.expect(
        all(message.qos == 0 for message in sent),
        expected="no PUBLISH at a QoS above 0",
        observed=f"the server got one at QoS {max((message.qos for message in sent), default=0)}",
    )


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.2.2-14"],
    scripted=True,
    capability="limits",
)
def test_retains_nothing_where_the_server_cannot(cell: MqttCell) -> None:
    """Where the server says that it retains nothing, no PUBLISH with RETAIN=1 is sent."""
    sent = _published(cell, connack_properties(RetainAvailable=0), qos=0, retain=True)
    retained = sum(message.retain for message in sent)
    cell.expect(not retained, expected="no PUBLISH with RETAIN=1", observed=f"the server got {retained}")


def _expect_few_under_way(cell: MqttCell, server: ScriptedBroker, connection: int) -> None:
    """No more messages are under way than the server takes, which acknowledges none; PINGREQ is the barrier.

    A client that sends nothing else has to send one within its keep-alive (MQTT-3.1.2-20).
    """
    first = server.take(PacketType.PUBLISH, RECOVERY, connection=connection)
    cell.expect(first is not None, expected="the client publishes", observed="nothing came")
    # One that was due anyhow may have come before the first message.
    before = sum(a.packet.type is PacketType.PINGREQ for a in server.arrived if a.connection == connection)
    ping = server.take(PacketType.PINGREQ, KEEP_ALIVE + DELIVERY, connection=connection, after=before)
    cell.expect(ping is not None, expected="PINGREQ comes while the client waits", observed="it did not")
    under_way = len(server.published(connection))
    cell.expect(
        under_way <= _AT_ONCE,
        expected=f"at most {_AT_ONCE} messages before the first is acknowledged",
        observed=f"{under_way} came",
    )


@pytest.mark.parametrize("qos", [1, 2], ids=lambda qos: f"qos{qos}")
@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.3.4-7", "MQTT-4.9.0-1", "MQTT-4.9.0-2"],
    scripted=True,
    capability="limits",
    needs=[Need.SESSION],
    deadline=60.0,
    timer=KEEP_ALIVE,
)
def test_has_no_more_under_way_than_the_server_takes(cell: MqttCell, qos: int) -> None:
    """Where the server's Receive Maximum is 2, a third message is sent when one is acknowledged, and all arrive.

    At QoS 2 it is PUBCOMP that makes room for the next, and not PUBREC.
    """
    topic, payloads = cell.topic("out"), [cell.payload() for _ in range(_IN_ALL)]
    last = PacketType.PUBACK if qos == 1 else PacketType.PUBCOMP
    server = cell.scripted(limits=connack_properties(ReceiveMaximum=_AT_ONCE), withholds=last)
    client = cell.connected(door=SCRIPTED)
    finish = client.begin_publish_all(topic, payloads, qos=qos)
    _expect_few_under_way(cell, server, connection=1)
    for acknowledged in range(_IN_ALL):
        came = server.take(PacketType.PUBLISH if qos == 1 else PacketType.PUBREL, DELIVERY, after=acknowledged)
        under_way = len(server.published()) - acknowledged
        cell.expect(
            came is not None and under_way <= _AT_ONCE,
            expected=f"one or {_AT_ONCE} messages are under way once {acknowledged} are acknowledged",
            observed=f"{under_way} are",
        )
        server.send(acknowledgement(last, server.published()[acknowledged].packet_id or 0))
    finish(DELIVERY)
    sent = [packet.payload(five=True) for packet in server.published()]
    cell.expect(sent == payloads, expected=f"all {_IN_ALL} arrive, once and in order", observed=f"{len(sent)} came")


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.3.4-7", "MQTT-4.9.0-1"],
    scripted=True,
    capability="limits",
    needs=[Need.RECONNECT, Need.RESEND],
    deadline=90.0,
    timer=KEEP_ALIVE,
)
def test_sends_no_more_again_than_the_server_takes(cell: MqttCell) -> None:
    """Where the connection is cut while messages wait, the limit of 2 holds for what is sent on the next one too."""
    server = cell.scripted(
        limits=connack_properties(ReceiveMaximum=_AT_ONCE), withholds=PacketType.PUBACK, remembers=True
    )
    client = cell.connected(door=SCRIPTED, clean_session=False)
    client.begin_publish_all(cell.topic("out"), [cell.payload() for _ in range(_IN_ALL)], qos=1)
    server.take(PacketType.PUBLISH, DELIVERY)
    server.cut()
    _expect_few_under_way(cell, server, connection=2)


@scenario(
    Dialect.MQTT_5,
    level=Level.ROBUSTNESS,
    requirement=Requirement.SHOULD,
    consequence=Consequence.HANG,
    spec=["section 3.2.2.3.3: a Protocol Error to have the value 0", "section 4.13.1: the client SHOULD close"],
    scripted=True,
    capability="limits",
    needs=[Need.SESSION],
    deadline=60.0,
)
def test_refuses_a_receive_maximum_of_zero(cell: MqttCell) -> None:
    """A CONNACK with Receive Maximum 0 is a protocol error: the client closes the connection, or reports an error.

    Who takes the 0 for a limit can never publish.
    """
    limits = connack_properties(ReceiveMaximum=1)
    object.__setattr__(limits, "ReceiveMaximum", 0)  # paho's codec would refuse it
    server = cell.scripted(limits=limits)
    client = cell.client()
    try:
        client.connect(door=SCRIPTED, within=15)
    except RefusedByCrate as error:
        cell.remark(f"the client reported: {error.observed}")
        return
    noticed = server.left or client.await_notice(_PATIENCE, SCRIPTED)
    cell.expect(
        bool(noticed),
        expected=f"connect ends in an error, or the client closes the connection within {_PATIENCE:g} s",
        observed="the crate reported success, and stayed",
    )
