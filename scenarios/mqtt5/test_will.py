"""The will of MQTT 5: later, with properties, and on request."""

from __future__ import annotations

import time

from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered
from harness.cells.peer import DELIVERY
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario
from harness.wire import mqtt, mqtt5
from harness.wire.messages import encode

#: Seconds by which the will comes later, and those by which clocks of whole seconds may be off.
_DELAY, _COARSE = 4, 1.5

_WITH_WILL = 0x04


def _will(cell: MqttCell, **properties: object) -> tuple[mqtt.Will, Delivered]:
    """A will with properties, and how it arrives."""
    topic, payload = cell.topic("will"), cell.payload()
    about = mqtt5.WillProperties.model_validate(properties)
    told = mqtt5.DeliveredProperties.model_validate({k: v for k, v in properties.items() if k != "delay_s"})
    will = mqtt.Will(topic=topic, payload=encode(payload), qos=1, properties=about)
    return will, Delivered(topic, payload, 1, properties=told)


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.LOSS,
    spec=["section 3.1.3.2: will properties"],
    capability="wills",
    features=["will"],
)
def test_the_will_has_properties(cell: MqttCell) -> None:
    """Content type and user properties of the will reach its subscribers."""
    pairs = [{"name": "why", "value": "cut"}, {"name": "why", "value": "again"}]
    will, wanted = _will(cell, content_type="text/plain", user_properties=pairs)
    reader = cell.reference(will.topic)
    cell.connected(will=will)
    cell.relay().cut()
    cell.expect_received(reader, [wanted], expected="a subscriber gets the will with its properties")


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["section 3.1.3.2.2: will delay interval", "MQTT-3.1.2-8"],
    capability="wills",
    features=["will"],
    deadline=60.0,
    timer=_DELAY + 10.0,
)
def test_the_will_can_wait(cell: MqttCell) -> None:
    """A will with a delay of four seconds is published four seconds after the connection broke, and no earlier."""
    will, wanted = _will(cell, delay_s=_DELAY)
    reader = cell.reference(will.topic)
    cell.connected(clean_session=False, will=will)
    cell.relay().refuse(True)
    broken = time.monotonic()
    cell.relay().cut()
    expected = f"a subscriber gets the will {_DELAY} s after the connection broke"
    message = reader.take(cell.remaining(_DELAY + DELIVERY, expected))
    waited = time.monotonic() - broken
    cell.expect(
        message is not None and message.payload == wanted.payload and waited >= _DELAY - _COARSE,
        expected=expected,
        observed=f"it came after {waited:.1f} s" if message else f"nothing came within {waited:.1f} s",
    )


@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=["section 3.14.2.1: disconnect with will message", "MQTT-3.1.2-8"],
    capability="wills",
    features=["will", "disconnect-properties"],
)
def test_leaves_its_will_behind(cell: MqttCell) -> None:
    """DISCONNECT with reason code 0x04 ends the connection in good order and has the will published."""
    will, wanted = _will(cell)
    reader = cell.reference(will.topic)
    client = cell.connected(will=will)
    client.disconnect(mqtt5.DisconnectProperties(reason_code=_WITH_WILL))
    cell.expect_received(reader, [wanted], expected="a subscriber gets the will")
