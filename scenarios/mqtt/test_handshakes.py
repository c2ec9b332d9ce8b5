"""Packet ids in use, the order of acknowledgements, late ones, and what becomes of both when a session ends."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from paho.mqtt.properties import Properties

from harness.cells.doors import SCRIPTED
from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import KEEP_ALIVE, MqttClient
from harness.cells.peer import DELIVERY, RECOVERY, listed
from harness.errors import CrateTimeout, RefusedByCrate
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.peers.mqtt import ScriptedBroker
from harness.peers.mqtt_packets import ANSWER, Packet, PacketType, acknowledgement, connack_properties, publish
from harness.scenario import scenario

#: Requests after which a client has come round that begins its packet ids anew after a hundred, as some windows do.
_ROUND = 110
#: Messages that a server of MQTT 5 takes at once; without its word a window would be all packet ids.
_AT_ONCE = 100
#: Seconds in which a client sends what nothing holds up; who waits for an acknowledgement sends nothing meanwhile.
_QUIET = 1.0
#: The id of a message of the broker's.
_ID = 7
#: Ids of messages that a broker sends at once: any order of ids is allowed.
_IDS = (5, 3, 65535, 1, 9, 256, 2, 8)
#: Messages that a client publishes at once.
_FEW = 4

every_handshake = pytest.mark.parametrize("qos", [1, 2], ids=lambda qos: f"qos{qos}")


def _limits(cell: MqttCell) -> Properties | None:
    """What CONNACK says, so that the windows of clients are about the same in both versions."""
    return connack_properties(ReceiveMaximum=_AT_ONCE) if cell.speaks_5 else None


def _begin_from_within(cell: MqttCell, peer: ScriptedBroker, client: MqttClient, qos: int) -> None:
    """Let the client begin a publish where it receives a message, so that its calls need not wait for the end of it."""
    topic = cell.topic("in")
    client.subscribe(topic, qos=0)
    client.echo(topic, cell.topic("out"), qos=qos)
    peer.send(publish(topic, cell.payload(), five=cell.speaks_5))


@every_handshake
@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-2.3.1-2"],
    also={Dialect.MQTT_5: ["MQTT-2.2.1-3"]},
    needs=[Need.SESSION],
    deadline=60.0,
    scripted=True,
)
def test_subscribes_with_a_free_packet_id(cell: MqttCell, qos: int) -> None:
    """While a publish is not acknowledged, none of more than a hundred SUBSCRIBE packets has its packet id.

    A client whose subscribing waits for the publish as well has no other id in use, and passes.
    """
    peer = cell.scripted(withholds=ANSWER[qos], limits=_limits(cell))
    client = cell.connected(door=SCRIPTED)
    _begin_from_within(cell, peer, client, qos)
    try:
        taken = cell.expect_packet(client, PacketType.PUBLISH).packet_id
    except CrateTimeout:
        cell.expect(bool(peer.published()), expected="the client publishes", observed="it fell silent")
        cell.remark("publishing waits for the acknowledgement, and nothing else can be asked of the client meanwhile")
        return
    finish = client.begin_subscribe(cell.topic("other"), qos=0)
    try:
        finish(2 * _QUIET)
    except CrateTimeout:
        cell.remark("subscribing waits for the acknowledgement of the publish")
        peer.send(acknowledgement(ANSWER[qos], taken or 0))
        finish(DELIVERY)
        return
    for number in range(_ROUND):
        # The first one was to the topic of what lets the client publish.
        asked = peer.take(PacketType.SUBSCRIBE, DELIVERY, after=1 + number)
        cell.expect(
            asked is not None and asked.packet_id != taken,
            expected=f"no SUBSCRIBE has the packet id {taken} while a PUBLISH with it is not acknowledged",
            observed=f"SUBSCRIBE number {number + 2} {'did not come' if asked is None else 'has it'}",
        )
        client.begin_subscribe(cell.topic("other"), qos=0)(DELIVERY)


@every_handshake
@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-4.6.0-2", "MQTT-4.6.0-3"],
    also={Dialect.MQTT_5: ["MQTT-4.6.0-2", "MQTT-4.6.0-3"]},
    needs=[Need.SESSION],
    scripted=True,
)
def test_acknowledges_in_the_order_of_arrival(cell: MqttCell, qos: int) -> None:
    """Eight messages that come at once, with packet ids in no order, are acknowledged in the order of their arrival."""
    topic, kind = cell.topic("in"), ANSWER[qos]
    peer = cell.scripted()
    client = cell.connected(door=SCRIPTED)
    client.subscribe(topic, qos=2)
    peer.send(*(publish(topic, cell.payload(), qos=qos, packet_id=id_, five=cell.speaks_5) for id_ in _IDS))
    for after in range(len(_IDS)):
        cell.expect_packet(client, kind, after=after)
    _expect_order(cell, peer, kind, _IDS)


def _expect_order(cell: MqttCell, peer: ScriptedBroker, kind: PacketType, wanted: Sequence[int]) -> None:
    got = [arrived.packet.packet_id for arrived in peer.arrived if arrived.packet.type is kind]
    cell.expect(
        got == list(wanted),
        expected=f"{kind.name} comes for the packet ids {', '.join(map(str, wanted))}, in this order",
        observed=f"it came for {', '.join(map(str, got))}",
    )


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-4.6.0-4"],
    also={Dialect.MQTT_5: ["MQTT-4.6.0-4"]},
    needs=[Need.SESSION],
    deadline=60.0,
    scripted=True,
)
def test_releases_in_the_order_of_pubrec(cell: MqttCell) -> None:
    """Of QoS 2 messages that are under way together the last is answered first, and PUBREL follows that order.

    A client that publishes one after the other has no other order, and passes.
    """
    peer = cell.scripted(withholds=PacketType.PUBREC, limits=_limits(cell))
    client = cell.connected(door=SCRIPTED)
    finish = client.begin_publish_all(cell.topic("out"), [cell.payload() for _ in range(_FEW)], qos=2)
    order: list[int] = []
    while len(order) < _FEW:
        came = len(order)
        while peer.take(PacketType.PUBLISH, DELIVERY if came == len(order) else _QUIET, after=came) is not None:
            came += 1
        together = [packet.packet_id or 0 for packet in reversed(peer.published()[len(order) :])]
        cell.expect(bool(together), expected=f"{_FEW} messages come", observed=f"{came} came")
        peer.send(*(acknowledgement(PacketType.PUBREC, id_) for id_ in together))
        order += together
        released = peer.take(PacketType.PUBREL, DELIVERY, after=len(order) - 1)
        cell.expect(released is not None, expected="PUBREL answers each PUBREC", observed="one did not come")
    _expect_order(cell, peer, PacketType.PUBREL, order)
    finish(DELIVERY)


def _answer(peer: ScriptedBroker, qos: int, published: Sequence[Packet]) -> None:
    peer.send(*(acknowledgement(ANSWER[qos], packet.packet_id or 0) for packet in published))


def _answer_all_but_the_first(peer: ScriptedBroker, qos: int) -> int:
    """Acknowledge what comes but the first, until nothing more comes; returns how many came."""
    came = 1
    while (packet := peer.take(PacketType.PUBLISH, DELIVERY if came == 1 else _QUIET, after=came)) is not None:
        _answer(peer, qos, [packet])
        came += 1
    return came


def _expect_first_id_is_kept(cell: MqttCell, peer: ScriptedBroker) -> None:
    ids = [packet.packet_id for packet in peer.published()]
    cell.expect(
        ids.count(ids[0]) == 1,
        expected=f"no other PUBLISH has the packet id {ids[0]} of the first, which is not acknowledged",
        observed=f"{ids.count(ids[0])} have it",
    )


@every_handshake
@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-2.3.1-2", "section 4.6, non-normative: messages of different topics may be acknowledged out of order"],
    also={Dialect.MQTT_5: ["MQTT-2.2.1-3", "section 4.9: flow control"]},
    needs=[Need.SESSION],
    deadline=60.0,
    scripted=True,
)
def test_goes_on_after_a_late_acknowledgement(cell: MqttCell, qos: int) -> None:
    """The first of many publishes is acknowledged last: its packet id is not used meanwhile, and all messages come.

    A client that comes round to that id waits, or takes another one.
    """
    peer = cell.scripted(withholds=ANSWER[qos], limits=_limits(cell))
    client = cell.connected(door=SCRIPTED)
    payloads = [cell.payload() for _ in range(_ROUND)]
    finish = client.begin_publish_all(cell.topic("out"), payloads, qos=qos)
    came = _answer_all_but_the_first(peer, qos)
    cell.remark(f"{came} of {_ROUND} messages came before the first was acknowledged")
    _expect_first_id_is_kept(cell, peer)
    _answer(peer, qos, peer.published()[:1])
    while (packet := peer.take(PacketType.PUBLISH, 0.0 if came == _ROUND else DELIVERY, after=came)) is not None:
        _answer(peer, qos, [packet])
        came += 1
    finish(DELIVERY)
    sent = {packet.payload(five=cell.speaks_5) for packet in peer.published()}
    missing = sum(payload not in sent for payload in payloads)
    cell.expect(not missing, expected=f"all {_ROUND} messages come", observed=f"{missing} did not come")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["MQTT-3.1.2-6", "section 4.2: network connections"],
    also={Dialect.MQTT_5: ["MQTT-3.2.2-5", "section 4.2: network connections"]},
    needs=[Need.RECONNECT],
    deadline=150.0,
    timer=RECOVERY,
    scripted=True,
)
def test_publishes_again_after_a_cut_with_a_late_acknowledgement(cell: MqttCell) -> None:
    """The connection is cut while the first of many publishes is not acknowledged; the next one has a new session.

    The client publishes again within 60 seconds. What was under way has come, or the application is told.
    """
    topic, payloads, marker = cell.topic("out"), [cell.payload() for _ in range(_ROUND)], cell.payload()
    peer = cell.scripted(withholds=PacketType.PUBACK, limits=_limits(cell))
    client = cell.connected(door=SCRIPTED)
    finish = client.begin_publish_all(topic, payloads, qos=1)
    _answer_all_but_the_first(peer, qos=1)
    peer.withholds = None
    peer.cut()
    told = False
    try:
        finish(RECOVERY)
    except RefusedByCrate as error:
        told = True
        cell.remark(f"the application was told: {error.observed}")
    client.recover(connections=2, door=SCRIPTED)
    # A client may give up what holds it up after two keep-alives, which is the limit of a publish.
    client.until_it_works(lambda: client.publish(topic, marker, qos=1, within=cell.notice))
    five = cell.speaks_5
    cell.expect_soon(
        lambda: "" if marker in [packet.payload(five=five) for packet in peer.published()] else "it did not come",
        expected="a message that is published after the cut comes",
    )
    sent = {packet.payload(five=five) for packet in peer.published()}
    missing = sum(payload not in sent for payload in payloads)
    cell.expect(
        told or not missing,
        expected="all messages come, or the application is told",
        observed=f"{missing} of {_ROUND} did not come, and no error was reported",
    )


def _is_taken_up(packet: Packet) -> bool:
    """Whether this goes on with what was begun on an earlier connection, where it comes unasked."""
    return packet.type is PacketType.PUBREL or (packet.type is PacketType.PUBLISH and packet.dup)


@every_handshake
@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["MQTT-3.1.2-6", "section 3.1.2.4: session state"],
    also={Dialect.MQTT_5: ["MQTT-3.2.2-5", "section 4.1: session state"]},
    needs=[Need.RECONNECT],
    deadline=120.0,
    timer=RECOVERY,
    scripted=True,
)
def test_ends_handshakes_with_their_session(cell: MqttCell, qos: int) -> None:
    """After a cut, nothing of an unfinished publish is taken up in a new session: no PUBREL, and no PUBLISH with DUP=1.

    In 3.1.1 the client asks for clean sessions, because with lasting ones that version leaves it open. In 5.0 it asks
    for its old session, and CONNACK says that there is none. To publish the message anew, with DUP=0, is right. PINGREQ
    is the barrier.
    """
    unfinished, clean = (PacketType.PUBLISH, PacketType.PUBREL)[qos - 1], cell.protocol == "3.1.1"
    peer = cell.scripted(cuts_at=unfinished)
    client = cell.connected(door=SCRIPTED, clean_session=clean)
    _begin_from_within(cell, peer, client, qos)
    cell.expect_packet(client, unfinished)
    client.recover(connections=2, clean_session=clean, door=SCRIPTED)
    cell.expect_packet(client, PacketType.PINGREQ, connection=2, within=KEEP_ALIVE + DELIVERY)
    taken_up = [arrived.packet for arrived in peer.arrived if arrived.connection > 1 and _is_taken_up(arrived.packet)]
    cell.expect(
        not taken_up,
        expected="nothing of the old session comes in the new one",
        observed=f"{listed(taken_up)} came",
    )


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=["MQTT-4.4.0-1", "MQTT-4.3.3-2: respond to a PUBREL by sending a PUBCOMP"],
    also={Dialect.MQTT_5: ["MQTT-4.4.0-1", "MQTT-4.3.3-11"]},
    needs=[Need.RECONNECT, Need.SESSION],
    deadline=120.0,
    timer=RECOVERY,
    scripted=True,
)
def test_answers_pubrel_again_after_a_reconnect(cell: MqttCell) -> None:
    """A PUBREL that a broker sends again after a reconnect, because PUBCOMP was lost, is answered; the client goes on.

    The broker kept the session. Without the answer it sends PUBREL again at each connection, and nothing behind it.
    """
    topic, payload, marker, five = cell.topic("in"), cell.payload(), cell.payload(), cell.speaks_5
    peer = cell.scripted(remembers=True, cuts_at=PacketType.PUBCOMP)
    client = cell.connected(door=SCRIPTED, clean_session=False)
    client.subscribe(topic, qos=2)
    peer.send(publish(topic, payload, qos=2, packet_id=_ID, five=five))
    cell.expect_packet(client, PacketType.PUBREC)
    peer.send(acknowledgement(PacketType.PUBREL, _ID))
    cell.expect_packet(client, PacketType.PUBCOMP)
    client.recover(connections=2, clean_session=False, door=SCRIPTED)
    peer.send(acknowledgement(PacketType.PUBREL, _ID))
    cell.expect_packet(client, PacketType.PUBCOMP, connection=2)
    peer.send(publish(topic, marker, five=five))
    got = cell.delivered_until(client, marker)
    cell.expect(
        [message.payload for message in got] == [payload],
        expected="the crate delivers the message once, and then the marker",
        observed=f"before the marker the crate delivered {listed(got)}",
    )
