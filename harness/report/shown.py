"""What `iotyet show` says of one crate or of one cell, from a run that is over. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from pydantic import TypeAdapter

from harness.advice import Advice, advise_row
from harness.matrix import OPEN, Cell, Matrix, Row
from harness.model import Change, Expectation, Role
from harness.report.checked import advice_lines, spoken
from harness.report.recorded import recorded
from harness.report.results_json import cell_entry, crate_entry, decisive
from harness.report.states import look_of, wording
from harness.report.text import one_line
from harness.report.words import again, count, red_cells, run_facts, verdict_line

#: Characters of one text of a cell; results.json has all.
_LONGEST = 4000
_KNOWN = TypeAdapter(Expectation)


# -- a crate ------------------------------------------------------------------------------------------


def crate_text(matrix: Matrix, row: Row) -> str:
    """For people: verdicts, advice with its reasons, and each cell that is red or that nothing can be said of."""
    unknown = [cell for cell in row.cells if cell.measured and cell.verdict in OPEN]
    lines = [row.crate.id, f"  {_of_run(matrix)}", f"  {verdict_line(row)}"]
    for advice in _advices(matrix, row):
        lines += ["", *advice_lines(spoken(advice, row))]
    if row.summary.red:
        lines += ["", f"{red_cells(row)}:", *_red(row)]
    if unknown:
        lines += ["", "could not be judged or measured:"]
        lines += [line for cell in unknown for line in _listed(cell, reason=True)]
    return "\n".join(lines)


def crate_json(matrix: Matrix, row: Row) -> str:
    """For programs: the crate's entry of results.json, and its red cells' in `red`."""
    entry = crate_entry(row, recorded(matrix.run, row.crate), _advices(matrix, row))
    red = [cell_entry(cell).model_dump(mode="json") for cell in row.cells if cell.verdict.is_red]
    return json.dumps({"run": matrix.run.id, "crate": entry.model_dump(mode="json"), "red": red}, indent=1)


def _advices(matrix: Matrix, row: Row) -> tuple[Advice, ...]:
    """About a reference client there is none."""
    return () if row.crate.role is Role.CONTROL else tuple(advise_row(row, matrix.lines))


def _red(row: Row) -> Iterable[str]:
    """The red cells by their known cause; what is not known in that way has its reason."""
    by_defect: dict[str, list[Cell]] = {}
    for cell in row.cells:
        if cell.verdict.is_red:
            by_defect.setdefault(cell.defect, []).append(cell)
    for defect, cells in sorted(by_defect.items()):
        yield f"  {one_line(defect)} ({count(len(cells), 'cell')}):" if defect else "  without a known defect:"
        for cell in cells:
            yield from _listed(cell, reason=not defect)


def _listed(cell: Cell, *, reason: bool) -> Iterable[str]:
    notes = ["flaky"] if cell.result.flaky else []
    notes += [cell.result.change] if cell.result.change not in (Change.AS_EXPECTED, Change.UNMEASURED) else []
    yield f"    {', '.join([look_of(cell.verdict).word, *notes])}: {cell.key}"
    if reason:
        yield f"        {one_line(cell.result.reason, 300)}"


# -- a cell -------------------------------------------------------------------------------------------


def cell_text(matrix: Matrix, cell: Cell, folder: PurePath) -> str:
    """For people: verdict, what was expected and observed, the clause, every attempt with its evidence.

    Args:
        matrix: of the run.
        cell: of it.
        folder: the run's, as paths of evidence are to begin.
    """
    lines = [str(cell.key), f"  {_of_run(matrix)}"]
    lines += [f"  {name:<11} {text}" for name, text in _facts(cell) if text]
    for number, attempt in enumerate(cell.result.attempts, 1):
        said = one_line(attempt.reason, _LONGEST) or "as stated"
        lines += ["", f"  attempt {number}: {look_of(attempt.verdict).word} in {attempt.seconds:.1f} s: {said}"]
        lines += [f"      {one_line(item.kind)}: {folder / item.path}" for item in attempt.evidence]
    return "\n".join([*lines, "", f"  again: {_again(matrix, cell)}"])


def cell_json(matrix: Matrix, cell: Cell, folder: PurePath) -> str:
    """For programs: the cell's entry of results.json, with its scenario's clauses and what was known of it."""
    known: Any = _KNOWN.dump_python(cell.expectation, mode="json") if cell.expectation else None
    document = {
        "run": matrix.run.id,
        "folder": str(folder),
        "cell": cell_entry(cell).model_dump(mode="json"),
        "title": cell.scenario.title,
        "clauses": list(cell.scenario.spec),
        "expectation": known,
        "reproduce": _again(matrix, cell),
    }
    return json.dumps(document, indent=1)


def _again(matrix: Matrix, cell: Cell) -> str:
    """The command that measures it again, on this machine: a source that is not published is where it was."""
    asked = (cell.key.crate, cell.key.crate_version)
    crate = next(row.crate for row in matrix.rows if (row.crate.name, row.crate.version) == asked)
    return again(crate, cell.key, crate.path)


def _facts(cell: Cell) -> Iterable[tuple[str, str]]:
    result, scenario, known = cell.result, cell.scenario, cell.expectation
    attempt = decisive(result)
    flaky = ", flaky: its attempts differ" if result.flaky else ""
    yield "verdict", look_of(cell.verdict).word + flaky
    yield "", wording(cell.verdict, scenario.requirement)
    yield "states", one_line(scenario.title)
    yield "clause", one_line("; ".join(scenario.spec), _LONGEST)
    yield "expected", one_line(attempt.expected if attempt else "", _LONGEST)
    yield "observed", one_line((attempt.observed if attempt else "") or result.reason, _LONGEST)
    yield "standing", result.change
    if known is not None:
        yield "known as", one_line(f"{known.verdict}: {known.reason}", _LONGEST)
        yield "defect", one_line(known.defect)
        yield "written in", f"{known.file}, to be looked at again on {known.review}"
    if result.control is not None:
        yield "control", one_line(f"{look_of(result.control).word} {result.control_reason}", _LONGEST)


def _of_run(matrix: Matrix) -> str:
    kept = ("Run", "Date", "Profile", "Arguments")
    return ", ".join(f"{name.lower()} {text}" for name, text in run_facts(matrix) if name in kept)
