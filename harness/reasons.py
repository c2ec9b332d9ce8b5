"""Why an advice is given: sentences that say what several cells have in common, and the cells that show it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.matrix import Cell
from harness.model import CellKey, Consequence, Crate, Verdict

#: What a failure costs, the worst first.
_WORST_FIRST = tuple(Consequence(name) for name in ("security", "loss", "duplicate", "hang", "interop", "convenience"))


@dataclass(frozen=True)
class Reason:
    """One sentence, with what shows it: cells, or an address where something is declared.

    `cause` is what the cells have in common where other reasons may have it too; else empty.
    """

    text: str
    cells: tuple[CellKey, ...] = ()
    source: str = ""
    cause: str = ""


def causes(cells: Iterable[Cell], asked: Sequence[Cell]) -> Iterable[Reason]:
    """One reason for each defect; cells of no known defect go by their scenario. The costliest comes first.

    `asked` are all cells of the crate and dialect, of which some may pass where these are red.
    """
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.defect or _undiagnosed(cell), []).append(cell)
    found = sorted(groups.items(), key=lambda group: (min(map(_cost, group[1])), -len(group[1])))
    for name, inside in found:
        yield _because(name, inside, asked)


def lacks(cells: Iterable[Cell], crate: Crate) -> Iterable[Reason]:
    """One reason for each feature that is declared as missing, by its name and with why it is."""
    groups: dict[str, list[CellKey]] = {}
    for cell in cells:
        if cell.verdict is Verdict.UNSUPPORTED:
            said, asked = cell.result.reason, cell.scenario.features
            # Two features may be missing for the same reason.
            names = [lack.what for lack in crate.unsupported if lack.reason == said and lack.what in asked]
            groups.setdefault(f"lacks {listed(names) or 'a feature'}: {said}", []).append(cell.key)
    for text, keys in groups.items():
        yield Reason(text, tuple(keys), cause=text)


def told_once(reasons: Iterable[Reason], asked: Sequence[Cell]) -> tuple[Reason, ...]:
    """Reasons of one cause are one, in the place of the first: several rules may find cells of it."""
    by_key = {cell.key: cell for cell in asked}
    told: dict[str, Reason] = {}
    for number, reason in enumerate(reasons):
        first = told.setdefault(reason.cause or f"{number}", reason)
        if first is reason:
            continue
        keys = (*first.cells, *reason.cells)
        if first.text == first.cause:
            told[reason.cause] = Reason(first.text, keys, cause=first.cause)
        else:
            told[reason.cause] = _because(first.cause, [by_key[key] for key in keys], asked)
    return tuple(told.values())


def number_of(number: int, what: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _because(name: str, inside: Sequence[Cell], asked: Sequence[Cell]) -> Reason:
    """A cause with how many cells it makes red, what most of them cost and what others do, and where they pass."""
    costs = [cost for cost, _ in Counter(cell.consequence for cell in sorted(inside, key=_cost)).most_common()]
    text = f"{name} ({number_of(len(inside), 'cell')}, {listed(costs)}{_where(inside, asked)})"
    return Reason(text, tuple(cell.key for cell in inside), cause=name)


def _undiagnosed(cell: Cell) -> str:
    """What is said of a red cell of no known defect."""
    if cell.only_malformed and cell.wire is not None and cell.wire.malformed is not None:
        return f"breaks a rule for frames: {cell.wire.malformed.says}"
    return f"fails where this is asked: {cell.scenario.title.rstrip('.')}"


def _cost(cell: Cell) -> int:
    return _WORST_FIRST.index(cell.consequence)


def _where(inside: Sequence[Cell], own: Sequence[Cell]) -> str:
    """On which release lines, where the same is asked on others and passes there."""
    asked = {(cell.key.scenario, cell.key.params) for cell in inside}
    passing = {c.key.peer for c in own if c.verdict is Verdict.PASS and (c.key.scenario, c.key.params) in asked}
    red = dict.fromkeys(cell.key.peer for cell in inside)
    healthy = [peer for peer in dict.fromkeys(c.key.peer for c in own) if peer in passing and peer not in red]
    return f", on {', '.join(red)}; passes on {', '.join(healthy)}" if healthy else ""
