"""What a row says of releases that nobody has measured yet."""

from __future__ import annotations

from dataclasses import replace

from harness.report.recorded import untested
from tests.golden import made_up

MATRIX = made_up.matrix()
CRATE = made_up.CRATES[0]


def test_a_newer_release_is_untested_until_a_row_has_it() -> None:
    found = untested(MATRIX, CRATE)
    assert found.startswith("1.3.0")
    row = MATRIX.rows[0]
    measured = replace(row, crate=replace(row.crate, version=found))
    assert untested(replace(MATRIX, rows=(*MATRIX.rows, measured)), CRATE) == ""


def test_a_run_that_does_not_know_says_nothing() -> None:
    assert untested(MATRIX, made_up.CRATES[1]) == ""
