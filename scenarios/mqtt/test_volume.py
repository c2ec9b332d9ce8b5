"""A thousand messages each way."""

from __future__ import annotations

import pytest

from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered
from harness.cells.peer import listed
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario

_ORDER = ["MQTT-4.6.0-1", "MQTT-4.6.0-2", "MQTT-4.6.0-3", "MQTT-4.6.0-6"]
_thousand = scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=_ORDER,
    also={Dialect.MQTT_5: ["MQTT-4.6.0-5", "MQTT-4.6.0-6"]},
    deadline=90.0,
)
every_qos = pytest.mark.parametrize("qos", [0, 1, 2], ids=lambda qos: f"qos{qos}")


def _expect_in_order(cell: MqttCell, got: list[Delivered], wanted: list[Delivered], who: str, qos: int) -> None:
    """All came once and in order; at QoS 0 some may be missing, which the transcript tells."""
    missing = len(wanted) - len(got)
    if qos == 0 and missing > 0:
        present = {message.payload for message in got}
        wanted = [message for message in wanted if message.payload in present]
        cell.remark(f"{missing} messages were lost, which QoS 0 allows")
    first = next((index for index, (a, b) in enumerate(zip(got, wanted, strict=False)) if not a.is_same(b)), len(got))
    cell.expect(
        len(got) == len(wanted) == first,
        expected=f"{who} gets {cell.many} messages, each once and in order",
        observed=f"{who} got {len(got)}; from number {first + 1} on: {listed(got[first:])}",
    )


@every_qos
@_thousand
def test_publishes_a_thousand_messages(cell: MqttCell, qos: int) -> None:
    """A thousand messages, published one after the other, arrive once and in order; at QoS 0 some may be lost."""
    topic = cell.topic("many")
    reader = cell.reference(topic)
    client = cell.connected()
    wanted = [Delivered(topic, cell.payload()) for _ in range(cell.many)]
    for message in wanted:
        client.publish(topic, message.payload, qos=qos)
    marker = cell.payload()
    client.publish(topic, marker, qos=max(qos, 1))
    got = [Delivered(topic, payload) for payload in cell.drain_until(reader, marker)]
    _expect_in_order(cell, got, wanted, "the subscriber", qos)


@every_qos
@_thousand
def test_receives_a_thousand_messages(cell: MqttCell, qos: int) -> None:
    """A thousand messages, one after the other, are delivered once and in order; at QoS 0 some may be lost."""
    topic, marker = cell.topic("many"), cell.payload()
    writer = cell.reference()
    client = cell.connected()
    client.subscribe(topic, qos=2)
    wanted = [Delivered(topic, cell.payload()) for _ in range(cell.many)]

    def write() -> None:
        for message in wanted:
            writer.publish(topic, message.payload, qos=qos)
        writer.publish(topic, marker, qos=max(qos, 1))

    with cell.meanwhile(write):
        got = cell.delivered_until(client, marker)
    _expect_in_order(cell, got, wanted, "the crate", qos)
