"""What third-party codecs refuse, and what peers say against a client in their own words."""

from __future__ import annotations

import struct

import pytest
from pika import frame, spec

from harness.oracle import mqtt, peers
from harness.oracle.codecs import refused_by_aiocoap, refused_by_mqtt5, refused_by_pika
from tests.unit.oracle import amqp_mutants, coap_mutants, mqtt_mutants
from tests.unit.oracle.mqtt_mutants import NEW, packet, string
from tests.unit.oracle.mutants import Mutant

#: Rules whose mutants these codecs cannot read either; the other mutants they read as if nothing were wrong.
_BY_PIKA = {"amqp.frame-end", "amqp.frame-type", "amqp.table-type"}
_BY_AIOCOAP = {"coap.version", "coap.option-header", "coap.option-text"}
_BY_MQTT5 = {
    "mqtt.variable-byte-integer",
    "mqtt.retain-handling",
    "mqtt.property-twice",
    "mqtt.property-value",
    "mqtt.no-topic-no-alias",
}


@pytest.mark.parametrize("mutant", amqp_mutants.MUTANTS, ids=lambda mutant: mutant.rule)
def test_pika_reads_what_is_right(mutant: Mutant) -> None:
    assert list(refused_by_pika(mutant.valid)) == []
    if mutant.rule in _BY_PIKA:
        ((end, why),) = refused_by_pika(mutant.wrong)
        assert end == len(mutant.wrong)
        assert why


def test_pika_is_not_asked_what_it_cannot_make_an_object_of() -> None:
    arguments = b"\0\0\0\3new\7because"
    secret = b"\1\0\0" + struct.pack(">I", 4 + len(arguments)) + b"\0\x0a\0\x46" + arguments + b"\xce"
    assert list(refused_by_pika(amqp_mutants.OPENING + secret + secret[:-3])) == []


@pytest.mark.parametrize("mutant", mqtt_mutants.MUTANTS, ids=lambda mutant: mutant.rule)
def test_mqtt5_reads_what_is_right(mutant: Mutant) -> None:
    assert list(refused_by_mqtt5(mutant.valid, ())) == []
    if mutant.rule in _BY_MQTT5:
        ((end, why),) = refused_by_mqtt5(mutant.wrong, ())
        assert end == len(mutant.wrong)
        assert why


@pytest.mark.parametrize(
    "wrong",
    [
        mqtt_mutants.connect(5, 0x1E, string("c") + b"\0" + string("w") + string("x"), props=b"\0"),
        NEW + packet(0x00),
        NEW + packet(0x30, b"\0\2t"),
        NEW + packet(0x36, string("t") + b"\0\7\0"),
        NEW + packet(0x40, b"\0\7\0\0x"),
        NEW + packet(0x40, b"\0\7\x11"),
        NEW + packet(0x60, b"\0\7"),
        NEW + packet(0x82, b"\0\7\0" + string("t") + b"\3"),
        NEW + packet(0xC0, b"\0"),
        NEW + packet(0xE1),
    ],
    ids=["will QoS 3", "type 0", "short", "QoS 3", "left over", "reason", "flags", "filter's QoS 3", "ping", "goodbye"],
)
def test_mqtt5_refuses_what_is_wrong_unless_a_rule_did(wrong: bytes) -> None:
    assert [end for end, _ in refused_by_mqtt5(wrong + packet(0xC0), ())] == [len(wrong)]
    assert [objection.end for objection in mqtt.judge(wrong).objections] == [len(wrong)]
    assert list(refused_by_mqtt5(wrong + packet(0xC0), {len(wrong)})) == []


def test_mqtt5_is_asked_of_mqtt_5_alone_and_of_whole_packets(capfd: pytest.CaptureFixture[str]) -> None:
    # Text that is no UTF-8 makes it panic, which a rule keeps from it.
    no_text = NEW + packet(0x30, string(b"\xff") + b"\0")
    judged = {objection.end for objection in mqtt.judge(no_text).objections}
    for data in (no_text, NEW[:-1], NEW + b"\x30\xff", mqtt_mutants.OLD + packet(0), packet(0) + NEW, b"\x10", b""):
        assert list(refused_by_mqtt5(data, judged)) == []
    assert "panicked" not in capfd.readouterr().err


@pytest.mark.parametrize("mutant", coap_mutants.MUTANTS, ids=lambda mutant: mutant.rule)
def test_aiocoap_reads_what_is_right(mutant: Mutant) -> None:
    assert refused_by_aiocoap(mutant.valid) == ""
    if mutant.rule in _BY_AIOCOAP:
        assert refused_by_aiocoap(mutant.wrong)


@pytest.mark.parametrize("code", [501, 502, 503, 505])
def test_a_brokers_close_that_blames_the_client_is_a_refusal(code: int) -> None:
    answers = amqp_mutants.HEADER[:0] + frame.Method(0, spec.Connection.Close(code, "WHY", 60, 40)).marshal()
    (said,) = peers.in_amqp(frame.Heartbeat().marshal() + answers)
    assert said.says.startswith(f"{code} ")
    assert said.says.endswith(": WHY")


@pytest.mark.parametrize("code", [200, 320, 403, 404, 406, 530, 541])
def test_a_brokers_close_for_another_reason_is_none(code: int) -> None:
    assert list(peers.in_amqp(frame.Method(0, spec.Connection.Close(code, "WHY", 0, 0)).marshal())) == []


@pytest.mark.parametrize(
    ("answers", "refused"),
    [
        (b"\xe0\2\x81\0", True),
        (b"\xe0\2\x82\0", True),
        (b"\x20\3\0\x81\0", True),
        (b"\x20\3\0\0\0\xe0\2\x82\0", True),
        (b"\xe0\2\x8b\0", False),
        (b"\x20\3\0\0\0", False),
        # The payload of a PUBLISH is no reason code.
        (b"\x30\x06\0\1t\0\x81\x82", False),
        (b"\xe0", False),
    ],
)
def test_mqtt_5_says_why_it_ends_a_connection(answers: bytes, refused: bool) -> None:
    assert bool(list(peers.in_mqtt(answers, 5))) is refused
    assert list(peers.in_mqtt(answers, 4)) == []


def test_mosquitto_says_in_its_log_whom_it_put_out() -> None:
    log = (
        "2026-11-23T05:59:24: New client connected from 172.17.0.1:1 as c1 (p2, c1, k5).\n"
        "2026-11-23T05:59:24: Client c1 disconnected due to malformed packet.\n"
        "2026-11-23T05:59:25: Client c2 disconnected due to protocol error.\n"
        "2026-11-23T05:59:26: Client c3 disconnected.\n"
        "2026-11-23T05:59:27: Client c4 [172.17.0.1:2] disconnected: protocol error.\n"
        "2026-11-23T05:59:28: Client c5 [172.17.0.1:3] disconnected: session taken over.\n"
    )
    found = [(client, said.says) for client, said in peers.in_mosquitto_log(log)]
    assert found == [
        ("c1", "disconnected due to malformed packet"),
        ("c2", "disconnected due to protocol error"),
        ("c4", "disconnected due to protocol error"),
    ]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (mqtt_mutants.OLD, (4, "c")),
        (mqtt_mutants.NEW, (5, "c")),
        (mqtt_mutants.connect(5, props=mqtt_mutants.properties(b"\x21\0\1")), (5, "c")),
        (mqtt_mutants.connect(3, name="MQIsdp"), (3, "c")),
        (mqtt_mutants.packet(0xC0) * 8, (0, "")),
        (mqtt_mutants.packet(0x10, b"\xff" * 14), (0, "")),
        (b"", (0, "")),
    ],
)
def test_a_client_is_known_by_its_connect(sent: bytes, expected: tuple[int, str]) -> None:
    assert peers.client_of(sent) == expected


def test_a_long_connect_is_read_too() -> None:
    name = b"n" * 200
    body = b"\0\4MQTT\4\2\0\x3c" + struct.pack(">H", len(name)) + name
    assert peers.client_of(b"\x10" + bytes([len(body) % 128 | 128, len(body) // 128]) + body) == (4, name.decode())
