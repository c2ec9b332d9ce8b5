"""Known security advisories about what a crate pulls in, where cargo-audit and its database are on this machine."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.commands import run
from harness.errors import CommandFailed


@dataclass(frozen=True)
class Advisories:
    """What is known. `unknown` says why nothing is; what could not be looked up is never called clean."""

    unknown: str
    found: tuple[str, ...] = ()


def look_up(lock: str, env: Mapping[str, str]) -> Advisories:
    """The advisories about the packages of a lock file.

    Nothing is fetched: a database that is not there stays away, so that an answer never depends on the network.

    Args:
        lock: text of a Cargo.lock; empty where there is none.
        env: the whole environment.
    """
    if not lock:
        return Advisories("its dependencies could not be resolved")
    if shutil.which("cargo-audit", path=env.get("PATH")) is None:
        return Advisories("cargo-audit is not installed")
    home = Path(env.get("CARGO_HOME") or os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    database = home / "advisory-db"
    if not database.is_dir():
        return Advisories("cargo-audit has no database here; `cargo audit fetch` brings it")
    with tempfile.TemporaryDirectory(prefix="iotyet-advisories-") as folder:
        file = Path(folder) / "Cargo.lock"
        file.write_text(lock, encoding="utf-8")
        argv = ["cargo-audit", "audit", "--json", "--no-fetch", "--stale", "--db", str(database), "--file", str(file)]
        try:
            # It exits with 1 where it found something.
            said = run(argv, timeout=120, env=env, check=False)
            entries = json.loads(said.stdout)["vulnerabilities"]["list"]
            found = tuple(_sentence(entry) for entry in entries)
        except (CommandFailed, ValueError, KeyError, TypeError) as error:
            return Advisories(f"cargo-audit did not answer as expected: {type(error).__name__}")
    return Advisories("", found)


def _sentence(entry: Mapping[str, Mapping[str, object]]) -> str:
    advisory, package, versions = entry["advisory"], entry["package"], entry["versions"]
    patched = versions.get("patched")
    repaired = f"; repaired in {', '.join(map(str, patched))}" if isinstance(patched, list) and patched else "; no fix"
    return f"{advisory['id']} in {package['name']} {package['version']}: {advisory['title']}{repaired}"
