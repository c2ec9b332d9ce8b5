"""The command that a maintainer lives in: from the name of a crate to advice with its reasons."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from harness.advisories import Advisories
from harness.catalog import load_crates, pick_crates
from harness.cli.authoring import check_path
from harness.cli.bisecting import check_range
from harness.cli.group import FORMAT, cli, matrix_of, say
from harness.cli.running import Asked, complete, measure, need_cargo
from harness.errors import Unavailable, UsageError
from harness.matrix import EXIT_UNMEASURED, Matrix, Row
from harness.model import Crate, Kind, Profile, Role
from harness.paths import REPORTS
from harness.probes.build import check_published
from harness.probes.registry import Release, releases
from harness.report import checked
from harness.report.checked import Checked, Package
from harness.session import RunSession
from harness.store import all_runs


@cli.command()
@click.argument("crate", metavar="CRATE[@VERSION]")
@click.option(
    "--profile", type=click.Choice([p.value for p in Profile]), default=Profile.DEFAULT.value, show_default=True
)
@click.option("-k", "expression", default="", metavar="EXPR", help="Only scenarios that match, as pytest's -k.")
@click.option("--broker", multiple=True, metavar="NAME[@LINE]", help="Only this broker.")
@click.option(
    "--path",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Of the crate's source in this folder: what it repairs and breaks.",
)
@click.option("--against", default="", metavar="VERSION", help="Compare with it; `published`, the newest, by default.")
@click.option("-j", "--jobs", type=click.IntRange(1), default=None, help="Workers, as `iotyet run` has them.")
@FORMAT
def check(
    crate: str,
    profile: str,
    expression: str,
    broker: tuple[str, ...],
    path: Path | None,
    against: str,
    jobs: int | None,
    form: str,
) -> int:
    """Say what to do with one crate, and why, beside what the guide lists.

    CRATE is a name of the catalogue, or a package on the registry: then what can be told without a probe is told, and
    the command that makes one. CRATE@A..B says since which published version each cell fails that fails in B. With
    --path an author's source is compared with a release: what it repairs, and what it breaks.

    Exit codes are those of `iotyet run`; without a probe 3, because nothing was measured. A range and a comparison exit
    with 0, or 3 where something could not be measured; a comparison with 1 where something is worse than before.

    Example: iotyet check rumqttc
    """
    name, _, version = crate.partition("@")
    known = _of_the_catalogue(name)
    first, dots, last = version.partition("..")
    plain = Asked((), Profile(profile), expression, broker, jobs)
    if path is None and against:
        raise UsageError("--against compares the source in a folder with a release; name the folder with --path")
    if path is not None:
        if known is None or version:
            raise UsageError(f"--path needs a crate of the catalogue, not {crate!r}; `iotyet list crates` shows all")
        return check_path(known, path, against or "published", plain, form)
    if known and dots:
        return check_range(known, first, last, plain, form)
    if dots:
        raise UsageError(f"{name} has no probe, so that nothing of it can be measured; `iotyet check {name}` says more")
    if known is None:
        need_cargo()
        _print(_without_probe(name, version), form)
        return EXIT_UNMEASURED
    asked = replace(plain, crates=(f"{known}@{version}" if version else known,))
    (picked,) = pick_crates(load_crates(), asked.crates)
    if picked.role is Role.CONTROL:
        raise UsageError(f"{picked.name} is a reference client, about which there is no advice; name a crate")

    told: list[Checked] = []

    def finish(session: RunSession, interrupted: bool) -> int:
        built, index, code = complete(session, interrupted)
        row = next(row for row in built.rows if row.crate.id == picked.id)
        package = _package_of_row(built, row)
        told.append(checked.of_row(built, row, package, _newest_whole_run()))
        say(f"report: {index}")
        return code

    # pytest's progress is no data.
    with contextlib.redirect_stdout(sys.stderr):
        code = measure(asked, finish)
    for one in told:
        _print(one, form)
    return code


def _print(found: Checked, form: str) -> None:
    click.echo(checked.as_json(found) if form == "json" else checked.as_text(found))


def _of_the_catalogue(name: str) -> str | None:
    """The catalogue's name of a crate that is given by that, or by its package's; null where it has no entry."""
    crates = load_crates()
    if any(crate.name == name for crate in crates):
        return name
    return next((crate.name for crate in crates if crate.package == name and not crate.command), None)


def _without_probe(name: str, version: str) -> Checked:
    """What can be told of a package of the registry.

    Raises:
        UsageError: there is no such package, or no such version.
        Unavailable: the registry cannot be reached.
    """
    known = releases(name, os.environ)
    plain = [release for release in known if release.is_plain] or list(known)
    if version and version not in [release.version for release in known]:
        raise UsageError(f"there is no {name} {version}; the newest release is {plain[-1].version}")
    asked = version or plain[-1].version
    crate = Crate(name, Role.CANDIDATE, Kind.CLIENT, (), name, asked, "", has_probe=False)
    build = check_published(crate, "", say)
    compiles = f"build_failed: {build.failure}" if build.failure else "pass"
    found = _package(crate, known, build.repository, build.licence, build.dependencies, compiles, build.advisories)
    return checked.of_package(found, f"iotyet new crate {name} --dialect DIALECT")


def _package_of_row(built: Matrix, row: Row) -> Package:
    known: tuple[Release, ...] = ()
    if row.crate.git is None:
        with contextlib.suppress(Unavailable, UsageError):
            known = releases(row.crate.package, os.environ)
    return _package(row.crate, known, *checked.build_of(built, row), row.advisories)


def _package(
    crate: Crate,
    known: tuple[Release, ...],
    repository: str,
    licence: str,
    dependencies: int | None,
    compiles: str,
    found: Advisories,
) -> Package:
    dates = {release.version: release.released for release in known}
    newest = next((release.version for release in reversed(known) if release.is_plain), "")
    return Package(
        name=crate.package,
        version=crate.version,
        released=dates.get(crate.version, crate.released),
        newest=newest,
        newest_released=dates.get(newest, ""),
        licence=licence,
        repository=repository,
        dependencies=dependencies,
        compiles=compiles,
        advisories=found,
    )


def _newest_whole_run() -> Matrix | None:
    """The newest run that ended and that was of every crate; null where there is none that can be read."""
    for folder in reversed(all_runs(REPORTS / "runs")):
        with contextlib.suppress(UsageError):
            info = folder.read_run()
            if info.exit is not None and not info.selection:
                return matrix_of(folder)
    return None
