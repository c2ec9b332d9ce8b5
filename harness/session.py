"""One run from beginning to end: the lock, the folder, the header, and that nothing of ours stays afterwards."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.brokers import providers
from harness.commands import RUN_MARK, run
from harness.errors import CommandFailed, HarnessFault, UsageError
from harness.leases import Leases
from harness.liveness import Mark, RunLock, end_dead_processes, end_own_processes
from harness.model import Profile
from harness.paths import REPORTS, ROOT
from harness.store import RunFolder, RunInfo, all_runs


def sweep() -> tuple[int, int]:
    """Remove what dead runs left behind, never what a live run uses; returns brokers and processes removed."""
    return providers.remove(lambda mark: not mark.is_live()), end_dead_processes()


class RunSession:
    """A run that is going on. Begin it with `begin` or `resume`; `end` always."""

    def __init__(self, folder: RunFolder, lock: RunLock) -> None:
        self.folder = folder
        self.mark: Mark = lock.mark
        self._lock = lock
        self._started = time.monotonic()
        self._completed = False
        self._phases: dict[str, float] = {}
        self._before = folder.read_run().seconds

    @classmethod
    def begin(
        cls, profile: Profile, selection: str, shard: str = "", repeat: int = 1, reports: Path = REPORTS
    ) -> RunSession:
        """Start a new run.

        Raises:
            UsageError: another run is going on in this reports folder.
            HarnessFault: its folder cannot be made.
        """
        name = f"{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        lock = RunLock(reports, name)
        lock.acquire()
        folder = RunFolder(reports / "runs" / name)
        try:
            folder.evidence.mkdir(parents=True)
            folder.write_run(_header(name, profile, selection, shard, repeat))
        except OSError as error:
            lock.release()
            raise HarnessFault(f"{folder.path} cannot be made: {error.strerror}") from error
        return cls._open(folder, lock)

    @classmethod
    def resume(cls, reports: Path = REPORTS) -> RunSession:
        """Go on with the newest run, which did not end, or could not measure everything.

        Raises:
            UsageError: there is none, or another run is going on.
        """
        runs = all_runs(reports / "runs")
        if not runs or (runs[-1].read_run().exit is not None and not runs[-1].left()):
            raise UsageError("there is no run with anything left to measure; start one with `iotyet run`")
        folder = runs[-1]
        lock = RunLock(reports, folder.path.name)
        lock.acquire()
        folder.drop_torn_line()
        # Brokers and failures of the earlier part are gone; what was built is in the cache.
        for lease in (folder.path / "leases").glob("*"):
            lease.unlink()
        return cls._open(folder, lock)

    @classmethod
    def _open(cls, folder: RunFolder, lock: RunLock) -> RunSession:
        sweep()
        # Everything that this process starts inherits the mark, xdist's workers included.
        os.environ[RUN_MARK] = str(lock.mark)
        return cls(folder, lock)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a part of the run, and print its seconds."""
        started = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - started
            self._phases[name] = round(self._phases.get(name, 0.0) + seconds, 2)
            print(f"iotyet: {name}: {seconds:.1f} s", file=sys.stderr, flush=True)

    def end(self, exit_code: int | None) -> None:
        """End the run: its containers and processes go, its header is completed where it is not.

        Args:
            exit_code: null where the run was interrupted and can be resumed.
        """
        try:
            providers.remove(lambda mark: mark == self.mark)
            end_own_processes(self.mark)
            if not self._completed:
                self.complete(exit_code)
        finally:
            os.environ.pop(RUN_MARK, None)
            self._lock.release()

    def complete(self, exit_code: int | None) -> RunInfo:
        """Complete the header, from which the report is made, and return it."""
        self._completed = True
        info = self.folder.read_run()
        leases = Leases(self.folder.path / "leases")
        builds = {**leases.obtained("build-"), **leases.obtained("published-"), **leases.obtained("vetted-")}
        for build in builds.values():
            build.pop("lock", None)  # it is in the evidence
            build.pop("binary", None)  # a path of this machine
        brokers = {broker["line"]: broker for broker in info.brokers}
        for broker in leases.obtained("broker-").values():
            brokers[broker["line"]] = {key: broker[key] for key in ("line", "version", "provider", "image", "digest")}
        completed = replace(
            info,
            seconds=round(self._before + time.monotonic() - self._started, 1),
            exit=exit_code,
            phases={**info.phases, **self._phases},
            brokers=tuple(brokers.values()),
            builds={**info.builds, **builds},
        )
        self.folder.write_run(completed)
        return completed


def _header(name: str, profile: Profile, selection: str, shard: str, repeat: int) -> RunInfo:
    return RunInfo(
        id=name,
        started=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}",
        profile=profile,
        selection=selection,
        shard=shard,
        repeat=repeat,
        commit=_output(["git", "-C", str(ROOT), "rev-parse", "HEAD"]),
        dirty=bool(_output(["git", "-C", str(ROOT), "status", "--porcelain"])),
        host={"os": _operating_system(), "arch": platform.machine(), "cpus": str(os.cpu_count() or 0)},
        tools={
            "python": platform.python_version(),
            "rustc": _output(["rustc", "--version"]).removeprefix("rustc "),
            "cargo": _output(["cargo", "--version"]).removeprefix("cargo "),
            "docker": _output(["docker", "version", "--format", "{{.Server.Version}}"]),
        },
        harness_version=importlib.metadata.version("iotyet"),
    )


def _output(argv: list[str]) -> str:
    """A command's output; empty where it fails."""
    try:
        return run(argv, timeout=30).stdout.strip()
    except CommandFailed:
        return ""


def _operating_system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()
