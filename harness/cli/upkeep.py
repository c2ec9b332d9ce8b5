"""Commands that look after this machine: set-up, what it has, what dead runs left."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass

import click

from harness.cli.group import FORMAT, cli, say
from harness.matrix import EXIT_OK, EXIT_UNMEASURED
from harness.session import sweep
from harness.setup import BROWSER_PACKAGE, find_browser, needs, set_up


@dataclass(frozen=True)
class Found:
    """Something that this machine has or lacks, and what for."""

    what: str
    why: str
    present: bool
    optional: bool = False


@cli.command()
@click.option("--yes", is_flag=True, help="Do not ask before installing system packages.")
def setup(yes: bool) -> None:
    """Install and start what this machine lacks.

    Example: iotyet setup --yes
    """
    set_up(yes=yes or bool(os.environ.get("CI")))


@cli.command()
@FORMAT
def doctor(form: str) -> int:
    """Say what this machine has and lacks; exits with 3 where it lacks something.

    Example: iotyet doctor
    """
    found = [Found(need.what, need.why, need.present) for need in needs()]
    found += [Found(program, "", shutil.which(program) is not None) for program in ("cargo", "rustc")]
    # Nothing but tests of the report's pages needs it.
    package = f"tests/browser, which are skipped without it (apt-get install {BROWSER_PACKAGE})"
    found.append(Found("Chromium", package, find_browser() is not None, optional=True))
    if form == "json":
        click.echo(json.dumps([asdict(one) for one in found], indent=1))
    else:
        for one in found:
            state = "ok" if one.present else "optional" if one.optional else "missing"
            click.echo(f"{state:<8} {one.what}" + (f": {one.why}" if one.why else ""))
    return EXIT_OK if all(one.present or one.optional for one in found) else EXIT_UNMEASURED


@cli.command()
def clean() -> None:
    """Remove what dead runs left behind: containers and processes.

    Example: iotyet clean
    """
    containers, processes = sweep()
    say(f"removed {containers} containers and {processes} processes of dead runs")
