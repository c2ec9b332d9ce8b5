"""What a row says of releases that nobody has measured yet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.matrix import Matrix
from harness.model import Crate
from harness.report.recorded import age, recorded, untested, upkeep
from harness.report.results_json import document
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


def _with(**published: object) -> Matrix:
    return replace(MATRIX, run=replace(MATRIX.run, builds={"published-mqtt-one": published}))


def test_dependencies_and_last_release_are_told_and_decide_nothing() -> None:
    assert upkeep(MATRIX.run, CRATE) == (
        "113, at any depth (decides nothing)",
        f"1.3.0 {made_up.SCRIPT}, 2026-03-01, 8 months before this run (decides nothing)",
    )
    entry = document(MATRIX).crates[0]
    assert (entry.dependencies, entry.last_released) == (113, "2026-03-01")
    assert document(_with()).crates[0].advice == entry.advice


@pytest.mark.parametrize(
    ("published", "released", "dependencies", "last"),
    [
        ({}, "", "unknown (decides nothing)", "unknown when (decides nothing)"),
        ({"dependencies": 0}, "", "0, at any depth (decides nothing)", "unknown when (decides nothing)"),
        ({}, "2026-11-20", "unknown (decides nothing)", "1.2.3, 2026-11-20, 2 days before this run (decides nothing)"),
        # The measured version's date is not that of a newer one.
        ({"newer": "1.3.0"}, "2026-11-20", "unknown (decides nothing)", "unknown when (decides nothing)"),
        ({"last_released": "yesterday"}, "", "unknown (decides nothing)", "unknown when (decides nothing)"),
    ],
)
def test_what_nobody_recorded_is_unknown(
    published: dict[str, object], released: str, dependencies: str, last: str
) -> None:
    matrix = _with(**published)
    crate: Crate = replace(CRATE, released=released)
    assert upkeep(matrix.run, crate) == (dependencies, last)
    assert recorded(matrix.run, crate).dependencies == published.get("dependencies")


def test_a_reference_client_is_not_judged_by_its_upkeep() -> None:
    assert upkeep(MATRIX.run, made_up.CRATES[-1]) == ("", "")


@pytest.mark.parametrize(
    ("date", "text"),
    [
        ("2026-11-22", "0 days"),
        ("2026-11-21", "1 day"),
        ("2026-10-01", "52 days"),
        ("2026-09-01", "2 months"),
        ("2025-01-01", "22 months"),
        ("2024-11-20", "2 years"),
        ("2026-12-01", ""),
    ],
)
def test_an_age_has_one_unit(date: str, text: str) -> None:
    assert age(MATRIX.run, date) == text
