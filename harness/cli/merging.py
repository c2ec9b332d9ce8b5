"""The command that puts the shards of a run together."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import click

from harness import matrix, report
from harness.cli.group import BASE_URL, FORMAT, SOURCE_URL, cli, print_outcome, published, say
from harness.cli.placing import need_new
from harness.errors import HarnessFault
from harness.shards import Part, merge
from harness.store import RunFolder
from harness.tabulating import tabulate


@cli.command("merge")
@click.argument("shards", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SHARD...")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="A folder that is not there yet."
)
@BASE_URL
@SOURCE_URL
@FORMAT
@click.option("--tolerate-unreachable", is_flag=True, help="Exit 0 where only sources that may be unreachable were.")
def merge_shards(
    shards: tuple[Path, ...], out: Path, base_url: str, source_url: str, form: str, tolerate_unreachable: bool
) -> int:
    """Make one run of the folders that `iotyet run --shard` made, with its report.

    The cells of a missing shard are not run. Exits as `iotyet run` does; with 3 where a shard is missing and all else
    is well.

    Example: iotyet merge shard-1 shard-2 --out reports/runs/merged
    """
    publication = published(base_url, source_url)
    need_new(out)
    folders = [RunFolder(path.resolve()) for path in shards]
    parts = [
        Part(folder.read_run(), folder.read_plan(), folder.read_cells(), folder.read_oracle()) for folder in folders
    ]
    whole, missing = merge(parts)
    for shard in missing:
        say(f"shard {shard} is missing: its cells are not run")
    target = RunFolder(out.resolve())
    try:
        target.evidence.mkdir(parents=True)
        for folder in folders:
            if folder.evidence.is_dir():
                shutil.copytree(folder.evidence, target.evidence, dirs_exist_ok=True)
        target.write_cells(whole.cells)
    except (OSError, shutil.Error) as error:
        raise HarnessFault(f"{out} cannot be written: {error}") from error
    target.write_plan(whole.plan)
    if whole.judged is not None:
        target.write_oracle(whole.judged)
    unfinished = tabulate(whole.info, whole.plan, whole.cells, whole.judged)
    code = matrix.exit_code(unfinished, interrupted=False, tolerate_unreachable=tolerate_unreachable)
    info = replace(whole.info, exit=code)
    target.write_run(info)
    built = replace(unfinished, run=info)
    index = report.write(target, built, publication)
    print_outcome(built, index, form)
    say(f"report: {index}")
    return code
