"""What `check` says, of the made-up run of the golden tests: the same facts as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.advisories import Advisories, Advisory
from harness.matrix import Row
from harness.report import checked
from harness.report.checked import Package
from tests.golden.made_up import matrix

MATRIX = matrix()
PACKAGE = Package(
    name="one",
    version="1.0.0",
    released="2026-01-02",
    newest="1.1.0",
    newest_released="2026-03-04",
    licence="MIT",
    repository="https://example.org/one",
    dependencies=1,
    compiles="pass",
    advisories=Advisories("cargo-audit is not installed"),
)
VULNERABLE = Advisory("RUSTSEC-1", "x", "1.0.0", "it leaks")
UNMAINTAINED = Advisory("RUSTSEC-2", "y", "2.0.0", "its author left", informs="unmaintained")


def _row(name: str) -> Row:
    return next(row for row in MATRIX.rows if row.crate.name == name)


def test_every_dialect_has_its_advice_with_reasons_and_cells() -> None:
    row = _row("mqtt-one")
    found = checked.of_row(MATRIX, row, PACKAGE, None)
    assert [spoken.dialect for spoken in found.advice] == list(row.crate.dialects)
    text = checked.as_text(found)
    for spoken in found.advice:
        assert spoken.reasons
        assert all(said.text in text for said in (*spoken.reasons, *spoken.limits))
        assert f"what would change it: without th{'is reason' if len(spoken.reasons) == 1 else 'ese'}" in text
        planned = [cell for cell in row.cells if cell.key.dialect is spoken.dialect]
        assert spoken.cells.endswith(f" of {len(planned)} planned")


def test_the_package_is_told_with_what_nobody_knows() -> None:
    text = checked.as_text(checked.of_row(MATRIX, _row("mqtt-one"), PACKAGE, None))
    assert "one 1.0.0 (of 2026-01-02, the newest release is 1.1.0 of 2026-03-04)" in text
    assert "compiles, with 1 dependency" in text
    assert "advisories    unknown: cargo-audit is not installed" in text
    assert "What the guide lists beside it is not known" in text


def test_what_an_expression_left_out_is_not_said_to_be_missing() -> None:
    left_out = replace(PACKAGE, repository="", compiles="not_run: not selected", dependencies=None)
    text = checked.as_text(checked.of_row(MATRIX, _row("mqtt-one"), left_out, None))
    assert "repository    not looked up\n" in text
    assert "as published  not run: not selected\n" in text
    failed = replace(PACKAGE, repository="", compiles="build_failed: error[E0283]")
    text = checked.as_text(checked.of_row(MATRIX, _row("mqtt-one"), failed, None))
    assert "repository    not stated\n" in text
    assert "as published  build failed: error[E0283], with 1 dependency\n" in text


def test_advisories_are_listed_or_said_to_be_none_known() -> None:
    some = replace(PACKAGE, advisories=Advisories("", (VULNERABLE, UNMAINTAINED), "2026-11-20"))
    none = replace(PACKAGE, advisories=Advisories("", (), "2026-11-20"))
    counted = "1 vulnerability and 1 notice of what is unmaintained or unsound (database: 2026-11-20)"
    said = f"{counted}: {VULNERABLE.sentence}; {UNMAINTAINED.sentence}\n"
    assert said in checked.as_text(checked.of_package(some, "make"))
    assert "none known (database: 2026-11-20)\n" in checked.as_text(checked.of_package(none, "make"))


@pytest.mark.parametrize("advisories", [Advisories("there is no database"), Advisories("", (VULNERABLE,), "2026")])
def test_advisories_are_said_once_by_the_package_or_by_the_reasons(advisories: Advisories) -> None:
    """What is unknown is one line of the package; what each advisory says is a reason of each dialect's advice."""
    row = replace(_row("mqtt-one"), advisories=advisories)
    found = checked.of_row(MATRIX, row, replace(PACKAGE, advisories=advisories), None)
    text = checked.as_text(found)
    assert text.count("there is no database") == bool(advisories.unknown)
    assert text.count(VULNERABLE.sentence) == len(advisories.found) * len(found.advice)
    assert text.count("\n  advisories    ") == 1


def test_a_whole_run_says_what_the_guide_lists_beside_it() -> None:
    row = _row("mqtt-one")
    found = checked.of_row(MATRIX, row, PACKAGE, MATRIX)
    assert found.beside[0].listed
    text = checked.as_text(found)
    assert f"(run {MATRIX.run.id}, profile {MATRIX.run.profile})" in text
    assert all(f"  - {name}: {advice}" in text for neighbour in found.beside for name, advice in neighbour.listed)


def test_without_a_probe_only_the_package_is_known() -> None:
    found = checked.of_package(PACKAGE, "iotyet new crate one --dialect DIALECT")
    text = checked.as_text(found)
    assert "unknown: no probe\n  `iotyet new crate one --dialect DIALECT` makes one; DIALECT is one of mqtt-" in text
    document = json.loads(checked.as_json(found))
    assert (document["crate"], document["advice"]) == ("one@1.0.0", [])


def test_json_says_what_the_text_says() -> None:
    found = checked.of_row(MATRIX, _row("mqtt-one"), PACKAGE, MATRIX)
    document = json.loads(checked.as_json(found))
    assert [entry["advice"] for entry in document["advice"]] == [str(spoken.advice) for spoken in found.advice]
    assert document["package"]["advisories"]["unknown"] == "cargo-audit is not installed"
    assert document["beside_run"] == found.beside_run
