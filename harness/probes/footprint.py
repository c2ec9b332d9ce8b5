"""What a probe takes of the machine: memory, file descriptors, threads."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from harness.errors import CrateCrash


@dataclass(frozen=True)
class Footprint:
    """What a process takes at one moment."""

    #: Resident memory, in bytes.
    memory: int
    #: Open file descriptors, sockets among them.
    files: int
    threads: int

    def __str__(self) -> str:
        return f"{self.memory / 2**20:.1f} MiB, {self.files} file descriptors, {self.threads} threads"


def footprint(pid: int) -> Footprint:
    """The footprint of a running process.

    Raises:
        CrateCrash: it is gone.
    """
    try:
        process = psutil.Process(pid)
        return Footprint(process.memory_info().rss, process.num_fds(), process.num_threads())
    except psutil.NoSuchProcess as error:
        raise CrateCrash(f"the probe is gone: {error}") from error
