"""Looks up security advisories about what a crate pulls in, where cargo-audit and its database are on this machine."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.advisories import Advisories, Advisory
from harness.commands import run
from harness.errors import CommandFailed

#: Where each advisory of the RustSec database has its page.
_PAGES = "https://rustsec.org/advisories"
#: Of a crate that has no lock file.
UNRESOLVED = Advisories("its dependencies could not be resolved")


def look_up(lock: str, env: Mapping[str, str]) -> Advisories:
    """The advisories about the packages of a lock file.

    Nothing is fetched: a database that is not there stays away, so that an answer never depends on the network.
    Whatever goes wrong makes the answer unknown, because no run fails for what it could not look up.

    Args:
        lock: text of a Cargo.lock.
        env: the whole environment.
    """
    if shutil.which("cargo-audit", path=env.get("PATH")) is None:
        return Advisories("cargo-audit is not installed")
    database = Path(env.get("CARGO_HOME") or Path.home() / ".cargo") / "advisory-db"
    if not database.is_dir():
        return Advisories("cargo-audit has no database here; `cargo audit` brings it when it is called once")
    try:
        with tempfile.TemporaryDirectory(prefix="iotyet-advisories-") as folder:
            file = Path(folder) / "Cargo.lock"
            file.write_text(lock, encoding="utf-8")
            argv = ["cargo-audit", "audit", "--json", "--no-fetch", "--stale", "--db", str(database)]
            # It exits with 1 where it found something.
            said = run([*argv, "--file", str(file)], timeout=120, env=env, check=False)
        report = json.loads(said.stdout)
        number = int(report["database"]["advisory-count"])
        return Advisories("", tuple(_found(report)), f"{number} advisories, {_age(database, env)}")
    except (CommandFailed, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Advisories(f"cargo-audit did not answer as expected: {type(error).__name__}")


def _age(database: Path, env: Mapping[str, str]) -> str:
    """Which state of the database it is: cargo-audit tells that only where it fetched one."""
    argv = ["git", "--git-dir", str(database / ".git"), "log", "-1", "--abbrev=12", "--format=%cs, commit %h"]
    try:
        return run(argv, timeout=30, env=env).stdout.strip()
    except CommandFailed:
        return "of no known date"


def _found(report: Mapping[str, Any]) -> Iterator[Advisory]:
    """What cargo-audit's report says; a shape that is not known raises what Python raises."""
    for entry in report["vulnerabilities"]["list"]:
        yield _advisory(entry, "")
    for kind, entries in report["warnings"].items():
        # A release that was yanked is a warning without an advisory.
        for entry in entries:
            if entry["advisory"] is not None:
                yield _advisory(entry, str(kind))


def _advisory(entry: Mapping[str, Mapping[str, Any]], informs: str) -> Advisory:
    advisory, package = entry["advisory"], entry["package"]
    patched: Iterable[object] = entry["versions"]["patched"]
    name = str(advisory["id"])
    known = f"{_PAGES}/{name}.html" if name.startswith("RUSTSEC-") else ""
    return Advisory(
        id=name,
        package=str(package["name"]),
        version=str(package["version"]),
        title=str(advisory["title"]),
        patched=tuple(map(str, patched)),
        informs=informs,
        source=known or str(advisory.get("url") or ""),
    )
