"""A run of its own for the saboteurs of one process."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from harness.bench import Bench
from harness.brokers import providers
from harness.brokers.containers import connect
from harness.errors import Unavailable
from harness.liveness import RunLock, end_own_processes
from harness.store import RunFolder


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Brokers and probes of no other run are touched, and none of its own stay."""
    name = f"saboteurs-{secrets.token_hex(4)}"
    reports = tmp_path_factory.mktemp("reports")
    folder = RunFolder(reports / "runs" / name)
    folder.evidence.mkdir(parents=True)
    lock = RunLock(reports, name)
    lock.acquire()
    bench = Bench(folder, lock.mark)
    try:
        yield bench
    finally:
        bench.close()
        providers.remove(lambda mark: mark == lock.mark)
        end_own_processes(lock.mark)
        lock.release()


@pytest.fixture(scope="session")
def broker_bench(bench: Bench) -> Bench:
    """The same, for saboteurs that need a broker in Docker; without Docker they are skipped."""
    try:
        connect().close()
    except Unavailable as error:
        pytest.skip(str(error))
    return bench
