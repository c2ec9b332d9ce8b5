"""What `iotyet check` says of one crate: who it is, what to do with it and why, beside what the guide lists. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pydantic import TypeAdapter

from harness.advice import Advice, Recommendation, advise, advise_row, decide, not_looked_up
from harness.advisories import Advisories
from harness.matrix import DIALECTS, Matrix, Row
from harness.model import Dialect, Role, Verdict
from harness.reasons import Reason
from harness.report.deciding import decision_line
from harness.report.recorded import recorded
from harness.report.states import look_of
from harness.report.text import one_line
from harness.report.words import count, known_advisories, label

#: Outcomes of a build that an expression left out.
_UNASKED = ("was not asked", f"{Verdict.NOT_RUN}: not selected")
#: Cells that are named with a reason.
_NAMED = 2


@dataclass(frozen=True)
class Package:
    """What is known of a package without any cell; an empty text is what nobody could tell."""

    name: str
    version: str
    released: str
    newest: str
    newest_released: str
    licence: str
    repository: str
    #: Of the crate and what it depends on, as a new user gets it; null where that could not be resolved.
    dependencies: int | None
    #: `pass`, or why it does not compile as published.
    compiles: str
    advisories: Advisories


@dataclass(frozen=True)
class Said:
    """One reason, with cells that show it and how many there are, or a page."""

    text: str
    cells: tuple[str, ...]
    number: int
    source: str


@dataclass(frozen=True)
class Spoken:
    """The advice for one dialect; `otherwise` is what it would be if none of its reasons were so."""

    dialect: Dialect
    advice: Recommendation
    reasons: tuple[Said, ...]
    limits: tuple[Said, ...]
    otherwise: Recommendation
    cells: str


@dataclass(frozen=True)
class Neighbour:
    """What a run of every crate says of a dialect: the advice about each that the guide lists, and what to use."""

    dialect: Dialect
    listed: tuple[tuple[str, Recommendation], ...]
    decision: str


@dataclass(frozen=True)
class Checked:
    """Everything that `check` says. `next_command` makes the probe, where there is none."""

    crate: str
    package: Package
    identity: str
    advice: tuple[Spoken, ...]
    next_command: str = ""
    #: The run that `beside` is from; empty where there is none.
    beside_run: str = ""
    beside: tuple[Neighbour, ...] = ()


_CHECKED = TypeAdapter(Checked)


def of_row(matrix: Matrix, row: Row, package: Package, whole: Matrix | None) -> Checked:
    """About a crate that was measured.

    Args:
        matrix: of the run that measured it.
        row: the crate's.
        package: what is known of it beside its cells.
        whole: a run of every crate, if there is one.
    """
    return Checked(
        crate=row.crate.id,
        package=package,
        identity=_outcome(row, "is_what_the_guide_links") if row.crate.guide_link else "",
        advice=tuple(_beside_package(spoken(advice, row), package) for advice in advise_row(row, matrix.lines)),
        beside_run=f"{whole.run.id}, profile {whole.run.profile}" if whole else "",
        beside=tuple(_neighbours(whole, row.crate.dialects)) if whole else (),
    )


def of_package(package: Package, next_command: str) -> Checked:
    """About a package without a probe: nothing is known of what it does."""
    return Checked(f"{package.name}@{package.version}", package, "", (), next_command)


def build_of(matrix: Matrix, row: Row) -> tuple[str, str, int | None, str]:
    """Repository, licence, number of dependencies, and how a crate compiles as published, as its run recorded them."""
    built = matrix.run.builds.get(f"published-{row.crate.handle}", {})
    licence, depends = str(built.get("licence") or row.crate.licence), built.get("dependencies")
    return recorded(matrix.run, row.crate).repository, licence, depends, _outcome(row, "compiles_as_published")


def _outcome(row: Row, scenario: str) -> str:
    """How a cell of the package ended: `pass`, or the verdict with its reason."""
    cell = next((cell for cell in row.cells if cell.key.scenario == scenario), None)
    if cell is None:
        return "was not asked"
    return "pass" if cell.verdict is Verdict.PASS else one_line(f"{cell.verdict}: {cell.result.reason}", 400)


def spoken(advice: Advice, row: Row) -> Spoken:
    """An advice with what is said about the cells that it follows from."""
    counts = Counter(cell.verdict for cell in row.cells if cell.key.dialect is advice.dialect)
    numbers = [f"{counts[verdict]} {look_of(verdict).word}" for verdict in Verdict if counts[verdict]]
    return Spoken(
        dialect=advice.dialect,
        advice=advice.recommendation,
        reasons=tuple(map(_said, advice.reasons)),
        limits=tuple(map(_said, advice.limits)),
        otherwise=advice.otherwise,
        cells=f"{', '.join(numbers)} of {counts.total()} planned",
    )


def _beside_package(one: Spoken, package: Package) -> Spoken:
    """An advice without what the lines about the package say once for all dialects."""
    told = [_said(reason) for reason in not_looked_up(package.advisories)]
    return replace(one, limits=tuple(said for said in one.limits if said not in told))


def _said(reason: Reason) -> Said:
    named = tuple(str(key) for key in reason.cells[:_NAMED])
    return Said(one_line(reason.text, 600), named, len(reason.cells), reason.source)


def _neighbours(whole: Matrix, dialects: Iterable[Dialect]) -> Iterable[Neighbour]:
    advices = advise(whole)
    decisions = {decision.dialect: decision_line(decision) for decision in decide(advices)}
    for dialect in dialects:
        own = [advice for advice in advices if advice.dialect is dialect and advice.crate.role is Role.LISTED]
        listed = tuple((label(advice.crate), advice.recommendation) for advice in own)
        yield Neighbour(dialect, listed, decisions.get(dialect, ""))


# -- formats ------------------------------------------------------------------------------------------


def as_json(checked: Checked) -> str:
    """For programs."""
    return _CHECKED.dump_json(checked, indent=1).decode()


def as_text(checked: Checked) -> str:
    """For people; reads the same without colour."""
    lines = [checked.crate, "", *(f"  {name:<13} {text}" for name, text in _facts(checked) if text)]
    for one in checked.advice:
        lines += ["", *advice_lines(one)]
    if not checked.advice:
        dialects = ", ".join(dialect for dialect in Dialect if dialect is not Dialect.PACKAGE)
        lines += ["", "unknown: no probe", f"  `{checked.next_command}` makes one; DIALECT is one of {dialects}"]
        return "\n".join(lines)
    for neighbour in checked.beside:
        lines += ["", f"The guide for {DIALECTS[neighbour.dialect]} (run {checked.beside_run}):"]
        lines += [f"  - {name}: {advice}" for name, advice in neighbour.listed] or ["  - lists nothing"]
        lines += [f"  {neighbour.decision}"] if neighbour.decision else []
    if not checked.beside_run:
        lines += ["", "What the guide lists beside it is not known: `iotyet run` measures every crate."]
    return "\n".join(lines)


def advice_lines(one: Spoken) -> Iterable[str]:
    """An advice with its reasons, for people."""
    yield f"{DIALECTS[one.dialect]}: {one.advice}"
    yield from _reasons(one.reasons)
    if one.limits:
        yield "  known beside that:"
        yield from _reasons(one.limits)
    yield f"  what would change it: {_change(one)}"
    yield f"  cells: {one.cells}"


def _facts(checked: Checked) -> Sequence[tuple[str, str]]:
    package = checked.package
    newest = "the newest release"
    if package.newest != package.version:
        when = f" of {package.newest_released}" if package.newest_released else ""
        newest = f"the newest release is {package.newest}{when}" if package.newest else ""
    released = f"of {package.released}" if package.released else ""
    about = ", ".join(part for part in (released, newest) if part)
    depends = (
        "" if package.dependencies is None else f", with {count(package.dependencies, 'dependency', 'dependencies')}"
    )
    return (
        ("package", f"{package.name} {package.version}" + (f" ({about})" if about else "")),
        ("repository", package.repository or f"not {'looked up' if package.compiles in _UNASKED else 'stated'}"),
        ("identity", "what the guide links" if checked.identity == "pass" else _plain(checked.identity)),
        ("licence", package.licence or "not stated"),
        ("as published", ("compiles" if package.compiles == "pass" else _plain(package.compiles)) + depends),
        # The reasons of an advice say what each one is.
        ("advisories", known_advisories(package.advisories, brief=bool(checked.advice))),
    )


def _plain(outcome: str) -> str:
    """An outcome for people: `build failed: …`, `not run: …`."""
    verdict, colon, why = outcome.partition(":")
    return f"{verdict.replace('_', ' ')}{colon}{why}"


def _reasons(reasons: Iterable[Said]) -> Iterable[str]:
    for said in reasons:
        yield f"  - {said.text}"
        more = f" and {said.number - len(said.cells)} more" if said.number > len(said.cells) else ""
        shown = ", ".join(said.cells) + more if said.cells else said.source
        if shown:
            yield f"      {shown}"


def _change(one: Spoken) -> str:
    if one.advice is Recommendation.RECOMMENDED:
        return "a core cell that turns red, or any other of what the rules ask"
    what = "this reason" if len(one.reasons) == 1 else f"these {len(one.reasons)} reasons"
    return f"without {what} it would be {one.otherwise}"
