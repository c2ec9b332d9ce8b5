"""Who is alive: one run at a time in a checkout, and what a dead run left behind.

A run holds a file lock for as long as it lives; the kernel drops it with the process, however that ends. Every
container and process that a run starts carries a mark that names the run and its lock, so that anyone can tell a live
run's things from a dead run's.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from harness.commands import RUN_MARK, kill_tree
from harness.errors import UsageError


@dataclass(frozen=True)
class Mark:
    """Names a run and the lock that it holds; `str()` goes into labels and environments."""

    run: str
    lock: Path

    def __str__(self) -> str:
        return f"{self.run}@{self.lock}"

    @classmethod
    def parse(cls, text: str) -> Mark | None:
        """The mark that `text` is; null where it is none."""
        run, separator, lock = text.partition("@")
        return cls(run, Path(lock)) if separator and run and lock else None

    def is_live(self) -> bool:
        """True while the run's lock is held by that very run."""
        return self.lock.is_file() and _holder(self.lock) == self.run


def _owner_file(lock: Path) -> Path:
    """Beside the lock, because a locked file may not be readable everywhere."""
    return lock.with_suffix(".owner")


def _holder(lock: Path) -> str | None:
    """The run that holds `lock` now; null where it is free."""
    probe = FileLock(lock)
    try:
        probe.acquire(timeout=0)
    except Timeout:
        with contextlib.suppress(OSError, ValueError, KeyError):
            return str(json.loads(_owner_file(lock).read_text(encoding="utf-8"))["run"])
        return None
    probe.release()
    return None


class RunLock:
    """Held by the one run that works in a reports folder."""

    def __init__(self, reports: Path, run: str) -> None:
        reports.mkdir(parents=True, exist_ok=True)
        self.mark = Mark(run, (reports / ".lock").absolute())
        self._lock = FileLock(self.mark.lock)

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            UsageError: another run works in this folder.
        """
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            owner = _owner_file(self.mark.lock)
            known = json.loads(owner.read_text(encoding="utf-8")) if owner.is_file() else {}
            raise UsageError(
                f"another run works in {self.mark.lock.parent}: run {known.get('run', 'unknown')}, "
                f"process {known.get('pid', 'unknown')}; wait for it, end it, or use another checkout"
            ) from None
        _owner_file(self.mark.lock).write_text(json.dumps({"run": self.mark.run, "pid": os.getpid()}), encoding="utf-8")

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()


def end_dead_processes() -> int:
    """Kill what dead runs left running; returns how many processes."""
    ended = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            mark = Mark.parse(process.environ().get(RUN_MARK, ""))
            if mark is not None and process.pid != os.getpid() and not mark.is_live():
                kill_tree(process.pid)
                ended += 1
    return ended


def end_own_processes(mark: Mark) -> None:
    """Kill what this run itself left running, except the caller and its ancestors."""
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid not in spared and process.environ().get(RUN_MARK) == str(mark):
                process.kill()
