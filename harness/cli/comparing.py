"""Commands that compare runs, and accept one as what later ones are compared with."""

from __future__ import annotations

import json
from pathlib import Path

import click

from harness import snapshot as snapshots
from harness.cli.group import FORMAT, cli, matrix_of, say
from harness.diff import Kind, compare, snapshot
from harness.errors import UsageError
from harness.matrix import EXIT_DIFFERS, EXIT_OK
from harness.model import Profile
from harness.paths import BASELINE, REPORTS
from harness.report import comparing
from harness.report.words import since
from harness.snapshot import Snapshot
from harness.store import RunFolder, newest_whole_run

_RUN = click.Path(path_type=Path)


@cli.command("diff")
@click.argument("before", metavar="A", type=_RUN)
@click.argument("after", metavar="B", type=_RUN)
@FORMAT
def show_diff(before: Path, after: Path, form: str) -> int:
    """Say what changed from A to B, each the folder of a run or a baseline's file.

    Exits with 1 where a cell regressed, else with 0.

    Example: iotyet diff reports/baseline.json reports/latest
    """
    found = compare(_load(before), _load(after))
    if form == "json":
        click.echo(json.dumps(comparing.data(found), indent=1))
    else:
        for line in comparing.text(found):
            click.echo(line)
    return EXIT_DIFFERS if found.having(Kind.REGRESSED) else EXIT_OK


@cli.group()
def baseline() -> None:
    """What runs are compared with: reports/baseline.json, which is committed.

    Example: iotyet baseline accept
    """


@baseline.command("accept")
@click.option(
    "--run", "run_folder", type=_RUN, metavar="DIR", help="This run; the newest whole one of `default` otherwise."
)
def accept(run_folder: Path | None) -> int:
    """Compare later runs with this one: write reports/baseline.json.

    Example: iotyet baseline accept
    """
    folder = RunFolder(run_folder) if run_folder else newest_whole_run(REPORTS / "runs", Profile.DEFAULT)
    taken = _of_run(folder)
    if BASELINE.exists():
        say(since(compare(snapshots.read(BASELINE), taken)))
    snapshots.write(BASELINE, taken)
    say(f"runs are compared with {taken.run} from now on: commit {BASELINE.name}")
    return EXIT_OK


def _load(path: Path) -> Snapshot:
    if not path.exists():
        raise UsageError(f"{path} is not there; name the folder of a run or a baseline's file")
    return _of_run(RunFolder(path)) if path.is_dir() else snapshots.read(path)


def _of_run(folder: RunFolder) -> Snapshot:
    return snapshot(matrix_of(folder))
