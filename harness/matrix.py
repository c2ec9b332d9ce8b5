"""Cells and expectations of one run as a matrix: rows of crates, columns of scenario groups. Pure: no files, no clock.

The denominators come from the plan alone, so that a cell that was not measured still counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.advisories import Advisories, of_build
from harness.authors import ProbeSource, Statement
from harness.errors import UsageError
from harness.model import (
    KIND_LACKS,
    BrokerLine,
    CellKey,
    CellResult,
    Change,
    Claim,
    Consequence,
    Crate,
    Dialect,
    Expectation,
    Level,
    Role,
    Scenario,
    Verdict,
)
from harness.snapshot import Snapshot
from harness.standing import with_conversations, with_wire
from harness.store import Plan, PlannedCell, RunInfo
from harness.wellformed import OracleRecord, WireJudgement

#: The protocols, each with its dialects; every one is a section of the matrix with columns of its own. The two versions
#: of MQTT share most columns, and most crates speak one of them: side by side, half of the table would be empty.
SECTIONS: tuple[tuple[str, str, tuple[Dialect, ...]], ...] = (
    ("mqtt", "MQTT 3.1.1", (Dialect.MQTT_3_1_1,)),
    ("mqtt-5", "MQTT 5.0", (Dialect.MQTT_5,)),
    ("coap", "CoAP", (Dialect.COAP_CLIENT, Dialect.COAP_SERVER)),
    ("amqp", "AMQP", (Dialect.AMQP_0_9_1,)),
    ("zeromq", "ZeroMQ", (Dialect.ZMTP,)),
    ("kafka", "Kafka", (Dialect.KAFKA,)),
)

#: Verdicts that leave it open what the crate does.
OPEN = frozenset({Verdict.BROKEN, Verdict.UNAVAILABLE, Verdict.NOT_RUN})

EXIT_OK, EXIT_DIFFERS, EXIT_UNMEASURED, EXIT_NOTHING_SELECTED, EXIT_INTERRUPTED = 0, 1, 3, 5, 130


class State(StrEnum):
    """What several cells came to together: a verdict, or `partial`."""

    PASS = "pass"  # noqa: S105 - a state, no password
    PARTIAL = "partial"
    FAIL = "fail"
    TIMEOUT = "timeout"
    CRASH = "crash"
    BUILD_FAILED = "build_failed"
    UNSUPPORTED = "unsupported"
    BROKEN = "broken"
    UNAVAILABLE = "unavailable"
    NOT_RUN = "not_run"
    NOT_APPLICABLE = "not_applicable"


#: What a group shows, first match wins. What is known of the crate comes before what kept us from knowing, as in the
#: advice: a fault of ours beside a red cell must not hide the red cell.
_SHOWN_FIRST = (
    Verdict.BUILD_FAILED,
    Verdict.CRASH,
    Verdict.TIMEOUT,
    Verdict.FAIL,
    Verdict.UNSUPPORTED,
    Verdict.BROKEN,
    Verdict.UNAVAILABLE,
    Verdict.NOT_RUN,
    Verdict.PASS,
    Verdict.NOT_APPLICABLE,
)
_OF_THE_CRATE = frozenset(verdict for verdict in Verdict if verdict.is_red) | {Verdict.UNSUPPORTED}


@dataclass(frozen=True)
class Cell:
    """A planned cell with its outcome; `measured` is false where the run has none and `result` was filled in."""

    result: CellResult
    scenario: Scenario
    expectation: Expectation | None
    measured: bool
    selected: bool = True
    #: What the oracle says of the frames that the crate sent; null where it was not asked.
    wire: WireJudgement | None = None
    #: True where the scenario passed, and a malformed frame alone makes the cell red.
    only_malformed: bool = False

    @property
    def key(self) -> CellKey:
        """Names the cell."""
        return self.result.key

    @property
    def verdict(self) -> Verdict:
        """What the cell came to."""
        return self.result.verdict

    @property
    def required(self) -> bool:
        """True where users of the protocol rely on it; they do not rely on frames, where what is asked works."""
        return self.scenario.level is Level.CORE and not self.only_malformed

    @property
    def consequence(self) -> Consequence:
        """What the failure costs: where what is asked works and a frame is malformed, other peers may not take it."""
        return Consequence.INTEROP if self.only_malformed else self.scenario.consequence

    @property
    def defect(self) -> str:
        """The known cause of a red cell; empty where it is not red, or not red in the way that is known."""
        known = self.expectation is not None and self.result.change is Change.AS_EXPECTED and self.verdict.is_red
        return self.expectation.defect if self.expectation is not None and known else ""


@dataclass(frozen=True)
class Summary:
    """Several cells together: the state to show, and a number for every verdict."""

    state: State
    counts: Mapping[Verdict, int]
    flaky: int

    @property
    def planned(self) -> int:
        """All cells of the plan, whatever became of them."""
        return sum(self.counts.values())

    @property
    def applicable(self) -> int:
        """The denominator: planned cells without those that cannot be asked of the crate."""
        return self.planned - self.counts[Verdict.NOT_APPLICABLE]

    @property
    def passed(self) -> int:
        """How many passed."""
        return self.counts[Verdict.PASS]

    @property
    def red(self) -> int:
        """How many show that the crate did wrong."""
        return sum(number for verdict, number in self.counts.items() if verdict.is_red)


@dataclass(frozen=True)
class Defect:
    """One cause that makes several cells of a crate red."""

    id: str
    crate: str
    title: str
    upstream: str
    versions: tuple[str, ...]
    cells: tuple[CellKey, ...]


@dataclass(frozen=True)
class Column:
    """A group of scenarios of one dialect; the column of dialect `package` takes all groups there."""

    dialect: Dialect
    group: str

    @property
    def id(self) -> str:
        """Names the column within a page."""
        return self.group if self.dialect is Dialect.PACKAGE else f"{self.dialect}-{self.group}"


BUILDS = Column(Dialect.PACKAGE, "builds")


@dataclass(frozen=True)
class Group:
    """Where a row and a column meet."""

    column: Column
    cells: tuple[Cell, ...]
    summary: Summary


@dataclass(frozen=True)
class Row:
    """A crate with all its cells; `groups` has those of every dialect that it speaks, builds first."""

    crate: Crate
    cells: tuple[Cell, ...]
    summary: Summary
    groups: tuple[Group, ...]
    defects: tuple[Defect, ...]
    unexplained: int
    #: About what a new user of the crate gets.
    advisories: Advisories

    def group(self, column: Column) -> Group:
        """The group of `column`, without cells where the crate does not speak that dialect."""
        found = next((group for group in self.groups if group.column == column), None)
        return found or Group(column, (), summarise((), State.NOT_APPLICABLE))


@dataclass(frozen=True)
class Section:
    """One protocol: its columns and the rows of the crates that speak it, which tell of its cells and builds alone."""

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Changes:
    """What is not as expected, and what could not be measured."""

    unexpected: tuple[Cell, ...]
    stale: tuple[Cell, ...]
    broken: tuple[Cell, ...]
    unavailable: tuple[Cell, ...]
    lost: tuple[Cell, ...]


@dataclass(frozen=True)
class Matrix:
    """A run, ready to be reported."""

    run: RunInfo
    lines: tuple[BrokerLine, ...]
    claims: tuple[Claim, ...]
    scenarios: tuple[Scenario, ...]
    sections: tuple[Section, ...]
    rows: tuple[Row, ...]
    cells: tuple[Cell, ...]
    changes: Changes
    selected: int
    #: The oracle's sources: the version of each, or why it was not there; empty where the oracle was not asked.
    sources: Mapping[str, str]
    baseline: Snapshot | None = None
    probes: tuple[ProbeSource, ...] = ()
    statements: tuple[Statement, ...] = ()

    @property
    def defects(self) -> tuple[Defect, ...]:
        """The defects of all crates."""
        return tuple(defect for row in self.rows for defect in row.defects)


def build(run: RunInfo, plan: Plan, cells: Sequence[CellResult], oracle: OracleRecord | None = None) -> Matrix:
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


def exit_code(matrix: Matrix, interrupted: bool, *, tolerate_unreachable: bool = False) -> int:
    """The exit code of a run that got as far as a matrix; 4 and 2 end a run before that.

    Args:
        matrix: of the run.
        interrupted: a signal ended it.
        tolerate_unreachable: pass over unavailable cells of crates whose source may be unreachable.
    """
    if interrupted:
        return EXIT_INTERRUPTED
    if not matrix.selected or not any(cell.measured for cell in matrix.cells):
        return EXIT_NOTHING_SELECTED
    changes = matrix.changes
    if changes.unexpected or changes.stale:
        return EXIT_DIFFERS
    excused = {row.crate.name for row in matrix.rows if tolerate_unreachable and row.crate.may_be_unreachable}
    unavailable = [cell for cell in changes.unavailable if cell.key.crate not in excused]
    return EXIT_UNMEASURED if changes.broken or unavailable or changes.lost else EXIT_OK


def summarise(cells: Iterable[Cell], absent: State) -> Summary:
    """The worst required cell, else the worst of all; `absent` where there are no cells.

    `pass` is only what passes in every cell. Where the required cells pass and others of the crate do not, it is
    `partial`; where only we or this machine stand in the way, that is what is shown.
    """
    found = tuple(cells)
    numbers = Counter(cell.verdict for cell in found)
    counts = {verdict: numbers[verdict] for verdict in Verdict}
    flaky = sum(cell.result.flaky for cell in found)
    asked = [cell for cell in found if cell.verdict is not Verdict.NOT_APPLICABLE]
    if not asked:
        return Summary(State.NOT_APPLICABLE if found else absent, counts, flaky)
    state = _worst([cell for cell in asked if cell.required] or asked)
    if state is State.PASS:
        own = flaky or any(cell.verdict in _OF_THE_CRATE for cell in asked)
        state = State.PARTIAL if own else _worst(asked)
    return Summary(state, counts, flaky)


def _worst(cells: Iterable[Cell]) -> State:
    return State(min((cell.verdict for cell in cells), key=_SHOWN_FIRST.index).value)


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
