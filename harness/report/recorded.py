"""What a run's header recorded about a crate: its builds, and what its probe said of itself."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.matrix import Matrix
from harness.model import Crate, Role
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
    #: At any depth, as a new user gets the crate; null where nobody counted them.
    dependencies: int | None
    last_release: str
    #: ISO 8601 date; empty where it is not known.
    last_released: str


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
        dependencies=published.get("dependencies"),
        last_release=one_line(str(published.get("last_release") or published.get("newer") or crate.version), 40),
        last_released=_date(published.get("last_released") or _of_catalogue(crate, published)),
    )


def age(info: RunInfo, date: str) -> str:
    """How long before the run a day was: `5 months`; empty where it is no day before it."""
    try:
        days = (datetime.date.fromisoformat(info.started[:10]) - datetime.date.fromisoformat(date)).days
    except ValueError:
        return ""
    if days < 0:
        return ""
    for number, unit in ((days // 365, "year"), (days * 12 // 365, "month")):
        if number >= 2:
            return f"{number} {unit}s"
    return f"{days} day{'' if days == 1 else 's'}"


def upkeep(info: RunInfo, crate: Crate) -> tuple[str, str]:
    """How many dependencies a crate has, and how old its last release is; two empty texts for a reference client.

    Both are shown because people ask, and decide nothing.
    """
    if crate.role is Role.CONTROL:
        return "", ""
    known = recorded(info, crate)
    number = "unknown" if known.dependencies is None else f"{known.dependencies}, at any depth"
    if not known.last_released:
        return f"{number} (decides nothing)", "unknown when (decides nothing)"
    before = age(info, known.last_released)
    when = f"{known.last_release}, {known.last_released}" + (f", {before} before this run" if before else "")
    return f"{number} (decides nothing)", f"{when} (decides nothing)"


def untested(matrix: Matrix, crate: Crate) -> str:
    """A release of the crate that is newer than what is measured; empty where there is none, or where a row has it."""
    found = recorded(matrix.run, crate).newer
    measured = {row.crate.version for row in matrix.rows if row.crate.package == crate.package}
    return "" if found in measured else found


def _of_catalogue(crate: Crate, published: Mapping[str, Any]) -> str:
    """When the measured version was released, where no newer one is known."""
    return "" if published.get("newer") else crate.released


def _date(text: object) -> str:
    """An ISO 8601 date and nothing else."""
    try:
        return datetime.date.fromisoformat(str(text)).isoformat()
    except ValueError:
        return ""


def _setting(entry: Mapping[str, Any]) -> str:
    source = f", {entry['source']}" if entry.get("source") else ""
    spoken = ", ".join(map(str, entry.get("dialects") or ()))
    alone = f", in {spoken} alone" if spoken else ""
    return one_line(f"{entry.get('name')} = {entry.get('value')} (default {entry.get('default')}{source}){alone}")
