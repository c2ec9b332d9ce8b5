"""Topic filters: wildcards, several at once, and ending a subscription."""

from __future__ import annotations

import pytest

from harness.cells.mqtt import DENIED, MqttCell
from harness.cells.mqtt_client import Delivered
from harness.cells.peer import listed
from harness.errors import RefusedByCrate
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-4.7.1-3"],
    also={Dialect.MQTT_5: ["MQTT-4.7.1-2"]},
)
def test_single_level_wildcard(cell: MqttCell) -> None:
    """`+` matches exactly one level: neighbours arrive, deeper topics do not."""
    writer = cell.reference()
    client = cell.connected()
    client.subscribe(cell.topic("+", "state"), qos=1)
    inside, deeper, last = cell.topic("a", "state"), cell.topic("a", "b", "state"), cell.topic("z", "state")
    payloads = [cell.payload() for _ in range(3)]
    for topic, payload in zip((inside, deeper, last), payloads, strict=True):
        writer.publish(topic, payload, qos=1)
    cell.expect_delivered(
        client,
        [Delivered(inside, payloads[0]), Delivered(last, payloads[2])],
        expected="the crate delivers what matches `+`, under the topic that it was published to",
    )


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-4.7.1-2"],
    also={Dialect.MQTT_5: ["MQTT-4.7.1-1"]},
)
def test_multi_level_wildcard(cell: MqttCell) -> None:
    """`#` matches the parent and any number of levels below it."""
    writer = cell.reference()
    client = cell.connected()
    client.subscribe(cell.topic("tree", "#"), qos=1)
    outside = cell.topic("forest")
    topics = [cell.topic("tree"), cell.topic("tree", "a"), outside, cell.topic("tree", "a", "b", "c")]
    wanted = []
    for topic in topics:
        payload = cell.payload()
        writer.publish(topic, payload, qos=1)
        if topic != outside:
            wanted.append(Delivered(topic, payload))
    cell.expect_delivered(client, wanted, expected="the crate delivers the parent and everything below it")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.8.3-3", "section 3.8.3: a list of topic filters"],
    also={Dialect.MQTT_5: ["MQTT-3.8.3-2", "MQTT-3.8.4-5"]},
    features=["several-filters"],
)
def test_several_filters_in_one_subscribe(cell: MqttCell) -> None:
    """One SUBSCRIBE with three filters subscribes to all three."""
    writer = cell.reference()
    client = cell.connected()
    topics = [cell.topic("one"), cell.topic("two"), cell.topic("three")]
    client.subscribe(*topics, qos=1)
    wanted = [Delivered(topic, cell.payload()) for topic in topics]
    for message in wanted:
        writer.publish(message.topic, message.payload, qos=1)
    cell.expect_delivered(client, wanted, expected="the crate delivers a message of each filter")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.10.4-2", "MQTT-3.10.3-2"],
    also={Dialect.MQTT_5: ["MQTT-3.10.4-2", "MQTT-3.10.3-2"]},
    features=["unsubscribe"],
)
def test_unsubscribes(cell: MqttCell) -> None:
    """After UNSUBACK nothing of that filter arrives any more, and other subscriptions go on."""
    ended, kept = cell.topic("ended"), cell.topic("kept")
    payload, unwanted, marker = cell.payload(), cell.payload(), cell.payload()
    writer = cell.reference()
    client = cell.connected()
    client.subscribe(ended, qos=1)
    client.subscribe(kept, qos=1)
    writer.publish(ended, payload, qos=1)
    cell.expect_delivered(client, [Delivered(ended, payload)], expected="while subscribed, the message arrives")
    position = cell.peer.log.position()
    client.unsubscribe(ended)
    writer.publish(ended, unwanted, qos=1)
    writer.publish(kept, marker, qos=1)
    cell.expect_delivered(client, [Delivered(kept, marker)], expected="after UNSUBACK, only the other filter's arrives")
    # A client that only hides what still comes would have got this far.
    cell.await_log(f"Received UNSUBSCRIBE from {client.id}", position, "the broker gets UNSUBSCRIBE")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=["MQTT-3.8.4-5", "section 3.9.3: 0x80 is a failure"],
    also={Dialect.MQTT_5: ["MQTT-3.8.4-7", "section 3.9.3: 0x80 and above is a failure"]},
)
def test_reports_a_refused_subscription(cell: MqttCell) -> None:
    """A SUBACK that refuses the subscription surfaces as an error.

    Who is not told waits for messages that never come.
    """
    client = cell.connected()
    expected = "the application is told that the broker refused its subscription"
    try:
        confirmed = client.subscribe(cell.topic(DENIED), qos=1)
        client.idle(1.0)
    except RefusedByCrate as error:
        cell.expect(error.code != "timeout", expected=expected, observed=error.observed)
    else:
        told = "reported success" if confirmed else "took the subscription over and reported nothing about SUBACK"
        cell.expect(False, expected=expected, observed=f"the crate {told}")


@pytest.mark.parametrize("granted", [0, 1], ids=lambda qos: f"qos{qos}")
@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.8.4-6", "section 4.3"],
    also={Dialect.MQTT_5: ["MQTT-3.8.4-8"]},
)
def test_receives_at_the_granted_qos(cell: MqttCell, granted: int) -> None:
    """What is published at QoS 2 arrives at the lower QoS that the subscription asked for."""
    topic = cell.topic("lower")
    writer = cell.reference()
    client = cell.connected()
    client.subscribe(topic, qos=granted)
    wanted = [Delivered(topic, cell.payload(), granted) for _ in range(2)]
    for message in wanted:
        writer.publish(topic, message.payload, qos=2)
    cell.expect_delivered(client, wanted, expected=f"the crate delivers each message once, at QoS {granted}")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-3.3.5-1", "section 3.3.5: overlapping subscriptions"],
    also={Dialect.MQTT_5: ["MQTT-3.3.4-2"]},
)
def test_overlapping_filters(cell: MqttCell) -> None:
    """A message that two filters of the client match is delivered; the broker may send it once or twice."""
    topic, payload, marker = cell.topic("a", "b"), cell.payload(), cell.payload()
    writer = cell.reference()
    client = cell.connected()
    client.subscribe(cell.topic("+", "b"), qos=1)
    client.subscribe(cell.topic("#"), qos=1)
    for sent in (payload, marker):
        writer.publish(topic, sent, qos=1)
    got = cell.delivered_until(client, marker)
    cell.expect(
        len(got) in (1, 2) and all(message.is_same(Delivered(topic, payload)) for message in got),
        expected="the crate delivers the message once or twice, and then the marker",
        observed=f"before the marker the crate got {listed(got)}",
    )


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-4.7.2-1"],
    also={Dialect.MQTT_5: ["MQTT-4.7.2-1"]},
)
def test_dollar_topics(cell: MqttCell) -> None:
    """A topic that begins with `$` is delivered to who names it, and once: a leading wildcard does not match it.

    Shows in clients that match messages with subscriptions themselves.
    """
    special, ordinary = f"$dev/{cell.token}", f"dev/{cell.token}"
    writer = cell.reference()
    client = cell.connected()
    client.subscribe(f"+/{cell.token}", qos=1)
    client.subscribe(special, qos=1)
    wanted = [Delivered(topic, cell.payload()) for topic in (special, ordinary)]
    for message in wanted:
        writer.publish(message.topic, message.payload, qos=1)
    cell.expect_delivered(client, wanted, expected="the crate delivers one message of each subscription")
