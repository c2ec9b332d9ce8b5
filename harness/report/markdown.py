"""matrix.md: the matrix as Markdown. It is committed: equal input gives equal text, and nothing in it names a host."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.advice import Advice, advise, decide
from harness.matrix import DIALECTS, Cell, Group, Matrix, Row, Section
from harness.model import NO_PEER, CellKey, Role
from harness.report.deciding import decision_line
from harness.report.states import FLAKY_GLYPH, FLAKY_MEANING, LOOKS, look_of
from harness.report.text import markdown, portable, web_link
from harness.report.words import ROLES, differing, heading, label, red_cells, run_facts, verdict_line


def render(matrix: Matrix) -> str:
    """The text of matrix.md."""
    advices = advise(matrix)
    parts: list[Iterable[str]] = [_head(matrix), _decisions(advices)]
    parts += [_section(section, advices) for section in matrix.sections]
    parts += [_red(row) for row in matrix.rows if row.summary.red]
    parts += [_unmeasured(matrix), _legend()]
    return "\n\n".join("\n".join(part) for part in (list(part) for part in parts) if part) + "\n"


def _head(matrix: Matrix) -> Iterable[str]:
    yield "# Compatibility matrix"
    yield ""
    yield " · ".join(f"{label} {markdown(text)}" for label, text in run_facts(matrix))
    lines = [sentence for _, sentence, _ in differing(matrix.changes)]
    yield ""
    yield f"{'; '.join(lines)}." if lines else "No cell differs from what is expected of it."


def _decisions(advices: Sequence[Advice]) -> Iterable[str]:
    for decision in decide(advices):
        yield f"- **{DIALECTS[decision.dialect]}:** {markdown(decision_line(decision), 600)}"


def _section(section: Section, advices: Sequence[Advice]) -> Iterable[str]:
    yield f"## {section.title}"
    yield ""
    several = len({column.dialect for column in section.columns[1:]}) > 1
    titles = [heading(column) for column in section.columns]
    if several:
        titles[1:] = [f"{heading(c)} ({DIALECTS[c.dialect]})" for c in section.columns[1:]]
    yield f"| Crate | Advice | {' | '.join(markdown(title) for title in titles)} | Red |"
    yield f"|---|{'---|' * (len(titles) + 2)}"
    for row in section.rows:
        role = "" if row.crate.role is Role.LISTED else f" ({row.crate.role})"
        name = f"{markdown(label(row.crate))}{role}"
        groups = " | ".join(_group(row.group(column)) for column in section.columns)
        yield f"| {name} | {_advice(row, section, advices)} | {groups} | {red_cells(row)} |"


def _advice(row: Row, section: Section, advices: Iterable[Advice]) -> str:
    dialects = {column.dialect for column in section.columns}
    own = [advice for advice in advices if advice.crate == row.crate and advice.dialect in dialects]
    if len({advice.recommendation for advice in own}) == 1:
        return str(own[0].recommendation)
    return "; ".join(f"{DIALECTS[advice.dialect]}: {advice.recommendation}" for advice in own)


def _group(group: Group) -> str:
    look, summary = LOOKS[group.summary.state], group.summary
    if not summary.applicable:
        return f"{look.glyph} {look.word}"
    flaky = f" {FLAKY_GLYPH}" if summary.flaky else ""
    return f"{look.glyph} {look.word} {summary.passed}/{summary.applicable}{flaky}"


def _red(row: Row) -> Iterable[str]:
    yield f"### {markdown(label(row.crate))}: {red_cells(row)}"
    yield ""
    yield f"{ROLES[row.crate.role]}. {verdict_line(row)}."
    yield ""
    for defect in row.defects:
        yield _known(defect.title, defect.id, defect.upstream, len(defect.cells))
        yield from (_cell(cell) for cell in row.cells if cell.defect == defect.id)
    loose = [cell for cell in row.cells if cell.verdict.is_red and not cell.defect]
    if loose:
        yield "- Of no known defect:"
    for cell in loose:
        known = f" ({markdown(cell.expectation.reason)})" if cell.expectation else ""
        yield _cell(cell) + known


def _known(title: str, name: str, upstream: str, cells: int) -> str:
    href = web_link(upstream)
    link = f" ([upstream]({href}))" if href else ""
    return f"- **{markdown(title)}** {_code(name)}, {cells} of the red cells{link}:"


def _cell(cell: Cell) -> str:
    look = look_of(cell.verdict)
    flaky = f", {FLAKY_GLYPH} flaky" if cell.result.flaky else ""
    changed = "" if cell.defect else f", {cell.result.change}"
    said = markdown(portable(cell.result.reason))
    return f"  - {look.glyph} {look.word}{flaky}{changed}: {_name(cell.key)}: {markdown(cell.scenario.title)} {said}"


def _name(key: CellKey) -> str:
    params = f"[{key.params}]" if key.params else ""
    peer = "" if key.peer == NO_PEER else f" on {key.peer}"
    return _code(f"{key.scenario}{params}{peer}")


def _code(text: str) -> str:
    """As code where that is safe, else as escaped text."""
    return f"`{text}`" if text.isprintable() and not set(text) & set("`<>|\\") else markdown(text)


def _unmeasured(matrix: Matrix) -> Iterable[str]:
    cells = (*matrix.changes.stale, *matrix.changes.broken, *matrix.changes.unavailable)
    if cells:
        yield "## Passing though expected red, or not measured"
        yield ""
    for cell in cells:
        look = look_of(cell.verdict)
        said = markdown(portable(cell.result.reason)) or str(cell.result.change)
        yield f"- {look.glyph} {look.word}: {markdown(cell.key.crate)}, {_name(cell.key)}: {said}"


def _legend() -> Iterable[str]:
    yield "## Legend"
    yield ""
    yield "`5/7`: cells that pass, of those that apply. A group shows its worst core cell."
    yield ""
    for look in LOOKS.values():
        whose = f" ({look.whose})" if look.whose else ""
        yield f"- {look.glyph} {look.word}: {look.meaning}{whose}"
    yield f"- {FLAKY_GLYPH} flaky: {FLAKY_MEANING}"
