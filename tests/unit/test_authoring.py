"""What a source repairs and breaks against a release: only what is worse is held against it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.catalog import load_crates, pick_crates
from harness.cli.authoring import compare, exit_code
from harness.errors import UsageError
from harness.matrix import Matrix
from harness.model import CellKey, CellResult, Consequence, Crate, Dialect, Level, Requirement, Role, Scenario, Verdict
from harness.probes.versions import with_requirement
from harness.store import Plan, PlannedCell, RunInfo
from harness.tabulating import tabulate

RUN = RunInfo("r", "2026-11-22T10:11:12Z", "ci", "", "", False, {}, {}, "1")
PASS, FAIL, CRASH = Verdict.PASS, Verdict.FAIL, Verdict.CRASH


@pytest.fixture
def before() -> Crate:
    return next(crate for crate in load_crates() if crate.name == "coap-rs")


def _matrix(before: Crate, after: Crate, verdicts: dict[str, tuple[Verdict, Verdict]]) -> Matrix:
    scenarios = tuple(
        Scenario(name, Dialect.COAP_CLIENT, "g", "base", Level.CORE, Requirement.MUST, Consequence.LOSS, name)
        for name in verdicts
    )
    results = [
        CellResult(
            CellKey(Dialect.COAP_CLIENT, name, "", crate.name, crate.version, "aiocoap@0.4"), verdict, "why", 1.0, ()
        )
        for name, pair in verdicts.items()
        for crate, verdict in zip((before, after), pair, strict=True)
    ]
    cells = tuple(PlannedCell(result.key, True, "") for result in results)
    return tabulate(RUN, Plan((before, after), (), scenarios, cells), results)


@pytest.mark.parametrize(
    ("first", "then", "kind", "code"),
    [
        (PASS, PASS, "same", 0),
        (PASS, FAIL, "regressed", 1),
        (PASS, Verdict.UNSUPPORTED, "regressed", 1),
        (Verdict.UNSUPPORTED, FAIL, "regressed", 1),
        (Verdict.UNSUPPORTED, Verdict.UNSUPPORTED, "same", 0),
        (Verdict.UNSUPPORTED, PASS, "fixed", 0),
        (FAIL, PASS, "fixed", 0),
        (CRASH, FAIL, "still_red", 0),
        (PASS, Verdict.BROKEN, "unmeasured", 3),
        (Verdict.UNAVAILABLE, PASS, "unmeasured", 3),
        (PASS, Verdict.NOT_RUN, "unmeasured", 3),
        (Verdict.NOT_RUN, Verdict.NOT_RUN, "same", 0),
        (PASS, Verdict.BUILD_FAILED, "regressed", 1),
    ],
)
def test_each_change_has_its_kind_and_exit_code(
    before: Crate, first: Verdict, then: Verdict, kind: str, code: int
) -> None:
    after = before.from_path("/somewhere", before.version)
    found = compare(_matrix(before, after, {"one": (first, then), "two": (PASS, PASS)}), before, after)
    assert (found.before, found.after) == ("coap-rs@0.29.0", "coap-rs@0.29.0+path")
    named = {name: getattr(found, name) for name in ("regressed", "fixed", "still_red", "unmeasured")}
    assert {name for name, differences in named.items() if differences} == ({kind} - {"same"})
    assert found.same == (2 if kind == "same" else 1)
    assert exit_code(found) == code


def test_a_regression_weighs_more_than_what_was_not_measured(before: Crate) -> None:
    after = before.from_path("/somewhere", before.version)
    found = compare(_matrix(before, after, {"one": (PASS, FAIL), "two": (PASS, Verdict.BROKEN)}), before, after)
    assert exit_code(found) == 1


# -- a folder as a version ----------------------------------------------------------------------------


def _package(folder: Path, text: str) -> str:
    (folder / "Cargo.toml").write_text(f"[package]\n{text}")
    return f"coap-rs@path:{folder}"


def test_a_folder_is_a_row_of_its_own_and_is_built_by_a_patch(tmp_path: Path) -> None:
    (crate,) = pick_crates(load_crates(), [_package(tmp_path, 'name = "coap"\nversion = "0.30.0"\n')])
    assert (crate.id, crate.package_version, crate.role) == ("coap-rs@0.30.0+path", "0.30.0", Role.VERSION)
    for manifest in ('coap = "=0.29.0"\n', 'coap = "=0.29.0"\n\n[patch.crates-io]\nnetopt = { path = "../x" }\n'):
        text = with_requirement(manifest, crate)
        assert 'coap = "=0.30.0"' in text
        assert text.count("[patch.crates-io]") == 1
        assert f'"coap" = {{ path = "{tmp_path}" }}' in text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('name = "cope"\nversion = "0.30.0"\n', "has the package 'cope'; coap-rs is 'coap'"),
        ('name = "coap"\nversion.workspace = true\n', "states no version of its own"),
        ("name", "has no source of a crate"),
    ],
)
def test_a_folder_that_is_not_the_crates_is_told(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        pick_crates(load_crates(), [_package(tmp_path, text)])
