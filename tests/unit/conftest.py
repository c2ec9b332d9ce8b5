"""Fixtures that several unit tests share."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from harness.bench import Bench
from harness.cells import CELLS
from harness.cells.base import Cell
from harness.model import Crate, Scenario
from harness.store import RunFolder
from tests.unit.judging import MQTT, StubBench, StubCell


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubBench:
    """For one test; `cell.peer` is the name of the peer."""

    def cell(bench: Bench, scenario: Scenario, crate: Crate, peer: object, _folder: Path) -> Cell:
        made = StubCell(bench, scenario, crate)
        made.peer = cast(SimpleNamespace, peer).name
        return made

    monkeypatch.setitem(CELLS, MQTT, cell)
    return StubBench(RunFolder(tmp_path))
