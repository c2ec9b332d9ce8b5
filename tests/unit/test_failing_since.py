"""A red cell's page says since which run it is known to be red."""

from __future__ import annotations

import pytest

from harness.matrix import Cell, Group, Row
from harness.model import Verdict
from harness.report.pages import cell_context
from harness.snapshot import Seen
from tests.golden import made_up

MATRIX = made_up.matrix()


def _where(red: bool) -> tuple[Row, Group, Cell]:
    return next(
        (row, group, cell)
        for row in MATRIX.rows
        for group in row.groups
        for cell in group.cells
        if cell.measured and cell.verdict.is_red is red
    )


def _told(red: bool, before: Seen | None) -> list[str]:
    about = cell_context(MATRIX, *_where(red), made_up.PUBLISHED, before=before).about
    return [fact.text for fact in about if fact.label == "Failing since"]


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (
            Seen(Verdict.CRASH),
            ["run 20261001-000000-0000 <script>alert(1)</script> of 2026-10-01 at least, where it ended in crash"],
        ),
        (Seen(Verdict.PASS), ["this run; pass in run 20261001-000000-0000 <script>alert(1)</script> of 2026-10-01"]),
        (None, []),
    ],
)
def test_since_when_a_cell_is_red(before: Seen | None, told: list[str]) -> None:
    assert _told(True, before) == told


def test_nothing_is_said_of_a_green_cell() -> None:
    assert _told(False, Seen(Verdict.FAIL)) == []
