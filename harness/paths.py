"""Where things are: the checkout's own folders, and the cache outside it."""

from __future__ import annotations

import os
from pathlib import Path

#: The checkout.
ROOT = Path(__file__).resolve().parents[1]

CLAIMS_TOML = ROOT / "guide" / "claims.toml"
CRATES_TOML = ROOT / "rust-probes" / "crates.toml"
PROBES = ROOT / "rust-probes"
COMPOSE = ROOT / "compose"
SCENARIOS = ROOT / "scenarios"
STATEMENTS = ROOT / "statements"
REPORTS = ROOT / "reports"
BASELINE = REPORTS / "baseline.json"


def cache() -> Path:
    """The folder for build products and images that outlive a checkout (XDG Base Directory Specification).

    `IOTYET_CACHE` names another one.
    """
    named = os.environ.get("IOTYET_CACHE")
    if named:
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "iotyet"


def copied_probes() -> Path:
    """Where probes are copied to, to be built against other versions of their crates."""
    return cache() / "versions"
