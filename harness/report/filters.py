"""What a page's filters go by: facts about each row, and the choices that its form offers.

The page has every row; filter.js hides those that do not fit and keeps the choice in the page's address.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from harness.matrix import Cell
from harness.model import CellKey, Change, Dialect, Verdict
from harness.report.text import one_line

#: Cells that somebody has to look at: red ones, and those of which nobody knows how the crate would do.
_PROBLEMS = frozenset(verdict for verdict in Verdict if verdict.is_red) | {Verdict.BROKEN, Verdict.UNAVAILABLE}
_CHANGES = frozenset({Change.UNEXPECTED, Change.STALE})


@dataclass(frozen=True)
class Facets:
    """What a row is about. `problems` and `changed` are the peers where it has them; `-` where no peer is needed."""

    dialects: tuple[str, ...]
    advice: tuple[str, ...]
    peers: tuple[str, ...]
    problems: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """One control with a list: the name of the facet, its label, and value and text of each option."""

    name: str
    label: str
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class FilterForm:
    """The filters of a page; `noun` is what a row is, `changed` what the last filter shows."""

    noun: str
    changed: str
    choices: tuple[Choice, ...]


def facets(cells: Iterable[Cell], advice: Iterable[str] = (), since: Container[CellKey] = ()) -> Facets:
    """The facts about a row that shows these cells, of which those in `since` changed since the baseline."""
    found = tuple(cells)
    return Facets(
        dialects=_tokens(c.key.dialect for c in found if c.key.dialect is not Dialect.PACKAGE),
        advice=_tokens(advice),
        peers=_tokens(cell.key.peer for cell in found),
        problems=_tokens(c.key.peer for c in found if c.verdict in _PROBLEMS or c.result.flaky),
        changed=_tokens(c.key.peer for c in found if c.result.change in _CHANGES or c.key in since),
    )


def form(
    noun: str, choices: Mapping[tuple[str, str], Iterable[tuple[str, str]]], changed: str = "is not as expected"
) -> FilterForm:
    """A form whose choices are named by facet and label; those with nothing to choose between are left out."""
    offered = []
    for (name, label), options in choices.items():
        distinct = tuple((_token(value), one_line(text)) for value, text in dict.fromkeys(options))
        if len(distinct) > 1:
            offered.append(Choice(name, label, distinct))
    return FilterForm(noun, changed, tuple(offered))


def _tokens(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(_token, values)))


def _token(value: str) -> str:
    """One word, because a row has its facets as words in one attribute."""
    return "_".join(one_line(value).split())
