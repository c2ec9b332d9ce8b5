"""The command that measures."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import pytest
from _pytest.mark.expression import Expression  # what pytest itself reads -k with; it has no public name

from harness import expectations, matrix, report, snapshot
from harness.authors import load_statements
from harness.bench import Bench
from harness.catalog import covered, load_claims, load_crates, load_peers, pick_crates, pick_lines
from harness.cli.group import FAULT, FORMAT, INTERRUPTED, cli, print_outcome, say
from harness.cli.placing import OUT, need_new, place
from harness.errors import AttemptError, UsageError
from harness.matrix import EXIT_NOTHING_SELECTED, EXIT_UNMEASURED
from harness.model import BrokerLine, Crate, Profile, Role
from harness.oracle.batch import judge_run
from harness.paths import REPORTS, ROOT, SCENARIOS
from harness.probes import registry
from harness.progress import Progress
from harness.session import RunSession
from harness.shards import assign
from harness.shards import parse as parse_shard
from harness.store import RunFolder
from harness.tabulating import tabulate
from harness.turns import WORKERS

#: Seconds after which a cell counts as a hang of ours; it may wait long for its turn and for what others build.
_CELL_LIMIT = 3600


@cli.command()
@click.argument("crates", nargs=-1, metavar="[CRATE[@VERSION]]...")
@click.option("-k", "expression", default="", metavar="EXPR", help="Only scenarios that match, as pytest's -k.")
@click.option("--broker", multiple=True, metavar="NAME[@LINE]", help="Only this broker.")
@click.option(
    "--profile", type=click.Choice([p.value for p in Profile]), default=Profile.DEFAULT.value, show_default=True
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    default=None,
    help="Workers; six a core by default, most of which wait.",
)
@click.option(
    "--shard", default="", metavar="I/N", help="Only this part of the run; `iotyet merge` puts parts together."
)
@click.option(
    "--repeat",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Attempts at each cell: the worst counts, and where they differ it is flaky. Builds are not repeated.",
)
@click.option(
    "--resume", is_flag=True, help="Go on with the newest run: what it did not get to, and what it could not measure."
)
@click.option("--tolerate-unreachable", is_flag=True, help="Exit 0 where only sources that may be unreachable were.")
@OUT
@FORMAT
def run(
    crates: tuple[str, ...],
    expression: str,
    broker: tuple[str, ...],
    profile: str,
    jobs: int | None,
    shard: str,
    repeat: int,
    resume: bool,
    tolerate_unreachable: bool,
    out: Path | None,
    form: str,
) -> int:
    """Measure cells and write the report.

    Prints the matrix, or as JSON where its results.json is and how many cells are not as expected.

    Exits with 0 where every cell is as expected, 1 where one is not, 2 for wrong usage, 3 where something could not be
    measured, 4 for a fault of the harness, 5 where nothing is selected, 130 where it was interrupted.

    Example: iotyet run rumqttc -k qos2
    """
    if out is not None:
        need_new(out)
    asked = Asked(crates, Profile(profile), expression, broker, jobs, shard, resume, repeat)
    return measure(asked, partial(_report, tolerate_unreachable=tolerate_unreachable, out=out, form=form))


@dataclass(frozen=True)
class Asked:
    """What to measure, as the options of `run` have it."""

    crates: tuple[str, ...]
    profile: Profile
    expression: str = ""
    broker: tuple[str, ...] = ()
    jobs: int | None = None
    #: Which part of the run, as `2/3`; empty for all of it.
    shard: str = ""
    resume: bool = False
    #: Attempts at each cell at least.
    repeat: int = 1

    @property
    def selection(self) -> str:
        """In one line, as the run's header has it; empty for everything."""
        brokers = [f"--broker {name}" for name in self.broker]
        return " ".join([*self.crates, *brokers, *([f"-k '{self.expression}'"] if self.expression else [])])


def measure(asked: Asked, finish: Callable[[RunSession, bool], int]) -> int:
    """One run from beginning to end.

    Args:
        asked: what to measure.
        finish: makes something of the finished run, told whether it was interrupted; returns the exit code.

    Raises:
        UsageError: something is asked for that there is not.
    """
    _understand(asked.expression)
    picked = pick_crates(load_crates(), asked.crates)
    lines = pick_lines(load_peers(), asked.broker, asked.profile)
    expectations.load(SCENARIOS)
    load_claims()
    snapshot.committed()
    load_statements(crate.name for crate in load_crates())
    need_cargo()
    for crate in picked:
        if crate.role is Role.VERSION and not crate.path:
            registry.require(crate, os.environ)
    wanted = picked if asked.crates else covered(picked, asked.profile)
    if asked.shard:
        if asked.resume:
            raise UsageError("an interrupted shard goes on with `iotyet run --resume` alone: it knows which it is")
        part = parse_shard(asked.shard)
        owners = assign(wanted, lines, part.of)
        wanted = tuple(crate for crate in wanted if owners[crate.id] == part.number)
    if asked.resume:
        session = RunSession.resume()
        begun = session.folder.read_run()
        asked = replace(asked, profile=Profile(begun.profile), repeat=begun.repeat)
    else:
        session = RunSession.begin(asked.profile, asked.selection, asked.shard, asked.repeat)
    code: int | None = FAULT
    try:
        # With an expression nobody knows yet what is needed: then the cells start it.
        if asked.resume and session.folder.has_plan():
            _start_ahead(session, *_missing(session.folder))
        elif not asked.expression:
            _start_ahead(session, wanted, lines)
        # pytest's progress is no data.
        with session.phase("cells"), contextlib.redirect_stdout(sys.stderr):
            pytest_code = pytest.main(_pytest_arguments(session, asked), plugins=[Progress(say)])
        interrupted = pytest_code == pytest.ExitCode.INTERRUPTED
        if pytest_code in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR):
            return FAULT
        code = None if interrupted else 0
        if session.folder.has_plan():
            code = finish(session, interrupted)
        elif pytest_code == pytest.ExitCode.NO_TESTS_COLLECTED:
            code = EXIT_NOTHING_SELECTED
    except KeyboardInterrupt:
        code = None
    finally:
        session.end(code if code != INTERRUPTED else None)
    if code in (None, INTERRUPTED):
        say("interrupted; what was measured is kept: go on with `iotyet run --resume`")
        return INTERRUPTED
    if code == EXIT_UNMEASURED:
        say("`iotyet run --resume` measures again what could not be measured")
    return code or 0


def _understand(expression: str) -> None:
    """Say so where pytest will not understand an expression: its workers would end without a word.

    Raises:
        UsageError: it will not.
    """
    try:
        Expression.compile(expression)
    except SyntaxError as error:
        raise UsageError(
            f"-k {expression!r}, column {error.offset}: {error.msg}; expected names, `and`, `or`, `not` and "
            "parentheses, such as -k 'connects and not mqtt-5'; --broker takes mosquitto@2.0"
        ) from error


def need_cargo() -> None:
    """Say so where there is no cargo.

    Raises:
        UsageError: there is none.
    """
    if shutil.which("cargo") is None:
        raise UsageError(
            "cargo was not found, and no crate can be built without it; `make setup` says how to install it"
        )


def _missing(folder: RunFolder) -> tuple[tuple[Crate, ...], tuple[BrokerLine, ...]]:
    """The crates and lines of the cells that a resumed run measures."""
    plan, keys = folder.read_plan(), folder.left()
    crates, peers = {(key.crate, key.crate_version) for key in keys}, {key.peer for key in keys}
    return (
        tuple(crate for crate in plan.crates if (crate.name, crate.version) in crates),
        tuple(line for line in plan.lines if line.id in peers),
    )


def _start_ahead(session: RunSession, crates: tuple[Crate, ...], lines: tuple[BrokerLine, ...]) -> None:
    """Build and start what the run will need, with progress; failures are the cells' to tell."""
    bench = Bench(session.folder, session.mark, say)
    built = [crate for crate in crates if crate.role is not Role.CONTROL]
    try:
        with session.phase("builds"):
            for number, crate in enumerate(built, 1):
                say(f"crate {number} of {len(built)}: {crate.id}")
                _quietly(bench.published, crate)
                if crate.has_probe:
                    _quietly(bench.repaired, crate)
        with session.phase("brokers"):
            for line in lines:
                if not line.is_reference and any(set(line.dialects) & set(crate.dialects) for crate in crates):
                    say(f"broker {line.id}")
                    _quietly(bench.shared_peer, line)
    finally:
        bench.close()


def _quietly(start: Any, what: Crate | BrokerLine) -> None:
    try:
        start(what)
    except AttemptError as error:
        say(f"{what.id}: {error.verdict}: {error}")


def _pytest_arguments(session: RunSession, asked: Asked) -> list[str]:
    arguments = [str(SCENARIOS), "--rootdir", str(ROOT), "-q", "--tb=line", "--no-header", f"--profile={asked.profile}"]
    arguments += ["-n", str(asked.jobs or WORKERS), f"--timeout={_CELL_LIMIT}", f"--iotyet-run={session.folder.path}"]
    arguments += [f"--crate={name}" for name in asked.crates] + [f"--broker={name}" for name in asked.broker]
    arguments += ["-k", asked.expression] if asked.expression else []
    arguments += [f"--shard={asked.shard}"] if asked.shard else []
    arguments += [f"--repeat={asked.repeat}"] if asked.repeat > 1 else []
    arguments += ["--iotyet-resume"] if asked.resume else []
    return arguments


def complete(
    session: RunSession, interrupted: bool, *, tolerate_unreachable: bool = False
) -> tuple[matrix.Matrix, Path, int]:
    """Complete the run and write its report; returns the matrix, the report's first page and the exit code."""
    folder = session.folder
    plan, cells = folder.read_plan(), folder.read_cells()
    if not interrupted:
        with session.phase("oracle"):
            folder.write_oracle(judge_run(folder.path, cells, say))
    judged = folder.read_oracle()
    code = matrix.exit_code(
        tabulate(folder.read_run(), plan, cells, judged), interrupted, tolerate_unreachable=tolerate_unreachable
    )
    built = tabulate(session.complete(None if interrupted else code), plan, cells, judged)
    return built, report.write(folder, built), code


def _report(session: RunSession, interrupted: bool, *, tolerate_unreachable: bool, out: Path | None, form: str) -> int:
    """Write the report, print the matrix, and return the exit code."""
    built, index, code = complete(session, interrupted, tolerate_unreachable=tolerate_unreachable)
    latest = REPORTS / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(session.folder.path.relative_to(REPORTS), target_is_directory=True)
    shown = latest / index.name
    if out is not None and not interrupted:
        shown = report.write(place(session.folder, out), built)
    if code == EXIT_NOTHING_SELECTED:
        say(f"nothing is selected by {built.run.selection}; `iotyet list cells` has the names of all cells")
    if code != EXIT_NOTHING_SELECTED or form == "json":
        print_outcome(built, shown, form)
    say(f"report: {shown.relative_to(Path.cwd()) if shown.is_relative_to(Path.cwd()) else shown}")
    return code
