"""Advisories: what could not be looked up is unknown and never clean. cargo-audit is played by a script here."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from harness.advisories import Advisories, Advisory, of_build
from harness.commands import run
from harness.probes.audit import look_up
from tests.cargo_audit import ENTRY, install, report

LOCK = '[[package]]\nname = "one"\nversion = "1.0.0"\n'
PAGE = "https://rustsec.org/advisories/RUSTSEC-2020-0001.html"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A machine with neither the program nor its database."""
    (tmp_path / "bin").mkdir()
    return {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "CARGO_HOME": str(tmp_path)}


def _audit(env: dict[str, str], answer: str, *, status: int = 0) -> None:
    install(Path(env["PATH"].partition(":")[0]), answer, status=status)


def _database(env: dict[str, str]) -> None:
    (Path(env["CARGO_HOME"]) / "advisory-db").mkdir()


def test_without_the_program_nothing_is_known(env: dict[str, str]) -> None:
    _database(env)
    assert look_up(LOCK, env) == Advisories("cargo-audit is not installed")


def test_without_the_database_nothing_is_known(env: dict[str, str]) -> None:
    _audit(env, report())
    assert look_up(LOCK, env).unknown.startswith("cargo-audit has no database here")


def test_what_is_found_has_its_repair_and_its_page(env: dict[str, str]) -> None:
    """The program exits with 1 where it found something."""
    own = {**ENTRY, "advisory": {"id": "OWN-1", "title": "it leaks", "url": "https://example.org/1"}}
    _audit(env, report(ENTRY, {**own, "versions": {"patched": []}}), status=1)
    _database(env)
    found = look_up(LOCK, env)
    assert found == Advisories(
        "",
        (
            Advisory("RUSTSEC-2020-0001", "one", "1.0.0", "it leaks", (">=0.9.9, <1.0.0", ">=1.0.1"), "", PAGE),
            Advisory("OWN-1", "one", "1.0.0", "it leaks", (), "", "https://example.org/1"),
        ),
        "734 advisories, of no known date",
    )
    assert [known.sentence for known in found.found] == [
        "RUSTSEC-2020-0001 in one 1.0.0: it leaks; repaired in >=0.9.9, <1.0.0 or >=1.0.1",
        "OWN-1 in one 1.0.0: it leaks; no release repairs it",
    ]


def test_a_warning_informs_and_a_yanked_release_is_no_advisory(env: dict[str, str]) -> None:
    yanked = {"kind": "yanked", "package": {"name": "one", "version": "1.0.0"}, "advisory": None, "versions": None}
    _audit(env, report(unmaintained=[ENTRY], yanked=[yanked]))
    _database(env)
    (known,) = look_up(LOCK, env).found
    assert known.informs == "unmaintained"
    assert known.sentence == "RUSTSEC-2020-0001 in one 1.0.0 (unmaintained): it leaks"


def test_nothing_found_is_told_apart_from_nothing_known(env: dict[str, str]) -> None:
    _audit(env, report())
    _database(env)
    assert look_up(LOCK, env) == Advisories("", (), "734 advisories, of no known date")


def test_the_state_of_the_database_is_its_commit(env: dict[str, str]) -> None:
    _audit(env, report())
    _database(env)
    as_somebody = ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "--allow-empty", "-mx"]
    for command in (["init", "--quiet"], as_somebody):
        dated = {**env, "GIT_COMMITTER_DATE": "2026-11-20T01:02:03Z"}
        run(["git", "-C", str(Path(env["CARGO_HOME"]) / "advisory-db"), *command], timeout=30, env=dated)
    assert re.fullmatch("734 advisories, 2026-11-20, commit [0-9a-f]{12}", look_up(LOCK, env).database)


def test_a_runs_header_gives_back_what_was_found(env: dict[str, str]) -> None:
    _audit(env, report(ENTRY, unsound=[ENTRY]))
    _database(env)
    found = look_up(LOCK, env)
    assert len(found.found) == 2
    assert of_build(json.loads(json.dumps({"advisories": asdict(found)}))) == found


def test_a_run_that_did_not_ask_knows_nothing() -> None:
    assert of_build({"repository": "x"}).unknown == "this run did not look them up"


@pytest.mark.parametrize("answer", ["", "error: no such option", "[]", "{}", '{"vulnerabilities": {"list": [1]}}'])
def test_a_strange_answer_is_not_a_clean_one(env: dict[str, str], answer: str) -> None:
    _audit(env, answer, status=2)
    _database(env)
    assert "did not answer as expected" in look_up(LOCK, env).unknown
