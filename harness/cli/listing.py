"""The command that lists what there is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import click

from harness.catalog import load_crates, load_peers
from harness.cli.collecting import collect
from harness.cli.group import FORMAT, cli, say
from harness.model import Profile, Role
from harness.paths import REPORTS
from harness.probes.registry import newer, releases
from harness.store import all_runs


@cli.command("list")
@click.argument("what", type=click.Choice(["crates", "newer", "brokers", "scenarios", "cells"]))
@FORMAT
def list_things(what: str, form: str) -> None:
    """List what there is; `newer` are the releases of the crates that are newer than what is measured.

    Scenarios and cells are those of the newest run; before the first one, those that `iotyet run` would ask.

    Example: iotyet list crates --format json
    """
    rows: list[dict[str, str]]
    if what == "crates":
        rows = [
            {
                "id": crate.id,
                "role": crate.role,
                "package": f"{crate.package} {crate.version}",
                "guide": crate.guide_name,
            }
            for crate in load_crates()
        ]
    elif what == "newer":
        rows = list(_newer())
    elif what == "brokers":
        rows = [
            {"id": line.id, "profile": line.profile, "image": line.image or "none: played by the harness"}
            for line in load_peers()
        ]
    else:
        rows = _planned(what)
    if form == "json":
        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        click.echo("  ".join(f"{value:<24}" for value in row.values()).rstrip())


def _newer() -> Iterator[dict[str, str]]:
    """Crates with a probe and a newer release than the catalogue's, named as `iotyet run` takes them."""
    for crate in load_crates():
        if crate.role is Role.CONTROL or crate.git is not None or not crate.has_probe:
            continue
        release = newer(releases(crate.package, os.environ), crate.version)
        if release is not None:
            yield {"id": f"{crate.name}@{release.version}", "measured": crate.version, "released": release.released}


def _planned(what: str) -> list[dict[str, str]]:
    """Scenarios or cells, as the newest run planned them, or as the first one would."""
    planned = [folder for folder in all_runs(REPORTS / "runs") if folder.has_plan()]
    if planned:
        plan = planned[-1].read_plan()
    else:
        say(f"no run yet: the {what} that `iotyet run` asks, in the profile {Profile.DEFAULT}")
        plan = collect(Profile.DEFAULT)
    if what == "cells":
        return [{"id": str(cell.key)} for cell in plan.cells]
    return [{"id": f"{s.dialect}/{s.id}", "level": s.level, "title": s.title} for s in plan.scenarios]
