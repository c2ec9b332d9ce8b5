"""`check CRATE@A..B`: since which published version each cell fails that fails in B."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import click

from harness.bisect import Since, since
from harness.catalog import load_crates, pick_crates
from harness.cli.group import say
from harness.cli.running import Asked, complete, measure
from harness.errors import UsageError
from harness.matrix import EXIT_INTERRUPTED, EXIT_OK, EXIT_UNMEASURED
from harness.model import NO_PEER, CellKey, Dialect, Verdict
from harness.probes.registry import releases
from harness.report.words import count
from harness.session import RunSession


@dataclass(frozen=True, order=True)
class Question:
    """A cell without its version: what is asked of every release."""

    dialect: Dialect
    scenario: str
    params: str
    peer: str

    def __str__(self) -> str:
        return f"{self.dialect}/{self.scenario}{f'[{self.params}]' if self.params else ''} on {self.peer}"


class _InterruptedError(Exception):
    """A run was interrupted, and with it the whole search."""


def published_between(name: str, first: str, last: str) -> list[str]:
    """The releases of a crate from `first` to `last`, both included, without those that were withdrawn in between.

    Raises:
        UsageError: one of the two was never published, or they stand in the wrong order.
        Unavailable: the registry cannot be reached.
    """
    (crate,) = pick_crates(load_crates(), [name])
    known = releases(crate.package, os.environ)
    versions = [release.version for release in known]
    for version in (first, last):
        if version not in versions:
            raise UsageError(f"there is no {crate.package} {version}; the last releases are {', '.join(versions[-5:])}")
    low, high = versions.index(first), versions.index(last)
    if low >= high:
        raise UsageError(f"{first} is not older than {last}; expected {name}@OLDER..NEWER")
    ends = (first, last)
    return [release.version for release in known[low : high + 1] if release.is_plain or release.version in ends]


def check_range(name: str, first: str, last: str, asked: Asked, form: str) -> int:
    """Measure the last version, and then what is red there in as few older ones as bisecting takes.

    Returns:
        0; 3 where something could not be measured in the last version; 130 where it was interrupted.
    """
    versions = published_between(name, first, last)
    try:
        newest = _measured(name, last, asked)
        failing = [cell for cell, verdict in newest.items() if verdict.is_red]
        say(f"{count(len(failing), 'red cell')} in {name} {last}, looked for in {len(versions) - 1} older releases")

        def fails(version: str, cells: frozenset[Question]) -> Mapping[Question, bool | None]:
            expression = " or ".join(sorted({f"test_{cell.scenario}" for cell in cells}))
            lines = tuple(sorted({cell.peer for cell in cells} - {NO_PEER}))
            found = _measured(name, version, Asked((), asked.profile, expression, lines, asked.jobs))
            return {cell: _fails(found.get(cell)) for cell in cells}

        told = since(versions, failing, fails)
    except _InterruptedError:
        return EXIT_INTERRUPTED
    click.echo(_as_json(told) if form == "json" else _as_text(name, versions, told))
    unmeasured = any(verdict in (Verdict.BROKEN, Verdict.UNAVAILABLE) for verdict in newest.values())
    return EXIT_UNMEASURED if unmeasured else EXIT_OK


def _fails(verdict: Verdict | None) -> bool | None:
    if verdict is None or verdict in (Verdict.BROKEN, Verdict.UNAVAILABLE, Verdict.NOT_RUN):
        return None
    return verdict.is_red


def _measured(name: str, version: str, asked: Asked) -> Mapping[Question, Verdict]:
    """The verdicts of one version, in a run of its own."""
    found: dict[Question, Verdict] = {}

    def finish(session: RunSession, interrupted: bool) -> int:
        built, _, code = complete(session, interrupted)
        for cell in built.cells:
            if cell.measured and (cell.key.crate, cell.key.crate_version) == (name, version):
                found[question_of(cell.key)] = cell.verdict
        return code

    say(f"{name} {version}")
    with contextlib.redirect_stdout(sys.stderr):
        code = measure(Asked((f"{name}@{version}",), asked.profile, asked.expression, asked.broker, asked.jobs), finish)
    if code == EXIT_INTERRUPTED:
        raise _InterruptedError
    return found


def question_of(key: CellKey) -> Question:
    """What a cell asks."""
    return Question(key.dialect, key.scenario, key.params, key.peer)


def _as_json(told: list[Since[Question]]) -> str:
    rows = [
        {"cell": str(entry.thing), "since": entry.version, "not_in": entry.not_in, "unknown": list(entry.unknown)}
        for entry in sorted(told, key=lambda entry: entry.thing)
    ]
    return json.dumps(rows, indent=1)


def _as_text(name: str, versions: list[str], told: list[Since[Question]]) -> str:
    red = count(len(told), "red cell")
    lines = [f"{name} {versions[0]} to {versions[-1]}, {len(versions)} releases: {red} in the last"]
    groups: dict[tuple[int, str], list[Question]] = {}
    for entry in told:
        unknown = f"; {', '.join(entry.unknown)} could not be measured" if entry.unknown else ""
        if entry.not_in:
            said = f"since {entry.version}, not in {entry.not_in}{unknown}"
        else:
            said = f"in {entry.version} already, the oldest that was measured{unknown}"
        groups.setdefault((versions.index(entry.version), said), []).append(entry.thing)
    for (_, said), cells in sorted(groups.items()):
        lines += ["", f"{said} ({count(len(cells), 'cell')}):", *(f"  {cell}" for cell in sorted(cells))]
    return "\n".join(lines)
