"""What the guide claims, and whether the matrix backs it. Pure: claims and a run give one status each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.advice import Advice, Recommendation, decide, overall
from harness.matrix import DIALECTS, Cell, Matrix
from harness.model import Claim, Dialect, Role, Verdict
from harness.reasons import Reason


class Status(StrEnum):
    """How a claim stands."""

    BACKED = "backed"
    CAVEATS = "backed with caveats"
    CONTRADICTED = "contradicted"
    UNTESTED = "untested"


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with its status, and what decided."""

    claim: Claim
    status: Status
    reasons: tuple[Reason, ...]


_OF_ADVICE = {
    Recommendation.RECOMMENDED: Status.BACKED,
    Recommendation.WITH_CAVEATS: Status.CAVEATS,
    Recommendation.NOT_RECOMMENDED: Status.CONTRADICTED,
    Recommendation.RETIRED: Status.CONTRADICTED,
    Recommendation.UNKNOWN: Status.UNTESTED,
}


def judge(matrix: Matrix, advices: Sequence[Advice]) -> tuple[JudgedClaim, ...]:
    """Every claim of the guide with its status in this run."""
    return tuple(JudgedClaim(claim, *_judged(claim, matrix, advices)) for claim in matrix.claims)


def _judged(claim: Claim, matrix: Matrix, advices: Sequence[Advice]) -> tuple[Status, tuple[Reason, ...]]:
    if claim.crate:
        return _of_crate([advice for advice in advices if advice.crate.handle == claim.crate])
    if claim.builds:
        return _of_builds(claim, matrix)
    if claim.protocols:
        return _of_protocols(advices)
    return Status.UNTESTED, (Reason(claim.untested),)


def _of_crate(own: Sequence[Advice]) -> tuple[Status, tuple[Reason, ...]]:
    if not own:
        return Status.UNTESTED, (Reason("the run has no row for this crate"),)
    gravest = overall(own)
    deciding = next(advice for advice in own if advice.recommendation is gravest)
    return _OF_ADVICE[gravest], deciding.reasons


def _of_builds(claim: Claim, matrix: Matrix) -> tuple[Status, tuple[Reason, ...]]:
    arch = matrix.run.host.get("arch", "")
    if arch not in claim.builds:
        return Status.UNTESTED, (Reason(f"this run was on {arch or 'an unknown architecture'}"),)
    listed = {(row.crate.name, row.crate.version) for row in matrix.rows if row.crate.role is Role.LISTED}
    package = [cell for cell in matrix.cells if cell.key.dialect is Dialect.PACKAGE]
    cells = [cell for cell in package if (cell.key.crate, cell.key.crate_version) in listed]
    published = [cell for cell in cells if cell.key.scenario == "compiles_as_published"]
    repaired = [cell for cell in cells if cell.key.scenario == "compiles_as_repaired"]
    if not published or any(cell.verdict is Verdict.NOT_RUN for cell in published):
        return Status.UNTESTED, (Reason("not every listed crate was built"),)
    reasons = (
        *_named("does not compile as published", [cell for cell in published if cell.verdict.is_red]),
        *_named("does not compile even with our repairs", [cell for cell in repaired if cell.verdict.is_red]),
        *_named("could not be obtained", [cell for cell in published if cell.verdict is Verdict.UNAVAILABLE]),
    )
    if any(cell.verdict.is_red for cell in repaired):
        return Status.CONTRADICTED, reasons
    return (Status.CAVEATS if reasons else Status.BACKED), reasons or (Reason("every listed crate compiles"),)


def _named(what: str, cells: Sequence[Cell]) -> Iterable[Reason]:
    if cells:
        yield Reason(f"{what}: {', '.join(cell.key.crate for cell in cells)}", tuple(cell.key for cell in cells))


def _of_protocols(advices: Sequence[Advice]) -> tuple[Status, tuple[Reason, ...]]:
    decisions = decide(advices)
    usable = [decision for decision in decisions if decision.best.recommendation.is_usable]
    lacking = [decision for decision in decisions if not decision.best.recommendation.is_usable]
    if any(decision.best.recommendation is Recommendation.UNKNOWN for decision in lacking):
        return Status.UNTESTED, (Reason("not every protocol was measured"),)
    reasons = tuple(
        Reason(f"{DIALECTS[decision.dialect]}: nothing is recommended", decision.best.reasons[0].cells)
        for decision in lacking
    )
    if not lacking:
        return Status.BACKED, (Reason("every protocol has a crate that may be used"),)
    return (Status.CAVEATS if usable else Status.CONTRADICTED), reasons
