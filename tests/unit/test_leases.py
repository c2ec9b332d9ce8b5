"""Leases: what several processes need is started by one of them, once, and a failure is everyone's."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from harness.errors import AttemptError, BrokerFailed, BuildFailed, ContractViolation, ScenarioFault, Unavailable
from harness.leases import Leases


def _ask(folder: Path, started: Path, answers: Any, barrier: Any) -> None:
    """One worker: waits for the others, asks for the lease, tells what it got."""

    def start() -> dict[str, Any]:
        with started.open("a") as file:
            file.write(f"{os.getpid()}\n")
        return {"by": os.getpid()}

    leases = Leases(folder)
    barrier.wait(20)
    answers.put(leases.obtain("broker-x", start)["by"])


def test_four_processes_start_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers, barrier = context.Queue(), context.Barrier(4)
    started = tmp_path / "started"
    workers = [
        context.Process(target=_ask, args=(tmp_path / "leases", started, answers, barrier), daemon=True)
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    heard = [answers.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join(20)
        assert worker.exitcode == 0
    assert heard == [int(started.read_text())] * 4


@pytest.mark.parametrize("kind", [BrokerFailed, BuildFailed, ContractViolation, Unavailable])
def test_a_failure_is_a_result_and_shared_with_class_and_text(tmp_path: Path, kind: type[AttemptError]) -> None:
    calls: list[int] = []

    def start() -> dict[str, Any]:
        calls.append(1)
        raise kind("nothing came", expected="something")

    for _ in range(2):
        with pytest.raises(AttemptError) as error:
            Leases(tmp_path).obtain("build-x", start)
        assert type(error.value) is kind
        assert (error.value.observed, error.value.expected) == ("nothing came", "something")
    assert calls == [1]


@pytest.mark.parametrize("error", [ScenarioFault("ours"), RuntimeError("a bug"), KeyboardInterrupt()])
def test_what_is_no_result_is_not_kept(tmp_path: Path, error: BaseException) -> None:
    """An interrupted or buggy start leaves nothing behind, so that the next one tries."""

    def start() -> dict[str, Any]:
        raise error

    leases = Leases(tmp_path)
    with pytest.raises(type(error)):
        leases.obtain("x", start)
    assert leases.obtain("x", lambda: {"second": 2}) == {"second": 2}


def test_lists_the_results_of_a_prefix_without_failures_and_locks(tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    leases.obtain("broker-mosquitto@2.0", lambda: {"port": 1})
    leases.obtain("build-x", lambda: {"binary": "b"})

    def refuse() -> dict[str, Any]:
        raise Unavailable("no registry answers")

    with pytest.raises(Unavailable):
        leases.obtain("broker-other@1", refuse)
    assert leases.obtained("broker-") == {"broker-mosquitto@2.0": {"port": 1}}
    assert leases.obtained("nothing-") == {}


def test_a_result_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """Who reads the folder without the lock never sees half a file: what a dead worker staged does not count."""
    leases = Leases(tmp_path)
    (tmp_path / "broker-x.tmp").write_text('{"result": {"po')
    assert leases.obtained("broker-") == {}
    leases.obtain("broker-x", lambda: {"port": 2})
    assert json.loads((tmp_path / "broker-x.json").read_text()) == {"result": {"port": 2}}
