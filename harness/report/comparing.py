"""What two runs differ in: the page beside the baseline, the same for a terminal, and as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.diff import CellChange, Diff, Kind, VersionChange, compare, snapshot
from harness.matrix import Matrix
from harness.model import NO_PEER, CellKey
from harness.report.addresses import DIFF_PAGE, anchor, to_root
from harness.report.advising import cell_pages
from harness.report.contexts import Fact, facts
from harness.report.states import Look, look_of
from harness.report.text import one_line
from harness.report.words import count, since
from harness.snapshot import Snapshot

#: Digits of a commit that are shown, as the first page does.
_COMMIT = 12
#: Cells of one kind on the page.
_LISTED = 200

MEANINGS = {
    Kind.REGRESSED: "Passed, and is red now or lacks a feature.",
    Kind.FIXED: "Was red or lacked a feature, and passes now.",
    Kind.EVIDENCE: "Is red in both, and in another way.",
    Kind.UNSTEADY: "Gives different results from one attempt to the next, so that neither run says that it changed.",
    Kind.LOST: "Was judged, and could not be judged or was not run now.",
    Kind.FOUND: "Could not be judged or was not run, and is judged now.",
    Kind.NEW: "Is asked of the crate for the first time.",
    Kind.GONE: "Is no longer asked of the crate.",
}


@dataclass(frozen=True)
class ChangeLine:
    """A cell that differs; a look is null where that run does not have the cell."""

    before: Look | None
    was_flaky: bool
    after: Look | None
    is_flaky: bool
    crate: str
    cell: str
    where: str
    href: str
    reason: str
    old_reason: str


@dataclass(frozen=True)
class ChangeGroup:
    """Cells that differ in the same way."""

    id: str
    title: str
    meaning: str
    lines: tuple[ChangeLine, ...]
    more: int


@dataclass(frozen=True)
class DiffPage:
    """The page of what changed since the baseline."""

    root: str
    facts: tuple[Fact, ...]
    sentence: str
    environment: tuple[VersionChange, ...]
    groups: tuple[ChangeGroup, ...]


def diff_context(matrix: Matrix, baseline: Snapshot) -> DiffPage:
    """What the page says."""
    diff, pages = compare(baseline, snapshot(matrix)), cell_pages(matrix.rows)
    return DiffPage(
        root=to_root(DIFF_PAGE),
        facts=facts(matrix),
        sentence=since(diff),
        environment=tuple(_shown(change) for change in diff.environment),
        groups=tuple(_group(kind, diff.having(kind), pages) for kind in Kind if diff.having(kind)),
    )


def text(diff: Diff) -> Iterator[str]:
    """The same for a terminal, line by line."""
    yield f"{since(diff)}."
    for kind in Kind:
        found = diff.having(kind)
        if found:
            yield f"\n{kind}: {MEANINGS[kind]}"
        for change in found:
            yield "  " + one_line(
                f"{change.key}: {change.before or 'not there'} -> {change.after or 'not there'}", 1000
            )
    if diff.environment:
        yield "\nmeasured with:"
    for line in map(_shown, diff.environment):
        yield f"  {line.what}: {line.before or 'nothing'} -> {line.after or 'nothing'}"


def data(diff: Diff) -> dict[str, Any]:
    """The same as JSON has it."""
    return {
        "before": diff.before.run,
        "after": diff.after.run,
        "counts": {kind.value: len(diff.having(kind)) for kind in Kind},
        "environment": [asdict(change) for change in diff.environment],
        "cells": [
            {
                "id": str(change.key),
                "kind": change.kind.value,
                "before": asdict(change.before) if change.before else None,
                "after": asdict(change.after) if change.after else None,
            }
            for change in diff.cells
        ],
    }


def _shown(change: VersionChange) -> VersionChange:
    long = _COMMIT if change.what == "commit" else None
    return VersionChange(one_line(change.what), one_line(change.before[:long]), one_line(change.after[:long]))


def _group(kind: Kind, found: tuple[CellChange, ...], pages: Mapping[CellKey, str]) -> ChangeGroup:
    return ChangeGroup(
        id=anchor(kind),
        title=f"{kind[:1].upper()}{kind[1:]}: {count(len(found), 'cell')}",
        meaning=MEANINGS[kind],
        lines=tuple(_line(change, pages) for change in found[:_LISTED]),
        more=max(0, len(found) - _LISTED),
    )


def _line(change: CellChange, pages: Mapping[CellKey, str]) -> ChangeLine:
    key, before, after = change.key, change.before, change.after
    params = f"[{key.params}]" if key.params else ""
    return ChangeLine(
        before=look_of(before.verdict) if before else None,
        was_flaky=bool(before and before.flaky),
        after=look_of(after.verdict) if after else None,
        is_flaky=bool(after and after.flaky),
        crate=one_line(f"{key.crate} {key.crate_version}"),
        cell=one_line(f"{key.dialect}/{key.scenario}{params}"),
        where="" if key.peer == NO_PEER else one_line(key.peer),
        href=to_root(DIFF_PAGE) + pages[key] if key in pages else "",
        reason=one_line(after.reason) if after else "",
        old_reason=one_line(before.reason) if before and (not after or before.reason != after.reason) else "",
    )
