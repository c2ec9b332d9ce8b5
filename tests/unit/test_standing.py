"""What the oracle makes of a cell, and how that stands to what is expected of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.matrix import EXIT_DIFFERS, EXIT_OK, exit_code
from harness.model import (
    Attempt,
    CellKey,
    CellResult,
    Change,
    Consequence,
    Crate,
    Dialect,
    Evidence,
    Expectation,
    Kind,
    Level,
    Requirement,
    Role,
    Scenario,
    Verdict,
)
from harness.store import Plan, PlannedCell, RunInfo
from harness.tabulating import tabulate
from harness.wellformed import Finding, OracleRecord, WireJudgement, WireVerdict

MQTT = Dialect.MQTT_3_1_1
RUN = RunInfo("r", "2026-11-22T10:11:12Z", "default", "", "", False, {}, {}, "0.1.0")
CRATE = Crate("one", Role.LISTED, Kind.CLIENT, (MQTT,), "one", "1.0.0", "MIT")
SCENARIO = Scenario("s", MQTT, "g", "base", Level.CORE, Requirement.MUST, Consequence.LOSS, "It does.")
KEY = CellKey(MQTT, "s", "", "one", "1.0.0", "mosquitto@2.0")
FINDING = Finding(
    "rules", "mqtt.no-filter", "MQTT 3.1.1 [MQTT-3.8.3-3]", "there is no filter", "e/2/wire.pcapng", 7, True
)
KNOWN = Expectation(
    KEY, Verdict.FAIL, "sent a malformed frame: there is no filter", "because", "2027-01-01", judge="oracle"
)


def _attempt(name: str, verdict: Verdict) -> Attempt:
    return Attempt(verdict, "", "as stated", 1.0, (Evidence("capture", f"e/{name}/wire.pcapng", ""),))


def _judged(
    verdict: Verdict, wire: WireJudgement | None, known: Expectation | None = None, change: Change = Change.AS_EXPECTED
) -> tuple[CellResult, int]:
    result = CellResult(KEY, verdict, "as stated", 1.0, tuple(_attempt(n, verdict) for n in "12"), change=change)
    plan = Plan((CRATE,), (), (SCENARIO,), (PlannedCell(KEY, True, "node"),), (known,) if known else ())
    record = OracleRecord({"rules": "1"}, (wire,)) if wire else None
    matrix = tabulate(RUN, plan, [result], record)
    return matrix.cells[0].result, exit_code(matrix, False)


def _wire(verdict: WireVerdict) -> WireJudgement:
    return WireJudgement(KEY, verdict, 3, (FINDING,) if verdict is WireVerdict.MALFORMED else ())


def test_a_malformed_frame_makes_a_passing_cell_fail() -> None:
    result, code = _judged(Verdict.PASS, _wire(WireVerdict.MALFORMED))
    assert (result.verdict, result.change, code) == (Verdict.FAIL, Change.UNEXPECTED, EXIT_DIFFERS)
    assert result.reason == (
        "expected every frame that it sends is well-formed; observed sent a malformed frame: there is no filter "
        "(MQTT 3.1.1 [MQTT-3.8.3-3]; packet 7 of wire.pcapng)"
    )
    assert [attempt.verdict for attempt in result.attempts] == [Verdict.PASS, Verdict.FAIL]


def test_a_malformed_frame_that_is_known_is_as_expected() -> None:
    result, code = _judged(Verdict.PASS, _wire(WireVerdict.MALFORMED), KNOWN)
    assert (result.verdict, result.change, code) == (Verdict.FAIL, Change.AS_EXPECTED, EXIT_OK)


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.PASS])
def test_any_other_verdict_stays_as_it_was_measured(verdict: Verdict) -> None:
    result, _ = _judged(verdict, _wire(WireVerdict.MALFORMED), change=Change.UNMEASURED)
    assert (result.verdict, result.reason, result.change) == (verdict, "as stated", Change.UNMEASURED)


@pytest.mark.parametrize("verdict", [WireVerdict.WELL_FORMED, WireVerdict.NO_TRAFFIC, WireVerdict.INCONCLUSIVE])
def test_nothing_but_a_malformed_frame_changes_a_cell(verdict: WireVerdict) -> None:
    result, code = _judged(Verdict.PASS, _wire(verdict))
    assert (result.verdict, result.reason, code) == (Verdict.PASS, "as stated", EXIT_OK)


@pytest.mark.parametrize(
    ("wire", "change"),
    [
        (_wire(WireVerdict.WELL_FORMED), Change.STALE),
        (_wire(WireVerdict.NO_TRAFFIC), Change.STALE),
        (_wire(WireVerdict.INCONCLUSIVE), Change.AS_EXPECTED),
        (None, Change.AS_EXPECTED),
    ],
)
def test_only_a_judged_cell_makes_an_expectation_of_the_oracle_stale(
    wire: WireJudgement | None, change: Change
) -> None:
    assert _judged(Verdict.PASS, wire, KNOWN)[0].change is change


def test_another_malformed_frame_than_the_known_one_is_news() -> None:
    result, code = _judged(Verdict.PASS, _wire(WireVerdict.MALFORMED), replace(KNOWN, observed="DUP"))
    assert (result.change, code) == (Change.UNEXPECTED, EXIT_DIFFERS)


@pytest.mark.parametrize(("role", "change"), [(Role.VERSION, Change.OPEN), (Role.LISTED, Change.UNEXPECTED)])
def test_of_a_version_that_nobody_looked_at_nothing_is_expected(role: Role, change: Change) -> None:
    result = CellResult(KEY, Verdict.PASS, "as stated", 1.0, (_attempt("2", Verdict.PASS),))
    plan = Plan((replace(CRATE, role=role),), (), (SCENARIO,), (PlannedCell(KEY, True, "node"),))
    matrix = tabulate(RUN, plan, [result], OracleRecord({}, (_wire(WireVerdict.MALFORMED),)))
    assert matrix.cells[0].result.change is change


def test_what_the_oracle_wrote_down_is_evidence_of_its_attempt() -> None:
    said = Evidence("conversation", "e/conversation-2.txt", "")
    result, _ = _judged(Verdict.PASS, replace(_wire(WireVerdict.MALFORMED), conversations=(None, said)))
    assert [[item.kind for item in attempt.evidence] for attempt in result.attempts] == [
        ["capture"], ["capture", "conversation"],
    ]  # fmt: skip
    # An older judgement of a cell that was measured again.
    result, _ = _judged(Verdict.PASS, replace(_wire(WireVerdict.WELL_FORMED), conversations=(said,)))
    assert [len(attempt.evidence) for attempt in result.attempts] == [2, 1]
