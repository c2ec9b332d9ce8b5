"""The group that every command belongs to, and how commands speak."""

from __future__ import annotations

import datetime
import json
import sys
from dataclasses import fields
from pathlib import Path

import click
from rich.console import Console

from harness.errors import UsageError
from harness.matrix import Matrix
from harness.report import console as console_report
from harness.report.publication import Publication
from harness.store import RunFolder
from harness.tabulating import tabulate

#: Columns that the printed matrix needs.
_CONSOLE_WIDTH = 116
#: Exit codes, as docs/design.md explains them.
USAGE, FAULT, INTERRUPTED = 2, 4, 130


def say(text: str) -> None:
    print(f"iotyet: {text}", file=sys.stderr, flush=True)


def matrix_of(folder: RunFolder) -> Matrix:
    """What a run's folder comes to.

    Raises:
        UsageError: it is no run's, or not a whole one.
    """
    return tabulate(folder.read_run(), folder.read_plan(), folder.read_cells(), folder.read_oracle())


#: For people or for programs, of every command that has data to give.
FORMAT = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
#: Where a report will be read, for its badges; `published` checks it.
BASE_URL = click.option(
    "--base-url", default="", metavar="URL", help="Where the report will be published, for its badges."
)

SOURCE_URL = click.option(
    "--source-url", default="", metavar="URL", help="Where this project's files of that commit are; pages link them."
)


def published(base_url: str, source_url: str) -> Publication:
    """A report that is made today, for these addresses; empty where one is not known.

    Raises:
        UsageError: one is no address of a site.
    """
    for address in (base_url, source_url):
        if address and not address.startswith(("https://", "http://")):
            raise UsageError(f"{address} is no address of a site; it begins with https://")
    return Publication(datetime.datetime.now(datetime.UTC).date(), base_url, source_url)


def print_matrix(built: Matrix) -> None:
    """Print the matrix on standard output."""
    console = Console()
    # A narrow table would lose columns; a long line that wraps loses nothing.
    console.width = max(console.width, _CONSOLE_WIDTH)
    console.print(console_report.render(built))


def print_outcome(built: Matrix, index: Path, form: str) -> None:
    """Print the matrix, or for programs where its results are and how many cells are not as expected."""
    if form == "text":
        print_matrix(built)
        return
    outcome = {
        "run": built.run.id,
        "exit": built.run.exit,
        "results": str(index.with_name("results.json")),
        "report": str(index),
        "selected": built.selected,
        "measured": sum(cell.measured for cell in built.cells),
        **{field.name: len(getattr(built.changes, field.name)) for field in fields(built.changes)},
    }
    click.echo(json.dumps(outcome, indent=1))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="iotyet")
def cli() -> None:
    """Check Rust IoT crates against real brokers, and publish what works.

    Example: iotyet run rumqttc --broker mosquitto
    """
