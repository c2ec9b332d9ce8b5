"""`check --path DIR --against published`: what an author's source has repaired, and what it has broken."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click

from harness.catalog import FOLDER, load_crates, pick_crates
from harness.cli.bisecting import Question, question_of
from harness.cli.group import say
from harness.cli.running import Asked, complete, measure
from harness.errors import UsageError
from harness.matrix import EXIT_DIFFERS, EXIT_OK, EXIT_UNMEASURED, Cell, Matrix
from harness.model import Crate, Verdict
from harness.probes.registry import releases
from harness.report.text import one_line
from harness.report.words import count
from harness.session import RunSession

_OPEN = (Verdict.BROKEN, Verdict.UNAVAILABLE, Verdict.NOT_RUN)


@dataclass(frozen=True)
class Difference:
    """One cell before and after; `reason` is that of the source in the folder."""

    cell: str
    before: Verdict
    after: Verdict
    reason: str


@dataclass(frozen=True)
class Comparison:
    """How the source in a folder stands to a release. Only `regressed` is held against it."""

    before: str
    after: str
    regressed: tuple[Difference, ...]
    fixed: tuple[Difference, ...]
    still_red: tuple[Difference, ...]
    #: Of which at least one side could not be judged or measured.
    unmeasured: tuple[Difference, ...]
    same: int


def check_path(name: str, folder: Path, against: str, asked: Asked, form: str) -> int:
    """Measure a release and the source in a folder in one run, and compare them cell by cell.

    Args:
        name: the catalogue's name of the crate.
        folder: has its Cargo.toml.
        against: a version, or `published` for the newest release.
        asked: what to measure of both.
        form: `text` or `json`.

    Returns:
        1 where a cell regressed; 3 where one could not be measured; 130 where it was interrupted; else 0.
    """
    (known,) = pick_crates(load_crates(), [name])
    version = _newest(known) if against == "published" else against
    names = (f"{name}@{version}", f"{name}@{FOLDER}{folder}")
    before, after = pick_crates(load_crates(), names)
    told: list[Comparison] = []

    def finish(session: RunSession, interrupted: bool) -> int:
        built, index, _ = complete(session, interrupted)
        told.append(compare(built, before, after))
        say(f"report: {index}")
        return exit_code(told[0])

    with contextlib.redirect_stdout(sys.stderr):
        code = measure(replace(asked, crates=names), finish)
    for comparison in told:
        click.echo(json.dumps(asdict(comparison), indent=1) if form == "json" else _as_text(comparison))
    return code


def _newest(crate: Crate) -> str:
    plain = [release.version for release in releases(crate.package, os.environ) if release.is_plain]
    if not plain:
        raise UsageError(f"{crate.package} has no release; name a version with --against")
    return plain[-1]


def compare(matrix: Matrix, before: Crate, after: Crate) -> Comparison:
    """Two rows of one run, cell by cell; cells that neither was asked are left out."""
    old, new = _cells(matrix, before), _cells(matrix, after)
    kinds: dict[str, list[Difference]] = {"regressed": [], "fixed": [], "still_red": [], "unmeasured": []}
    same = 0
    for question in sorted(old.keys() & new.keys()):
        first, then = old[question].verdict, new[question].verdict
        kind = _kind(first, then)
        if kind:
            reason = one_line(new[question].result.reason)
            kinds[kind].append(Difference(str(question), first, then, reason))
        same += not kind
    return Comparison(before.id, after.id, **{kind: tuple(found) for kind, found in kinds.items()}, same=same)


def _kind(first: Verdict, then: Verdict) -> str:
    """How a cell went from one verdict to another; empty where there is nothing to say."""
    if first is then and (first is Verdict.NOT_RUN or not (first.is_red or first in _OPEN)):
        return ""
    if first in _OPEN or then in _OPEN:
        return "unmeasured"
    if first.is_red:
        return "still_red" if then.is_red else "fixed"
    # What was supported and is not any more is lost as well.
    return "regressed" if then.is_red or first is Verdict.PASS else "fixed"


def _cells(matrix: Matrix, crate: Crate) -> Mapping[Question, Cell]:
    row = next(row for row in matrix.rows if row.crate.id == crate.id)
    return {question_of(cell.key): cell for cell in row.cells if cell.measured}


def exit_code(comparison: Comparison) -> int:
    """What is worse weighs more than what nobody could tell."""
    if comparison.regressed:
        return EXIT_DIFFERS
    return EXIT_UNMEASURED if comparison.unmeasured else EXIT_OK


def _as_text(comparison: Comparison) -> str:
    kinds = (
        ("regressed", comparison.regressed),
        ("fixed", comparison.fixed),
        ("red as before", comparison.still_red),
        ("could not be measured", comparison.unmeasured),
    )
    numbers = [f"{len(found)} {kind}" for kind, found in kinds if found]
    lines = [f"{comparison.after} against {comparison.before}: {', '.join([*numbers, f'{comparison.same} the same'])}"]
    for kind, found in kinds:
        lines += ["", f"{kind} ({count(len(found), 'cell')}):"] if found else []
        lines += [f"  {entry.cell}: {entry.before} -> {entry.after}\n      {entry.reason}" for entry in found]
    return "\n".join(lines)
