"""What MQTT 5 can answer to a publish: no, with a reason."""

from __future__ import annotations

import contextlib

import pytest

from harness.cells.doors import SCRIPTED
from harness.cells.mqtt import MqttCell
from harness.cells.peer import DELIVERY
from harness.errors import RefusedByCrate
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.peers.mqtt_packets import ANSWER, PacketType, acknowledgement, connack_properties
from harness.scenario import scenario

#: Not authorized, which PUBACK and PUBREC can say.
_NOT_AUTHORISED = 0x87
#: The server's Receive Maximum, and publishes that it refuses.
_AT_ONCE, _REFUSED = 2, 3

every_handshake = pytest.mark.parametrize("qos", [1, 2], ids=lambda qos: f"qos{qos}")


@every_handshake
@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.LOSS,
    spec=["section 3.4.2.1 and 3.5.2.1: reason codes", "MQTT-4.3.3-4", "MQTT-4.4.0-2"],
    needs=[Need.SESSION],
    scripted=True,
)
def test_reports_a_refused_publish(cell: MqttCell, qos: int) -> None:
    """A PUBACK or PUBREC that refuses the message surfaces as an error; no PUBREL follows, and nothing comes again."""
    topic, marker = cell.topic("out"), cell.payload()
    peer = cell.scripted(withholds=ANSWER[qos])
    client = cell.connected(door=SCRIPTED)
    finish = client.begin_publish(topic, cell.payload(), qos=qos)
    published = peer.take(PacketType.PUBLISH, DELIVERY)
    cell.expect(published is not None, expected="the client publishes", observed="nothing came")
    peer.send(acknowledgement(ANSWER[qos], peer.published()[0].packet_id or 0, _NOT_AUTHORISED))
    cell.expect_refused(
        lambda: finish(DELIVERY),
        expected=f"the publish ends in an error, as {ANSWER[qos].name} says {_NOT_AUTHORISED:#04x}",
    )
    client.publish(topic, marker, qos=0)
    cell.expect_soon(lambda: "" if len(peer.published()) > 1 else "it did not come", expected="the next message comes")
    came = [arrived.packet for arrived in peer.arrived if arrived.packet.type is not PacketType.PINGREQ]
    after = came[came.index(peer.published()[0]) + 1 :]
    cell.expect(
        [packet.type for packet in after] == [PacketType.PUBLISH] and after[0].payload(five=True) == marker,
        expected="after the refused message comes the next one, and nothing else",
        observed=f"{', '.join(map(str, after))} came",
    )


@every_handshake
@scenario(
    Dialect.MQTT_5,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=["section 4.9: flow control"],
    capability="limits",
    needs=[Need.SESSION],
    scripted=True,
)
def test_goes_on_after_refused_publishes(cell: MqttCell, qos: int) -> None:
    """A refused publish makes room for another: a server that takes two at once refuses three, and gets the fourth."""
    topic, marker = cell.topic("out"), cell.payload()
    peer = cell.scripted(withholds=ANSWER[qos], limits=connack_properties(ReceiveMaximum=_AT_ONCE))
    client = cell.connected(door=SCRIPTED)
    for number in range(_REFUSED):
        finish = client.begin_publish(topic, cell.payload(), qos=qos)
        published = peer.take(PacketType.PUBLISH, DELIVERY, after=number)
        cell.expect(
            published is not None,
            expected=f"publish {number + 1} comes, as those before it were answered",
            observed="it did not come",
        )
        peer.send(acknowledgement(ANSWER[qos], peer.published()[number].packet_id or 0, _NOT_AUTHORISED))
        # Whether the application hears of it is another scenario's.
        with contextlib.suppress(RefusedByCrate):
            finish(DELIVERY)
    peer.withholds = None
    client.begin_publish(topic, marker, qos=qos)
    cell.expect_soon(
        lambda: "" if marker in [packet.payload(five=True) for packet in peer.published()] else "it did not come",
        expected=f"after {_REFUSED} refused publishes the next one comes",
    )
