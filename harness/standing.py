"""How a cell stands to what is expected of it, and what the oracle makes of a cell that passed. Pure."""

from __future__ import annotations

from dataclasses import replace

from harness.model import CellResult, Change, Crate, Expectation, Scenario, Verdict
from harness.wellformed import WireJudgement, WireVerdict

#: What `Expectation.judge` is where the scenario passes and the oracle alone finds the cell red.
ORACLE = "oracle"


def standing(
    crate: Crate,
    scenario: Scenario,
    expectation: Expectation | None,
    verdict: Verdict,
    reason: str,
    *,
    judged: bool = False,
    is_open: bool = False,
) -> tuple[Change, str]:
    """The change, and the reason with what that adds.

    Args:
        crate: of the cell.
        scenario: of the cell.
        expectation: of the cell, if there is one.
        verdict: what the cell came to.
        reason: why.
        judged: whether the oracle has judged the frames that the crate sent; before that, nothing that only the oracle
            sees is missing.
        is_open: nobody has looked at this version of the crate, so that nothing is known of it.
    """
    if verdict in (Verdict.BROKEN, Verdict.UNAVAILABLE, Verdict.NOT_RUN):
        return Change.UNMEASURED, reason
    if expectation is not None and verdict in expectation.may_also:
        return Change.AS_EXPECTED, f"{reason} (this cell is known to end in {expectation.verdict} too)"
    if verdict is Verdict.PASS:
        works = [feature for feature in scenario.features if crate.lacks(feature)]
        if works:
            return Change.STALE, f"works, though crates.toml declares {', '.join(works)} as unsupported"
        if expectation is not None and (judged or expectation.judge != ORACLE):
            return Change.STALE, f"passes, though {expectation.file} expects {expectation.verdict}"
        return Change.AS_EXPECTED, reason
    if not verdict.is_red:
        if expectation is not None and expectation.verdict is not verdict:
            return Change.STALE, f"{reason}; {expectation.file} expects {expectation.verdict}"
        return Change.AS_EXPECTED, reason
    if expectation is None:
        return Change.OPEN if is_open else Change.UNEXPECTED, reason
    if expectation.verdict is verdict and expectation.observed in reason:
        return Change.AS_EXPECTED, reason
    return Change.UNEXPECTED, f"{reason} (expected was {expectation.verdict}: {expectation.observed})"


def with_conversations(result: CellResult, wire: WireJudgement) -> CellResult:
    """A cell with what the oracle wrote down of each attempt's packets as evidence of that attempt."""
    if not wire.conversations:
        return result
    attempts = tuple(
        replace(attempt, evidence=(*attempt.evidence, said)) if said else attempt
        for attempt, said in zip(result.attempts, wire.conversations, strict=False)
    )
    return replace(result, attempts=attempts + result.attempts[len(attempts) :])


def with_wire(
    result: CellResult,
    wire: WireJudgement,
    crate: Crate,
    scenario: Scenario,
    known: Expectation | None,
    *,
    is_open: bool = False,
) -> CellResult:
    """A cell that passed, with what the oracle says of it; any other cell stays as it was measured."""
    if result.verdict is not Verdict.PASS:
        return result
    wrong = wire.malformed
    if wrong is None:
        # What is inconclusive takes no expectation back.
        if wire.verdict is WireVerdict.INCONCLUSIVE or known is None or known.judge != ORACLE:
            return result
        change, reason = standing(crate, scenario, known, result.verdict, result.reason, judged=True)
        return replace(result, change=change, reason=reason)
    file = wrong.file.rpartition("/")[2]
    where = f"packet {wrong.packet} of {file}" if wrong.packet else file
    observed = f"sent a malformed frame: {wrong.says} ({wrong.clause or wrong.source}; {where})"
    attempts = list(result.attempts)
    index = next(
        (i for i, a in enumerate(attempts) if any(e.path == wrong.file for e in a.evidence)), len(attempts) - 1
    )
    expected = "every frame that it sends is well-formed"
    attempts[index] = replace(attempts[index], verdict=Verdict.FAIL, expected=expected, observed=observed)
    change, reason = standing(
        crate, scenario, known, Verdict.FAIL, attempts[index].reason, judged=True, is_open=is_open
    )
    return replace(result, verdict=Verdict.FAIL, reason=reason, attempts=tuple(attempts), change=change)
