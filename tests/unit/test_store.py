"""A run's folder: what was appended is read back, and what a dying process left half-written does no harm."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessFault, UsageError
from harness.model import Attempt, CellKey, CellResult, Change, Dialect, Evidence, Verdict
from harness.store import Plan, RunFolder, RunInfo, all_runs, decode_cell, encode_cell
from tests.golden import made_up


def _cell(name: str, reason: str = "as stated") -> CellResult:
    key = CellKey(Dialect.MQTT_3_1_1, name, "", "mqttc", "0.1.4", "mosquitto@2.0")
    return CellResult(key, Verdict.PASS, reason, 1.0, ())


def _info(name: str = "r") -> RunInfo:
    return RunInfo(name, "2026-11-22T10:11:12Z", "default", "", "", False, {}, {}, "0.1.0")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def test_cells_are_read_back_in_order(folder: RunFolder) -> None:
    cells = [_cell("a"), _cell("b", "a reason with \r\n and \t and ü")]
    for cell in cells:
        folder.append(encode_cell(cell))
    assert folder.read_cells() == cells


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_a_line_separator_in_a_reason_is_no_end_of_line(folder: RunFolder, separator: str) -> None:
    """JSON leaves them as they are, and a crate's error text may have any character."""
    cells = [_cell("a", f"one{separator}two"), _cell("b")]
    for cell in cells:
        folder.append(encode_cell(cell))
    assert folder.read_cells() == cells


def test_of_a_cell_measured_twice_the_last_counts(folder: RunFolder) -> None:
    first, other, again = _cell("a"), _cell("b"), replace(_cell("a"), verdict=Verdict.FAIL)
    for cell in (first, other, again):
        folder.append(encode_cell(cell))
    assert folder.read_cells() == [other, again]


def test_no_file_is_no_cell(folder: RunFolder) -> None:
    assert folder.read_cells() == []
    folder.drop_torn_line()


@pytest.mark.parametrize("lost", [1, 2, 40])
def test_a_torn_last_line_is_left_out_and_cut_off_before_appending(folder: RunFolder, lost: int) -> None:
    folder.append(encode_cell(_cell("a")))
    folder.append(encode_cell(_cell("b")))
    folder.cells_file.write_bytes(folder.cells_file.read_bytes()[:-lost])
    whole = [_cell("a"), _cell("b")] if lost == 1 else [_cell("a")]
    assert folder.read_cells() == whole
    folder.drop_torn_line()
    folder.append(encode_cell(_cell("c")))
    assert folder.read_cells() == [_cell("a"), _cell("c")]


def test_a_line_torn_in_the_middle_of_a_character_is_left_out(folder: RunFolder) -> None:
    folder.append(encode_cell(_cell("a")))
    folder.append(encode_cell(_cell("b", "München")))
    data = folder.cells_file.read_bytes()
    folder.cells_file.write_bytes(data[: data.rfind("ü".encode()) + 1])
    assert folder.read_cells() == [_cell("a")]


def test_a_torn_line_in_the_middle_is_an_error_that_names_it(folder: RunFolder) -> None:
    folder.append(encode_cell(_cell("a")))
    folder.append(encode_cell(_cell("b"))[:-20])
    folder.append(encode_cell(_cell("c")))
    with pytest.raises(UsageError, match=r"cells\.jsonl, line 2: is no cell: "):
        folder.read_cells()


def test_a_full_disk_is_a_fault_that_names_the_way_on(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.append(encode_cell(_cell("a")))

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("harness.store.os.fsync", full)
    with pytest.raises(HarnessFault, match=r"No space left on device; .* are kept: .*`iotyet run --resume`"):
        folder.append(encode_cell(_cell("b")))
    assert folder.read_cells()[0] == _cell("a")


def test_header_and_plan_are_read_back(folder: RunFolder) -> None:
    assert not folder.has_plan()
    plan = Plan((), (), (), ())
    folder.write_run(_info())
    folder.write_plan(plan)
    folder.write_run(replace(_info(), exit=0))
    assert folder.has_plan()
    assert folder.read_plan() == plan
    assert folder.read_run().exit == 0
    assert {path.name for path in folder.path.iterdir()} == {"run.json", "plan.json"}


def test_another_folder_is_no_run(folder: RunFolder) -> None:
    with pytest.raises(UsageError, match=r"is no folder of a run: run\.json: No such file"):
        folder.read_run()


def test_a_damaged_header_is_named(folder: RunFolder) -> None:
    (folder.path / "run.json").write_text("{}")
    with pytest.raises(UsageError, match=r"run\.json cannot be read: "):
        folder.read_run()


def test_runs_are_listed_oldest_first_and_other_folders_are_not(tmp_path: Path) -> None:
    for name in ("20260102-000000-aaaa", "20260101-000000-bbbb"):
        (tmp_path / name).mkdir()
        RunFolder(tmp_path / name).write_run(_info(name))
    (tmp_path / "20260103-000000-cccc").mkdir()
    assert [run.path.name for run in all_runs(tmp_path)] == ["20260101-000000-bbbb", "20260102-000000-aaaa"]


#: Surrogates cannot be written as UTF-8; everything else may be in what a crate prints.
_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_SECONDS = st.floats(0, 1e6)
_EVIDENCE = st.builds(Evidence, _TEXT, _TEXT, _TEXT)
_ATTEMPTS = st.builds(
    Attempt, st.sampled_from(Verdict), _TEXT, _TEXT, _SECONDS, st.lists(_EVIDENCE, max_size=2).map(tuple), _TEXT
)
_CELLS = st.builds(
    CellResult,
    key=st.builds(CellKey, st.sampled_from(Dialect), _TEXT, _TEXT, _TEXT, _TEXT, _TEXT),
    verdict=st.sampled_from(Verdict),
    reason=_TEXT,
    seconds=_SECONDS,
    attempts=st.lists(_ATTEMPTS, max_size=2).map(tuple),
    control=st.none() | st.sampled_from(Verdict),
    flaky=st.booleans(),
    expected=st.none() | st.sampled_from(Verdict),
    change=st.sampled_from(Change),
    options=st.lists(_TEXT, max_size=2).map(tuple),
)


@given(_CELLS)
@settings(deadline=None)
def test_any_cell_survives_the_round_trip_as_one_line(cell: CellResult) -> None:
    line = encode_cell(cell)
    assert "\n" not in line
    assert decode_cell(line) == cell


def test_a_plan_from_before_scripted_peers_were_declared_is_still_read(folder: RunFolder) -> None:
    folder.write_plan(made_up.PLAN)
    file = folder.path / "plan.json"
    old = json.loads(file.read_text())
    for scenario in old["scenarios"]:
        del scenario["scripted"]
    file.write_text(json.dumps(old))
    assert {scenario.scripted for scenario in folder.read_plan().scenarios} == {""}
