"""The command that says what is known already of a crate or a cell, without measuring anything."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

import click

from harness import asked
from harness.catalog import load_crates, pick_crates
from harness.cli.group import FORMAT, cli, matrix_of
from harness.errors import UsageError
from harness.matrix import Cell, Matrix, Row
from harness.model import Role
from harness.paths import REPORTS
from harness.report import shown
from harness.store import RunFolder, all_runs

#: Names that an error offers.
_OFFERED = 3


@cli.command()
@click.argument("what", metavar="CRATE[@VERSION]|CELL|URL")
@click.option(
    "--run",
    "run_folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Of this run; by default of the newest one that has the cell, or all of the crate.",
)
@FORMAT
def show(what: str, run_folder: Path | None, form: str) -> None:
    """Say what a finished run found out about a crate or a cell; nothing is measured.

    Of a crate: its verdicts, its advice with the reasons, and its red cells. Of a cell, which is named by its id or by
    the address of its page: what was expected and observed, the clause, every attempt with its evidence, and the
    command that measures it again.

    Example: iotyet show rumqttc
    """
    runs = list(reversed(all_runs(REPORTS / "runs")))
    if run_folder:
        runs = [RunFolder(run_folder)]
        runs[0].read_plan()  # says so where it is no run's folder
    if "/" in what:
        built, cell, folder = _cell(what, runs)
        path = _relative(folder.path)
        click.echo(shown.cell_json(built, cell, path) if form == "json" else shown.cell_text(built, cell, path))
        return
    built, row = _row(what, runs, given=run_folder is not None)
    click.echo(shown.crate_json(built, row) if form == "json" else shown.crate_text(built, row))


def _row(what: str, runs: Iterable[RunFolder], *, given: bool) -> tuple[Matrix, Row]:
    """The crate in the newest run that left out none of its cells, else in the newest that measured any."""
    name, _, version = what.partition("@")
    if not given:
        crates = load_crates()
        if all(crate.name != name for crate in crates):
            packages = {crate.package: crate.name for crate in crates if crate.role is not Role.CONTROL}
            name = packages.get(name, name)
        pick_crates(crates, [name])  # says which names there are, where this is none
    names: set[str] = set()
    partly: tuple[Matrix, Row] | None = None
    for built, _ in _measured(runs, name if not given else ""):
        rows = [row for row in built.rows if any(cell.measured for cell in row.cells)]
        names |= {row.crate.id for row in rows}
        # The catalogue's version, where none is named: the others are rows after it.
        for row in rows:
            if name in (row.crate.name, row.crate.package) and version in ("", row.crate.version):
                if given or all(cell.measured or cell.selected for cell in row.cells):
                    return built, row
                partly = partly or (built, row)
                break
    if partly is not None:
        return partly
    raise UsageError(f"no run here has measured {what}{_close(what, names)}; `iotyet check {what}` measures it")


def _cell(what: str, runs: Iterable[RunFolder]) -> tuple[Matrix, Cell, RunFolder]:
    wanted = asked.parse(what)
    planned: set[str] = set()
    for built, folder in _measured(runs, wanted.crate.partition("@")[0]):
        for row in built.rows:
            for cell in row.cells:
                if cell.measured and wanted.is_of(row.crate, cell.key):
                    return built, cell, folder
                planned.add(str(cell.key))
    if wanted.text in planned:
        raise UsageError(f"no run here has measured {what}; `iotyet reproduce '{what}'` measures it")
    next_step = "`iotyet list cells` shows those of the newest run"
    raise UsageError(f"no run here has a cell {what}{_close(what, planned)}; {next_step}")


def _measured(runs: Iterable[RunFolder], name: str) -> Iterator[tuple[Matrix, RunFolder]]:
    """The runs that measured a cell of this crate, or of any where it is not named."""
    for folder in runs:
        if any(name in ("", result.key.crate) for result in folder.read_cells()):
            yield matrix_of(folder), folder


def _close(what: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(what, sorted(known), n=_OFFERED, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _relative(path: Path) -> PurePath:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
