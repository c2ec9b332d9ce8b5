"""A run with its report in a folder that somebody names, to be kept or published."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from harness.errors import HarnessFault, UsageError
from harness.store import RunFolder

#: What a report is made of, and what its links lead to; what workers shared and earlier pages are left behind.
_KEPT = ("run.json", "plan.json", "cells.jsonl", "oracle.json", "evidence")

OUT = click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also put the run there, with its evidence and its report: a folder that is not there yet.",
)


def need_new(out: Path) -> None:
    """Say so where a folder has something in it.

    Raises:
        UsageError: it has.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already; name a new folder")


def place(folder: RunFolder, out: Path) -> RunFolder:
    """Copy a run, without a report.

    Raises:
        HarnessFault: it cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in _KEPT:
            source = folder.path / name
            if source.is_dir():
                shutil.copytree(source, out / name)
            elif source.exists():
                shutil.copy2(source, out / name)
    except (OSError, shutil.Error) as error:
        raise HarnessFault(f"{out} cannot be written: {error}") from error
    return RunFolder(out.resolve())
