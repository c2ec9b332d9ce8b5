"""The matrix for a terminal; reads the same without colour."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Group as Renderables
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness.advice import advise, decide
from harness.diff import compare, snapshot
from harness.matrix import DIALECTS, Cell, Group, Matrix, Section
from harness.model import Role
from harness.report.deciding import decision_line
from harness.report.states import FLAKY_GLYPH, LOOKS, Look, look_of
from harness.report.text import one_line
from harness.report.words import advice_counts, differing, heading, label, red_cells, run_facts, since, title

#: Cells of one list; the report has all.
_LISTED = 25
#: What a control's or candidate's row is marked with.
_MARKS = {Role.LISTED: "", Role.CANDIDATE: " (not listed)", Role.CONTROL: " (control)", Role.VERSION: ""}


def render(matrix: Matrix) -> RenderableType:
    """The matrix by protocol, then every cell that is not as expected or could not be measured."""
    parts: list[RenderableType] = []
    for section in matrix.sections:
        parts += [_table(section), *_red(section)]
    parts.append(_legend(matrix))
    parts += _differences(matrix)
    if matrix.baseline is not None:
        parts.append(Text(f"{since(compare(matrix.baseline, snapshot(matrix)))}."))
    parts.append(_summary(matrix))
    return Renderables(*parts)


def _table(section: Section) -> Table:
    several = len({column.dialect for column in section.columns[1:]}) > 1
    table = Table(
        title=section.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.add_column("Crate", overflow="fold", min_width=16, max_width=26)
    for column in section.columns:
        dialect = f"\n{DIALECTS[column.dialect]}" if several and column != section.columns[0] else ""
        table.add_column(heading(column) + dialect, overflow="fold")
    for row in section.rows:
        name = Text(f"{label(row.crate)}{_MARKS[row.crate.role]}")
        table.add_row(name, *(_group(row.group(column)) for column in section.columns))
    return table


def _red(section: Section) -> Iterable[Text]:
    for row in section.rows:
        if row.summary.red:
            yield Text(f" {title(row.crate)}: {red_cells(row)}")


def _group(group: Group) -> Text:
    summary, look = group.summary, LOOKS[group.summary.state]
    number = f"\u00a0{summary.passed}/{summary.applicable}" if summary.applicable else ""
    flaky = FLAKY_GLYPH if summary.flaky else ""
    return Text(f"{look.glyph}{number}{flaky}", style=look.colour)


def _legend(matrix: Matrix) -> Text:
    shown = {row.group(c).summary.state for section in matrix.sections for row in section.rows for c in section.columns}
    text = Text()
    for state, look in LOOKS.items():
        if state in shown:
            text.append(f"{look.glyph} {look.word}", style=look.colour)
            text.append("   ")
    text.append("n/m: pass of applicable")
    return text


def _differences(matrix: Matrix) -> Iterable[Text]:
    for kind, sentence, number in differing(matrix.changes):
        yield Text(f"\n{sentence}:", style="bold")
        cells: tuple[Cell, ...] = getattr(matrix.changes, kind)
        for cell in cells[:_LISTED]:
            yield _line(look_of(cell.verdict), cell)
        if number > _LISTED:
            yield Text(f"  … and {number - _LISTED} more; the report has all")


def _line(look: Look, cell: Cell) -> Text:
    text = Text("  ")
    text.append(f"{look.glyph} {look.word} ", style=look.colour)
    text.append(f"{cell.key}", style="bold")
    text.append(f"\n      {one_line(cell.result.reason, 240)}" if cell.result.reason else "")
    return text


def _summary(matrix: Matrix) -> Text:
    lines = [" · ".join(f"{label} {text}" for label, text in run_facts(matrix))]
    advices = advise(matrix)
    for role in (Role.LISTED, Role.CANDIDATE):
        counts = advice_counts(advices, role)
        if counts:
            lines.append(f"{role}: " + ", ".join(f"{number} {given}" for given, number in counts))
    lines += [f"{DIALECTS[decision.dialect]}: {decision_line(decision)}" for decision in decide(advices)]
    return Text("\n" + "\n".join(lines))
