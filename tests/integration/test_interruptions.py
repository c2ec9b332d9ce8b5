"""Runs that end in the middle: what was measured is kept, nothing stays behind, and the run can be resumed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.integration.checkout import Checkout, await_that

# -- interrupted runs ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Going:
    """A run in the middle: what publishes is done, what waits has begun."""

    checkout: Checkout
    process: subprocess.Popen[str]


@pytest.fixture
def going(small: Checkout) -> Iterator[Going]:
    """A run of one crate whose last cell waits; the cells run in the order of the file."""
    process = small.begin("run", "paho", "-j", "1")
    try:
        await_that(lambda: small.waits or process.poll() is not None, "the last cell begins")
        await_that(lambda: len(small.run.read_cells()) == 2 or process.poll() is not None, "two cells are written")
        assert process.poll() is None, process.communicate()[0]
        yield Going(small, process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _resume(checkout: Checkout, *arguments: str) -> subprocess.CompletedProcess[str]:
    checkout.open_gate()
    (checkout.path / "waiting").unlink()
    return checkout.iotyet("run", "--resume", "-j", "1", *arguments)


DONE = {"publishes[qos1] of paho": "pass", "publishes[qos2] of paho": "pass"}


def test_ctrl_c_keeps_what_was_measured_leaves_nothing_running_and_can_be_resumed(going: Going) -> None:
    checkout = going.checkout
    assert len(checkout.containers()) == 1
    os.killpg(going.process.pid, signal.SIGINT)
    output, _ = going.process.communicate(timeout=60)
    assert going.process.returncode == 130, output
    assert "interrupted; what was measured is kept: go on with `iotyet run --resume`" in output
    assert "Traceback" not in output
    assert checkout.verdicts() == DONE
    assert (checkout.containers(), checkout.processes()) == ([], [])
    plan = checkout.run.read_plan()

    resumed = _resume(checkout, "paho")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert checkout.verdicts() == {**DONE, "waits of paho": "pass"}
    assert checkout.run.read_plan() == plan
    assert checkout.run.read_run().exit == 0


def test_a_killed_run_is_swept_by_the_next_command_and_can_be_resumed(going: Going) -> None:
    checkout = going.checkout
    os.kill(going.process.pid, signal.SIGKILL)
    going.process.wait(10)
    assert len(checkout.containers()) == 1
    with checkout.run.cells_file.open("a") as file:
        file.write('{"key": {"dial')

    clean = checkout.iotyet("clean")
    assert clean.returncode == 0
    assert re.fullmatch(r"iotyet: removed \d+ containers and \d+ processes of dead runs\n", clean.stderr)
    assert checkout.containers() == []
    await_that(lambda: checkout.processes() == [], "its workers and probes end", within=10)
    assert checkout.verdicts() == DONE

    resumed = _resume(checkout, "paho")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert checkout.verdicts() == {**DONE, "waits of paho": "pass"}


def test_resuming_measures_what_the_interrupted_run_had_selected_and_nothing_else(going: Going) -> None:
    os.killpg(going.process.pid, signal.SIGINT)
    going.process.communicate(timeout=60)
    _resume(going.checkout)
    assert set(going.checkout.verdicts()) == going.checkout.selected()


# -- a full disk --------------------------------------------------------------------------------------

#: Fills the disk up to `LEFT` bytes; then a cell whose line is longer than that.
FILLING = '''\
def fill(left):
    with (ROOT / "reports" / "runs" / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(file.tell() - left)


@made
def test_fits(cell):
    """It fits."""


@made
def test_overflows(cell):
    """It does not fit."""
    if not (ROOT / "mended").exists():
        fill(LEFT)
        raise ScenarioFault("x" * 300_000)


@made
def test_is_not_reached(cell):
    """It is measured once there is room."""
'''


@pytest.fixture
def tiny_disk(small: Checkout) -> Iterator[Checkout]:
    """A checkout whose runs lie on a file system of two megabytes."""
    runs = small.path / "reports" / "runs"
    runs.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(runs)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield small
    subprocess.run(["umount", str(runs)], check=True)


def test_a_disk_that_fills_up_while_a_cell_is_written_is_exit_4_and_earlier_cells_are_kept(
    tiny_disk: Checkout,
) -> None:
    """The evidence of the cell still fits; its line does not."""
    tiny_disk.write_scenarios(FILLING.replace("LEFT", "131072"))
    run = tiny_disk.iotyet("run", "paho", "-j", "1")
    assert run.returncode == 4, run.stdout + run.stderr
    output = " ".join((run.stdout + run.stderr).split())
    assert "cells.jsonl cannot be written: No space left on device; the cells before this one are kept" in output
    assert tiny_disk.verdicts() == {"fits of paho": "pass"}
    assert (tiny_disk.containers(), tiny_disk.processes()) == ([], [])

    (tiny_disk.path / "reports" / "runs" / "filler").unlink()
    (tiny_disk.path / "mended").touch()
    resumed = tiny_disk.iotyet("run", "--resume", "paho", "-j", "1")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert tiny_disk.verdicts() == dict.fromkeys(
        ("fits of paho", "overflows of paho", "is_not_reached of paho"), "pass"
    )


def test_a_disk_that_has_no_room_for_evidence_is_exit_4_as_well(tiny_disk: Checkout) -> None:
    tiny_disk.write_scenarios(FILLING.replace("LEFT", "0"))
    run = tiny_disk.iotyet("run", "paho", "-j", "1")
    assert run.returncode == 4, run.stdout + run.stderr
    assert "No space left on device" in run.stdout + run.stderr
    assert tiny_disk.verdicts() == {"fits of paho": "pass"}
    assert (tiny_disk.containers(), tiny_disk.processes()) == ([], [])
