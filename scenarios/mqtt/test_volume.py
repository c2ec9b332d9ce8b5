"""Many messages: a thousand each way, more than can be under way at once, more than there are packet ids."""

from __future__ import annotations

import time

import pytest

from harness.cells.doors import SCRIPTED
from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered
from harness.cells.peer import DELIVERY, listed
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.scenario import scenario

#: Messages that come at once and are published again.
_ECHOED = 30
#: Messages of each client, where several are at work at the same time.
_EACH = 20

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


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-4.3.2-1", "MQTT-4.6.0-1"],
    also={Dialect.MQTT_5: ["MQTT-4.3.2-1", "MQTT-4.6.0-1", "section 4.9: flow control"]},
    deadline=90.0,
)
def test_goes_on_when_its_window_was_full(cell: MqttCell) -> None:
    """Five hundred QoS 1 messages are published at once while the broker's answers are held up for a second.

    Whatever the crate lets be under way at a time, all arrive, in order, once the answers come.
    """
    topic = cell.topic("window")
    reader = cell.reference(topic)
    client = cell.connected()
    payloads = [cell.payload(8) for _ in range(cell.more_than_a_window)]
    relay = cell.relay()
    relay.hold("b")
    finish = client.begin_publish_all(topic, payloads, qos=1)
    relay.await_held(10.0)
    time.sleep(1.0)  # in which a client fills its window
    relay.release()
    finish(60.0)
    got = cell.drain_until(reader, payloads[-1])
    cell.expect(
        got == payloads[:-1],
        expected=f"all {len(payloads)} messages arrive once and in order",
        observed=f"before the last one came {len(got)}, {len(set(got))} of them different",
    )


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-2.3.1-1", "MQTT-2.3.1-2"],
    also={Dialect.MQTT_5: ["MQTT-2.2.1-3"]},
    scripted=True,
    needs=[Need.SESSION],
    deadline=240.0,
)
def test_publishes_more_than_there_are_packet_ids(cell: MqttCell) -> None:
    """Seventy thousand QoS 1 messages on one connection: packet ids begin anew after 65,535, and 0 is none.

    A scripted broker acknowledges each at once, so that every id is free again.
    """
    peer = cell.scripted()
    client = cell.connected(door=SCRIPTED)
    payloads = [number.to_bytes(4, "big") for number in range(cell.more_than_packet_ids)]
    finish = client.begin_publish_all(cell.topic("out"), payloads, qos=1)
    finish(180.0)
    cell.expect_soon(
        lambda: "" if len(peer.published()) >= len(payloads) else f"{len(peer.published())} came",
        expected=f"{len(payloads)} messages come",
    )
    sent = peer.published()
    zeros = sum(packet.packet_id == 0 for packet in sent)
    cell.expect(zeros == 0, expected="every packet id is from 1 to 65535", observed=f"{zeros} packets have the id 0")
    in_order = [packet.body[-4:] for packet in sent] == payloads
    cell.expect(in_order, expected="each message comes once and in order", observed=f"{len(sent)} came, some elsewhere")


@pytest.mark.parametrize("qos", [1, 2], ids=lambda qos: f"qos{qos}")
@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-4.3.2-1", "MQTT-4.3.3-1", "section 4.6: message ordering"],
    also={Dialect.MQTT_5: ["MQTT-4.3.2-1", "MQTT-4.3.3-1", "section 4.6: message ordering"]},
    deadline=90.0,
)
def test_publishes_beside_others(cell: MqttCell, qos: int) -> None:
    """Five clients publish twenty messages each at the same time: all arrive, those of each client in its order.

    At QoS 2 each arrives once; at QoS 1 it may come again.
    """
    wanted = {cell.topic("many", str(who)): [cell.payload() for _ in range(_EACH)] for who in range(cell.publishers)}
    reader = cell.reference(cell.topic("many", "+"))
    clients = [cell.connected() for _ in wanted]
    finishing = [
        client.begin_publish_all(topic, payloads, qos=qos)
        for client, (topic, payloads) in zip(clients, wanted.items(), strict=True)
    ]
    for finish in finishing:
        finish(cell.publishing)
    expected = f"the subscriber gets all {_EACH} messages of each of {cell.publishers} clients, in its order"
    got: dict[str, list[bytes]] = {topic: [] for topic in wanted}
    while not all(payloads[-1] in got[topic] for topic, payloads in wanted.items()):
        message = reader.take(cell.remaining(DELIVERY, expected))
        if message is None:
            break
        got[message.topic].append(message.payload)
    # What comes again now comes before this one.
    end = cell.topic("many", "end")
    reader.publish(end, cell.payload(), qos=qos)
    while (message := reader.take(cell.remaining(DELIVERY, expected))) is not None and message.topic != end:
        got[message.topic].append(message.payload)
    if qos == 1:
        got = {topic: list(dict.fromkeys(payloads)) for topic, payloads in got.items()}
    counts = ", ".join(f"{len(payloads)} ({len(set(payloads))} different)" for payloads in got.values())
    cell.expect(got == wanted, expected=expected, observed=f"of the clients came {counts}")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["MQTT-4.3.2-1", "MQTT-4.3.2-2"],
    also={Dialect.MQTT_5: ["MQTT-4.3.2-1", "MQTT-4.3.2-4"]},
    needs=[Need.SESSION],
)
def test_publishes_what_it_receives(cell: MqttCell) -> None:
    """Thirty QoS 1 messages that come at once are published again where the crate hands them over; all come back."""
    topic, back = cell.topic("in"), cell.topic("back")
    reader = cell.reference(back)
    client = cell.connected()
    client.subscribe(topic, qos=1)
    client.echo(topic, back, qos=1)
    payloads = [cell.payload() for _ in range(_ECHOED)]
    reader.publish_all(topic, payloads, qos=1, within=DELIVERY)
    got: set[bytes] = set()
    end = time.monotonic() + cell.publishing
    while got != set(payloads) and time.monotonic() < end:
        client.idle_through_errors(0.2)
        while (message := reader.take(0)) is not None:
            got.add(message.payload)
    cell.expect(
        got == set(payloads),
        expected=f"all {_ECHOED} messages come back within {cell.publishing:g} s",
        observed=f"{len(got & set(payloads))} came, and {len(got - set(payloads))} others",
    )
