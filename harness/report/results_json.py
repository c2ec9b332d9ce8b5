"""results.json: everything that the report says, as data; `results_shape` describes it.

`python -m harness.report.results_json` writes its JSON Schema to docs/results.schema.json. Readers take it as data
only: nothing in it is to be run without looking, and the texts of cells are what crates and brokers printed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from harness.advice import Advice, advise
from harness.claims import JudgedClaim, judge
from harness.matrix import Cell, Defect, Matrix, Row
from harness.model import NO_PEER, Attempt, CellResult, Dialect
from harness.paths import ROOT
from harness.reasons import Reason
from harness.report import results_shape as shape
from harness.report.recorded import Recorded, recorded

SCHEMA_FILE = ROOT / "docs" / shape.SCHEMA_NAME


def document(matrix: Matrix) -> shape.Results:
    """The run as data."""
    advices = advise(matrix)
    return shape.Results(
        run=shape.Run.model_validate(matrix.run).model_copy(
            update={"baseline": matrix.baseline.run if matrix.baseline else None}
        ),
        crates=tuple(crate_entry(row, recorded(matrix.run, row.crate), advices) for row in matrix.rows),
        brokers=tuple(brokers(matrix.run.brokers)),
        scenarios=tuple(shape.ScenarioEntry.model_validate(scenario) for scenario in matrix.scenarios),
        defects=tuple(_defect(defect) for defect in matrix.defects),
        cells=tuple(cell_entry(cell) for cell in matrix.cells),
        claims=tuple(_claim(judged) for judged in judge(matrix, advices)),
        oracle=dict(matrix.sources),
    )


def render(matrix: Matrix) -> str:
    """The text of results.json."""
    return document(matrix).model_dump_json(indent=1, by_alias=True) + "\n"


def schema() -> str:
    """The text of results.schema.json, in docs/ and beside every results.json."""
    found = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | shape.Results.model_json_schema(
        mode="serialization"
    )
    return json.dumps(found, indent=1) + "\n"


def brokers(started: Iterable[Mapping[str, Any]]) -> list[shape.Broker]:
    """What ran, each once: a run starts one broker in several configurations."""
    found = []
    for entry in started:
        name, _, line = str(entry.get("line", "")).partition("@")
        kept = {key: str(entry.get(key) or "") for key in ("version", "provider", "image", "digest")}
        found.append(shape.Broker(name=name, line=line, **kept))
    return sorted(dict.fromkeys(found), key=lambda broker: (broker.name, broker.line, broker.version))


def decisive(result: CellResult) -> Attempt | None:
    """The attempt that a cell's verdict comes from: the last one with that verdict, else the last."""
    same = [attempt for attempt in result.attempts if attempt.verdict is result.verdict]
    candidates = same or result.attempts
    return candidates[-1] if candidates else None


def crate_entry(row: Row, known: Recorded, advices: Iterable[Advice]) -> shape.CrateEntry:
    """A crate as data, with the advices of `advices` that are about it."""
    crate, summary = row.crate, row.summary
    return shape.CrateEntry(
        name=crate.name,
        role=crate.role,
        kind=crate.kind,
        dialects=crate.dialects,
        guide_name=crate.guide_name,
        guide_link=crate.guide_link,
        repository=repository(row, known),
        package=crate.package,
        version=crate.version,
        licence=crate.licence,
        released=crate.released,
        dependencies=known.dependencies,
        last_release=known.last_release,
        last_released=known.last_released,
        advisories=shape.AdvisoriesEntry.model_validate(row.advisories),
        repairs=tuple(shape.Statement.model_validate(entry) for entry in crate.repairs),
        unsupported=tuple(shape.Statement.model_validate(entry) for entry in crate.unsupported),
        advice=tuple(_advice(advice) for advice in advices if advice.crate == crate),
        planned=summary.planned,
        applicable=summary.applicable,
        counts=dict(summary.counts),
        red=summary.red,
        unexplained=row.unexplained,
        builds=shape.Builds(
            as_published=_build(row, "compiles_as_published", ""),
            as_repaired=_build(row, "compiles_as_repaired", known.lock_sha256),
        ),
    )


def _advice(advice: Advice) -> shape.AdviceEntry:
    return shape.AdviceEntry(
        dialect=advice.dialect,
        recommendation=advice.recommendation,
        reasons=_reasons(advice.reasons),
        limits=_reasons(advice.limits),
    )


def _reasons(reasons: Iterable[Reason]) -> tuple[shape.ReasonEntry, ...]:
    return tuple(shape.ReasonEntry(text=r.text, cells=tuple(map(str, r.cells)), source=r.source) for r in reasons)


def _claim(judged: JudgedClaim) -> shape.ClaimEntry:
    return shape.ClaimEntry(
        id=judged.claim.id,
        text=judged.claim.text,
        section=judged.claim.section,
        source=judged.claim.source,
        status=judged.status,
        reasons=_reasons(judged.reasons),
    )


def repository(row: Row, known: Recorded) -> str:
    """Where a crate's source is: as the catalogue has it, else as the package's own manifest says."""
    crate = row.crate
    if crate.git is not None:
        return crate.git.url
    return known.repository or crate.repository or (crate.moved_to.what if crate.moved_to else "")


def _build(row: Row, scenario: str, lock_sha256: str) -> shape.Build | None:
    """The cell that tells how a build ended; the lock file is in its evidence where the header has no digest."""
    cell = next((c for c in row.cells if (c.key.dialect, c.key.scenario) == (Dialect.PACKAGE, scenario)), None)
    if cell is None:
        return None
    locks = [e.sha256 for a in cell.result.attempts for e in a.evidence if e.kind == "lock file"]
    return shape.Build(
        verdict=cell.verdict, message=cell.result.reason, lock_sha256=lock_sha256 or (locks[-1] if locks else "")
    )


def _defect(defect: Defect) -> shape.DefectEntry:
    return shape.DefectEntry(
        id=defect.id,
        crate=defect.crate,
        title=defect.title,
        upstream=defect.upstream,
        versions=defect.versions,
        cells=tuple(str(key) for key in defect.cells),
    )


def cell_entry(cell: Cell) -> shape.CellEntry:
    """A cell as data."""
    key, result = cell.key, cell.result
    broker, _, line = key.peer.partition("@")
    peerless = key.peer == NO_PEER
    attempt = decisive(result)
    return shape.CellEntry(
        id=str(key),
        crate=key.crate,
        crate_version=key.crate_version,
        dialect=key.dialect,
        broker=None if peerless else broker,
        line=None if peerless else line,
        broker_version=result.broker_version,
        scripted=cell.scenario.scripted,
        scenario=key.scenario,
        params=key.params,
        verdict=result.verdict,
        reason=result.reason,
        expected_text=attempt.expected if attempt else "",
        observed_text=attempt.observed if attempt else "",
        seconds=result.seconds,
        attempts=tuple(shape.AttemptEntry.model_validate(a) for a in result.attempts),
        flaky=result.flaky,
        control=result.control,
        expected=result.expected,
        change=result.change,
        options=result.options,
        evidence=tuple(shape.EvidenceEntry.model_validate(e) for a in result.attempts for e in a.evidence),
        reproduce=result.reproduce,
        wire=shape.WireEntry.model_validate(cell.wire) if cell.wire else None,
    )


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema(), encoding="utf-8")
