"""What a matrix is: rows of crates, columns of groups of scenarios, cells, and what several cells come to together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from harness.advisories import Advisories
from harness.authors import ProbeSource, Statement
from harness.model import (
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
    Scenario,
    Verdict,
)
from harness.snapshot import Snapshot
from harness.store import RunInfo
from harness.wellformed import WireJudgement

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

#: What people call a dialect.
DIALECTS = {
    Dialect.MQTT_3_1_1: "MQTT 3.1.1",
    Dialect.MQTT_5: "MQTT 5.0",
    Dialect.COAP_CLIENT: "CoAP client",
    Dialect.COAP_SERVER: "CoAP server",
    Dialect.AMQP_0_9_1: "AMQP 0-9-1",
    Dialect.ZMTP: "ZMTP 3",
    Dialect.KAFKA: "Kafka",
    Dialect.PACKAGE: "Package",
}

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
