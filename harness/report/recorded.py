"""What a run's header recorded about a crate: its builds, and what its probe said of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.matrix import Matrix
from harness.model import Crate
from harness.report.text import one_line
from harness.store import RunInfo


@dataclass(frozen=True)
class Recorded:
    """All empty where the run did not get that far."""

    repository: str
    lock_sha256: str
    settings: tuple[str, ...]
    assembled: tuple[str, ...]
    newer: str


def recorded(run: RunInfo, crate: Crate) -> Recorded:
    """What the header has from the leases `published-`, `build-` and `vetted-` of a crate."""
    published, built, hello = (
        run.builds.get(f"{lease}-{crate.handle}", {}) for lease in ("published", "build", "vetted")
    )
    return Recorded(
        repository=str(published.get("repository") or ""),
        lock_sha256=str(built.get("lock_sha256") or ""),
        settings=tuple(_setting(entry) for entry in hello.get("settings") or ()),
        assembled=tuple(one_line(str(name)) for name in hello.get("assembled") or ()),
        newer=one_line(str(published.get("newer") or ""), 40),
    )


def untested(matrix: Matrix, crate: Crate) -> str:
    """A release of the crate that is newer than what is measured; empty where there is none, or where a row has it."""
    found = recorded(matrix.run, crate).newer
    measured = {row.crate.version for row in matrix.rows if row.crate.package == crate.package}
    return "" if found in measured else found


def _setting(entry: Mapping[str, Any]) -> str:
    source = f", {entry['source']}" if entry.get("source") else ""
    spoken = ", ".join(map(str, entry.get("dialects") or ()))
    alone = f", in {spoken} alone" if spoken else ""
    return one_line(f"{entry.get('name')} = {entry.get('value')} (default {entry.get('default')}{source}){alone}")
