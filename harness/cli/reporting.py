"""Commands that make something of finished runs."""

from __future__ import annotations

from pathlib import Path

import click

from harness import report
from harness.cli.group import BASE_URL, SOURCE_URL, cli, matrix_of, published, say
from harness.cli.placing import OUT, need_new, place
from harness.errors import UsageError
from harness.oracle.batch import judge_run
from harness.paths import REPORTS
from harness.report import markdown
from harness.store import RunFolder
from harness.wellformed import WireVerdict


@cli.command("oracle")
@click.argument("runs", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
def judge_again(runs: tuple[Path, ...]) -> None:
    """Judge again what the crates sent in finished runs, from their captures; `iotyet report` then shows it.

    Example: iotyet oracle reports/latest
    """
    for path in runs:
        folder = RunFolder(path.resolve())
        record = judge_run(folder.path, folder.read_cells(), say)
        folder.write_oracle(record)
        for verdict in WireVerdict:
            click.echo(f"{sum(cell.verdict is verdict for cell in record.cells):6} cells: {verdict}")
        for cell in record.cells:
            if cell.malformed is not None:
                click.echo(f"{cell.key}: {cell.malformed.says} ({cell.malformed.clause})")


@cli.command("report")
@click.argument("runs", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--commit-matrix", is_flag=True, help="Also write reports/MATRIX.md.")
@BASE_URL
@SOURCE_URL
@OUT
def make_report(runs: tuple[Path, ...], commit_matrix: bool, base_url: str, source_url: str, out: Path | None) -> None:
    """Make the report of finished runs again, from their cells; in the run's own folder where no other is named.

    Example: iotyet report reports/latest
    """
    publication = published(base_url, source_url)
    if out is not None:
        if len(runs) > 1:
            raise UsageError(
                f"{out} takes one run with its evidence; name one, or make each run's report in its own folder"
            )
        need_new(out)
    for path in runs:
        folder = RunFolder(path.resolve())
        built = matrix_of(folder)
        if out is not None:
            folder = place(folder, out)
        click.echo(report.write(folder, built, publication))
        if commit_matrix:
            (REPORTS / "MATRIX.md").write_text(markdown.render(built), encoding="utf-8")
