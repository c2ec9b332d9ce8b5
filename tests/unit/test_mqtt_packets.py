"""The scripted broker's packets are those of a real client: paho-mqtt talks to it in both versions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from harness.errors import ReferenceFailed
from harness.peers.mqtt import ScriptedBroker
from harness.peers.mqtt_packets import Packet, PacketType, acknowledgement, publish, read_packet
from harness.references.mqtt import MqttReference

FIVE = pytest.mark.parametrize("five", [False, True], ids=["3.1.1", "5"])


@pytest.fixture
def peer(five: bool) -> Iterator[ScriptedBroker]:
    made = ScriptedBroker(five=five)
    yield made
    made.close()


def _connected(peer: ScriptedBroker, five: bool) -> MqttReference:
    client = MqttReference("127.0.0.1", peer.port, "someone", protocol="5" if five else "3.1.1")
    assert not client.connect().is_failure
    return client


def _soon(check: Callable[[], bool]) -> bool:
    end = time.monotonic() + 5.0
    while not check() and time.monotonic() < end:
        time.sleep(0.02)
    return check()


@FIVE
def test_paho_works_with_the_script(peer: ScriptedBroker, five: bool) -> None:
    client = _connected(peer, five)
    codes = client.subscribe("a/#", "b", "c", qos=1)
    assert [code.value for code in codes] == [1, 1, 1]
    client.unsubscribe("a/#", "b")
    for qos in (0, 1, 2):
        client.publish("out", b"payload", qos=qos)
    client.disconnect()
    assert peer.take(PacketType.DISCONNECT, 5.0) is not None
    kinds = [arrived.packet.type.name for arrived in peer.arrived]
    assert kinds == ["CONNECT", "SUBSCRIBE", "UNSUBSCRIBE", "PUBLISH", "PUBLISH", "PUBLISH", "PUBREL", "DISCONNECT"]
    sent = [arrived.packet for arrived in peer.arrived if arrived.packet.type is PacketType.PUBLISH]
    assert [(packet.topic, packet.qos, packet.dup) for packet in sent] == [(b"out", qos, False) for qos in (0, 1, 2)]
    assert [packet.payload(five=five) for packet in sent] == [b"payload"] * 3
    assert sent[0].packet_id is None
    assert sent[1].packet_id not in (None, sent[2].packet_id)


@FIVE
def test_paho_understands_what_it_sends(peer: ScriptedBroker, five: bool) -> None:
    client = _connected(peer, five)
    peer.send(publish("a/ü", b"\x00\xff", qos=2, packet_id=7, five=five))
    received = peer.take(PacketType.PUBREC, 5.0)
    assert received is not None
    assert received.packet_id == 7
    peer.send(acknowledgement(PacketType.PUBREL, 7))
    assert peer.take(PacketType.PUBCOMP, 5.0) is not None
    message = client.take(5.0)
    assert message is not None
    assert (message.topic, message.payload, message.qos) == ("a/ü", b"\x00\xff", 2)
    client.disconnect()


@FIVE
def test_paho_understands_that_it_is_refused(five: bool) -> None:
    peer = ScriptedBroker(five=five, refuses=0x87 if five else 5)
    client = MqttReference("127.0.0.1", peer.port, "someone", protocol="5" if five else "3.1.1", reconnect=False)
    assert client.connect() == "Not authorized"
    client.disconnect()
    peer.close()
    assert peer.left == 1


@pytest.mark.parametrize("five", [True])
def test_paho_understands_that_a_publish_is_refused(peer: ScriptedBroker, five: bool) -> None:
    client = _connected(peer, five)
    peer.withholds = PacketType.PUBACK
    client.hand_over("out", b"payload", qos=1)
    published = peer.take(PacketType.PUBLISH, 5.0)
    assert published is not None
    assert published.packet_id is not None
    peer.send(acknowledgement(PacketType.PUBACK, published.packet_id, 0x87))
    assert _soon(lambda: list(client._published.values()) == [0x87])
    client.disconnect()


@pytest.mark.parametrize("five", [False])
def test_the_reference_never_has_more_under_way_than_there_are_packet_ids(peer: ScriptedBroker, five: bool) -> None:
    """paho refuses to publish with an id that is in use, so that a slow peer would look like a lost message."""
    client = _connected(peer, five)
    peer.withholds = PacketType.PUBACK
    with pytest.raises(ReferenceFailed, match="not completed"):
        client.publish_all("out", [b""] * 65_536, qos=1, within=10.0)
    assert 0 < len(peer.published()) < 65_535
    client.disconnect()


@pytest.mark.parametrize("size", [0, 127, 128, 16383, 16384, 2097151, 2097152])
def test_remaining_lengths(size: int) -> None:
    packet = Packet(PacketType.PUBLISH, 0, bytes(size))
    encoded = packet.encoded()
    assert read_packet(encoded + b"rest") == (packet, b"rest")
    assert read_packet(encoded[:-1]) is None


def test_a_length_of_five_bytes_is_no_packet() -> None:
    with pytest.raises(ValueError, match="more than 4 bytes"):
        read_packet(b"\x30\xff\xff\xff\xff\x01")
