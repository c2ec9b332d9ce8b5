"""When a cell is tried again, when the control decides, and what was expected of it; of stubs, as in test_judge.py."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from harness.bench import Bench
from harness.cells.base import Cell
from harness.cells.package import PackageCell
from harness.errors import (
    AttemptError,
    BrokerFailed,
    BuildFailed,
    ContractViolation,
    CrateCrash,
    FeatureUnsupported,
    NotApplicable,
    NotWritten,
    ReferenceFailed,
    ScenarioFault,
    Unavailable,
)
from harness.judge import Question, measure
from harness.model import Change, Dialect, Expectation, Verdict
from tests.unit.judging import CONTROL, CRATE, FAILS, KEY, LINE, SCENARIO, WILL, StubBench, expectation, measured

# -- attempts -----------------------------------------------------------------------------------------


def test_an_unexpected_red_is_tried_again_on_a_fresh_broker_and_shown_to_the_control_there(bench: StubBench) -> None:
    result, asked = measured(bench, {"mqttc": [FAILS]})
    assert asked == ["mqttc on shared", "mqttc on own1", "paho on own1"]
    assert (result.verdict, result.control, result.flaky) == (Verdict.FAIL, Verdict.PASS, False)
    assert result.change is Change.UNEXPECTED
    assert [evidence.kind for evidence in result.attempts[-1].evidence] == ["transcript", "control's transcript"]


def test_a_red_of_a_version_that_nothing_is_expected_of_is_no_news(bench: StubBench) -> None:
    """It is tried again and handed to the control all the same, so that it is the crate's."""
    result, asked = measured(bench, {"mqttc": [FAILS], "paho": [None]}, is_open=True)
    assert (result.verdict, result.change) == (Verdict.FAIL, Change.OPEN)
    assert len([who for who in asked if who.startswith("mqttc")]) == 2
    result, _ = measured(bench, {"mqttc": [FAILS], "paho": [FAILS]}, is_open=True)
    assert (result.verdict, result.change) == (Verdict.BROKEN, Change.UNMEASURED)


def test_the_worst_attempt_counts_and_a_difference_is_flaky(bench: StubBench) -> None:
    result, asked = measured(bench, {"mqttc": [FAILS, None]})
    assert (result.verdict, result.reason, result.flaky) == (
        Verdict.FAIL,
        "expected the message; observed nothing came",
        True,
    )
    assert [attempt.verdict for attempt in result.attempts] == [Verdict.FAIL, Verdict.PASS]
    assert asked[-1] == "paho on own1", "a red that went away is still shown to the control"
    result, _ = measured(bench, {"mqttc": [FAILS, CrateCrash("gone")]})
    assert (result.verdict, result.reason) == (Verdict.CRASH, "gone")


@pytest.mark.parametrize("then", [None, FAILS, ReferenceFailed("again")], ids=["passes", "fails", "says nothing again"])
def test_an_attempt_that_says_nothing_gives_way_to_the_second(bench: StubBench, then: Exception | None) -> None:
    """The reference or the machine failed at first; that neither makes the crate red nor the cell flaky."""
    result, asked = measured(bench, {"mqttc": [ReferenceFailed("no topic"), then]}, expectation=expectation())
    assert asked[:2] == ["mqttc on shared", "mqttc on own1"]
    first, second = result.attempts
    assert (first.verdict, first.reason) == (Verdict.BROKEN, "no topic")
    assert (result.verdict, result.flaky) == (second.verdict, False)
    assert (asked[2:] == ["paho on own1"]) is (then is FAILS), "the control is asked about what is red"


def test_an_expected_red_is_not_tried_again_but_the_control_still_is(bench: StubBench) -> None:
    result, asked = measured(bench, {"mqttc": [FAILS]}, expectation=expectation())
    assert asked == ["mqttc on shared", "paho on shared"]
    assert (result.verdict, result.change, result.expected) == (Verdict.FAIL, Change.AS_EXPECTED, Verdict.FAIL)


def test_a_scenario_that_hurts_its_broker_gets_one_of_its_own_for_each_attempt(bench: StubBench) -> None:
    _, asked = measured(bench, {"mqttc": [FAILS]}, scenario=replace(SCENARIO, own_broker=True))
    assert asked == ["mqttc on own1", "mqttc on own2", "paho on own3"]


def test_every_attempt_that_is_asked_for_is_made_and_the_worst_counts(bench: StubBench) -> None:
    result, asked = measured(bench, {"mqttc": [None, None, FAILS, None]}, repeat=4)
    assert [item.verdict for item in result.attempts] == [Verdict.PASS, Verdict.PASS, Verdict.FAIL, Verdict.PASS]
    assert (result.verdict, result.flaky, result.control) == (Verdict.FAIL, True, Verdict.PASS)
    # After a red that nobody expects, the next attempt has a fresh broker.
    assert asked == ["mqttc on shared"] * 3 + ["mqttc on own1", "paho on own1"]
    assert len({item.evidence[0].path for item in result.attempts}) == 4


def test_attempts_that_agree_are_not_flaky(bench: StubBench) -> None:
    result, asked = measured(bench, {"mqttc": [FAILS]}, repeat=3, expectation=expectation())
    assert (len(result.attempts), result.flaky, result.change) == (3, False, Change.AS_EXPECTED)
    assert asked == ["mqttc on shared"] * 3 + ["paho on shared"]


def test_what_cannot_be_asked_is_not_asked_again(bench: StubBench) -> None:
    result, _ = measured(bench, {"mqttc": [NotWritten("not written")]}, repeat=5)
    assert [item.verdict for item in result.attempts] == [Verdict.NOT_RUN]


def test_each_attempt_that_hurts_its_broker_has_one_of_its_own(bench: StubBench) -> None:
    _, asked = measured(bench, {"mqttc": [None]}, repeat=3, scenario=replace(SCENARIO, own_broker=True))
    assert asked == ["mqttc on own1", "mqttc on own2", "mqttc on own3"]


def test_a_package_cell_has_no_peer_no_second_attempt_and_no_control(bench: StubBench) -> None:
    failure = BuildFailed("error[E0001] in x (lib.rs:1): no", expected="it compiles")
    scenario = replace(SCENARIO, dialect=Dialect.PACKAGE)
    result, asked = measured(bench, {"mqttc": [failure]}, scenario=scenario, line=None)
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
    result, asked = measured(bench, {})
    assert (result.verdict, result.reason, asked) == (error.verdict, error.observed, [])


def test_a_bug_in_a_lease_costs_the_cell_and_not_the_run(bench: StubBench) -> None:
    bench.refuse["shared"] = cast(AttemptError, LookupError("no such container"))
    result, _ = measured(bench, {})
    assert (result.verdict, result.reason) == (
        Verdict.BROKEN,
        "the harness failed: LookupError: no such container",
    )


def test_a_fresh_broker_that_does_not_start_makes_the_cell_broken(bench: StubBench) -> None:
    bench.refuse["own1"] = BrokerFailed("it did not start")
    result, _ = measured(bench, {"mqttc": [FAILS]})
    assert (result.verdict, result.change) == (Verdict.BROKEN, Change.UNMEASURED)
    assert [attempt.verdict for attempt in result.attempts] == [Verdict.FAIL, Verdict.BROKEN]


# -- the control --------------------------------------------------------------------------------------


def test_where_the_control_fails_too_nothing_is_said_about_the_crate(bench: StubBench) -> None:
    result, _ = measured(bench, {"mqttc": [FAILS], "paho": [FAILS]})
    assert (result.verdict, result.control, result.change) == (Verdict.BROKEN, Verdict.FAIL, Change.UNMEASURED)
    assert "the control ends in fail on the same cell (expected the message; observed nothing came)" in result.reason
    assert result.control_reason == "expected the message; observed nothing came"


def test_an_expectation_never_covers_broken(bench: StubBench) -> None:
    result, _ = measured(bench, {"mqttc": [FAILS], "paho": [FAILS]}, expectation=expectation())
    assert (result.verdict, result.change) == (Verdict.BROKEN, Change.UNMEASURED)


@pytest.mark.parametrize(
    ("control", "verdict"),
    [
        (expectation(judge="clause", witness="mosquitto_sub"), Verdict.FAIL),
        (expectation(), Verdict.BROKEN),
        (expectation(Verdict.TIMEOUT, judge="clause", witness="mosquitto_sub"), Verdict.BROKEN),
    ],
    ids=["by the clause", "only expected", "fails otherwise than expected"],
)
def test_a_control_known_to_be_wrong_leaves_the_judgement_to_the_clause(
    bench: StubBench, control: Expectation, verdict: Verdict
) -> None:
    result, _ = measured(bench, {"mqttc": [FAILS], "paho": [FAILS]}, control_expectation=control)
    assert (result.verdict, result.control) == (verdict, Verdict.FAIL)


def test_a_control_that_lacks_what_is_asked_can_leave_it_to_the_clause(bench: StubBench) -> None:
    lacks: dict[str, list[BaseException | None]] = {
        "mqttc": [FAILS],
        "paho": [FeatureUnsupported("will", "no will here")],
    }
    control = replace(CONTROL, unsupported=WILL.unsupported)
    known = expectation(Verdict.UNSUPPORTED, "no will", judge="clause", witness="mosquitto_sub")
    alone, _ = measured(bench, lacks, control=control)
    assert (alone.verdict, alone.control) == (Verdict.BROKEN, Verdict.UNSUPPORTED)
    judged, _ = measured(bench, lacks, control=control, control_expectation=known)
    assert (judged.verdict, judged.control) == (Verdict.FAIL, Verdict.UNSUPPORTED)


def test_what_a_control_is_known_to_lack_is_as_expected(bench: StubBench) -> None:
    known = expectation(Verdict.UNSUPPORTED, "no will", judge="clause", witness="mosquitto_sub")
    crate = replace(CONTROL, unsupported=WILL.unsupported)
    result, _ = measured(
        bench, {"paho": [FeatureUnsupported("will", "no will here")]}, crate=crate, control=None, expectation=known
    )
    assert (result.verdict, result.change) == (Verdict.UNSUPPORTED, Change.AS_EXPECTED)


def test_without_a_control_the_crate_is_judged_alone(bench: StubBench) -> None:
    result, asked = measured(bench, {"mqttc": [FAILS]}, control=None)
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
    result, _ = measured(bench, {}, crate=CONTROL, control=None, scenario=replace(SCENARIO, timer=timer))
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
    result, _ = measured(bench, {"mqttc": [FAILS]}, scenario=replace(SCENARIO, scripted="peer.py"), control=None)
    assert result.verdict is Verdict.FAIL


@pytest.mark.parametrize("lag", [0.5, 2.5])
def test_on_a_machine_that_is_too_busy_no_crate_is_blamed(bench: StubBench, lag: float) -> None:
    """The first number is what happened before the attempt, which does not count."""
    bench.lags = [9.0, lag, 9.0, lag]
    result, _ = measured(bench, {"mqttc": [FAILS]}, expectation=expectation())
    assert result.verdict is (Verdict.FAIL if lag < 1 else Verdict.BROKEN)
    bench.lags = [9.0, lag]
    assert measured(bench, {})[0].verdict is Verdict.PASS


# -- what was expected --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expectation", "change", "addition"),
    [
        (expectation(), Change.AS_EXPECTED, ""),
        (expectation(observed="something else"), Change.UNEXPECTED, " (expected was fail: something else)"),
        (expectation(Verdict.CRASH), Change.UNEXPECTED, " (expected was crash: nothing came)"),
        (
            expectation(Verdict.CRASH, "boom", may_also=(Verdict.FAIL,)),
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
    result, _ = measured(bench, {"mqttc": [FAILS]}, expectation=expectation)
    assert (result.verdict, result.change) == (Verdict.FAIL, change)
    assert result.reason == f"expected the message; observed nothing came{addition}"


def test_what_is_known_to_vary_is_flaky_even_if_it_did_not_vary_now(bench: StubBench) -> None:
    result, _ = measured(bench, {"mqttc": [FAILS]}, expectation=expectation(may_also=(Verdict.CRASH,)))
    assert result.flaky


def test_an_expected_red_that_passes_is_stale_and_names_the_file(bench: StubBench) -> None:
    result, _ = measured(bench, {}, expectation=expectation())
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
    assert measured(bench, {"mqttc": [steps]}, expectation=expectation())[0].change is change
