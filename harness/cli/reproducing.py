"""The command that measures one cell again."""

from __future__ import annotations

import contextlib
import difflib
import json
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import pytest

from harness import asked, matrix, report
from harness import snapshot as snapshots
from harness.asked import Asked
from harness.catalog import load_crates, load_peers, pick_crates, pick_lines
from harness.cli.group import FAULT, FORMAT, cli, matrix_of, say
from harness.diff import Kind as DiffKind
from harness.diff import kind_of
from harness.errors import UsageError
from harness.export.folder import check, export
from harness.leases import Leases
from harness.matrix import EXIT_DIFFERS, EXIT_OK, EXIT_UNMEASURED, Cell, Matrix
from harness.model import NO_PEER, CellKey, Change, Profile, Verdict
from harness.oracle.batch import judge_run
from harness.paths import REPORTS, ROOT, SCENARIOS
from harness.report.addresses import cell_page
from harness.report.text import one_line
from harness.session import RunSession
from harness.snapshot import Seen
from harness.store import RunFolder, all_runs
from harness.tabulating import tabulate


@dataclass(frozen=True)
class _Again:
    """The cell, measured again."""

    folder: RunFolder
    matrix: Matrix
    cell: Cell


@dataclass(frozen=True)
class _Told:
    """What is said of it. `before` is how it came out last, in `where`; `differs` is null where that is the same."""

    cell: str
    now: Seen
    expected: Verdict
    where: str
    before: Seen | None
    differs: DiffKind | None
    folder: str
    exit: int


@cli.command("reproduce")
@click.argument("cell", metavar="CELL|URL")
@click.option("--keep", is_flag=True, help="Leave the broker running until Enter is pressed.")
@click.option(
    "--export",
    "target",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also write the cell as a folder that needs nothing of this project; of MQTT, AMQP and Kafka without TLS.",
)
@FORMAT
def reproduce(cell: str, keep: bool, target: Path | None, form: str) -> int:
    """Measure one cell again, and say whether it comes out as before.

    CELL is the id of a cell, which names crate, version and broker line, or the address of its page in any report. It
    is compared with the newest run here that has it, or with the baseline. Exits with 0 where it comes out the same, 1
    where it does not, 3 where it could not be measured.

    Example: iotyet reproduce mqtt-3.1.1/connects/rumqttc@0.25.1/mosquitto@2.0
    """
    wanted = asked.parse(cell)
    (named,) = pick_crates(load_crates(), [wanted.crate])
    if target is not None:
        check(wanted.text, named, wanted.peer, target)
    again = _measured(wanted, keep)
    key = again.cell.key
    crate = next(row.crate for row in again.matrix.rows if again.cell in row.cells)
    say(f"evidence: {again.folder.path / cell_page(crate, key)}")
    told = _compared(again)
    click.echo(json.dumps(asdict(told), indent=1) if form == "json" else _as_text(told))
    if target is not None:
        line = next((line for line in again.matrix.lines if line.id == key.peer), None)
        export(again.cell, crate, line, again.folder.path, target)
        say(f"{target}: README.md says how to play it again")
    return told.exit


def _compared(again: _Again) -> _Told:
    """How the cell came out beside how it came out last."""
    key, result, now = again.cell.key, again.cell.result, Seen.of(again.cell.result)
    where, before, differs = "", None, None
    code = EXIT_UNMEASURED
    if result.verdict not in matrix.OPEN:
        where, before = _before(key, again.folder)
        differs = kind_of(before, now) if before else None
        code = EXIT_OK if differs is None else EXIT_DIFFERS
        if before is None:
            code = EXIT_OK if result.change is Change.AS_EXPECTED else EXIT_DIFFERS
    expected = result.expected or Verdict.PASS
    return _Told(str(key), now, expected, where if before else "", before, differs, str(again.folder.path), code)


def _as_text(told: _Told) -> str:
    lines = [told.cell, one_line(f"now: {told.now}", 2000)]
    if told.before is not None:
        lines.append(one_line(f"{told.where}: {told.before}", 2000))
        lines.append(f"it comes out {'the same' if told.differs is None else f'otherwise: {told.differs}'}")
    elif told.exit != EXIT_UNMEASURED:
        lines.append(f"nothing to compare with; expected of it: {told.expected}")
    return "\n".join(lines)


def _before(key: CellKey, folder: RunFolder) -> tuple[str, Seen | None]:
    """How the cell came out last, and where: in a run before this one, else in the baseline."""
    for earlier in reversed(all_runs(REPORTS / "runs")):
        if earlier.path != folder.path:
            results = earlier.read_cells()
            if any(result.key == key and result.verdict not in matrix.OPEN for result in results):
                found = next(cell for cell in matrix_of(earlier).cells if cell.key == key)
                return f"in run {earlier.path.name}", Seen.of(found.result)
    baseline = snapshots.committed()
    return (f"in run {baseline.run}, the baseline", baseline.seen().get(key)) if baseline else ("", None)


def _measured(wanted: Asked, keep: bool) -> _Again:
    """Measure the cell in a run of its own."""
    if wanted.peer != NO_PEER:
        pick_lines(load_peers(), [wanted.peer], Profile.FULL)
    session = RunSession.begin(Profile.CI, f"reproduce {wanted.text}")
    code: int | None = None
    try:
        with contextlib.redirect_stdout(sys.stderr):
            status = pytest.main(_arguments(wanted, session.folder))
        if status == pytest.ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        results = session.folder.read_cells()
        if results and keep:
            _hold(session.folder)
        code = EXIT_OK if results else FAULT
    finally:
        session.end(code)
    if not results:
        message = _unknown(wanted, session.folder)
        shutil.rmtree(session.folder.path, ignore_errors=True)
        raise UsageError(message)
    judged = judge_run(session.folder.path, results, say)
    session.folder.write_oracle(judged)
    built = tabulate(session.folder.read_run(), session.folder.read_plan(), results, judged)
    report.write(session.folder, built)
    return _Again(session.folder, built, next(cell for cell in built.cells if cell.key == results[0].key))


def _arguments(wanted: Asked, folder: RunFolder) -> list[str]:
    arguments = [str(SCENARIOS), "--rootdir", str(ROOT), "-q", "--tb=line", "--no-header", "-p", "no:cacheprovider"]
    arguments += ["--profile", Profile.CI, f"--crate={wanted.crate}", f"--cell={wanted.text}"]
    arguments += [f"--broker={wanted.peer}"] if wanted.peer != NO_PEER else []
    return [*arguments, f"--iotyet-run={folder.path}"]


def _unknown(wanted: Asked, folder: RunFolder) -> str:
    """What to say where no scenario has the cell."""
    planned = [str(cell.key) for cell in folder.read_plan().cells] if folder.has_plan() else []
    close = difflib.get_close_matches(wanted.text, planned, n=1, cutoff=0.3)
    guess = f"; did you mean {close[0]}?" if close else ""
    return f"{wanted.text} is no cell of this checkout's scenarios{guess}"


def _hold(folder: RunFolder) -> None:
    """Wait, with the brokers running, until the user has seen enough."""
    brokers = Leases(folder.path / "leases").obtained("broker-")
    ports = [
        f"{broker['line']}: {', '.join(f'{name} on 127.0.0.1:{port}' for name, port in broker['ports'].items())}"
        for broker in brokers.values()
        if broker.get("ports")
    ]
    say(f"still running: {'; '.join(ports) or 'nothing: this cell has no broker that outlives it'}; Enter ends it")
    sys.stdin.readline()
