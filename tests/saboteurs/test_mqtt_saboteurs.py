"""Every MQTT scenario can fail: for each there is a wrong client that it catches, and the honest one passes it.

Needs Docker. What the harness waits for is shortened here, because most lies are found by waiting in vain.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import pytest

from harness.bench import Bench
from harness.catalog import load_crates, load_lines
from harness.cells import broker, mqtt, mqtt_client, peer
from harness.cells.base import Cell
from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered
from harness.judge import Question, measure
from harness.model import (
    BrokerLine,
    CellKey,
    CellResult,
    Consequence,
    Crate,
    Dialect,
    Expectation,
    Level,
    Requirement,
    Role,
    Verdict,
)
from harness.scenario import scenario, scenario_of
from tests.saboteurs.cast import Function, saboteur, scenarios_of
from tests.saboteurs.mqtt import cases, cases5
from tests.saboteurs.mqtt.cases import BROKEN, FAIL, UNPROVEN, Case, Params
from tests.saboteurs.mqtt_clients import CLIENTS, CONVERSATIONS

# -- which scenarios there are -------------------------------------------------------------------------


def _variants(function: Function) -> list[Params]:
    """Every combination of the scenario's own parameters."""
    marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
    choices = [[(mark.args[0], value) for value in mark.args[1]] for mark in marks]
    return [tuple(sorted(combination)) for combination in itertools.product(*choices)]


CASES = [*cases.CASES, *cases5.CASES]
WITNESSES = {**cases.WITNESSES, **cases5.WITNESSES}
FUNCTIONS = {**scenarios_of("mqtt", Dialect.MQTT_3_1_1), **scenarios_of("mqtt5", Dialect.MQTT_5)}
EVERY = [(name, params) for name, function in FUNCTIONS.items() for params in _variants(function)]
CONTROL = next(c for c in load_crates() if c.role is Role.CONTROL and Dialect.MQTT_3_1_1 in c.dialects)


# -- measuring -----------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds that the harness waits in vain; still far more than the honest client needs."""
    for name, seconds in {"RECOVERY": 8.0, "DELIVERY": 2.5, "_LOGGED": 4.0, "CALL_DEADLINE": 1.5}.items():
        for module in (peer, broker, mqtt, mqtt_client):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, seconds)
    for name, value in {
        "notice": 12.0,
        "answer": 11.0,
        "many": 60,
        "more_than_a_window": 60,
        "more_than_packet_ids": 60,
        "publishers": 2,
        "publishing": 4.0,
    }.items():
        monkeypatch.setattr(MqttCell, name, value)
    monkeypatch.setattr("harness.cells.rounds.ROUNDS", 120)


def _line() -> BrokerLine:
    return next(line for line in load_lines() if line.broker == "mosquitto")


def _crate(name: str) -> Crate:
    left = () if name == "forgets-to-resubscribe" else CONTROL.left_to_application
    return saboteur(CONTROL, "mqtt_clients", name, left_to_application=left)


def _honest(scenario_id: str) -> Crate:
    """Who passes: paho, except where it is known to be wrong."""
    witness = WITNESSES.get(scenario_id)
    return CONTROL if witness is None else _crate(witness)


def _measure(
    bench: Bench,
    crate: Crate,
    function: Function,
    params: Params,
    *,
    control: Crate | None,
    expected: Verdict = Verdict.PASS,
) -> CellResult:
    """One cell. A red that is expected is not tried again on a fresh broker: that is the judge's test."""
    stated = scenario_of(function)
    assert stated is not None
    line, shown = _line(), "-".join(f"{name}{value}" for name, value in params)
    key = CellKey(stated.dialect, stated.id, shown, crate.name, crate.version, line.id)
    known = Expectation(key, expected, observed="", reason="it lies", review="2027-05-01") if expected.is_red else None
    question = Question(key=key, scenario=stated, crate=crate, line=line, control=control, expectation=known)

    def body(cell: Cell) -> None:
        function(cell, **dict(params))

    return measure(bench, question, body)


# -- the tests -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.id, marks=[pytest.mark.full] if case.slow else []) for case in CASES]
)
def test_saboteur_is_caught(broker_bench: Bench, case: Case, record_property: Callable[[str, object], None]) -> None:
    """The verdict is right, and the reason lets a human see what is wrong."""
    control = _honest(case.scenario)
    cell = _measure(
        broker_bench,
        _crate(case.saboteur),
        FUNCTIONS[case.scenario],
        case.params,
        control=control,
        expected=case.verdict,
    )
    record_property("seen", f"{case.saboteur} | {case.id} | {cell.verdict} | {cell.seconds:.1f} s | {cell.reason}")
    assert cell.verdict is case.verdict, cell.reason
    assert re.search(case.reason, cell.reason), cell.reason
    if case.verdict.is_red:
        assert cell.control is Verdict.PASS, cell.control_reason


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "params"), [pytest.param(*entry, id=f"{entry[0]}{dict(entry[1]) or ''}") for entry in EVERY]
)
def test_the_honest_client_passes(broker_bench: Bench, name: str, params: Params) -> None:
    """With all the patience that a real run has: what the saboteurs fail is no trap.

    As each saboteur's control it passes in less time; here are those scenarios too that no saboteur is asked.
    """
    cell = _measure(broker_bench, _honest(name), FUNCTIONS[name], params, control=None)
    assert cell.verdict is Verdict.PASS, cell.reason


def test_every_scenario_can_fail() -> None:
    """A new scenario needs a saboteur, or an entry in UNPROVEN that says why not."""
    proven = {(case.scenario, case.params) for case in CASES if case.verdict.is_red}
    missing = [entry for entry in EVERY if entry not in proven and entry not in UNPROVEN]
    assert not missing, "no saboteur fails these"
    assert not set(UNPROVEN) - set(EVERY), "these are gone"
    assert not proven & set(UNPROVEN), "these are proven by now"


def test_every_saboteur_is_asked() -> None:
    """A saboteur that no case names proves nothing."""
    asked = {case.saboteur for case in CASES} | set(WITNESSES.values())
    assert asked == set(CLIENTS) | set(CONVERSATIONS)


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["nothing asks for this"],
)
def _impossible(cell: MqttCell) -> None:
    """A message comes back that nobody sent."""
    client = cell.connected()
    client.subscribe(cell.topic("never"), qos=1)
    cell.expect_delivered(client, [Delivered(cell.topic("never"), b"x")], expected="a message out of nothing")


@pytest.mark.usefixtures("impatient")
def test_what_the_control_fails_too_is_no_fault_of_the_crate(broker_bench: Bench) -> None:
    """The cell is broken, and the reason has both sides."""
    cell = _measure(broker_bench, _crate("ignores-retain"), _impossible, (), control=CONTROL)
    assert (cell.verdict, cell.control) == (BROKEN, FAIL)
    assert re.search(
        r"the control ends in fail on the same cell \(.*got nothing.*; the crate: .*got nothing", cell.reason
    )
