"""From errors to verdicts, and from attempts to a cell.

The bench and its peers are stubs here, because what is tested is the pure part: who is blamed for what, when a cell is
tried again and when the control decides. That real brokers and probes raise these errors is tested elsewhere.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from harness.bench import Bench
from harness.cells import CELLS
from harness.cells.base import Cell
from harness.cells.package import PackageCell
from harness.errors import (
    AttemptError,
    BrokerFailed,
    BuildFailed,
    CommandFailed,
    ConfigError,
    ContractViolation,
    CrateCrash,
    CrateTimeout,
    FeatureUnsupported,
    HarnessFault,
    Mismatch,
    NotApplicable,
    NotWritten,
    ReferenceFailed,
    RefusedByCrate,
    ScenarioFault,
    Unavailable,
)
from harness.judge import Question, known_before, measure
from harness.model import (
    BrokerLine,
    CellKey,
    CellResult,
    Change,
    Consequence,
    Crate,
    Dialect,
    Expectation,
    Kind,
    Level,
    Need,
    Profile,
    Requirement,
    Role,
    Scenario,
    Sourced,
    Verdict,
)
from harness.store import RunFolder
from harness.wire.messages import Setting

MQTT = Dialect.MQTT_3_1_1
LINE = BrokerLine("mosquitto", "2.0", Profile.CI, (MQTT,), "image:1", "", "2.0.")
CRATE = Crate("mqttc", Role.LISTED, Kind.CLIENT, (MQTT,), "mqttc", "0.1.4", "MIT")
CONTROL = Crate("paho", Role.CONTROL, Kind.CLIENT, (MQTT,), "paho", "2.0.0", "EPL", command=("paho",))
SCENARIO = Scenario(
    "delivers", MQTT, "deliver", "base", Level.CORE, Requirement.MUST, Consequence.LOSS, "It delivers.", deadline=30.0
)
KEY = CellKey(MQTT, "delivers", "", "mqttc", "0.1.4", "mosquitto@2.0")
FAILS = Mismatch("nothing came", expected="the message")


@dataclass
class StubBench:
    """Hands out peers by name, in an order that it remembers; `lags` is what the relay's loop says when asked."""

    folder: RunFolder
    peers: list[str] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    refuse: dict[str, AttemptError] = field(default_factory=dict)

    @property
    def relays(self) -> StubBench:
        return self

    def take_worst_lag(self) -> float:
        return self.lags.pop(0) if self.lags else 0.0

    def probe_command(self, crate: Crate) -> list[str]:
        if crate.name in self.refuse:
            raise self.refuse[crate.name]
        return [crate.name]

    def hello(self, _crate: Crate) -> SimpleNamespace:
        return SimpleNamespace(settings=self.settings)

    def shared_peer(self, _line: BrokerLine) -> SimpleNamespace:
        return self._peer("shared")

    @contextlib.contextmanager
    def own_peer(self, _line: BrokerLine, *, cluster: bool = False) -> Iterator[SimpleNamespace]:
        yield self._peer(f"own{sum(name.startswith('own') for name in self.peers) + 1}")

    def _peer(self, name: str) -> SimpleNamespace:
        if name in self.refuse:
            raise self.refuse[name]
        self.peers.append(name)
        return SimpleNamespace(name=name, version="2.0.21")


class StubCell(Cell):
    """A cell that knows which peer it got."""

    peer: str
    closed = False

    def close(self) -> None:
        type(self).closed = True
        raise RuntimeError("what goes wrong at the end of an attempt does not change its verdict")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubBench:
    def cell(bench: Bench, scenario: Scenario, crate: Crate, peer: object, _folder: Path) -> Cell:
        made = StubCell(bench, scenario, crate)
        made.peer = cast(SimpleNamespace, peer).name
        return made

    monkeypatch.setitem(CELLS, MQTT, cell)
    return StubBench(RunFolder(tmp_path))


#: What each crate does in turn: an error to raise, or null for a pass. The last one repeats.
Script = dict[str, list[BaseException | None]]


def _measure(bench: StubBench, script: Script, **changed: object) -> tuple[CellResult, list[str]]:
    """Measure a cell whose crates follow a script; also returns who was asked, and on which peer."""
    question = replace(Question(KEY, SCENARIO, CRATE, LINE, control=CONTROL), **changed)  # type: ignore[arg-type]
    asked = []

    def body(cell: Cell) -> None:
        asked.append(f"{cell.crate.name} on {getattr(cell, 'peer', '-')}")
        steps = script.get(cell.crate.name, [None])
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        if step is not None:
            raise step

    return measure(cast(Bench, bench), question, body), asked


def _expectation(verdict: Verdict = Verdict.FAIL, observed: str = "nothing came", **more: object) -> Expectation:
    known = Expectation(KEY, verdict, observed, "known", "2027-01-01", file="expectations.toml")
    return replace(known, **more)  # type: ignore[arg-type]


# -- one attempt --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (Mismatch("b", expected="a"), Verdict.FAIL),
        (RefusedByCrate("b", expected="a", code="io", definite=True), Verdict.FAIL),
        (CrateTimeout("b", expected="a"), Verdict.TIMEOUT),
        (CrateCrash("b", expected="a"), Verdict.CRASH),
        (BuildFailed("b", expected="a"), Verdict.BUILD_FAILED),
        (NotWritten("b"), Verdict.NOT_RUN),
        (NotApplicable("b"), Verdict.NOT_APPLICABLE),
        (Unavailable("b"), Verdict.UNAVAILABLE),
        (ContractViolation("b"), Verdict.BROKEN),
        (ReferenceFailed("b"), Verdict.BROKEN),
        (BrokerFailed("b"), Verdict.BROKEN),
        (ScenarioFault("b"), Verdict.BROKEN),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_every_error_has_its_verdict(bench: StubBench, error: AttemptError, verdict: Verdict) -> None:
    result, _ = _measure(bench, {"mqttc": [error]})
    assert result.verdict is verdict
    assert result.reason == ("expected a; observed b" if error.expected else "b")


def test_the_list_above_has_every_class() -> None:
    known = {Mismatch, RefusedByCrate, CrateTimeout, CrateCrash, BuildFailed, NotWritten, NotApplicable, Unavailable}
    known |= {ContractViolation, ReferenceFailed, BrokerFailed, ScenarioFault, FeatureUnsupported}
    assert set(AttemptError.__subclasses__()) == known


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a bug"),
        AssertionError("a scenario asserted"),
        KeyError("x"),
        OSError(28, "No space left on device"),
        CommandFailed(["docker"], 1, "", "no"),
        HarnessFault("ours"),
        ConfigError("file", "key", "wrong"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_any_other_exception_is_our_fault_with_its_trace(bench: StubBench, error: Exception) -> None:
    result, asked = _measure(bench, {"mqttc": [error]})
    assert result.verdict is Verdict.BROKEN
    assert result.change is Change.UNMEASURED
    assert result.reason == f"the scenario or the harness failed: {type(error).__name__}: {error}"
    assert asked == ["mqttc on shared", "mqttc on own1"], "nor is it handed to the control"
    for transcript in bench.folder.path.rglob("transcript.txt"):
        assert "Traceback (most recent call last)" in transcript.read_text()


def test_an_interrupt_is_no_verdict(bench: StubBench) -> None:
    with pytest.raises(KeyboardInterrupt):
        _measure(bench, {"mqttc": [KeyboardInterrupt()]})


@pytest.mark.parametrize("outcome", [pytest.skip.Exception("later"), pytest.fail.Exception("no")])
def test_a_scenario_cannot_skip_or_fail_by_itself(bench: StubBench, outcome: BaseException) -> None:
    """A scenario never decides a verdict; with `pytest.skip` it would vanish from the matrix."""
    try:
        result, _ = _measure(bench, {"mqttc": [outcome]})
    except BaseException as error:
        raise AssertionError(f"{type(error).__name__} came out of measure") from error
    assert result.verdict is Verdict.BROKEN


def test_a_pass_keeps_its_evidence_and_ends_the_cell(bench: StubBench) -> None:
    StubCell.closed = False
    result, asked = _measure(bench, {}, reproduce="pytest x")
    assert (result.verdict, result.reason, result.change) == (Verdict.PASS, "as stated", Change.AS_EXPECTED)
    assert (result.broker_version, result.reproduce, result.control) == ("2.0.21", "pytest x", None)
    assert asked == ["mqttc on shared"]
    assert StubCell.closed
    ((evidence,),) = [attempt.evidence for attempt in result.attempts]
    file = bench.folder.path / evidence.path
    assert evidence.kind == "transcript"
    assert evidence.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert file.parent.parent.name == "mqtt-3.1.1+delivers+mqttc@0.1.4+mosquitto@2.0"


def test_settings_of_the_probe_are_told(bench: StubBench) -> None:
    bench.settings = [Setting(name="inflight", value="1", default="100", source="docs")]
    result, _ = _measure(bench, {})
    assert result.options == ("inflight = 1 (default 100, docs)",)


@pytest.mark.parametrize(("dialects", "told"), [([], True), ([MQTT], True), ([Dialect.MQTT_5], False)])
def test_a_setting_of_another_dialect_is_not_told(bench: StubBench, dialects: list[str], told: bool) -> None:
    bench.settings = [Setting(name="inflight", value="1", default="100", source="docs", dialects=dialects)]
    result, _ = _measure(bench, {})
    assert bool(result.options) is told


# -- features -----------------------------------------------------------------------------------------

WILL = replace(CRATE, unsupported=(Sourced("will", "the crate has no will", "https://example.org"),))


def test_a_declared_lack_is_unsupported_with_the_declared_reason(bench: StubBench) -> None:
    result, asked = _measure(bench, {"mqttc": [FeatureUnsupported("will", "no will here")]}, crate=WILL)
    assert (result.verdict, result.reason) == (Verdict.UNSUPPORTED, "the crate has no will")
    assert (result.change, result.attempts[0].unsupported_feature) == (Change.AS_EXPECTED, "will")
    assert asked == ["mqttc on shared"]


def test_an_undeclared_lack_is_our_fault(bench: StubBench) -> None:
    result, _ = _measure(bench, {"mqttc": [FeatureUnsupported("tls", "no TLS here")]}, crate=WILL)
    assert result.verdict is Verdict.BROKEN
    assert result.reason.endswith("no TLS here; crates.toml does not declare that")


def test_a_declared_lack_that_works_is_stale(bench: StubBench) -> None:
    result, _ = _measure(bench, {}, crate=WILL, scenario=replace(SCENARIO, features=("will",)))
    assert (result.verdict, result.change) == (Verdict.PASS, Change.STALE)
    assert result.reason == "works, though crates.toml declares will as unsupported"


# -- what is known before -----------------------------------------------------------------------------


def test_a_server_is_not_asked_for_what_it_leaves_to_its_handlers(bench: StubBench) -> None:
    left = Sourced(Need.FORMATS, "a handler reads Accept", "https://docs.example.org/handlers")
    server, scenario = replace(CRATE, left_to_handler=(left,)), replace(SCENARIO, needs=(Need.FORMATS,))
    result, asked = _measure(bench, {}, crate=server, scenario=scenario)
    assert (result.verdict, result.change, asked) == (Verdict.NOT_APPLICABLE, Change.AS_EXPECTED, [])
    assert result.reason == (
        "mqttc leaves formats to its handlers, which are the probe's code here: a handler reads Accept "
        "(https://docs.example.org/handlers)"
    )
    result, asked = _measure(bench, {}, crate=server, scenario=replace(SCENARIO, needs=(Need.CONDITIONS,)))
    assert (result.verdict, asked) == (Verdict.PASS, ["mqttc on shared"])


@pytest.mark.parametrize("need", Need)
def test_a_codec_is_not_asked_for_what_would_be_the_probes_code(bench: StubBench, need: Need) -> None:
    codec, scenario = replace(CRATE, kind=Kind.CODEC), replace(SCENARIO, needs=(need,))
    result, asked = _measure(bench, {}, crate=codec, scenario=scenario)
    assert (result.verdict, result.change, asked) == (Verdict.NOT_APPLICABLE, Change.AS_EXPECTED, [])
    assert result.reason == f"mqttc is a codec: {need} would be the probe's own code"


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.CODEC])
def test_every_other_kind_is_asked_everything(kind: Kind) -> None:
    assert known_before(replace(SCENARIO, needs=tuple(Need)), replace(CRATE, kind=kind)) is None


def test_without_a_probe_a_cell_is_not_run_but_a_package_still_is() -> None:
    bare = replace(CRATE, has_probe=False)
    known = known_before(SCENARIO, bare)
    assert known is not None
    assert (known.verdict, known.reason) == (Verdict.NOT_RUN, "there is no probe of mqttc yet")
    assert known_before(replace(SCENARIO, dialect=Dialect.PACKAGE), bare) is None


@pytest.mark.parametrize(
    ("since", "asked"), [("", True), ("1.9", True), ("2.0", True), ("2.0.15", True), ("2.1", False), ("10.0", False)]
)
def test_a_line_before_the_feature_is_not_asked(since: str, asked: bool) -> None:
    known = known_before(replace(SCENARIO, since=since), CRATE, LINE)
    assert (known is None) is asked
    if known is not None:
        expected = f"mosquitto 2.0 cannot be asked: what this needs came with {since}"
        assert (known.verdict, known.reason) == (Verdict.NOT_APPLICABLE, expected)


@pytest.mark.parametrize(("until", "asked"), [("", True), ("2.0", False), ("2.1", True), ("1.9", False)])
def test_a_line_after_the_feature_is_not_asked(until: str, asked: bool) -> None:
    known = known_before(replace(SCENARIO, until=until), CRATE, LINE)
    assert (known is None) is asked
    if known is not None:
        expected = f"mosquitto 2.0 cannot be asked: what this needs is gone since {until}"
        assert (known.verdict, known.reason) == (Verdict.NOT_APPLICABLE, expected)


# -- attempts -----------------------------------------------------------------------------------------


def test_an_unexpected_red_is_tried_again_on_a_fresh_broker_and_shown_to_the_control_there(bench: StubBench) -> None:
    result, asked = _measure(bench, {"mqttc": [FAILS]})
    assert asked == ["mqttc on shared", "mqttc on own1", "paho on own1"]
    assert (result.verdict, result.control, result.flaky) == (Verdict.FAIL, Verdict.PASS, False)
    assert result.change is Change.UNEXPECTED
    assert [evidence.kind for evidence in result.attempts[-1].evidence] == ["transcript", "control's transcript"]


def test_a_red_of_a_version_that_nothing_is_expected_of_is_no_news(bench: StubBench) -> None:
    """It is tried again and handed to the control all the same, so that it is the crate's."""
    result, asked = _measure(bench, {"mqttc": [FAILS], "paho": [None]}, is_open=True)
    assert (result.verdict, result.change) == (Verdict.FAIL, Change.OPEN)
    assert len([who for who in asked if who.startswith("mqttc")]) == 2
    result, _ = _measure(bench, {"mqttc": [FAILS], "paho": [FAILS]}, is_open=True)
    assert (result.verdict, result.change) == (Verdict.BROKEN, Change.UNMEASURED)


def test_the_worst_attempt_counts_and_a_difference_is_flaky(bench: StubBench) -> None:
    result, asked = _measure(bench, {"mqttc": [FAILS, None]})
    assert (result.verdict, result.reason, result.flaky) == (
        Verdict.FAIL,
        "expected the message; observed nothing came",
        True,
    )
    assert [attempt.verdict for attempt in result.attempts] == [Verdict.FAIL, Verdict.PASS]
    assert asked[-1] == "paho on own1", "a red that went away is still shown to the control"
    result, _ = _measure(bench, {"mqttc": [FAILS, CrateCrash("gone")]})
    assert (result.verdict, result.reason) == (Verdict.CRASH, "gone")


@pytest.mark.parametrize("then", [None, FAILS, ReferenceFailed("again")], ids=["passes", "fails", "says nothing again"])
def test_an_attempt_that_says_nothing_gives_way_to_the_second(bench: StubBench, then: Exception | None) -> None:
    """The reference or the machine failed at first; that neither makes the crate red nor the cell flaky."""
    result, asked = _measure(bench, {"mqttc": [ReferenceFailed("no topic"), then]}, expectation=_expectation())
    assert asked[:2] == ["mqttc on shared", "mqttc on own1"]
    first, second = result.attempts
    assert (first.verdict, first.reason) == (Verdict.BROKEN, "no topic")
    assert (result.verdict, result.flaky) == (second.verdict, False)
    assert (asked[2:] == ["paho on own1"]) is (then is FAILS), "the control is asked about what is red"


def test_an_expected_red_is_not_tried_again_but_the_control_still_is(bench: StubBench) -> None:
    result, asked = _measure(bench, {"mqttc": [FAILS]}, expectation=_expectation())
    assert asked == ["mqttc on shared", "paho on shared"]
    assert (result.verdict, result.change, result.expected) == (Verdict.FAIL, Change.AS_EXPECTED, Verdict.FAIL)


def test_a_scenario_that_hurts_its_broker_gets_one_of_its_own_for_each_attempt(bench: StubBench) -> None:
    _, asked = _measure(bench, {"mqttc": [FAILS]}, scenario=replace(SCENARIO, own_broker=True))
    assert asked == ["mqttc on own1", "mqttc on own2", "paho on own3"]


def test_every_attempt_that_is_asked_for_is_made_and_the_worst_counts(bench: StubBench) -> None:
    result, asked = _measure(bench, {"mqttc": [None, None, FAILS, None]}, repeat=4)
    assert [item.verdict for item in result.attempts] == [Verdict.PASS, Verdict.PASS, Verdict.FAIL, Verdict.PASS]
    assert (result.verdict, result.flaky, result.control) == (Verdict.FAIL, True, Verdict.PASS)
    # After a red that nobody expects, the next attempt has a fresh broker.
    assert asked == ["mqttc on shared"] * 3 + ["mqttc on own1", "paho on own1"]
    assert len({item.evidence[0].path for item in result.attempts}) == 4


def test_attempts_that_agree_are_not_flaky(bench: StubBench) -> None:
    result, asked = _measure(bench, {"mqttc": [FAILS]}, repeat=3, expectation=_expectation())
    assert (len(result.attempts), result.flaky, result.change) == (3, False, Change.AS_EXPECTED)
    assert asked == ["mqttc on shared"] * 3 + ["paho on shared"]


def test_what_cannot_be_asked_is_not_asked_again(bench: StubBench) -> None:
    result, _ = _measure(bench, {"mqttc": [NotWritten("not written")]}, repeat=5)
    assert [item.verdict for item in result.attempts] == [Verdict.NOT_RUN]


def test_each_attempt_that_hurts_its_broker_has_one_of_its_own(bench: StubBench) -> None:
    _, asked = _measure(bench, {"mqttc": [None]}, repeat=3, scenario=replace(SCENARIO, own_broker=True))
    assert asked == ["mqttc on own1", "mqttc on own2", "mqttc on own3"]


def test_a_package_cell_has_no_peer_no_second_attempt_and_no_control(bench: StubBench) -> None:
    failure = BuildFailed("error[E0001] in x (lib.rs:1): no", expected="it compiles")
    scenario = replace(SCENARIO, dialect=Dialect.PACKAGE)
    result, asked = _measure(bench, {"mqttc": [failure]}, scenario=scenario, line=None)
    assert asked == ["mqttc on -"]
    assert bench.peers == []
    assert (result.verdict, result.control, result.broker_version) == (Verdict.BUILD_FAILED, None, "")


def test_a_package_cell_keeps_files_as_evidence(bench: StubBench) -> None:
    def body(cell: Cell) -> None:
        assert isinstance(cell, PackageCell)
        cell.keep("Cargo.lock", "version = 4\n")

    question = Question(KEY, replace(SCENARIO, dialect=Dialect.PACKAGE), CRATE, None)
    result = measure(cast(Bench, bench), question, body)
    assert [evidence.kind for evidence in result.attempts[0].evidence] == ["lock file", "transcript"]


@pytest.mark.parametrize(
    ("who", "error"),
    [
        ("shared", BrokerFailed("it did not start")),
        ("shared", Unavailable("no registry answers")),
        ("mqttc", BuildFailed("error[E0277]")),
        ("mqttc", ContractViolation("it prints no JSON")),
    ],
)
def test_a_lease_that_failed_is_the_cells_verdict(bench: StubBench, who: str, error: AttemptError) -> None:
    bench.refuse[who] = error
    result, asked = _measure(bench, {})
    assert (result.verdict, result.reason, asked) == (error.verdict, error.observed, [])


def test_a_bug_in_a_lease_costs_the_cell_and_not_the_run(bench: StubBench) -> None:
    bench.refuse["shared"] = cast(AttemptError, LookupError("no such container"))
    result, _ = _measure(bench, {})
    assert (result.verdict, result.reason) == (
        Verdict.BROKEN,
        "the harness failed: LookupError: no such container",
    )


def test_a_fresh_broker_that_does_not_start_makes_the_cell_broken(bench: StubBench) -> None:
    bench.refuse["own1"] = BrokerFailed("it did not start")
    result, _ = _measure(bench, {"mqttc": [FAILS]})
    assert (result.verdict, result.change) == (Verdict.BROKEN, Change.UNMEASURED)
    assert [attempt.verdict for attempt in result.attempts] == [Verdict.FAIL, Verdict.BROKEN]


# -- the control --------------------------------------------------------------------------------------


def test_where_the_control_fails_too_nothing_is_said_about_the_crate(bench: StubBench) -> None:
    result, _ = _measure(bench, {"mqttc": [FAILS], "paho": [FAILS]})
    assert (result.verdict, result.control, result.change) == (Verdict.BROKEN, Verdict.FAIL, Change.UNMEASURED)
    assert "the control ends in fail on the same cell (expected the message; observed nothing came)" in result.reason
    assert result.control_reason == "expected the message; observed nothing came"


def test_an_expectation_never_covers_broken(bench: StubBench) -> None:
    result, _ = _measure(bench, {"mqttc": [FAILS], "paho": [FAILS]}, expectation=_expectation())
    assert (result.verdict, result.change) == (Verdict.BROKEN, Change.UNMEASURED)


@pytest.mark.parametrize(
    ("control", "verdict"),
    [
        (_expectation(judge="clause", witness="mosquitto_sub"), Verdict.FAIL),
        (_expectation(), Verdict.BROKEN),
        (_expectation(Verdict.TIMEOUT, judge="clause", witness="mosquitto_sub"), Verdict.BROKEN),
    ],
    ids=["by the clause", "only expected", "fails otherwise than expected"],
)
def test_a_control_known_to_be_wrong_leaves_the_judgement_to_the_clause(
    bench: StubBench, control: Expectation, verdict: Verdict
) -> None:
    result, _ = _measure(bench, {"mqttc": [FAILS], "paho": [FAILS]}, control_expectation=control)
    assert (result.verdict, result.control) == (verdict, Verdict.FAIL)


def test_a_control_that_lacks_what_is_asked_can_leave_it_to_the_clause(bench: StubBench) -> None:
    lacks: dict[str, list[BaseException | None]] = {
        "mqttc": [FAILS],
        "paho": [FeatureUnsupported("will", "no will here")],
    }
    control = replace(CONTROL, unsupported=WILL.unsupported)
    known = _expectation(Verdict.UNSUPPORTED, "no will", judge="clause", witness="mosquitto_sub")
    alone, _ = _measure(bench, lacks, control=control)
    assert (alone.verdict, alone.control) == (Verdict.BROKEN, Verdict.UNSUPPORTED)
    judged, _ = _measure(bench, lacks, control=control, control_expectation=known)
    assert (judged.verdict, judged.control) == (Verdict.FAIL, Verdict.UNSUPPORTED)


def test_what_a_control_is_known_to_lack_is_as_expected(bench: StubBench) -> None:
    known = _expectation(Verdict.UNSUPPORTED, "no will", judge="clause", witness="mosquitto_sub")
    crate = replace(CONTROL, unsupported=WILL.unsupported)
    result, _ = _measure(
        bench, {"paho": [FeatureUnsupported("will", "no will here")]}, crate=crate, control=None, expectation=known
    )
    assert (result.verdict, result.change) == (Verdict.UNSUPPORTED, Change.AS_EXPECTED)


def test_without_a_control_the_crate_is_judged_alone(bench: StubBench) -> None:
    result, asked = _measure(bench, {"mqttc": [FAILS]}, control=None)
    assert (result.verdict, result.control) == (Verdict.FAIL, None)
    assert asked == ["mqttc on shared", "mqttc on own1"]


@pytest.mark.parametrize(
    ("now", "timer", "verdict"), [(9.0, 0.0, Verdict.PASS), (11.0, 0.0, Verdict.BROKEN), (24.0, 20.0, Verdict.BROKEN)]
)
def test_a_control_that_needs_more_than_a_third_of_the_deadline_is_told(
    bench: StubBench, monkeypatch: pytest.MonkeyPatch, now: float, timer: float, verdict: Verdict
) -> None:
    """Protocol timers count neither for the control nor for what it is allowed."""
    clock = SimpleNamespace(monotonic=iter([0.0, now]).__next__)
    monkeypatch.setattr("harness.judge.time", clock)
    result, _ = _measure(bench, {}, crate=CONTROL, control=None, scenario=replace(SCENARIO, timer=timer))
    assert result.verdict is verdict
    if verdict is Verdict.BROKEN:
        assert result.reason.startswith(f"the scenario's deadline is too tight: the control took {now - timer:.1f} s")


@pytest.mark.parametrize(
    ("declared", "meets", "verdict"),
    [
        ("", False, Verdict.PASS),
        ("", True, Verdict.BROKEN),
        ("peer.py", False, Verdict.BROKEN),
        ("peer.py", True, Verdict.PASS),
    ],
)
def test_a_scenario_with_a_scripted_peer_says_so(
    bench: StubBench, declared: str, meets: bool, verdict: Verdict
) -> None:
    """Otherwise its cells would be shown as if the broker had answered, or a broker's as if it had not."""
    question = Question(KEY, replace(SCENARIO, scripted=declared), CRATE, LINE)
    result = measure(cast(Bench, bench), question, lambda cell: cell.meet_script() if meets else None)
    assert result.verdict is verdict


def test_a_crate_that_fails_before_it_meets_the_script_is_not_excused(bench: StubBench) -> None:
    result, _ = _measure(bench, {"mqttc": [FAILS]}, scenario=replace(SCENARIO, scripted="peer.py"), control=None)
    assert result.verdict is Verdict.FAIL


@pytest.mark.parametrize("lag", [0.5, 2.5])
def test_on_a_machine_that_is_too_busy_no_crate_is_blamed(bench: StubBench, lag: float) -> None:
    """The first number is what happened before the attempt, which does not count."""
    bench.lags = [9.0, lag, 9.0, lag]
    result, _ = _measure(bench, {"mqttc": [FAILS]}, expectation=_expectation())
    assert result.verdict is (Verdict.FAIL if lag < 1 else Verdict.BROKEN)
    bench.lags = [9.0, lag]
    assert _measure(bench, {})[0].verdict is Verdict.PASS


# -- what was expected --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expectation", "change", "addition"),
    [
        (_expectation(), Change.AS_EXPECTED, ""),
        (_expectation(observed="something else"), Change.UNEXPECTED, " (expected was fail: something else)"),
        (_expectation(Verdict.CRASH), Change.UNEXPECTED, " (expected was crash: nothing came)"),
        (
            _expectation(Verdict.CRASH, "boom", may_also=(Verdict.FAIL,)),
            Change.AS_EXPECTED,
            " (this cell is known to end in crash too)",
        ),
        (None, Change.UNEXPECTED, ""),
    ],
    ids=["as known", "observed differs", "verdict differs", "may also", "nothing known"],
)
def test_a_red_cell_is_compared_with_verdict_and_observation(
    bench: StubBench, expectation: Expectation | None, change: Change, addition: str
) -> None:
    result, _ = _measure(bench, {"mqttc": [FAILS]}, expectation=expectation)
    assert (result.verdict, result.change) == (Verdict.FAIL, change)
    assert result.reason == f"expected the message; observed nothing came{addition}"


def test_what_is_known_to_vary_is_flaky_even_if_it_did_not_vary_now(bench: StubBench) -> None:
    result, _ = _measure(bench, {"mqttc": [FAILS]}, expectation=_expectation(may_also=(Verdict.CRASH,)))
    assert result.flaky


def test_an_expected_red_that_passes_is_stale_and_names_the_file(bench: StubBench) -> None:
    result, _ = _measure(bench, {}, expectation=_expectation())
    assert (result.verdict, result.change) == (Verdict.PASS, Change.STALE)
    assert result.reason == "passes, though expectations.toml expects fail"


@pytest.mark.parametrize(
    ("steps", "change"),
    [
        (Unavailable("x"), Change.UNMEASURED),
        (NotWritten("x"), Change.UNMEASURED),
        (ScenarioFault("x"), Change.UNMEASURED),
        (NotApplicable("x"), Change.STALE),
    ],
)
def test_what_says_nothing_about_the_crate_is_no_regression(
    bench: StubBench, steps: AttemptError, change: Change
) -> None:
    assert _measure(bench, {"mqttc": [steps]}, expectation=_expectation())[0].change is change
