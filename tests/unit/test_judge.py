"""From errors to verdicts: one attempt, and what is known before it. test_judge_again.py goes on from there.

The bench and its peers are stubs here, because what is tested is the pure part: who is blamed for what, when a cell is
tried again and when the control decides. That real brokers and probes raise these errors is tested elsewhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

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
from harness.judge import known_before
from harness.model import Change, Dialect, Kind, Need, Sourced, Verdict
from harness.wire.messages import Setting
from tests.unit.judging import CRATE, LINE, MQTT, SCENARIO, WILL, StubBench, StubCell, measured

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
    result, _ = measured(bench, {"mqttc": [error]})
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
    result, asked = measured(bench, {"mqttc": [error]})
    assert result.verdict is Verdict.BROKEN
    assert result.change is Change.UNMEASURED
    assert result.reason == f"the scenario or the harness failed: {type(error).__name__}: {error}"
    assert asked == ["mqttc on shared", "mqttc on own1"], "nor is it handed to the control"
    for transcript in bench.folder.path.rglob("transcript.txt"):
        assert "Traceback (most recent call last)" in transcript.read_text()


def test_an_interrupt_is_no_verdict(bench: StubBench) -> None:
    with pytest.raises(KeyboardInterrupt):
        measured(bench, {"mqttc": [KeyboardInterrupt()]})


@pytest.mark.parametrize("outcome", [pytest.skip.Exception("later"), pytest.fail.Exception("no")])
def test_a_scenario_cannot_skip_or_fail_by_itself(bench: StubBench, outcome: BaseException) -> None:
    """A scenario never decides a verdict; with `pytest.skip` it would vanish from the matrix."""
    try:
        result, _ = measured(bench, {"mqttc": [outcome]})
    except BaseException as error:
        raise AssertionError(f"{type(error).__name__} came out of measure") from error
    assert result.verdict is Verdict.BROKEN


def test_a_pass_keeps_its_evidence_and_ends_the_cell(bench: StubBench) -> None:
    StubCell.closed = False
    result, asked = measured(bench, {}, reproduce="pytest x")
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
    result, _ = measured(bench, {})
    assert result.options == ("inflight = 1 (default 100, docs)",)


@pytest.mark.parametrize(("dialects", "told"), [([], True), ([MQTT], True), ([Dialect.MQTT_5], False)])
def test_a_setting_of_another_dialect_is_not_told(bench: StubBench, dialects: list[str], told: bool) -> None:
    bench.settings = [Setting(name="inflight", value="1", default="100", source="docs", dialects=dialects)]
    result, _ = measured(bench, {})
    assert bool(result.options) is told


# -- features -----------------------------------------------------------------------------------------


def test_a_declared_lack_is_unsupported_with_the_declared_reason(bench: StubBench) -> None:
    result, asked = measured(bench, {"mqttc": [FeatureUnsupported("will", "no will here")]}, crate=WILL)
    assert (result.verdict, result.reason) == (Verdict.UNSUPPORTED, "the crate has no will")
    assert (result.change, result.attempts[0].unsupported_feature) == (Change.AS_EXPECTED, "will")
    assert asked == ["mqttc on shared"]


def test_an_undeclared_lack_is_our_fault(bench: StubBench) -> None:
    result, _ = measured(bench, {"mqttc": [FeatureUnsupported("tls", "no TLS here")]}, crate=WILL)
    assert result.verdict is Verdict.BROKEN
    assert result.reason.endswith("no TLS here; crates.toml does not declare that")


def test_a_declared_lack_that_works_is_stale(bench: StubBench) -> None:
    result, _ = measured(bench, {}, crate=WILL, scenario=replace(SCENARIO, features=("will",)))
    assert (result.verdict, result.change) == (Verdict.PASS, Change.STALE)
    assert result.reason == "works, though crates.toml declares will as unsupported"


# -- what is known before -----------------------------------------------------------------------------


def test_a_server_is_not_asked_for_what_it_leaves_to_its_handlers(bench: StubBench) -> None:
    left = Sourced(Need.FORMATS, "a handler reads Accept", "https://docs.example.org/handlers")
    server, scenario = replace(CRATE, left_to_handler=(left,)), replace(SCENARIO, needs=(Need.FORMATS,))
    result, asked = measured(bench, {}, crate=server, scenario=scenario)
    assert (result.verdict, result.change, asked) == (Verdict.NOT_APPLICABLE, Change.AS_EXPECTED, [])
    assert result.reason == (
        "mqttc leaves formats to its handlers, which are the probe's code here: a handler reads Accept "
        "(https://docs.example.org/handlers)"
    )
    result, asked = measured(bench, {}, crate=server, scenario=replace(SCENARIO, needs=(Need.CONDITIONS,)))
    assert (result.verdict, asked) == (Verdict.PASS, ["mqttc on shared"])


@pytest.mark.parametrize("need", Need)
def test_a_codec_is_not_asked_for_what_would_be_the_probes_code(bench: StubBench, need: Need) -> None:
    codec, scenario = replace(CRATE, kind=Kind.CODEC), replace(SCENARIO, needs=(need,))
    result, asked = measured(bench, {}, crate=codec, scenario=scenario)
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
