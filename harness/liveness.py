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
from typing import Any

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
        """True while the run's lock is held by that very run, or by one that has not said yet who it is."""
        if not self.lock.is_file() or not _is_held(self.lock):
            return False
        return bool(_owner(self.lock).get("run", self.run) == self.run)


def _owner_file(lock: Path) -> Path:
    """Beside the lock, because a locked file may not be readable everywhere."""
    return lock.with_suffix(".owner")


def _is_held(lock: Path) -> bool:
    probe = FileLock(lock)
    try:
        probe.acquire(timeout=0)
    except Timeout:
        return True
    probe.release()
    return False


def _owner(lock: Path) -> dict[str, Any]:
    """Who holds the lock, as far as that is written down; it is written after the lock is taken."""
    with contextlib.suppress(OSError, ValueError):
        owner = json.loads(_owner_file(lock).read_text(encoding="utf-8"))
        if isinstance(owner, dict):
            return owner
    return {}


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
            known = _owner(self.mark.lock)
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
