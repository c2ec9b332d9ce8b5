"""Scenarios that several dialects share."""

from __future__ import annotations

from harness.model import Consequence, Dialect, Level, Requirement
from harness.paths import ROOT
from harness.scenario import SCRIPTED_PEERS, scenario, scenario_of, scenarios_of


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-1"],
    also={Dialect.MQTT_5: ["MQTT-2", "MQTT-3"]},
)
def _shared() -> None:
    """Both ask for it."""


def test_a_shared_scenario_differs_in_dialect_and_clauses_alone() -> None:
    own, other = scenarios_of(_shared)
    assert (own.dialect, own.spec) == (Dialect.MQTT_3_1_1, ("MQTT-1",))
    assert (other.dialect, other.spec) == (Dialect.MQTT_5, ("MQTT-2", "MQTT-3"))
    assert (own.id, own.title, own.level) == (other.id, other.title, other.level)


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["MQTT-1"],
    also={Dialect.MQTT_5: ["MQTT-2"]},
    scripted=True,
)
def _scripted() -> None:
    """A script answers."""


def test_a_scripted_peer_is_named_by_a_file_that_is_there() -> None:
    assert [found.scripted for found in scenarios_of(_scripted)] == ["harness/peers/mqtt.py"] * 2
    assert [found.scripted for found in scenarios_of(_shared)] == ["", ""]
    for path in SCRIPTED_PEERS.values():
        assert (ROOT / path).is_file()


def test_the_own_dialect_comes_first() -> None:
    assert scenario_of(_shared) is scenarios_of(_shared)[0]


def test_other_functions_state_nothing() -> None:
    assert scenarios_of(len) == ()
    assert scenario_of(len) is None
