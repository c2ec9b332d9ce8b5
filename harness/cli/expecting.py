"""Commands about scenarios/*/expectations.toml: whether it still holds, and what a run has to say about it."""

from __future__ import annotations

import datetime
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from harness import expectations
from harness.catalog import load_toml
from harness.cli.collecting import collect
from harness.cli.group import FORMAT, cli, matrix_of, say
from harness.matrix import EXIT_DIFFERS, EXIT_OK, Cell, Matrix
from harness.model import CellKey, Dialect, Expectation, Profile
from harness.paths import SCENARIOS
from harness.report.results_json import decisive
from harness.report.text import one_line
from harness.report.words import count
from harness.rewriting import Shown, rewrite
from harness.store import RunFolder

_RUN = click.Path(path_type=Path)


@dataclass(frozen=True)
class Problem:
    """What is wrong with the expectation of one cell."""

    cell: str
    file: str
    problem: str


@cli.group()
def expect() -> None:
    """What is known about red cells: scenarios/*/expectations.toml.

    Example: iotyet expect check
    """


@expect.command("check")
@click.option("--run", "run_folder", type=_RUN, metavar="DIR", help="Also say what this run shows otherwise.")
@FORMAT
def check(run_folder: Path | None, form: str) -> int:
    """Say which expectations are for no cell, unexplained or to be looked at again; measures nothing.

    With --run also which the run shows otherwise. Exits with 0 where all hold and 1 where one does not.

    Example: iotyet expect check --run reports/latest
    """
    known = expectations.load(SCENARIOS)
    today = datetime.datetime.now(datetime.UTC).date()
    planned = frozenset(cell.key for cell in collect(Profile.FULL).cells)
    found = list(_problems(known.values(), planned, today))
    if run_folder is not None:
        found += _in_run(matrix_of(RunFolder(run_folder)), known)
    if form == "json":
        click.echo(json.dumps([asdict(problem) for problem in found], indent=1))
    else:
        for problem in found:
            click.echo(f"{problem.cell}: {problem.problem}\n    in {problem.file}")
    if not found:
        say(f"all {len(known)} expectations hold")
    return EXIT_DIFFERS if found else EXIT_OK


@expect.command("update")
@click.option("--run", "run_folder", type=_RUN, metavar="DIR", required=True, help="The run to go by.")
def update(run_folder: Path) -> int:
    """Write into expectations.toml what a run showed otherwise; explains nothing.

    What is stale goes. Where the red is another one, verdict and observed are changed. What is new gets an entry whose
    reason begins with TODO, which `iotyet expect check` refuses until somebody has looked the cause up in the crate's
    source. Comments and the order of entries stay. Exits with 1 where something is left to be done by hand.

    Example: iotyet expect update --run reports/latest
    """
    today = datetime.datetime.now(datetime.UTC).date()
    built = matrix_of(RunFolder(run_folder))
    shown = list(_shown(built, expectations.load(SCENARIOS)))
    left = [
        f"{cell.key}: works, though crates.toml declares that it cannot; change its `unsupported`"
        for cell in built.changes.stale
        if cell.expectation is None
    ]
    files = {Dialect(load_toml(path)["dialect"]): path for path in sorted(SCENARIOS.glob("*/expectations.toml"))}
    left += [f"{cell.key}: its scenarios have no expectations.toml" for cell in shown if cell.key.dialect not in files]
    for dialect, path in files.items():
        own = [cell for cell in shown if cell.key.dialect is dialect]
        if not own:
            continue
        made = rewrite(path.read_text(encoding="utf-8"), dialect, own, today)
        _try_to_read(path, made.text)
        path.write_text(made.text, encoding="utf-8")
        left += made.left
        for line in made.done:
            click.echo(line)
    for line in left:
        say(f"by hand: {line}")
    if shown and not left:
        say(f"{count(len(shown), 'cell')}: look up the cause of each, then `iotyet expect check`")
    elif not shown and not left:
        say(f"run {built.run.id} shows nothing that is not expected")
    return EXIT_DIFFERS if left else EXIT_OK


def _problems(known: Iterable[Expectation], planned: frozenset[CellKey], today: datetime.date) -> Iterator[Problem]:
    every = {expectation.key: expectation for expectation in known}
    for expectation in expectations.unmatched(every, planned):
        yield _problem(expectation, "no full run has this cell")
    for expectation in expectations.unexplained(every.values()):
        yield _problem(expectation, f"nobody has looked up its cause: {expectation.reason}")
    for expectation in expectations.overdue(every.values(), today):
        yield _problem(expectation, f"was to be looked at again by {expectation.review}")


def _in_run(built: Matrix, known: dict[CellKey, Expectation]) -> Iterator[Problem]:
    for cell in (*built.changes.stale, *built.changes.unexpected):
        if cell.key in known:
            yield _problem(known[cell.key], f"{cell.result.change} in run {built.run.id}: {cell.result.reason}")


def _problem(expectation: Expectation, text: str) -> Problem:
    return Problem(str(expectation.key), expectation.file, one_line(text, 400))


def _shown(built: Matrix, known: dict[CellKey, Expectation]) -> Iterator[Shown]:
    """What the run showed otherwise than the files say by now, which may be more than they said then."""
    for cell in built.changes.stale:
        if cell.expectation is not None:
            yield Shown(cell.key, cell.verdict)
    for cell in built.changes.unexpected:
        now, observed = known.get(cell.key), _observed(cell)
        if now is None or now.verdict is not cell.verdict or now.observed not in cell.result.reason:
            yield Shown(cell.key, cell.verdict, observed)


def _observed(cell: Cell) -> str:
    attempt = decisive(cell.result)
    return (attempt.observed if attempt else "") or cell.result.reason


def _try_to_read(path: Path, text: str) -> None:
    """Read a file before it is written.

    Raises:
        HarnessFault: it would be wrong.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.parent.name / path.name
        copy.parent.mkdir()
        copy.write_text(text, encoding="utf-8")
        expectations.load(Path(folder))
