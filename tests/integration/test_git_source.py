"""A crate that lives on git alone: unavailable where its source cannot be reached, built where it can."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness import matrix
from harness.tabulating import tabulate
from tests.integration.checkout import Checkout

UPSTREAM = "https://github.com/cubehub/rust-mqtt"
#: Names a local clone of rust-mqtt, for machines that cannot reach its host.
CLONE = "IOTYET_RUST_MQTT_CLONE"


def _environment(folder: Path, instead: str) -> dict[str, str]:
    """Nothing of the crate is cached, and its host is another one; registry packages may be there already."""
    cargo_home = folder / "cargo-home"
    cargo_home.mkdir()
    known = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo") / "registry"
    known.mkdir(parents=True, exist_ok=True)
    (cargo_home / "registry").symlink_to(known)
    return {
        "CARGO_HOME": str(cargo_home),
        "CARGO_NET_RETRY": "0",
        "IOTYET_CACHE": str(folder / "cache"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{instead}.insteadOf",
        "GIT_CONFIG_VALUE_0": UPSTREAM,
    }


def test_an_unreachable_source_makes_the_row_unavailable_and_that_is_tolerated_on_request(
    checkout: Checkout, tmp_path: Path
) -> None:
    """Nothing listens on port 1 of this machine. Both builds and one scenario stand for the row."""
    env = _environment(tmp_path, "https://127.0.0.1:1/nowhere")
    run = checkout.iotyet(
        "run", "rust-mqtt", "--tolerate-unreachable", "-k", "compiles or test_connects", "-j", "1", env=env
    )
    assert run.returncode == 0, run.stdout + run.stderr
    cells = checkout.run.read_cells()
    assert checkout.verdicts() == {
        "compiles_as_published of rust-mqtt": "unavailable",
        "compiles_as_repaired of rust-mqtt": "unavailable",
        "connects of rust-mqtt": "unavailable",
    }
    assert all("cannot be reached: " in cell.reason for cell in cells)
    built = tabulate(checkout.run.read_run(), checkout.run.read_plan(), cells)
    assert matrix.exit_code(built, interrupted=False) == 3


@pytest.mark.skipif(CLONE not in os.environ, reason=f"{CLONE} names no clone of rust-mqtt")
def test_a_reachable_source_is_built(checkout: Checkout, tmp_path: Path) -> None:
    env = _environment(tmp_path, f"file://{os.environ[CLONE]}")
    run = checkout.iotyet("run", "rust-mqtt", "-k", "compiles", "-j", "1", env=env)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    verdicts = checkout.verdicts()
    assert verdicts["compiles_as_repaired of rust-mqtt"] == "pass"
    assert verdicts["compiles_as_published of rust-mqtt"] in ("pass", "build_failed")
