"""Starts, watches, restarts and removes brokers as processes of this machine: for where there is no Docker.

Each has a folder of its own below the cache, with its configuration, its data and its log. The settings are those of
compose/<broker>/, with other ports and folders. What a run left behind is found by the mark in the processes'
environment and in the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from harness.brokers.base import (
    BrokerModule,
    HostProcess,
    Image,
    RunningBroker,
    RunsOnHost,
    await_ready,
    logged_version,
    pick_port,
)
from harness.commands import environment, run
from harness.errors import BrokerFailed, CommandFailed, Unavailable
from harness.liveness import Mark
from harness.model import BrokerLine
from harness.paths import COMPOSE, cache

PROVIDER = "host process"
#: Environment variable that marks every process of one broker.
_BROKER = "IOTYET_BROKER"
_LOG, _MARK, _PROCESS = "broker.log", "mark", "process.json"
#: Seconds that a broker gets to stop in good order.
_STOP = 20.0
#: Seconds that a program of the broker's may take.
_COMMAND = 60.0
#: Seconds between two looks at a log.
_TICK = 0.02


def obtain(module: BrokerModule, line: BrokerLine, note: str) -> Image:
    """The program on this machine that may be of the line; its version shows when it starts.

    Raises:
        Unavailable: it is not installed, or the broker cannot be started without a container.
    """
    if not isinstance(module, RunsOnHost):
        raise Unavailable(f"{line.id}: {note}, and {module.name} cannot be started without a container")
    program = module.program(line)
    if program is None:
        raise Unavailable(f"{line.id}: {note}, and {module.name} is not installed on this machine")
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    return Image(PROVIDER, program.name, f"sha256:{digest}", note)


def start(module: BrokerModule, line: BrokerLine, image: Image, mark: Mark, certificates: Path) -> RunningBroker:
    """Start one broker and wait until it answers a real handshake.

    Raises:
        Unavailable: it cannot be had, or is of another line.
        BrokerFailed: it did not start.
    """
    if not isinstance(module, RunsOnHost):
        raise Unavailable(f"{module.name} cannot be started without a container")
    handle = secrets.token_hex(6)
    home = _home(handle)
    home.mkdir(parents=True)
    (home / _MARK).write_text(str(mark), encoding="utf-8")
    ports = {listener: pick_port() for listener in module.listeners}
    broker = RunningBroker(
        line=line.id,
        version="",
        provider=image.provider,
        image=image.name,
        digest=image.digest,
        handle=handle,
        ports=ports,
    )
    try:
        process = module.on_host(line, COMPOSE / module.name, home, ports, certificates)
        _write(home, process, mark)
        control = ProcessControl(module, broker)
        control.begin()
        version = logged_version(module, control.log)
        if not version.startswith(line.version_prefix):
            found = f"{image.name} on this machine is version {version or 'unknown'}"
            raise Unavailable(f"{found}, which is not of the line {line.id} ({image.note})")
    except BaseException:
        _remove(home)
        raise
    return RunningBroker(**{**broker.to_json(), "version": version})


class ProcessControl:
    """Acts on one running broker. Any process of the run may make one."""

    def __init__(self, module: BrokerModule, broker: RunningBroker) -> None:
        self.broker = broker
        self._module = module
        self._home = _home(broker.handle)
        self._log = self._home / _LOG
        self._closed = False

    def close(self) -> None:
        """Stop following the log; the broker stays."""
        self._closed = True

    def is_running(self) -> bool:
        """False where the broker died."""
        return self._main() is not None

    def log(self) -> str:
        """The whole log."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def follow(self, moment: float) -> Iterator[str]:
        """Log lines as they come, from what was written after `moment` (seconds since 1970) on, each with its place."""
        with contextlib.suppress(FileNotFoundError), self._log.open("rb") as log:
            if moment > self._log.stat().st_mtime:
                log.seek(0, os.SEEK_END)
            rest = b""
            while not self._closed and self._home.exists():
                rest += log.readline()
                if rest.endswith(b"\n"):
                    yield f"{log.tell():015d} {rest.decode('utf-8', 'replace').rstrip()}"
                    rest = b""
                else:
                    time.sleep(_TICK)

    def restart(self) -> None:
        """Stop the broker in good order (SIGTERM), start it again and wait until it answers."""
        if (main := self._main()) is not None:
            main.terminate()
            _await_gone(main, _STOP)
        self.kill()

    def kill(self) -> None:
        """Kill the broker (SIGKILL), start it again and wait until it answers."""
        _kill(self._home)
        self.begin()

    def kill_node(self, number: int) -> None:
        """There are no clusters of processes.

        Raises:
            BrokerFailed: always.
        """
        raise BrokerFailed(f"there is no node {number}: clusters need Docker")

    def run(self, *argv: str) -> str:
        """Run a program that lies beside the broker's own, with the broker's environment; returns what it printed.

        Raises:
            BrokerFailed: it ended with an error.
        """
        plan = self._plan()
        program = str(Path(plan["argv"][0]).parent / argv[0])
        try:
            told = environment(plan["mark"], plan["environment"])
            return run([program, *argv[1:]], timeout=_COMMAND, cwd=self._home, env=told).stdout.strip()
        except CommandFailed as error:
            raise BrokerFailed(str(error)) from error

    def pause(self) -> None:
        """Freeze the broker: it keeps its connections and does nothing."""
        for process in _processes(self._home):
            process.suspend()

    def resume(self) -> None:
        """Let a frozen broker go on."""
        for process in _processes(self._home):
            process.resume()

    def remove(self) -> None:
        """End the broker and delete its data."""
        self.close()
        _remove(self._home)

    def begin(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            BrokerFailed: it does not.
        """
        plan = self._plan()
        with self._log.open("ab") as log:
            try:
                process = subprocess.Popen(
                    plan["argv"],
                    env=environment(plan["mark"], {**plan["environment"], _BROKER: self.broker.handle}),
                    cwd=self._home,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise BrokerFailed(f"{plan['argv'][0]} did not start: {error.strerror}") from error
        (self._home / _PROCESS).write_text(json.dumps({**plan, "pid": process.pid}), encoding="utf-8")

        def end() -> str | None:
            if process.poll() is None:
                return None
            return " · ".join(self.log().splitlines()[-20:])

        await_ready(self._module, self.broker.ports, end)

    def _plan(self) -> Any:
        """How the broker was started."""
        return json.loads((self._home / _PROCESS).read_text(encoding="utf-8"))

    def _main(self) -> psutil.Process | None:
        """The process that was started; null where it has ended."""
        pid = self._plan()["pid"] if self._home.exists() else None
        return next((process for process in _processes(self._home) if process.pid == pid), None)


def remove_processes(unwanted: Callable[[Mark], bool]) -> int:
    """Remove our brokers whose mark `unwanted` accepts; returns how many."""
    removed = 0
    for home in (cache() / "brokers").glob("*"):
        with contextlib.suppress(FileNotFoundError):
            mark = Mark.parse((home / _MARK).read_text(encoding="utf-8"))
            if mark is not None and unwanted(mark):
                _remove(home)
                removed += 1
    return removed


def _home(handle: str) -> Path:
    return cache() / "brokers" / handle


def _write(home: Path, process: HostProcess, mark: Mark) -> None:
    plan = {"argv": process.argv, "environment": dict(process.environment), "mark": str(mark)}
    (home / _PROCESS).write_text(json.dumps(plan), encoding="utf-8")


def _processes(home: Path) -> list[psutil.Process]:
    """The broker's processes, wherever they went: some make themselves daemons. Those that have ended are left out."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(_BROKER) == home.name:
                found.append(process)
    return found


def _kill(home: Path) -> None:
    """Kill the broker's processes, and wait until they are gone: their ports have to be free."""
    for process in _processes(home):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            _await_gone(process, _STOP)


def _await_gone(process: psutil.Process, limit: float) -> None:
    """Wait until a process has ended, whoever is to collect its exit status."""
    end = time.monotonic() + limit
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < end:
            time.sleep(_TICK)


def _remove(home: Path) -> None:
    _kill(home)
    shutil.rmtree(home, ignore_errors=True)
