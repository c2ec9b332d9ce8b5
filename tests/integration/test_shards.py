"""A run in two parts on one machine, and their sum against a run in one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.checkout import SCENARIOS, Checkout

#: What differs between two runs of the same thing.
_OWN = ("seconds", "attempts", "evidence")


def _cells(folder: Path) -> list[dict[str, Any]]:
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return [{key: value for key, value in cell.items() if key not in _OWN} for cell in results["cells"]]


def test_the_sum_of_two_shards_is_the_run_in_one(finished: Checkout, tmp_path: Path) -> None:
    parts = Checkout.copy(tmp_path / "parts").made_small(SCENARIOS)
    parts.open_gate()
    for shard, crate in (("1/2", "paho-again"), ("2/2", "paho")):
        run = parts.iotyet("run", "--shard", shard, "-j", "1")
        assert run.returncode == 0, run.stdout + run.stderr
        assert {cell.key.crate for cell in parts.runs[-1].read_cells()} == {crate}
    out = parts.path / "merged"
    merged = parts.iotyet("merge", *(str(folder.path) for folder in parts.runs), "--out", str(out))
    assert merged.returncode == 0, merged.stdout + merged.stderr
    assert _cells(out) == _cells(finished.run.path)
    evidence = {path.relative_to(out) for path in out.glob("evidence/**/*") if path.is_file()}
    assert evidence == {
        path.relative_to(finished.run.path) for path in finished.run.path.glob("evidence/**/*") if path.is_file()
    }


@pytest.mark.full
def test_an_expression_holds_in_every_shard_of_the_plan(small: Checkout) -> None:
    run = small.iotyet("run", "--shard", "2/2", "-k", "qos1", "-j", "1")
    assert run.returncode == 0, run.stdout + run.stderr
    planned = {str(cell.key).split("/", 1)[1]: (cell.selected, cell.shard) for cell in small.run.read_plan().cells}
    assert {name.partition("@")[0]: found for name, found in planned.items() if any(found)} == {
        "publishes[qos1]/paho-again": (False, 1),
        "publishes[qos1]/paho": (True, 2),
    }
