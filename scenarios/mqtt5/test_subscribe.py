"""What a subscription of MQTT 5 can ask for, and what its messages say of it."""

from __future__ import annotations

import pytest

from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered
from harness.cells.peer import listed
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario
from harness.wire import mqtt5

#: Messages that the members of a group share.
_SHARED = 10
#: Times that each retain handling delivers a retained message over two SUBSCRIBE with the same filter.
_COPIES = {0: 2, 1: 1, 2: 0}

_NO_MATCHING_SUBSCRIBERS, _NO_SUBSCRIPTION_EXISTED = 0x10, 0x11


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.DUPLICATE,
    spec=["MQTT-3.8.3-3"],
    capability="subscriptions",
)
def test_subscribes_without_its_own_messages(cell: MqttCell) -> None:
    """With the option no local a client does not get what it published itself."""
    topic, own, marker = cell.topic("room"), cell.payload(), cell.payload()
    writer = cell.reference()
    client = cell.connected()
    client.subscribe(topic, qos=1, options=mqtt5.SubscriptionOptions(no_local=True))
    client.publish(topic, own, qos=1)
    writer.publish(topic, marker, qos=1)
    cell.expect_delivered(client, [Delivered(topic, marker)], expected="the crate delivers what others published alone")


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.3.1-13"],
    capability="subscriptions",
)
def test_sees_retain_as_published(cell: MqttCell) -> None:
    """With the option retain as published a new message says whether it was published as retained."""
    topic, retained, plain = cell.topic("kept"), cell.payload(), cell.payload()
    writer = cell.reference()
    client = cell.connected()
    client.subscribe(topic, qos=1, options=mqtt5.SubscriptionOptions(retain_as_published=True))
    writer.publish(topic, retained, qos=1, retain=True)
    writer.publish(topic, plain, qos=1)
    cell.expect_delivered(
        client,
        [Delivered(topic, retained, retain=True), Delivered(topic, plain, retain=False)],
        expected="the crate delivers both with RETAIN as it was published",
    )


@pytest.mark.parametrize("handling", sorted(_COPIES), ids=lambda handling: f"handling{handling}")
@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.3.1-9", "MQTT-3.3.1-10", "MQTT-3.3.1-11"],
    capability="subscriptions",
)
def test_chooses_when_retained_messages_come(cell: MqttCell, handling: int) -> None:
    """Retained messages come at every SUBSCRIBE, at the first one, or never, as retain handling 0, 1 and 2 ask."""
    topic, payload, marker = cell.topic("kept"), cell.payload(), cell.payload()
    writer = cell.reference()
    writer.publish(topic, payload, qos=1, retain=True)
    client = cell.connected()
    options = mqtt5.SubscriptionOptions.model_validate({"retain_handling": handling})
    for _ in range(2):
        client.subscribe(topic, qos=1, options=options)
    writer.publish(topic, marker, qos=1)
    wanted = [Delivered(topic, payload, retain=True)] * _COPIES[handling]
    cell.expect_delivered(
        client,
        [*wanted, Delivered(topic, marker)],
        expected=f"the retained message comes {_COPIES[handling]} times, then the marker",
    )


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.3.4-3", "MQTT-3.3.4-4"],
    capability="subscriptions",
)
def test_tells_which_subscription_matched(cell: MqttCell) -> None:
    """A message carries the identifiers of the subscriptions that it matched; it may come once or once for each."""
    wide, narrow, payload, marker = cell.topic("#"), cell.topic("a"), cell.payload(), cell.payload()
    ids = {1: wide, 268_435_455: narrow}
    writer = cell.reference()
    client = cell.connected()
    for number, subscribed in ids.items():
        client.subscribe(subscribed, qos=1, properties=mqtt5.SubscribeProperties(subscription_id=number))
    writer.publish(narrow, payload, qos=1)
    writer.publish(cell.topic("b"), marker, qos=1)
    got = cell.delivered_until(client, marker)
    told = {number for message in got if message.properties for number in message.properties.subscription_ids}
    cell.expect(
        told == set(ids) and all(message.is_same(Delivered(narrow, payload)) for message in got),
        expected=f"the crate delivers the message with the identifiers {sorted(ids)}",
        observed=f"before the marker it delivered {listed(got)}",
    )


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.LOSS,
    spec=["section 4.8.2: shared subscriptions", "MQTT-4.8.2-1"],
    capability="subscriptions",
)
def test_shares_a_subscription(cell: MqttCell) -> None:
    """Two clients in a group get each message once between them, under the topic that it was published to."""
    topic, own = cell.topic("work"), cell.topic("end")
    wanted = [cell.payload() for _ in range(_SHARED)]
    marker = cell.payload()
    writer = cell.reference()
    members = [cell.connected() for _ in range(2)]
    for member in members:
        member.subscribe(f"$share/{cell.token}/{topic}", qos=1)
        member.subscribe(own, qos=1)
    for payload in wanted:
        writer.publish(topic, payload, qos=1)
    writer.publish(own, marker, qos=1)
    got = [message for member in members for message in cell.delivered_until(member, marker)]
    cell.expect(
        sorted(message.payload for message in got) == sorted(wanted) and {m.topic for m in got} == {topic},
        expected=f"the two deliver {_SHARED} messages between them, each once",
        observed=f"they delivered {listed(got)}",
    )


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.CONVENIENCE,
    spec=["section 3.4.2.1: PUBACK reason code"],
    capability="reason codes",
)
def test_tells_that_nobody_is_subscribed(cell: MqttCell) -> None:
    """PUBACK with no matching subscribers is a success, and the application can see it."""
    client = cell.connected()
    client.publish(cell.topic("nobody"), cell.payload(), qos=1)
    cell.expect(
        client.codes == [_NO_MATCHING_SUBSCRIBERS],
        expected=f"the publish completes, and the crate tells reason code {_NO_MATCHING_SUBSCRIBERS:#x}",
        observed=f"it told {client.codes}",
    )


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.CONVENIENCE,
    spec=["section 3.11.3: UNSUBACK payload", "MQTT-3.10.4-5"],
    capability="reason codes",
    features=["unsubscribe"],
)
def test_tells_that_no_subscription_existed(cell: MqttCell) -> None:
    """UNSUBACK with no subscription existed is a success, and the application can see it."""
    client = cell.connected()
    client.unsubscribe(cell.topic("never"))
    cell.expect(
        client.codes == [_NO_SUBSCRIPTION_EXISTED],
        expected=f"the unsubscription completes, and the crate tells reason code {_NO_SUBSCRIPTION_EXISTED:#x}",
        observed=f"it told {client.codes}",
    )
