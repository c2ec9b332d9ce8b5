"""Commands that make something of finished runs."""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from harness import matrix, report
from harness.cli.group import cli
from harness.errors import UsageError
from harness.paths import REPORTS
from harness.report import markdown
from harness.report.publication import Publication
from harness.store import RunFolder


@cli.command("report")
@click.argument("runs", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--commit-matrix", is_flag=True, help="Also write reports/MATRIX.md.")
@click.option("--base-url", default="", metavar="URL", help="Where the report will be published, for its badges.")
def make_report(runs: tuple[Path, ...], commit_matrix: bool, base_url: str) -> None:
    """Make the report of finished runs again, from their cells.

    Example: iotyet report reports/latest
    """
    if base_url and not base_url.startswith(("https://", "http://")):
        raise UsageError(f"{base_url} is no address of a site; it begins with https://")
    published = Publication(datetime.datetime.now(datetime.UTC).date(), base_url)
    for path in runs:
        folder = RunFolder(path.resolve())
        built = matrix.build(folder.read_run(), folder.read_plan(), folder.read_cells())
        click.echo(report.write(folder, built, published))
        if commit_matrix:
            (REPORTS / "MATRIX.md").write_text(markdown.render(built), encoding="utf-8")
