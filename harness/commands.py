"""Runs commands: argv lists, a deadline, both streams in the error, never a shell.

Every child carries the run's id in its environment, so that a later command finds and ends what a killed run left
behind (see `harness.liveness`).
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.errors import CommandFailed

#: ANSI sequences of colours.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
#: Environment variable that marks every process that a run starts.
RUN_MARK = "IOTYET_RUN"


@dataclass(frozen=True)
class Completed:
    """A command that exited with status 0 (or with any, where `check` was off)."""

    returncode: int
    stdout: str
    stderr: str


def environment(run: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a child of the run `run`."""
    return {**os.environ, **(extra or {}), RUN_MARK: run}


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> Completed:
    """Run a command to its end.

    Args:
        argv: program and arguments.
        timeout: seconds; on expiry the whole process tree is killed.
        cwd: directory to run in.
        env: the whole environment; null inherits ours.
        check: raise where the exit status is not 0.

    Raises:
        CommandFailed: it could not be started, failed, or ran out of time.
    """
    command = list(argv)
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(env) if env is not None else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise CommandFailed(command, 127, "", str(error)) from error
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        kill_tree(process.pid)
        stdout, stderr = process.communicate()
        raise CommandFailed(command, None, stdout, stderr) from None
    except BaseException:
        kill_tree(process.pid)
        process.wait()
        raise
    if check and process.returncode != 0:
        raise CommandFailed(command, process.returncode, stdout, stderr)
    return Completed(process.returncode, stdout, stderr)


def uncoloured(text: str) -> str:
    """What a program printed, without its colours."""
    return _COLOUR.sub("", text)


def kill_tree(pid: int) -> None:
    """Kill a process that we started, and all its descendants. A process that is gone already is no error."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [*root.children(recursive=True), root]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
