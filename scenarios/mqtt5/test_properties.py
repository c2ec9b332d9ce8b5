"""What travels with a message: user properties, content type, requests and their answers, expiry."""

from __future__ import annotations

import time

from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.scenario import scenario
from harness.wire import mqtt5
from harness.wire.messages import encode

#: Seconds after which the short-lived message is gone, and those for which nobody takes it.
_SHORT, _AWAY = 1, 3.0
#: Seconds that the other one lives.
_LONG = 3600
#: A name comes twice, and the order is not that of the alphabet.
_PAIRS = [("unit", "°C"), ("site", "roof"), ("unit", "K"), ("", "")]


def _users() -> list[mqtt5.UserProperty]:
    return [mqtt5.UserProperty(name=name, value=value) for name, value in _PAIRS]


def _publishes(cell: MqttCell, sent: mqtt5.PublishProperties, wanted: mqtt5.DeliveredProperties, expected: str) -> None:
    """The crate publishes with properties; a subscriber gets them."""
    topic, payload = cell.topic("out"), cell.payload()
    reader = cell.reference(topic)
    client = cell.connected()
    client.publish(topic, payload, qos=1, properties=sent)
    cell.expect_received(reader, [Delivered(topic, payload, properties=wanted)], expected=expected)


def _receives(cell: MqttCell, sent: mqtt5.PublishProperties, wanted: mqtt5.DeliveredProperties, expected: str) -> None:
    """The reference publishes with properties; the crate delivers them."""
    topic, payload = cell.topic("in"), cell.payload()
    writer = cell.reference()
    client = cell.connected()
    client.subscribe(topic, qos=1)
    writer.publish(topic, payload, qos=1, properties=sent)
    cell.expect_delivered(client, [Delivered(topic, payload, properties=wanted)], expected=expected)


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.LOSS,
    spec=["section 3.3.2.3.7: user property", "MQTT-1.5.7-1"],
    capability="properties",
)
def test_publishes_user_properties(cell: MqttCell) -> None:
    """User properties go out with a message: all of them, in their order, and a name twice where it is given twice."""
    _publishes(
        cell,
        mqtt5.PublishProperties(user_properties=_users()),
        mqtt5.DeliveredProperties(user_properties=_users()),
        "the subscriber gets every user property, in order",
    )


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.LOSS,
    spec=["section 3.3.2.3.7: user property", "MQTT-3.3.2-17", "MQTT-3.3.2-18"],
    capability="properties",
)
def test_receives_user_properties(cell: MqttCell) -> None:
    """User properties of a message reach the application: all of them, in their order, repeats included."""
    _receives(
        cell,
        mqtt5.PublishProperties(user_properties=_users()),
        mqtt5.DeliveredProperties(user_properties=_users()),
        "the crate delivers every user property, in order",
    )


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.LOSS,
    spec=["section 3.3.2.3.2: payload format indicator", "section 3.3.2.3.9: content type"],
    capability="properties",
)
def test_publishes_a_content_type(cell: MqttCell) -> None:
    """Content type and payload format go out with a message."""
    _publishes(
        cell,
        mqtt5.PublishProperties(payload_format=1, content_type="text/plain; größe=1"),
        mqtt5.DeliveredProperties(payload_format=1, content_type="text/plain; größe=1"),
        "the subscriber gets content type and payload format",
    )


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.LOSS,
    spec=["MQTT-3.3.2-4", "MQTT-3.3.2-20"],
    capability="properties",
)
def test_receives_a_content_type(cell: MqttCell) -> None:
    """Content type and payload format of a message reach the application."""
    _receives(
        cell,
        mqtt5.PublishProperties(payload_format=1, content_type="text/plain; größe=1"),
        mqtt5.DeliveredProperties(payload_format=1, content_type="text/plain; größe=1"),
        "the crate delivers content type and payload format",
    )


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.LOSS,
    spec=["section 4.10: request and response", "MQTT-3.3.2-15", "MQTT-3.3.2-16"],
    capability="properties",
)
def test_asks_and_gets_an_answer(cell: MqttCell) -> None:
    """A request goes out with response topic and correlation data, and the answer comes back with the same data."""
    asked, answered, data = cell.topic("ask"), cell.topic("answer"), encode(b"\0\xff" + cell.payload())
    question, answer = cell.payload(), cell.payload()
    responder = cell.reference(asked)
    client = cell.connected()
    client.subscribe(answered, qos=1)
    about = mqtt5.PublishProperties(response_topic=answered, correlation_data=data)
    client.publish(asked, question, qos=1, properties=about)
    wanted = mqtt5.DeliveredProperties(response_topic=answered, correlation_data=data)
    cell.expect_received(
        responder, [Delivered(asked, question, properties=wanted)], expected="the request says where the answer goes"
    )
    responder.publish(answered, answer, qos=1, properties=mqtt5.PublishProperties(correlation_data=data))
    wanted = mqtt5.DeliveredProperties(correlation_data=data)
    cell.expect_delivered(
        client, [Delivered(answered, answer, properties=wanted)], expected="the crate delivers the answer"
    )


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.LOSS,
    spec=["section 4.10: request and response", "MQTT-3.3.2-15", "MQTT-3.3.2-16"],
    capability="properties",
)
def test_receives_a_request(cell: MqttCell) -> None:
    """A request is delivered with the response topic and the correlation data that an answer needs."""
    answered, data = cell.topic("answer"), encode(b"\0\xff" + cell.payload())
    _receives(
        cell,
        mqtt5.PublishProperties(response_topic=answered, correlation_data=data),
        mqtt5.DeliveredProperties(response_topic=answered, correlation_data=data),
        "the crate delivers response topic and correlation data",
    )


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=["section 3.3.2.3.3: message expiry interval", "MQTT-3.3.2-5"],
    capability="properties",
    deadline=40.0,
    timer=_AWAY,
)
def test_publishes_with_an_expiry(cell: MqttCell) -> None:
    """A message with an expiry of a second is not there three seconds later; one with an expiry of an hour is."""
    topic, short, long = cell.topic("expiry"), cell.payload(), cell.payload()
    kept = mqtt5.ConnectProperties(session_expiry_s=60)
    reader = cell.reference(topic, clean_session=False, properties=kept)
    reader.disconnect()
    client = cell.connected()
    client.publish(topic, short, qos=1, properties=mqtt5.PublishProperties(message_expiry_s=_SHORT))
    client.publish(topic, long, qos=1, properties=mqtt5.PublishProperties(message_expiry_s=_LONG))
    client.idle(_AWAY)
    reader.connect()
    cell.expect_received(reader, [Delivered(topic, long)], expected="the subscriber gets the long-lived message alone")


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.3.2-6"],
    capability="properties",
    needs=[Need.SESSION],
    deadline=40.0,
    timer=_AWAY,
)
def test_receives_what_is_left_of_an_expiry(cell: MqttCell) -> None:
    """A message that waited in the server is delivered with what is left of its expiry."""
    topic, payload = cell.topic("expiry"), cell.payload()
    writer = cell.reference()
    client = cell.connected(clean_session=False)
    client.subscribe(topic, qos=1)
    position = cell.peer.log.position()
    client.disconnect()
    cell.await_log_of_end(client, position)
    writer.publish(topic, payload, qos=1, properties=mqtt5.PublishProperties(message_expiry_s=_LONG))
    time.sleep(_AWAY)  # the interval counts seconds of waiting, and nothing tells of them
    client.connect(clean_session=False)
    expected = f"the crate delivers the message with an expiry of less than {_LONG} s"
    message = client.next_message(10.0, expected)
    left = message.properties.message_expiry_s if message and message.properties else None
    cell.expect(
        message is not None and message.payload == payload and left is not None and 0 < left < _LONG,
        expected=expected,
        observed=f"it delivered {message}",
    )
