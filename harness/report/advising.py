"""What pages say of the advice: decision lines, a crate's advice in the matrix, and all reasons on its own page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.advice import RULES, Advice, Recommendation, decide
from harness.matrix import DIALECTS, Row
from harness.model import CellKey
from harness.reasons import Reason
from harness.report.addresses import cell_page, crate_page, to_root
from harness.report.deciding import decision_line
from harness.report.states import ADVICE, Look
from harness.report.text import Span, linked, one_line, visible, web_link

#: Cells of one reason that are linked; the crate's page has all of them further down.
_LINKED = 3
#: Characters of a reason on the index.
_BRIEF = 140
#: Where a crate's page has its advice.
_ANCHOR = "advice"


@dataclass(frozen=True)
class DecisionLine:
    """What to use for a dialect; `href` leads to the page of the crate that it names first."""

    dialect: str
    sentence: str
    href: str


@dataclass(frozen=True)
class AdviceBadge:
    """An advice; `dialect` is named where the crate's dialects differ."""

    look: Look
    dialect: str
    href: str


@dataclass(frozen=True)
class CellLink:
    """A cell that shows something; `href` is empty where it has no page."""

    text: str
    href: str


@dataclass(frozen=True)
class ReasonLine:
    """A reason with what shows it: some of its cells and how many more there are, or a page."""

    text: str
    cells: tuple[CellLink, ...]
    more: int
    source: tuple[Span, ...]


@dataclass(frozen=True)
class AdviceSection:
    """The whole advice about a crate for one dialect."""

    dialect: str
    look: Look
    reasons: tuple[ReasonLine, ...]
    limits: tuple[ReasonLine, ...]


@dataclass(frozen=True)
class RuleLine:
    """A rule, and the advice that it leads to."""

    look: Look
    text: str


def decision_lines(advices: Iterable[Advice]) -> tuple[DecisionLine, ...]:
    """One line for each dialect."""
    return tuple(
        DecisionLine(DIALECTS[d.dialect], decision_line(d), f"{crate_page(d.best.crate.handle)}#{_ANCHOR}")
        for d in decide(advices)
    )


def advice_badges(own: Sequence[Advice], page: str) -> tuple[AdviceBadge, ...]:
    """The advice of each dialect of a crate, whose page is `page`; one where all are the same."""
    same = len({advice.recommendation for advice in own}) == 1
    return tuple(
        AdviceBadge(
            look=ADVICE[advice.recommendation],
            dialect="" if same else DIALECTS[advice.dialect],
            href=f"{page}#{_ANCHOR}",
        )
        for advice in (own[:1] if same else own)
    )


def first_reasons(own: Iterable[Advice], row: Row, most: int) -> tuple[CellLink, ...]:
    """The first reasons of a crate's advice, each with what shows it: a cell, or the page that it is declared by."""
    found = [reason for advice in own for reason in advice.reasons]
    page = f"{crate_page(row.crate.handle)}#{_ANCHOR}"
    measured = {cell.key for cell in row.cells if cell.measured}
    links = []
    for reason in found[:most]:
        cell = next((cell_page(row.crate, key) for key in reason.cells if key in measured), "")
        shown = cell or web_link(reason.source) or page
        links.append(CellLink(textwrap.shorten(visible(reason.text), _BRIEF, placeholder=" …"), shown))
    return tuple(links)


def advice_sections(own: Iterable[Advice], row: Row) -> tuple[AdviceSection, ...]:
    """All that the rules found about a crate."""
    pages, root = cell_pages([row]), to_root(crate_page(row.crate.handle))
    return tuple(
        AdviceSection(
            dialect=DIALECTS[advice.dialect],
            look=ADVICE[advice.recommendation],
            reasons=tuple(reason_line(reason, pages, root) for reason in advice.reasons),
            limits=tuple(reason_line(reason, pages, root) for reason in advice.limits),
        )
        for advice in own
    )


def rule_lines() -> tuple[RuleLine, ...]:
    """The rules, in the order in which they are asked."""
    return tuple(
        RuleLine(ADVICE[rule.recommendation], rule.text)
        for rule in RULES
        if rule.recommendation is not Recommendation.RECOMMENDED
    )


def cell_pages(rows: Iterable[Row]) -> Mapping[CellKey, str]:
    """The address of every cell of these rows that has a page."""
    return {cell.key: cell_page(row.crate, cell.key) for row in rows for cell in row.cells if cell.measured}


def reason_line(reason: Reason, pages: Mapping[CellKey, str], root: str) -> ReasonLine:
    """A reason on a page that is `root` away from the report's folder; `pages` as `cell_pages` makes them."""
    links = []
    several = len({key.crate for key in reason.cells}) > 1
    for key in reason.cells[:_LINKED]:
        where = " ".join(part for part in (f"[{key.params}]" if key.params else "", key.peer) if part not in ("", "-"))
        name = f"{key.crate}: {key.scenario}" if several else key.scenario
        href = root + pages[key] if key in pages else ""
        links.append(CellLink(one_line(f"{name}{' ' if where else ''}{where}"), href))
    return ReasonLine(
        text=one_line(reason.text, 600),
        cells=tuple(links),
        more=max(0, len(reason.cells) - _LINKED),
        source=linked(reason.source, 64),
    )
