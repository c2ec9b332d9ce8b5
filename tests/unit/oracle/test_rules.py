"""Every rule of the oracle finds what is wrong, by its name, and has nothing to say of what is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from _pytest.mark import ParameterSet

from harness.oracle import amqp, coap, kafka, mqtt, zmtp
from harness.oracle.reading import Outcome
from harness.oracle.rules import RULES
from tests.unit.oracle import amqp_mutants, coap_mutants, kafka_mutants, mqtt_mutants, zmtp_mutants
from tests.unit.oracle.mutants import Mutant, edited


def _message(data: bytes) -> Outcome:
    outcome = Outcome()
    with outcome.frame(len(data)):
        coap.check(data)
    return outcome


JUDGES: dict[str, tuple[Callable[[bytes], Outcome], tuple[Mutant, ...]]] = {
    "mqtt": (mqtt.judge, mqtt_mutants.MUTANTS),
    "amqp": (amqp.judge, amqp_mutants.MUTANTS),
    "coap": (_message, coap_mutants.MUTANTS),
    "zmtp": (zmtp.judge, zmtp_mutants.MUTANTS),
    "kafka": (kafka.judge, kafka_mutants.MUTANTS),
}


def _cases() -> Iterator[ParameterSet]:
    for protocol, (judge, mutants) in JUDGES.items():
        for number, mutant in enumerate(mutants):
            assert mutant.rule.startswith(f"{protocol}.")
            yield pytest.param(judge, mutant, id=f"{mutant.rule}-{number}")


@pytest.mark.parametrize(("judge", "mutant"), list(_cases()))
def test_a_mutant_breaks_its_rule_and_the_valid_one_none(judge: Callable[[bytes], Outcome], mutant: Mutant) -> None:
    right, wrong = judge(mutant.valid), judge(mutant.wrong)
    assert (right.objections, right.unjudged, right.rest) == ([], [], 0)
    assert right.frames > 0
    assert [objection.rule for objection in wrong.objections] == [mutant.rule]
    assert 0 < wrong.objections[0].end <= len(mutant.wrong)


@pytest.mark.parametrize(
    ("judge", "data"),
    [
        (zmtp.judge, edited(zmtp_mutants.NULL, 10, b"\2")),
        # A key and a version that kafka-python does not have, and a version that its schema has left behind.
        (kafka.judge, edited(kafka_mutants.METADATA, 4, b"\0\xc8")),
        (kafka.judge, edited(kafka_mutants.METADATA, 6, b"\0\x63")),
        (kafka.judge, kafka_mutants.resized(kafka_mutants.produce(2, b"") + b"\0")),
    ],
)
def test_what_nobody_can_judge_breaks_no_rule(judge: Callable[[bytes], Outcome], data: bytes) -> None:
    outcome = judge(data)
    assert outcome.objections == []
    assert len(outcome.unjudged) == 1


@pytest.mark.parametrize("mutant", [m for m in mqtt_mutants.MUTANTS if b"MQTT\4" in m.valid], ids=lambda m: m.rule)
def test_of_mqtt_3_1_the_rules_that_it_has_are_asked(mutant: Mutant) -> None:
    def older(data: bytes) -> bytes:
        """The same stream with the name and the level of 3.1."""
        at = data.find(b"\0\4MQTT\4")
        return data if at < 0 else data[: at - 1] + bytes([data[at - 1] + 2]) + b"\0\6MQIsdp\3" + data[at + 7 :]

    right, wrong = mqtt.judge(older(mutant.valid)), mqtt.judge(older(mutant.wrong))
    assert (right.objections, right.unjudged, right.rest) == ([], [], 0)
    # What a user name's flag promises may be missing.
    if b"MQIsdp" in older(mutant.wrong) and mutant.wrong != mqtt_mutants.connect(flags=0x82):
        assert [found.rule for found in wrong.objections] == ([mutant.rule] if RULES[mutant.rule].oldest else [])


def test_mqtt_3_1_may_lack_the_strings_that_its_flags_promise() -> None:
    outcome = mqtt.judge(mqtt_mutants.connect(3, 0xC2, name="MQIsdp"))
    assert (outcome.frames, outcome.objections, outcome.unjudged) == (1, [], [])


def test_every_rule_has_a_mutant() -> None:
    assert {mutant.rule for _, mutants in JUDGES.values() for mutant in mutants} == set(RULES)
    assert sum(len(mutants) for _, mutants in JUDGES.values()) >= 60


@pytest.mark.parametrize("protocol", ["mqtt", "amqp", "zmtp", "kafka"])
def test_what_ends_in_the_middle_of_a_frame_breaks_no_rule(protocol: str) -> None:
    """A relay that cuts a connection, or a probe that is killed, must not make a crate malformed."""
    judge, mutants = JUDGES[protocol]
    stream = max((mutant.valid for mutant in mutants), key=len)
    for end in range(0, len(stream), 1 + len(stream) // 500):
        outcome = judge(stream[:end])
        assert outcome.objections == []
        assert outcome.rest or outcome.frames or not end
