"""What integration tests share: copies of the checkout to run the command line in, and marks of runs that are alive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from harness.certificates import Certificates
from harness.liveness import Mark, RunLock
from tests.integration.checkout import SCENARIOS, Checkout


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[Mark]:
    """The mark of a run that lives as long as the test: whoever sweeps meanwhile leaves its things alone."""
    lock = RunLock(tmp_path / "reports", "tested")
    lock.acquire()
    yield lock.mark
    lock.release()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What a run's brokers show."""
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A copy of this checkout, with the real crates and scenarios."""
    return Checkout.copy(tmp_path / "checkout")


@pytest.fixture
def small(tmp_path: Path) -> Checkout:
    """A copy with two control crates and the scenarios of `checkout.SCENARIOS`."""
    return Checkout.copy(tmp_path / "checkout").made_small(SCENARIOS)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Checkout:
    """A small copy in which one run went well; one for all workers, so that no test may change it."""
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "finished"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            made = Checkout.copy(shared).made_small(SCENARIOS)
            made.open_gate()
            run = made.iotyet("run", "-j", "1")
            (shared / "output").write_text(run.stdout + run.stderr, encoding="utf-8")
            (shared / "status").write_text(str(run.returncode), encoding="utf-8")
    return Checkout(shared)
