"""What each page says, as plain data: pure functions of the matrix. Templates only lay it out and escape it.

Golden tests compare these, not the HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.advice import Advice, advise
from harness.diff import compare, snapshot
from harness.matrix import BUILDS, DIALECTS, Cell, Column, Matrix, Row, Section, State
from harness.model import NO_PEER, CellKey, Role
from harness.report.addresses import anchor, cell_page, crate_page, to_root
from harness.report.advising import (
    AdviceBadge,
    CellLink,
    DecisionLine,
    RuleLine,
    advice_badges,
    decision_lines,
    first_reasons,
    rule_lines,
)
from harness.report.filters import Facets, FilterForm, facets, form
from harness.report.lines import Badge, badge, lines_badge, peer_lines
from harness.report.recorded import untested
from harness.report.states import ADVICE, FLAKY_GLYPH, FLAKY_MEANING, LOOKS, Look, look_of
from harness.report.text import one_line
from harness.report.words import (
    ROLES,
    advice_counts,
    count,
    differing,
    heading,
    red_cells,
    release,
    run_facts,
    since,
    title,
)

#: Cells of one list on the index; the rest is in results.json. Keeps the index small however bad a run is.
LISTED_CELLS = 40
#: Reasons of an advice on the index; the crate's page has all.
LISTED_REASONS = 3
#: Rows up to which groups of cells are links; in a larger matrix the crate's name and the first reason are, which keeps
#: the index below 300 KB.
LINKED_ROWS = 60
#: Where a crate's page has the broker lines.
LINES_ANCHOR = "brokers"


@dataclass(frozen=True)
class Fact:
    """A label and a text."""

    label: str
    text: str


@dataclass(frozen=True)
class LegendEntry:
    """A state and what it means."""

    look: Look
    meaning: str
    whose: str


@dataclass(frozen=True)
class CellLine:
    """One cell in a list; `href` is empty where it has no page."""

    look: Look
    flaky: bool
    crate: str
    title: str
    where: str
    change: str
    level: str
    reason: str
    href: str
    facets: Facets


@dataclass(frozen=True)
class Difference:
    """Cells that are not as expected in the same way."""

    kind: str
    sentence: str
    cells: tuple[CellLine, ...]
    more: int


@dataclass(frozen=True)
class ColumnHead:
    """A column's heading; `dialect` is named where the section has several."""

    text: str
    dialect: str


@dataclass(frozen=True)
class RowLine:
    """A crate's row."""

    name: str
    version: str
    href: str
    advice: tuple[AdviceBadge, ...]
    groups: tuple[Badge, ...]
    lines: Badge
    newer: str
    reasons: tuple[CellLink, ...]
    red: str
    facets: Facets


@dataclass(frozen=True)
class Block:
    """The rows of one role."""

    role: str
    rows: tuple[RowLine, ...]


@dataclass(frozen=True)
class SectionTable:
    """One protocol's table."""

    id: str
    title: str
    columns: tuple[ColumnHead, ...]
    spans: tuple[tuple[str, int], ...]
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class StandingLine:
    """How many crates of a role have which advice."""

    what: str
    numbers: tuple[tuple[Look, int], ...]


@dataclass(frozen=True)
class IndexPage:
    """The first page."""

    root: str
    facts: tuple[Fact, ...]
    decisions: tuple[DecisionLine, ...]
    standings: tuple[StandingLine, ...]
    since: str
    differences: tuple[Difference, ...]
    rules: tuple[RuleLine, ...]
    legend: tuple[LegendEntry, ...]
    flaky: Fact
    filters: FilterForm
    sections: tuple[SectionTable, ...]


@dataclass(frozen=True)
class CrateGroup:
    """A group of scenarios on a crate's page."""

    id: str
    title: str
    dialect: str
    badge: Badge
    cells: tuple[CellLine, ...]


@dataclass(frozen=True)
class _Whole:
    """What every row of the index goes by."""

    matrix: Matrix
    advices: Sequence[Advice]
    #: Cells that are not as in the baseline.
    changed: frozenset[CellKey]
    few: bool


def index_context(matrix: Matrix) -> IndexPage:
    """What the first page says."""
    advices = advise(matrix)
    diff = compare(matrix.baseline, snapshot(matrix)) if matrix.baseline else None
    whole = _Whole(
        matrix=matrix,
        advices=advices,
        changed=frozenset(c.key for c in diff.cells if c.before and c.after) if diff else frozenset(),
        few=sum(len(section.rows) for section in matrix.sections) <= LINKED_ROWS,
    )
    return IndexPage(
        root="",
        facts=facts(matrix),
        decisions=decision_lines(advices),
        standings=tuple(_standings(advices)),
        since=since(diff) if diff else "",
        differences=tuple(_differences(matrix)),
        rules=rule_lines(),
        legend=legend(),
        flaky=Fact(FLAKY_GLYPH, FLAKY_MEANING),
        filters=_filters(matrix, advices),
        sections=tuple(_section(section, whole) for section in matrix.sections),
    )


def _filters(matrix: Matrix, advices: Iterable[Advice]) -> FilterForm:
    spoken = [column.dialect for section in matrix.sections for column in section.columns[1:]]
    given = {advice.recommendation for advice in advices}
    peers = [cell.key.peer for cell in matrix.cells if cell.key.peer != NO_PEER]
    return form(
        "rows",
        {
            ("dialects", "Protocol"): ((dialect, DIALECTS[dialect]) for dialect in spoken),
            ("advice", "Advice"): ((word, look.word) for word, look in ADVICE.items() if word in given),
            ("peers", "Broker"): ((peer, peer) for peer in sorted(peers)),
        },
        "changed or is not as expected" if matrix.baseline else "is not as expected",
    )


def facts(matrix: Matrix) -> tuple[Fact, ...]:
    """Which run this is."""
    return tuple(Fact(label, text) for label, text in run_facts(matrix))


def legend() -> tuple[LegendEntry, ...]:
    """Every state with its meaning."""
    return tuple(LegendEntry(look, look.meaning, look.whose) for look in LOOKS.values())


def crate_groups(row: Row, page: str) -> tuple[CrateGroup, ...]:
    """A crate's cells by group, builds first; groups without a cell are left out."""
    return tuple(
        CrateGroup(
            id=group_anchor(group.column),
            title=heading(group.column),
            dialect="" if group.column == BUILDS else DIALECTS[group.column.dialect],
            badge=badge(group.summary),
            cells=tuple(cell_line(cell, row, to_root(page)) for cell in group.cells),
        )
        for group in row.groups
        if group.cells
    )


def crate_filters(row: Row) -> FilterForm:
    """The filters of a crate's cells."""
    return form(
        "cells",
        {
            ("dialects", "Protocol"): ((dialect, DIALECTS[dialect]) for dialect in row.crate.dialects),
            ("peers", "Broker"): ((peer.peer, peer.peer) for peer in peer_lines(row)),
        },
    )


def group_anchor(column: Column) -> str:
    """Where a crate's page has a column's group."""
    return anchor(column.id)


def cell_line(cell: Cell, row: Row, root: str) -> CellLine:
    """A cell in a list, seen from a page that is `root` away from the report's folder."""
    key, scenario = cell.key, cell.scenario
    where = " ".join(part for part in (key.peer if key.peer != "-" else "", _params(key.params)) if part)
    return CellLine(
        look=look_of(cell.verdict),
        flaky=cell.result.flaky,
        crate=key.crate,
        title=one_line(scenario.title),
        where=one_line(where),
        change=changed(cell),
        level=f"{scenario.level}, {scenario.requirement}",
        reason=one_line(cell.result.reason),
        href=root + cell_page(row.crate, key) if cell.measured else "",
        facets=facets([cell]),
    )


def changed(cell: Cell) -> str:
    """How a red or stale cell stands to what is expected of it; empty where there is nothing to say."""
    if cell.verdict.is_red or cell.result.change in ("unexpected", "stale"):
        return str(cell.result.change)
    return ""


def _params(params: str) -> str:
    return f"[{params}]" if params else ""


def _standings(advices: Sequence[Advice]) -> Iterable[StandingLine]:
    for role, noun in ((Role.LISTED, "listed crate"), (Role.CANDIDATE, "candidate")):
        counts = advice_counts(advices, role)
        if counts:
            total = sum(number for _, number in counts)
            yield StandingLine(count(total, noun), tuple((ADVICE[given], number) for given, number in counts))


def _differences(matrix: Matrix) -> Iterable[Difference]:
    rows = {(row.crate.name, row.crate.version): row for row in matrix.rows}
    for kind, sentence, number in differing(matrix.changes):
        cells: tuple[Cell, ...] = getattr(matrix.changes, kind)
        lines = (
            # The sentence above the list says how they stand to what is expected.
            replace(cell_line(cell, rows[cell.key.crate, cell.key.crate_version], ""), change="")
            for cell in cells[:LISTED_CELLS]
        )
        yield Difference(kind, sentence, tuple(lines), max(0, number - LISTED_CELLS))


def _section(section: Section, whole: _Whole) -> SectionTable:
    dialects = [column.dialect for column in section.columns[1:]]
    several = len(set(dialects)) > 1
    spans = tuple((DIALECTS[d], dialects.count(d)) for d in dict.fromkeys(dialects)) if several else ()
    return SectionTable(
        id=section.id,
        title=section.title,
        columns=tuple(ColumnHead(heading(c), DIALECTS[c.dialect] if several else "") for c in section.columns),
        spans=spans,
        blocks=tuple(_blocks(section, whole)),
    )


def _blocks(section: Section, whole: _Whole) -> Iterable[Block]:
    for role in Role:
        rows = tuple(_row(row, section.columns, whole) for row in section.rows if row.crate.role is role)
        if rows:
            yield Block(ROLES[role], rows)


def _row(row: Row, columns: Sequence[Column], whole: _Whole) -> RowLine:
    dialects = {column.dialect for column in columns}
    own = [advice for advice in whole.advices if advice.crate == row.crate and advice.dialect in dialects]
    page = crate_page(row.crate.handle)
    badges = []
    for column in columns:
        group = row.group(column)
        spoken = group.summary.state is not State.NOT_APPLICABLE or group.cells
        href = f"{page}#{group_anchor(column)}" if group.cells else page
        badges.append(badge(group.summary, href if spoken and whole.few else ""))
    return RowLine(
        name=title(row.crate),
        version=release(row.crate),
        href=page,
        advice=advice_badges(own, page),
        groups=tuple(badges),
        lines=lines_badge(row, f"{page}#{LINES_ANCHOR}" if whole.few else ""),
        newer=untested(whole.matrix, row.crate),
        reasons=first_reasons(own, row, LISTED_REASONS if whole.few else 1),
        red=red_cells(row),
        facets=facets(row.cells, (advice.recommendation for advice in own), whole.changed),
    )
