"""Every MQTT scenario can fail: for each there is a wrong client that it catches, and the honest one passes it.

Needs Docker. What the harness waits for is shortened here, because most lies are found by waiting in vain.
"""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import re
import secrets
from collections.abc import Callable, Iterator

import pytest

from harness.bench import Bench
from harness.brokers.containers import connect, remove_containers
from harness.catalog import load_crates, load_lines
from harness.cells import mqtt, mqtt_client, peer
from harness.cells.base import Cell
from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered
from harness.errors import Unavailable
from harness.judge import Question, measure
from harness.liveness import RunLock, end_own_processes
from harness.model import (
    BrokerLine,
    CellKey,
    CellResult,
    Consequence,
    Crate,
    Dialect,
    Kind,
    Level,
    Requirement,
    Role,
    Verdict,
)
from harness.paths import SCENARIOS
from harness.scenario import scenario, scenario_of
from harness.store import RunFolder
from tests.saboteurs.mqtt.cases import BROKEN, CASES, FAIL, UNPROVEN, Case, Params
from tests.saboteurs.mqtt_clients import CLIENTS, CONVERSATIONS

Function = Callable[..., None]


# -- which scenarios there are -------------------------------------------------------------------------


def _load() -> dict[str, Function]:
    """The MQTT scenarios by id; loaded aside, so that pytest does not take them for tests of this file."""
    found: dict[str, Function] = {}
    for path in sorted((SCENARIOS / "mqtt").glob("test_*.py")):
        spec = importlib.util.spec_from_file_location(f"sabotaged_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for _, function in inspect.getmembers(module, inspect.isfunction):
            stated = scenario_of(function)
            if stated is not None and stated.dialect is Dialect.MQTT_3_1_1:
                found[stated.id] = function
    return found


def _variants(function: Function) -> list[Params]:
    """Every combination of the scenario's own parameters."""
    marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
    choices = [[(mark.args[0], value) for value in mark.args[1]] for mark in marks]
    return [tuple(sorted(combination)) for combination in itertools.product(*choices)]


FUNCTIONS = _load()
EVERY = [(name, params) for name, function in FUNCTIONS.items() for params in _variants(function)]
CONTROL = next(c for c in load_crates() if c.role is Role.CONTROL and Dialect.MQTT_3_1_1 in c.dialects)


# -- measuring -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A run of its own for this process: brokers and probes of no other run are touched, and none of its own stay."""
    try:
        connect().close()
    except Unavailable as error:
        pytest.skip(str(error))
    name = f"saboteurs-{secrets.token_hex(4)}"
    reports = tmp_path_factory.mktemp("reports")
    folder = RunFolder(reports / "runs" / name)
    folder.evidence.mkdir(parents=True)
    lock = RunLock(reports, name)
    lock.acquire()
    bench = Bench(folder, lock.mark)
    try:
        yield bench
    finally:
        bench.close()
        remove_containers(lambda mark: mark == lock.mark)
        end_own_processes(lock.mark)
        lock.release()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds that the harness waits in vain; still far more than the honest client needs."""
    for name, seconds in {"RECOVERY": 8.0, "DELIVERY": 2.5, "_LOGGED": 2.5, "CALL_DEADLINE": 1.5}.items():
        for module in (peer, mqtt, mqtt_client):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, seconds)
    for name, value in {"notice": 12.0, "answer": 11.0, "many": 60, "connections": 40}.items():
        monkeypatch.setattr(MqttCell, name, value)


def _line() -> BrokerLine:
    return next(line for line in load_lines() if line.broker == "mosquitto")


def _crate(name: str) -> Crate:
    """A saboteur as an entry of crates.toml would have it."""
    return Crate(
        name=name,
        role=Role.CANDIDATE,
        kind=Kind.CLIENT,
        dialects=(Dialect.MQTT_3_1_1,),
        package="paho-mqtt",
        version=CONTROL.version,
        licence=CONTROL.licence,
        left_to_application=() if name == "forgets-to-resubscribe" else CONTROL.left_to_application,
        command=("{python}", "-m", "tests.saboteurs.mqtt_clients", name),
    )


def _measure(bench: Bench, crate: Crate, function: Function, params: Params, *, control: Crate | None) -> CellResult:
    stated = scenario_of(function)
    assert stated is not None
    line, shown = _line(), "-".join(f"{name}{value}" for name, value in params)
    key = CellKey(stated.dialect, stated.id, shown, crate.name, crate.version, line.id)
    question = Question(key=key, scenario=stated, crate=crate, line=line, control=control)

    def body(cell: Cell) -> None:
        function(cell, **dict(params))

    return measure(bench, question, body)


# -- the tests -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.id, marks=[pytest.mark.full] if case.slow else []) for case in CASES]
)
def test_saboteur_is_caught(bench: Bench, case: Case, record_property: Callable[[str, object], None]) -> None:
    """The verdict is right, and the reason lets a human see what is wrong."""
    cell = _measure(bench, _crate(case.saboteur), FUNCTIONS[case.scenario], case.params, control=CONTROL)
    record_property("seen", f"{case.saboteur} | {case.id} | {cell.verdict} | {cell.seconds:.1f} s | {cell.reason}")
    assert cell.verdict is case.verdict, cell.reason
    assert re.search(case.reason, cell.reason), cell.reason
    if case.verdict.is_red:
        assert cell.control is Verdict.PASS, cell.control_reason
        assert [attempt.verdict for attempt in cell.attempts] == [case.verdict] * 2, "the same every time"


@pytest.mark.parametrize(
    ("name", "params"), [pytest.param(*entry, id=f"{entry[0]}{dict(entry[1]) or ''}") for entry in EVERY]
)
def test_the_honest_client_passes(bench: Bench, name: str, params: Params) -> None:
    """With all the patience that a real run has: what the saboteurs fail is no trap."""
    cell = _measure(bench, CONTROL, FUNCTIONS[name], params, control=None)
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
    asked = {case.saboteur for case in CASES}
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
def test_what_the_control_fails_too_is_no_fault_of_the_crate(bench: Bench) -> None:
    """The cell is broken, and the reason has both sides."""
    cell = _measure(bench, _crate("ignores-retain"), _impossible, (), control=CONTROL)
    assert (cell.verdict, cell.control) == (BROKEN, FAIL)
    assert re.search(
        r"the control ends in fail on the same cell \(.*got nothing.*; the crate: .*got nothing", cell.reason
    )
