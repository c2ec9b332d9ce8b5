"""Two runs side by side: what got worse, what got better, what they were measured with. Pure: no files, no clock."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.matrix import OPEN, Matrix
from harness.model import CellKey, Verdict
from harness.snapshot import Seen, Snapshot, nested, versions


class Kind(StrEnum):
    """How a cell differs between two runs, the gravest first."""

    REGRESSED = "regressed"
    FIXED = "fixed"
    EVIDENCE = "evidence changed"
    UNSTEADY = "unsteady"
    LOST = "no longer measured"
    FOUND = "measured now"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True)
class CellChange:
    """A cell that differs; `before` is null where it is new, `after` where it is gone."""

    kind: Kind
    key: CellKey
    before: Seen | None
    after: Seen | None


@dataclass(frozen=True)
class VersionChange:
    """What runs were measured with; empty where one of them had none."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class Diff:
    """What differs between two runs."""

    before: Snapshot
    after: Snapshot
    cells: tuple[CellChange, ...]
    environment: tuple[VersionChange, ...]

    def having(self, kind: Kind) -> tuple[CellChange, ...]:
        """The cells that differ in this way."""
        return tuple(change for change in self.cells if change.kind is kind)


#: What differs between two observations of the same thing: what is quoted, and every word with a digit in it.
_CHANCE = re.compile(r"'[^']*'|\"[^\"]*\"|[\w.:-]*\d[\w.:-]*|\b[0-9a-f]{8,}\b")
_REPEATED = re.compile(r"(\b[\w #]+)(?:, \1)+(?![\w #])")


def lasting(text: str) -> list[str]:
    """The parts of a reason that are the same when the same thing is observed again, the longest first."""
    return sorted((part.strip(" ,;:()") for part in _CHANCE.split(text)), key=len, reverse=True)


def snapshot(matrix: Matrix) -> Snapshot:
    """A run in short."""
    run = matrix.run
    return Snapshot(
        run=run.id,
        started=run.started,
        commit=run.commit,
        profile=run.profile,
        versions=versions(run.tools, run.brokers),
        cells=nested(cell.result for cell in matrix.cells),
    )


def compare(before: Snapshot, after: Snapshot) -> Diff:
    """What differs. A crate's cells are compared across its versions where each run has one version of it.

    Runs of different profiles are compared where they overlap: what one has beyond the other is neither new nor gone.
    """
    old, new = before.seen(), after.seen()
    renamed = _renamed(old, new)
    old = {renamed.get(key, key): seen for key, seen in old.items()}
    order = list(Kind)
    keys = dict.fromkeys((*new, *old)) if before.profile == after.profile else (key for key in new if key in old)
    changes = (_change(key, old.get(key), new.get(key)) for key in keys)
    found = sorted((change for change in changes if change), key=lambda change: order.index(change.kind))
    return Diff(before, after, tuple(found), tuple(_environment(before, after)))


def _renamed(old: Iterable[CellKey], new: Iterable[CellKey]) -> Mapping[CellKey, CellKey]:
    """Cells of a crate whose version changed, each with what the new run calls it."""
    was, now = _one_version(old), _one_version(new)
    moved = {name: now[name] for name, version in was.items() if now.get(name, version) != version}
    return {key: replace(key, crate_version=moved[key.crate]) for key in old if key.crate in moved}


def _one_version(keys: Iterable[CellKey]) -> Mapping[str, str]:
    """The version of each crate that has one."""
    found: dict[str, set[str]] = {}
    for key in keys:
        found.setdefault(key.crate, set()).add(key.crate_version)
    return {name: next(iter(several)) for name, several in found.items() if len(several) == 1}


def _change(key: CellKey, before: Seen | None, after: Seen | None) -> CellChange | None:
    kind = kind_of(before, after)
    return CellChange(kind, key, before, after) if kind else None


def kind_of(before: Seen | None, after: Seen | None) -> Kind | None:
    """How a cell differs; null where it came out the same."""
    if before is None or after is None:
        return Kind.NEW if before is None else Kind.GONE
    if before.verdict in OPEN or after.verdict in OPEN:
        if before.verdict in OPEN and after.verdict in OPEN:
            return None
        return Kind.FOUND if before.verdict in OPEN else Kind.LOST
    was, now = before.verdict is Verdict.PASS, after.verdict is Verdict.PASS
    if was != now:
        # What never held still cannot have got worse or better; a green cell that wavers now has got worse.
        if before.flaky or (after.flaky and now):
            return Kind.UNSTEADY
        return Kind.FIXED if now else Kind.REGRESSED
    same = before.verdict is after.verdict and _essence(before.reason) == _essence(after.reason)
    return None if same else Kind.EVIDENCE


def _essence(reason: str) -> str:
    """A reason without what differs by chance: names, numbers, and how often the same thing came."""
    return _REPEATED.sub(r"\1", _CHANCE.sub("#", reason))


def _environment(before: Snapshot, after: Snapshot) -> Iterable[VersionChange]:
    def of(one: Snapshot) -> dict[str, str]:
        crates: dict[str, list[str]] = {}
        for crate in one.cells:
            name, _, version = crate.rpartition("@")
            crates.setdefault(name, []).append(version)
        facts = {"commit": one.commit, "profile": one.profile, **one.versions}
        return facts | {f"crate {name}": ", ".join(sorted(several)) for name, several in crates.items()}

    old, new = of(before), of(after)
    for what in dict.fromkeys((*new, *old)):
        if old.get(what, "") != new.get(what, ""):
            yield VersionChange(what, old.get(what, ""), new.get(what, ""))
