"""Advisories: what could not be looked up is unknown and never clean. cargo-audit is played by a script here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.probes.advisories import Advisories, look_up

LOCK = '[[package]]\nname = "one"\nversion = "1.0.0"\n'
ENTRY = {
    "advisory": {"id": "RUSTSEC-2020-0001", "title": "it leaks"},
    "package": {"name": "one", "version": "1.0.0"},
    "versions": {"patched": [">=1.0.1"], "unaffected": []},
}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A machine with neither the program nor its database."""
    (tmp_path / "bin").mkdir()
    return {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "CARGO_HOME": str(tmp_path)}


def _audit(env: dict[str, str], answer: str, *, status: int = 0) -> None:
    program = Path(env["PATH"].partition(":")[0]) / "cargo-audit"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *"--no-fetch"*) ;; *) exit 9 ;; esac\ncat <<\\END\n{answer}\nEND\nexit {status}\n'
    )
    program.chmod(0o755)


def _database(env: dict[str, str]) -> None:
    (Path(env["CARGO_HOME"]) / "advisory-db").mkdir()


def test_without_the_program_nothing_is_known(env: dict[str, str]) -> None:
    _database(env)
    assert look_up(LOCK, env) == Advisories("cargo-audit is not installed")


def test_without_the_database_nothing_is_known(env: dict[str, str]) -> None:
    _audit(env, json.dumps({"vulnerabilities": {"list": []}}))
    assert look_up(LOCK, env).unknown.startswith("cargo-audit has no database here")


def test_without_a_lock_file_nothing_is_known(env: dict[str, str]) -> None:
    _audit(env, json.dumps({"vulnerabilities": {"list": []}}))
    _database(env)
    assert look_up("", env) == Advisories("its dependencies could not be resolved")


def test_what_is_found_is_one_sentence_with_its_repair(env: dict[str, str]) -> None:
    """The program exits with 1 where it found something."""
    unpatched = {**ENTRY, "versions": {"patched": []}}
    _audit(env, json.dumps({"vulnerabilities": {"list": [ENTRY, unpatched]}}), status=1)
    _database(env)
    assert look_up(LOCK, env).found == (
        "RUSTSEC-2020-0001 in one 1.0.0: it leaks; repaired in >=1.0.1",
        "RUSTSEC-2020-0001 in one 1.0.0: it leaks; no fix",
    )


def test_nothing_found_is_told_apart_from_nothing_known(env: dict[str, str]) -> None:
    _audit(env, json.dumps({"vulnerabilities": {"list": []}}))
    _database(env)
    assert look_up(LOCK, env) == Advisories("", ())


@pytest.mark.parametrize("answer", ["", "error: no such option", "{}", '{"vulnerabilities": {"list": [1]}}'])
def test_a_strange_answer_is_not_a_clean_one(env: dict[str, str], answer: str) -> None:
    _audit(env, answer, status=2)
    _database(env)
    assert "did not answer as expected" in look_up(LOCK, env).unknown
