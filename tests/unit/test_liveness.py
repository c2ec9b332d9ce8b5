"""Who is alive: a held lock with the right owner, and nothing else. Dead runs' processes go, live runs' stay.

Other tests and other checkouts sweep at the same time, so these tests hold a lock for whatever has to survive, and
never count what was swept.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.commands import RUN_MARK, environment
from harness.errors import UsageError
from harness.liveness import Mark, RunLock, end_dead_processes, end_own_processes
from tests.processes import ends

#: Takes the lock, says so, and holds it until its standard input ends or it is killed.
_HOLDER = """
import pathlib, sys
from harness.liveness import RunLock
lock = RunLock(pathlib.Path(sys.argv[1]), sys.argv[2])
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def _run_elsewhere(reports: Path, run: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of `reports` as the run `run`."""
    argv = [sys.executable, "-c", _HOLDER, str(reports), run]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def _sleeper(mark: str | None) -> Iterator[subprocess.Popen[bytes]]:
    """A process that would go on for a minute, with a mark or without one."""
    env = environment(mark) if mark is not None else None
    with subprocess.Popen(["sleep", "60"], env=env, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


# -- marks --------------------------------------------------------------------------------------------


def test_a_mark_is_what_its_text_says() -> None:
    mark = Mark("20260101-000000-abcd", Path("/some/where@home/.lock"))
    assert Mark.parse(str(mark)) == mark


@pytest.mark.parametrize("text", ["", "run", "run@", "@/lock", "@"])
def test_other_text_is_no_mark(text: str) -> None:
    assert Mark.parse(text) is None


# -- the lock -----------------------------------------------------------------------------------------


def test_a_run_lives_while_it_holds_its_lock(tmp_path: Path) -> None:
    with _run_elsewhere(tmp_path, "r1") as holder:
        mark = Mark("r1", tmp_path / ".lock")
        assert mark.is_live()
        assert not Mark("r2", tmp_path / ".lock").is_live(), "the lock is held by another run than the mark's"
        holder.kill()
        holder.wait(10)
        assert not mark.is_live()


def test_a_run_without_a_lock_file_is_dead(tmp_path: Path) -> None:
    assert not Mark("r1", tmp_path / "gone" / ".lock").is_live()


def test_a_released_lock_is_free_and_its_run_dead(tmp_path: Path) -> None:
    lock = RunLock(tmp_path, "r1")
    lock.acquire()
    assert lock.mark.is_live()
    lock.release()
    assert not lock.mark.is_live()
    RunLock(tmp_path, "r2").acquire()


def test_two_runs_in_one_folder_are_refused_with_the_first_ones_name(tmp_path: Path) -> None:
    with _run_elsewhere(tmp_path, "r1") as holder:
        message = f"another run works in {tmp_path}: run r1, process {holder.pid}; wait for it, end it, or use another"
        with pytest.raises(UsageError, match=message):
            RunLock(tmp_path, "r2").acquire()
    assert not Mark("r2", tmp_path / ".lock").is_live()


def test_a_held_lock_without_an_owner_file_is_still_refused(tmp_path: Path) -> None:
    with _run_elsewhere(tmp_path, "r1"):
        (tmp_path / ".lock").with_suffix(".owner").unlink()
        with pytest.raises(UsageError, match="run unknown, process unknown"):
            RunLock(tmp_path, "r2").acquire()


@pytest.mark.parametrize("text", ["", '{"run": "r1"'])
def test_a_half_written_owner_file_does_not_break_a_sweep_or_a_second_run(tmp_path: Path, text: str) -> None:
    """The owner file is written after the lock is taken; whoever looks in between sees less than all of it."""
    with _run_elsewhere(tmp_path, "r1"):
        (tmp_path / ".lock").with_suffix(".owner").write_text(text)
        Mark("r1", tmp_path / ".lock").is_live()
        with pytest.raises(UsageError, match="another run works in"):
            RunLock(tmp_path, "r2").acquire()


# -- what is left behind ------------------------------------------------------------------------------


def test_a_dead_runs_process_is_ended_and_a_live_runs_and_anybodys_stay(tmp_path: Path) -> None:
    with (
        _run_elsewhere(tmp_path / "alive", "r1"),
        _sleeper(str(Mark("r1", tmp_path / "alive" / ".lock"))) as live,
        _sleeper(str(Mark("r0", tmp_path / "alive" / ".lock"))) as before,
        _sleeper(str(Mark("r2", tmp_path / "dead" / ".lock"))) as dead,
        _sleeper(None) as unmarked,
        _sleeper("no mark of ours") as strange,
    ):
        end_dead_processes()
        assert dead.wait(10) == -9
        assert before.wait(10) == -9, "an earlier run in the same folder is dead, although the lock is held"
        assert [process.poll() for process in (live, unmarked, strange)] == [None, None, None]


def test_children_of_a_dead_runs_process_go_with_it(tmp_path: Path) -> None:
    """A child that dropped the mark is found through its parent."""
    mark = str(Mark("r", tmp_path / ".lock"))
    argv = ["sh", "-c", f"env -u {RUN_MARK} sleep 60 & echo $!; wait"]
    with subprocess.Popen(
        argv, env=environment(mark), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        end_dead_processes()
        parent.wait(10)
    assert ends(child)


def test_a_run_ends_its_own_processes_and_spares_itself_and_others(tmp_path: Path) -> None:
    own = Mark("own", tmp_path / "own" / ".lock")
    with (
        _run_elsewhere(tmp_path / "own", "own"),
        _run_elsewhere(tmp_path / "other", "other"),
        _sleeper(str(own)) as mine,
        _sleeper(str(Mark("other", tmp_path / "other" / ".lock"))) as theirs,
    ):
        end_own_processes(own)
        assert mine.wait(10) == -9
        assert theirs.poll() is None
