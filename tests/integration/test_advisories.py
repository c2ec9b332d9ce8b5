"""A run looks advisories up by itself, and its report says what it found. cargo-audit is played by a script."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.cargo_audit import ENTRY, install, report
from tests.integration.checkout import Checkout

#: Asked for its package alone, which needs no broker.
CRATE = "mqtt-rs"


def test_a_run_looks_advisories_up_and_reports_them(checkout: Checkout, tmp_path: Path) -> None:
    home, programs = tmp_path / "cargo-home", tmp_path / "bin"
    (home / "advisory-db").mkdir(parents=True)
    fetched = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo") / "registry"
    fetched.mkdir(parents=True, exist_ok=True)  # this may be the first test on a new machine
    (home / "registry").symlink_to(fetched)
    programs.mkdir()
    install(programs, report({**ENTRY, "versions": {"patched": []}}), status=1)
    env = {"CARGO_HOME": str(home), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    run = checkout.iotyet("run", CRATE, "--profile", "ci", "-k", "compiles_as_published", "-j", "1", env=env)
    assert run.returncode == 0, run.stdout + run.stderr

    said = "RUSTSEC-2020-0001 in one 1.0.0: it leaks; no release repairs it"
    results = json.loads((checkout.run.path / "results.json").read_text(encoding="utf-8"))
    (entry,) = [crate for crate in results["crates"] if crate["name"] == CRATE]
    assert entry["advisories"]["database"] == "734 advisories, of no known date"
    assert [known["id"] for known in entry["advisories"]["found"]] == ["RUSTSEC-2020-0001"]
    (advice,) = entry["advice"]
    assert advice["recommendation"] == "not recommended"
    assert said in [reason["text"] for reason in advice["reasons"]]
    page = (checkout.run.path / "crate" / CRATE / "index.html").read_text(encoding="utf-8")
    assert said in page
    assert "1 vulnerability (database: 734 advisories, of no known date)" in page
    others = [crate["advisories"] for crate in results["crates"] if crate["name"] != CRATE]
    assert {known["unknown"] for known in others} == {"this run did not look them up"}
