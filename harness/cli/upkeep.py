"""Commands that look after this machine: set-up, what it has, what dead runs left."""

from __future__ import annotations

import os
import shutil

import click

from harness.cli.group import cli, say
from harness.session import sweep
from harness.setup import BROWSER_PACKAGE, find_browser, needs, set_up


@cli.command()
@click.option("--yes", is_flag=True, help="Do not ask before installing system packages.")
def setup(yes: bool) -> None:
    """Install and start what this machine lacks.

    Example: iotyet setup --yes
    """
    set_up(yes=yes or bool(os.environ.get("CI")))


@cli.command()
def doctor() -> int:
    """Say what this machine has and lacks.

    Example: iotyet doctor
    """
    complete = True
    for need in needs():
        complete &= need.present
        click.echo(f"{'ok     ' if need.present else 'missing'}  {need.what}: {need.why}")
    for program in ("cargo", "rustc"):
        found = shutil.which(program)
        complete &= found is not None
        click.echo(f"{'ok     ' if found else 'missing'}  {program}")
    # Nothing but tests of the report's pages needs it.
    browser = "ok       Chromium" if find_browser() else f"optional  Chromium (apt-get install {BROWSER_PACKAGE})"
    click.echo(f"{browser}: tests/browser, which are skipped without it")
    return 0 if complete else 3


@cli.command()
def clean() -> None:
    """Remove what dead runs left behind: containers and processes.

    Example: iotyet clean
    """
    containers, processes = sweep()
    say(f"removed {containers} containers and {processes} processes of dead runs")
