"""How many cells work at once. Those that only wait for a protocol's timer need no turn: they cost nothing."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from harness.model import Scenario

#: Places in each pool: a cell mostly waits for its broker or its probe, so that two for each core keep it busy.
PLACES = 2 * (os.cpu_count() or 1)
#: Places of cells that start a broker of their own: a start takes a core for seconds, and then they wait for a minute.
BROKER_PLACES = max(1, PLACES * 3 // 4)
#: Workers that find something to do: those with a place in a pool, and many that wait for timers.
WORKERS = 3 * PLACES
#: Seconds between two looks for a free place.
_TICK = 0.05

Item = TypeVar("Item")


def pool_of(scenario: Scenario) -> str:
    """The pool that the scenario's cells need a place in; empty for those that need none."""
    if scenario.own_broker or scenario.cluster:
        return "brokers"
    return "" if scenario.timer else "work"


@contextlib.contextmanager
def turn(folder: Path, pool: str) -> Iterator[None]:
    """Have a place in the pool, waiting for one where all are taken. A process that dies gives its place back."""
    if not pool:
        yield
        return
    lock = _take(folder, pool)
    try:
        yield
    finally:
        lock.release()


def in_order(items: Sequence[tuple[Scenario, Item]]) -> list[Item]:
    """The order in which cells are handed out: each pool's spread evenly over the run, those with long timers first.

    Workers take them one by one, and one that waits for a place does nothing else. Where a pool's cells come in a row,
    all workers wait for its places, and the others' stay empty.
    """
    places: list[tuple[float, Item]] = []
    for pool in ("", "brokers", "work"):
        own = sorted((entry for entry in items if pool_of(entry[0]) == pool), key=lambda entry: -entry[0].timer)
        places += [((number + 0.5) / len(own), item) for number, (_, item) in enumerate(own)]
    return [item for _, item in sorted(places, key=lambda place: place[0])]


def _take(folder: Path, pool: str) -> FileLock:
    while True:
        for place in range(BROKER_PLACES if pool == "brokers" else PLACES):
            lock = FileLock(folder / f"{pool}-{place}.lock")
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=0)
                return lock
        time.sleep(_TICK)
