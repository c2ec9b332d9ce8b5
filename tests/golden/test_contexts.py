"""Golden tests: what the pages say of the made-up run. `pytest tests/golden --snapshot-update` accepts what is new."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from syrupy.assertion import SnapshotAssertion

from harness.matrix import Cell, Group, Row
from harness.model import Verdict
from harness.report.comparing import diff_context
from harness.report.contexts import index_context
from harness.report.guide import guide_context
from harness.report.markdown import render
from harness.report.pages import cell_context, crate_context
from tests.golden import made_up

MATRIX = made_up.matrix()


def _row(name: str) -> Row:
    return next(row for row in MATRIX.rows if row.crate.name == name)


def test_index(snapshot: SnapshotAssertion) -> None:
    assert asdict(index_context(MATRIX)) == snapshot


def test_guide(snapshot: SnapshotAssertion) -> None:
    assert asdict(guide_context(MATRIX)) == snapshot


def test_diff(snapshot: SnapshotAssertion) -> None:
    assert asdict(diff_context(MATRIX, made_up.BASELINE)) == snapshot


def test_crate(snapshot: SnapshotAssertion) -> None:
    assert asdict(crate_context(MATRIX, _row("mqtt-one"), made_up.PUBLISHED)) == snapshot


def test_crate_with_settings(snapshot: SnapshotAssertion) -> None:
    assert asdict(crate_context(MATRIX, _row("codec"), made_up.PUBLISHED)) == snapshot


def _cell(row: Row, wanted: Callable[[Cell], bool]) -> tuple[Group, Cell]:
    return next((group, cell) for group in row.groups for cell in group.cells if wanted(cell))


def test_red_cell_with_an_expectation(snapshot: SnapshotAssertion) -> None:
    row = _row("mqtt-one")
    group, cell = _cell(row, lambda cell: cell.key.scenario == "receives")
    transcript = "\n".join(f"line {number} {made_up.HOSTILE}" for number in range(60))
    assert asdict(cell_context(MATRIX, row, group, cell, made_up.PUBLISHED, transcript)) == snapshot


def test_cell_with_a_malformed_frame(snapshot: SnapshotAssertion) -> None:
    row = _row("mqtt-one")
    group, cell = _cell(row, lambda cell: cell.key.scenario == "sends_user_properties")
    assert cell.verdict is Verdict.FAIL
    context = cell_context(MATRIX, row, group, cell, made_up.PUBLISHED, conversation=made_up.CONVERSATION)
    assert asdict(context) == snapshot


def test_flaky_cell(snapshot: SnapshotAssertion) -> None:
    row = _row("mqtt-one")
    group, cell = _cell(row, lambda cell: cell.result.flaky)
    assert asdict(cell_context(MATRIX, row, group, cell, made_up.PUBLISHED)) == snapshot


def test_markdown(snapshot: SnapshotAssertion) -> None:
    assert render(MATRIX) == snapshot
