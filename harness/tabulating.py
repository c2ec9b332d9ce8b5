"""From a run's plan and outcomes to its matrix. Pure: no files, no clock.

The denominators come from the plan alone, so that a cell that was not measured still counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.advisories import Advisories, of_build
from harness.errors import UsageError
from harness.matrix import (
    BUILDS,
    SECTIONS,
    Cell,
    Changes,
    Column,
    Defect,
    Group,
    Matrix,
    Row,
    Section,
    State,
    Summary,
    summarise,
)
from harness.model import (
    KIND_LACKS,
    CellResult,
    Change,
    Crate,
    Dialect,
    Expectation,
    Role,
    Scenario,
    Verdict,
)
from harness.standing import with_conversations, with_wire
from harness.store import Plan, PlannedCell, RunInfo
from harness.wellformed import OracleRecord


def tabulate(run: RunInfo, plan: Plan, cells: Sequence[CellResult], oracle: OracleRecord | None = None) -> Matrix:
    """The matrix of a run; planned cells without an outcome are filled in as not run.

    Where `oracle` found a malformed frame in a cell that passed, the cell fails.

    Raises:
        UsageError: an outcome is not of this plan, or the plan names a crate or scenario that it does not describe.
    """
    results = {cell.key: cell for cell in cells}
    strays = sorted(str(key) for key in results.keys() - {planned.key for planned in plan.cells})
    if strays:
        raise UsageError(f"{strays[0]} was measured but is not in the run's plan; start a new run")
    crates = {(crate.name, crate.version): crate for crate in plan.crates}
    scenarios = {(scenario.dialect, scenario.id): scenario for scenario in plan.scenarios}
    expectations = {expectation.key: expectation for expectation in plan.expectations}
    looked_at = {(key.crate, key.crate_version) for key in expectations}
    judgements = {judgement.key: judgement for judgement in oracle.cells} if oracle else {}
    made = []
    for planned in plan.cells:
        key = planned.key
        crate, scenario = crates.get((key.crate, key.crate_version)), scenarios.get((key.dialect, key.scenario))
        if crate is None or scenario is None:
            raise UsageError(f"the run's plan has the cell {key} but not its crate or scenario; start a new run")
        known = expectations.get(key)
        said, wire = results.get(key) or _filled(planned, crate, scenario, known), judgements.get(key)
        is_open = crate.role is Role.VERSION and (crate.name, crate.version) not in looked_at
        result = said
        if wire is not None:
            result = with_wire(with_conversations(said, wire), wire, crate, scenario, known, is_open=is_open)
        changed = result.verdict is not said.verdict
        made.append(Cell(result, scenario, known, key in results, planned.selected, wire, only_malformed=changed))
    columns = _columns(plan.scenarios)
    by_crate: dict[tuple[str, str], list[Cell]] = {}
    for cell in made:
        by_crate.setdefault((cell.key.crate, cell.key.crate_version), []).append(cell)
    rows = tuple(
        _row(crate, by_crate.get((crate.name, crate.version), []), columns, _advisories(run, crate))
        for crate in plan.crates
    )
    return Matrix(
        run=run,
        lines=plan.lines,
        claims=plan.claims,
        scenarios=plan.scenarios,
        sections=tuple(_sections(rows, columns)),
        rows=rows,
        cells=tuple(made),
        changes=_changes(made),
        selected=sum(planned.selected for planned in plan.cells),
        baseline=plan.baseline,
        probes=plan.probes,
        statements=plan.statements,
        sources=oracle.sources if oracle else {},
    )


def _filled(planned: PlannedCell, crate: Crate, scenario: Scenario, known: Expectation | None) -> CellResult:
    lacking = sorted(KIND_LACKS[crate.kind].intersection(scenario.needs))
    verdict, change = Verdict.NOT_RUN, Change.UNMEASURED
    reason = "the run ended before it" if planned.selected else "not selected"
    if planned.shard and not planned.selected:
        reason = f"another shard measures it, number {planned.shard}"
    if lacking:
        # Fixed before any run, so that the denominator does not depend on what was selected.
        verdict, change = Verdict.NOT_APPLICABLE, Change.AS_EXPECTED
        reason = f"a {crate.kind} leaves this to the application: {', '.join(lacking)}"
    expected = known.verdict if known else None
    return CellResult(planned.key, verdict, reason, 0.0, (), expected=expected, change=change)


def _columns(scenarios: Iterable[Scenario]) -> tuple[Column, ...]:
    """Builds, then the groups of each dialect in the order in which the plan first has them."""
    groups = [Column(s.dialect, s.group) for s in scenarios if s.dialect is not Dialect.PACKAGE]
    return (BUILDS, *dict.fromkeys(groups))


def _advisories(run: RunInfo, crate: Crate) -> Advisories:
    return of_build(run.builds.get(f"published-{crate.handle}", {}))


def _row(crate: Crate, cells: Iterable[Cell], columns: Iterable[Column], advisories: Advisories) -> Row:
    own = tuple(cells)
    by_column: dict[Column, list[Cell]] = {}
    for cell in own:
        package = cell.key.dialect is Dialect.PACKAGE
        column = BUILDS if package else Column(cell.key.dialect, cell.scenario.group)
        by_column.setdefault(column, []).append(cell)
    groups = []
    for column in columns:
        if column != BUILDS and column.dialect not in crate.dialects:
            continue
        inside = tuple(by_column.get(column, ()))
        reference = column == BUILDS and crate.role is Role.CONTROL
        groups.append(Group(column, inside, summarise(inside, State.NOT_APPLICABLE if reference else State.NOT_RUN)))
    return Row(
        crate=crate,
        cells=own,
        summary=_standing(own),
        groups=tuple(groups),
        defects=_defects(crate, own),
        unexplained=sum(cell.verdict.is_red and not cell.defect for cell in own),
        advisories=advisories,
    )


def _standing(cells: Sequence[Cell]) -> Summary:
    """The row's state; a crate that only compiled has not passed, because nothing was asked of its protocol."""
    summary = summarise(cells, State.NOT_RUN)
    spoke = any(cell.key.dialect is not Dialect.PACKAGE for cell in cells)
    return summary if spoke or summary.state is not State.PASS else replace(summary, state=State.NOT_RUN)


def _defects(crate: Crate, cells: Iterable[Cell]) -> tuple[Defect, ...]:
    by_id: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.defect:
            by_id.setdefault(cell.defect, []).append(cell)
    found = []
    for name, inside in by_id.items():
        known = [cell.expectation for cell in inside if cell.expectation is not None]
        upstream = next((expectation.issue for expectation in known if expectation.issue), "")
        keys = tuple(cell.key for cell in inside)
        found.append(Defect(name, crate.name, known[0].reason, upstream, (crate.version,), keys))
    return tuple(found)


def _sections(rows: Sequence[Row], columns: Iterable[Column]) -> Iterable[Section]:
    order = list(Role)
    for name, title, dialects in SECTIONS:
        own = sorted((c for c in columns if c.dialect in dialects), key=lambda c: dialects.index(c.dialect))
        shown = (BUILDS, *own)
        inside = [
            _row(
                row.crate,
                [cell for cell in row.cells if cell.key.dialect in (Dialect.PACKAGE, *dialects)],
                shown,
                row.advisories,
            )
            for row in rows
            if set(dialects).intersection(row.crate.dialects)
        ]
        inside.sort(key=lambda row: order.index(row.crate.role))
        if inside:
            yield Section(name, title, shown, tuple(inside))


def _changes(cells: Sequence[Cell]) -> Changes:
    def having(verdict: Verdict) -> tuple[Cell, ...]:
        return tuple(cell for cell in cells if cell.verdict is verdict)

    def differing(change: Change) -> tuple[Cell, ...]:
        unmeasured = (Verdict.BROKEN, Verdict.UNAVAILABLE)
        return tuple(cell for cell in cells if cell.result.change is change and cell.verdict not in unmeasured)

    return Changes(
        unexpected=differing(Change.UNEXPECTED),
        stale=differing(Change.STALE),
        broken=having(Verdict.BROKEN),
        unavailable=having(Verdict.UNAVAILABLE),
        # Selected, and nobody knows how it ended: an interrupted run, or a worker that died.
        lost=tuple(c for c in cells if c.selected and not c.measured and c.verdict is Verdict.NOT_RUN),
    )
