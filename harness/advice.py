"""What a guide's maintainer should do with a crate, and why: rules over its cells. Pure, and equal for all crates.

The rules are data: each finds reasons, and the first advice that any of its rules has a reason for is given. How many
dependencies a crate has and how old it is decide nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from harness.advisories import Advisories, Advisory
from harness.matrix import SECTIONS, Cell, Matrix, Row
from harness.model import NO_PEER, BrokerLine, Consequence, Crate, Dialect, Kind, Level, Role, Verdict
from harness.reasons import Reason, causes, lacks, number_of, told_once

#: Raised whenever a rule changes, so that advice of different runs can be told apart.
VERSION = 3

#: What users of a protocol expect of every crate that speaks it.
_BASE = "base"
_COSTLY = frozenset({Consequence.LOSS, Consequence.DUPLICATE, Consequence.HANG})
#: Verdicts that leave it open what the crate does, in words.
_OPEN = {
    Verdict.BROKEN: "could not be judged through our fault",
    Verdict.UNAVAILABLE: "could not be measured on this machine",
    Verdict.NOT_RUN: "did not run",
}


class Recommendation(StrEnum):
    """The advice, in the order in which the rules are asked."""

    RETIRED = "retired"
    NOT_RECOMMENDED = "not recommended"
    UNKNOWN = "unknown"
    WITH_CAVEATS = "with caveats"
    RECOMMENDED = "recommended"

    @property
    def is_usable(self) -> bool:
        """True where the guide may tell people to use the crate."""
        return self in (Recommendation.WITH_CAVEATS, Recommendation.RECOMMENDED)


#: What people would rather use, the best first.
BEST_FIRST = (
    Recommendation.RECOMMENDED,
    Recommendation.WITH_CAVEATS,
    Recommendation.NOT_RECOMMENDED,
    Recommendation.UNKNOWN,
    Recommendation.RETIRED,
)


@dataclass(frozen=True)
class Advice:
    """What to do with a crate for one dialect.

    `reasons` led to it; `limits` are what else is known against the crate, which would have led to a milder advice or
    to none.
    """

    crate: Crate
    dialect: Dialect
    recommendation: Recommendation
    reasons: tuple[Reason, ...]
    limits: tuple[Reason, ...]
    #: What would be given if nothing of `reasons` were so; the same where nothing better is left.
    otherwise: Recommendation = Recommendation.RECOMMENDED


@dataclass(frozen=True)
class Decision:
    """What to use for a dialect: the best crate, whether or not it can be recommended."""

    dialect: Dialect
    best: Advice
    #: Of the crates that the guide lists, those that may be used; the best one is left out.
    listed: tuple[Advice, ...]


@dataclass(frozen=True)
class Case:
    """What the rules look at: a crate's cells of one dialect, and those of its package."""

    crate: Crate
    package: tuple[Cell, ...]
    #: On release lines that somebody still maintains, and on others.
    maintained: tuple[Cell, ...]
    outdated: tuple[Cell, ...]
    advisories: Advisories

    @functools.cached_property
    def asked(self) -> tuple[Cell, ...]:
        """All of the dialect."""
        return (*self.maintained, *self.outdated)

    @functools.cached_property
    def required(self) -> tuple[Cell, ...]:
        """Core cells of what every crate is expected to do, and of security."""
        return tuple(cell for cell in self.maintained if _is_required(cell))

    @functools.cached_property
    def further(self) -> tuple[Cell, ...]:
        """The others."""
        return tuple(cell for cell in self.maintained if not _is_required(cell))


@dataclass(frozen=True)
class Rule:
    """Finds reasons for an advice; `text` is the rule for people."""

    recommendation: Recommendation
    text: str
    find: Callable[[Case], Iterable[Reason]]


def _is_asked_of_all(cell: Cell) -> bool:
    secures = cell.scenario.consequence is Consequence.SECURITY
    return cell.scenario.level is Level.CORE and (cell.scenario.capability == _BASE or secures)


def _is_required(cell: Cell) -> bool:
    return _is_asked_of_all(cell) and not cell.only_malformed


def _retired(case: Case) -> Iterable[Reason]:
    if case.crate.retired:
        retired = case.crate.retired
        yield Reason(f"{retired.reason}; its successor is {retired.what}", source=retired.source)


def _does_not_build(case: Case) -> Iterable[Reason]:
    for cell in case.package:
        if cell.key.scenario == "compiles_as_published" and cell.verdict.is_red:
            yield Reason("it does not compile as published", (cell.key,))


def _has_no_repair(case: Case) -> Iterable[Reason]:
    yield from (_advised(known) for known in case.advisories.found if not known.informs and not known.patched)


def _fails_required(case: Case) -> Iterable[Reason]:
    yield from causes([cell for cell in case.required if cell.verdict.is_red], case.asked)


def _lacks_required(case: Case) -> Iterable[Reason]:
    yield from lacks(case.required, case.crate)


def _fails_security(case: Case) -> Iterable[Reason]:
    yield from causes([cell for cell in case.further if cell.verdict.is_red and _secures(cell)], case.asked)


def _is_unmeasured(case: Case) -> Iterable[Reason]:
    if not case.crate.has_probe:
        yield Reason("no probe is written yet")
    elif not any(cell.measured and _is_asked_of_all(cell) for cell in case.maintained):
        keys = tuple(cell.key for cell in case.asked if _is_asked_of_all(cell))
        yield Reason("no core cell was measured on a release line that is maintained", keys)
    else:
        for verdict in dict.fromkeys(cell.verdict for cell in case.required if cell.verdict in _OPEN):
            keys = tuple(cell.key for cell in case.required if cell.verdict is verdict)
            yield Reason(f"{number_of(len(keys), 'core cell')} {_OPEN[verdict]}", keys)
    flaky = tuple(cell.key for cell in case.required if cell.result.flaky and not cell.verdict.is_red)
    if flaky:
        yield Reason(f"{number_of(len(flaky), 'core cell')} gave different results from one attempt to the next", flaky)


def _costs(case: Case) -> Iterable[Reason]:
    costly = [cell for cell in case.further if cell.consequence in _COSTLY]
    yield from causes([cell for cell in costly if cell.verdict.is_red or cell.result.flaky], case.asked)


def _sends_malformed(case: Case) -> Iterable[Reason]:
    yield from causes([cell for cell in case.further if cell.only_malformed], case.asked)


def _lacks_security(case: Case) -> Iterable[Reason]:
    secure = [cell for cell in case.further if _secures(cell)]
    yield from lacks(secure, case.crate)
    yield from causes([cell for cell in secure if cell.result.flaky and not cell.verdict.is_red], case.asked)


def _has_repair_elsewhere(case: Case) -> Iterable[Reason]:
    for known in case.advisories.found:
        if not known.informs and known.patched:
            yield _advised(known, ", which is not what a new user gets")


def _needs_options(case: Case) -> Iterable[Reason]:
    for option in dict.fromkeys(option for cell in case.required for option in cell.result.options):
        keys = tuple(cell.key for cell in case.required if option in cell.result.options)
        yield Reason(f"measured with {option.partition(' (')[0]}, which is not its default", keys[:1])


def _is_assembled(case: Case) -> Iterable[Reason]:
    if case.crate.kind is Kind.CODEC:
        said = "it encodes and decodes packets; connections, sessions and sending again are the application's"
        yield Reason(said, source=case.crate.codec_source)


def _other_lacks(case: Case) -> Iterable[Reason]:
    others = [cell for cell in case.further if not _secures(cell)]
    yield from causes(
        [c for c in others if c.verdict.is_red and c.consequence not in _COSTLY and not c.only_malformed], case.asked
    )
    yield from lacks(others, case.crate)


def _outdated(case: Case) -> Iterable[Reason]:
    yield from causes([cell for cell in case.outdated if cell.verdict.is_red], case.asked)


def _is_informed(case: Case) -> Iterable[Reason]:
    yield from (_advised(known) for known in case.advisories.found if known.informs)


def _is_not_looked_up(case: Case) -> Iterable[Reason]:
    yield from not_looked_up(case.advisories)


#: In order; within an advice, in the order of the reasons.
RULES = (
    Rule(
        Recommendation.RETIRED,
        "Its repository is archived, or its author names a successor.",
        _retired,
    ),
    Rule(Recommendation.NOT_RECOMMENDED, "It does not compile as published.", _does_not_build),
    Rule(
        Recommendation.NOT_RECOMMENDED,
        "A security advisory is known about it, or about what comes with it as published, and no release repairs it.",
        _has_no_repair,
    ),
    Rule(
        Recommendation.NOT_RECOMMENDED,
        "A core cell that every crate of the protocol is asked, or a core cell of security, is red on a release line "
        "of the broker that is maintained.",
        _fails_required,
    ),
    Rule(Recommendation.NOT_RECOMMENDED, "It lacks what such a cell asks for.", _lacks_required),
    Rule(Recommendation.NOT_RECOMMENDED, "Any cell of security is red.", _fails_security),
    Rule(
        Recommendation.UNKNOWN,
        "Such a core cell was not measured, could not be judged, or gave different results.",
        _is_unmeasured,
    ),
    Rule(
        Recommendation.WITH_CAVEATS,
        "Another cell is red, or gave different results, whose failure costs messages, doubles them or hangs.",
        _costs,
    ),
    Rule(
        Recommendation.WITH_CAVEATS,
        "It does what is asked, and sends a malformed frame, which the peer puts up with and another may not.",
        _sends_malformed,
    ),
    Rule(Recommendation.WITH_CAVEATS, "It lacks something of security.", _lacks_security),
    Rule(
        Recommendation.WITH_CAVEATS,
        "Such an advisory is repaired in a release that does not come with it as published.",
        _has_repair_elsewhere,
    ),
    Rule(Recommendation.WITH_CAVEATS, "A core cell needed other settings than the crate's defaults.", _needs_options),
    Rule(Recommendation.WITH_CAVEATS, "It is a codec: the probe assembled a client from it.", _is_assembled),
    Rule(Recommendation.RECOMMENDED, "Other red cells and lacks limit what it is recommended for.", _other_lacks),
    Rule(Recommendation.RECOMMENDED, "Release lines that nobody maintains only limit it.", _outdated),
    Rule(
        Recommendation.RECOMMENDED, "Advisories that something is unmaintained or unsound only limit it.", _is_informed
    ),
    Rule(
        Recommendation.RECOMMENDED,
        "Advisories that could not be looked up are unknown, and said to be.",
        _is_not_looked_up,
    ),
)


def advise(matrix: Matrix) -> tuple[Advice, ...]:
    """The advice about each crate that is no control, for each dialect that it speaks."""
    return tuple(advice for row in matrix.rows for advice in advise_row(row, matrix.lines))


def advise_row(row: Row, lines: Iterable[BrokerLine]) -> tuple[Advice, ...]:
    """The advice about one crate, for each dialect that it speaks; none about a control. `lines` are the run's."""
    if row.crate.role is Role.CONTROL:
        return ()
    maintained = {line.id for line in lines if line.is_maintained}
    return tuple(_advice(row, dialect, maintained) for dialect in row.crate.dialects)


def not_looked_up(advisories: Advisories) -> tuple[Reason, ...]:
    """What limits an advice where nothing is known of advisories; nothing where they were looked up."""
    unknown = advisories.unknown
    return (Reason(f"whether there are security advisories is unknown: {unknown}"),) if unknown else ()


def overall(advices: Iterable[Advice]) -> Recommendation:
    """One advice about a crate that speaks several dialects: the gravest."""
    return min((advice.recommendation for advice in advices), key=list(Recommendation).index)


def decide(advices: Iterable[Advice]) -> tuple[Decision, ...]:
    """What to use for each dialect that is spoken, in the order of the protocols; never another version of a crate."""
    given = tuple(advice for advice in advices if advice.crate.role is not Role.VERSION)
    decisions = []
    for dialect in (dialect for _, _, dialects in SECTIONS for dialect in dialects):
        spoken = [advice for advice in given if advice.dialect is dialect]
        if spoken:
            best = min(spoken, key=_standing)
            usable = (a for a in spoken if a.crate.role is Role.LISTED and a.recommendation.is_usable)
            decisions.append(Decision(dialect, best, tuple(advice for advice in usable if advice is not best)))
    return tuple(decisions)


def _advice(row: Row, dialect: Dialect, maintained: set[str]) -> Advice:
    own = [cell for cell in row.cells if cell.key.dialect is dialect]
    case = Case(
        crate=row.crate,
        package=tuple(cell for cell in row.cells if cell.key.peer == NO_PEER),
        maintained=tuple(cell for cell in own if cell.key.peer in maintained),
        outdated=tuple(cell for cell in own if cell.key.peer not in maintained),
        advisories=row.advisories,
    )
    found = [(rule.recommendation, tuple(rule.find(case))) for rule in RULES]
    led_to = {r for r, reasons in found if reasons} | {Recommendation.RECOMMENDED}
    # The words stand in the order in which the rules are asked.
    given, otherwise = [*(r for r in Recommendation if r in led_to), Recommendation.RECOMMENDED][:2]
    limiting = [reason for r, reasons in found for reason in reasons if r is not given]
    reasons = [reason for r, reasons in found for reason in reasons if r is given]
    if given is Recommendation.RECOMMENDED:
        limiting, reasons = reasons, [_all_pass(case)]
    led, known = told_once(reasons, case.asked), told_once(limiting, case.asked)
    return Advice(row.crate, dialect, given, led, known, otherwise)


def _all_pass(case: Case) -> Reason:
    keys = tuple(cell.key for cell in case.required if cell.verdict is Verdict.PASS)
    return Reason(f"all {number_of(len(keys), 'core cell')} pass", keys[:1])


def _standing(advice: Advice) -> tuple[bool, int, int, bool, int]:
    """What makes one crate better than another: a client before a codec, then the advice, then how little is wrong."""
    return (
        advice.crate.kind is Kind.CODEC,
        BEST_FIRST.index(advice.recommendation),
        len(advice.reasons),
        advice.crate.role is not Role.LISTED,
        len(advice.limits),
    )


def _secures(cell: Cell) -> bool:
    return cell.consequence is Consequence.SECURITY


def _advised(known: Advisory, note: str = "") -> Reason:
    return Reason(f"{known.sentence}{note}", source=known.source)
