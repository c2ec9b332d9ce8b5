"""What a run showed, written into the text of an expectations.toml. Pure; comments and the order of entries stay.

An entry is for every combination of what it lists. What can be cut out of it by shortening its lists is cut out; what
cannot is told, for somebody to split the entry by hand. Nothing that is written here is an explanation: a reason that
nobody has looked up says so, and `iotyet expect check` refuses it.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import tomlkit
from tomlkit.items import AoT, Array, Comment, Table

from harness.diff import lasting
from harness.expectations import TODO
from harness.model import NO_PEER, CellKey, Dialect, Verdict

#: Characters that a part of a reason has at least, so that it does not fit by chance.
_SHORTEST = 6
#: The lists of an entry with what each is where it is not written, in the order of a cell's name.
_AXES = (("versions", ""), ("scenarios", ""), ("params", ""), ("lines", NO_PEER))


@dataclass(frozen=True)
class Shown:
    """A cell that did not come out as it was expected to; `observed` is empty where it is red no longer."""

    key: CellKey
    verdict: Verdict
    observed: str = ""


@dataclass
class Rewritten:
    """The new text, what was done to it, and what is left to be done by hand."""

    text: str
    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def rewrite(text: str, dialect: Dialect, shown: Iterable[Shown], today: datetime.date) -> Rewritten:
    """The text with what a run showed.

    Args:
        text: of a file that `harness.expectations` can read.
        dialect: of the file.
        shown: cells of that dialect, each stale or unexpected.
        today: the day on which what is new has to be looked at.
    """
    document = tomlkit.parse(text)
    found = Rewritten("")
    news = {cell.key: cell for cell in shown}
    entries = document.get("expect")
    comments = ""
    if isinstance(entries, AoT):
        for index in reversed(range(len(entries))):
            if _apply(entries[index], dialect, news, found):
                comments = _remove(entries, index) + comments
    found.text = tomlkit.dumps(document) + comments
    for group in _groups(cell for cell in news.values() if cell.observed):
        new = _skeleton(group, today)
        if new:
            found.text = f"{found.text.rstrip()}\n\n{new}"
            found.done += [f"{cell.key}: new, {cell.verdict}" for cell in group]
        else:
            found.left += [f"{cell.key}: nothing in its reason is sure to come again" for cell in group]
    return found


def _apply(entry: Table, dialect: Dialect, news: dict[CellKey, Shown], found: Rewritten) -> bool:
    """Change one entry and take what it now covers out of `news`; true where nothing of it is left."""
    keys = _keys(entry, dialect)
    told = [news[key] for key in keys if key in news]
    if not told:
        return False
    stale = {cell.key for cell in told if not cell.observed}
    red = [cell for cell in told if cell.observed]
    if any(not _common([cell]) for cell in red):
        found.left += [f"{cell.key}: nothing in its reason is sure to come again; change the entry" for cell in told]
        for cell in told:
            del news[cell.key]
        return False
    part = _common(red)
    if red and part and len({cell.verdict for cell in red}) == 1 and len(red) + len(stale) == len(keys):
        gone = stale  # every cell that stays shows the same
    else:
        gone = {cell.key for cell in told}
        part = ""
    if gone != set(keys) and not _shrink(entry, dialect, gone):
        found.left += [f"{key}: its entry lists it with others; split the entry" for key in sorted(gone, key=str)]
        for cell in told:
            del news[cell.key]
        return False
    for cell in told:
        if cell.key in stale:
            found.done.append(f"{cell.key}: taken out, it is {cell.verdict}")
            del news[cell.key]
        elif part:
            found.done.append(f"{cell.key}: {cell.verdict} instead of {entry['verdict']}")
            del news[cell.key]
    if part:
        entry["verdict"], entry["observed"] = red[0].verdict.value, part
        if not str(entry["reason"]).startswith(TODO):
            entry["reason"] = f"{TODO} is it still this? {entry['reason']}"
    return gone == set(keys)


def _keys(entry: Table, dialect: Dialect) -> list[CellKey]:
    lists = [[str(value) for value in entry.get(name, [default])] for name, default in _AXES]
    crate = str(entry["crate"])
    return [
        CellKey(dialect, scenario, params, crate, version, line)
        for version, scenario, params, line in itertools.product(*lists)
    ]


def _shrink(entry: Table, dialect: Dialect, gone: set[CellKey]) -> bool:
    """Shorten the entry's lists by what is gone in all of its cells; false, and nothing done, where that is not all."""
    keys = set(_keys(entry, dialect))
    kept = keys - gone
    dropped: dict[str, list[str]] = {}
    for position, (name, _) in enumerate(_AXES):
        still = {_coordinates(key)[position] for key in kept}
        dropped[name] = [str(value) for value in entry.get(name, []) if str(value) not in still]
    left = {
        key
        for key in keys
        if not any(_coordinates(key)[position] in dropped[name] for position, (name, _) in enumerate(_AXES))
    }
    if left != kept:
        return False
    for name, values_gone in dropped.items():
        array = entry.get(name)
        if isinstance(array, Array):
            for value in values_gone:
                array.remove(value)
    return True


def _coordinates(key: CellKey) -> tuple[str, str, str, str]:
    return key.crate_version, key.scenario, key.params, key.peer


def _remove(entries: AoT, index: int) -> str:
    """Take an entry out; comments after it, which are about what follows, stay. Returns those without a place left."""
    body = entries[index].value.body
    start = max((number for number, (key, _) in enumerate(body) if key is not None), default=-1) + 1
    after = [item for _, item in body[start:]]
    text = "".join(item.as_string() for item in after) if any(isinstance(item, Comment) for item in after) else ""
    del entries[index]
    if text and index < len(entries):
        following = entries[index].trivia
        following.indent = text.lstrip("\n") + following.indent
        return ""
    return text


# -- what is new --------------------------------------------------------------------------------------


def _groups(cells: Iterable[Shown]) -> Iterable[Sequence[Shown]]:
    """Cells that one new entry can be for: the same question at several brokers, with the same answer."""
    found: dict[tuple[str, ...], list[Shown]] = {}
    for cell in cells:
        key = cell.key
        found.setdefault((key.crate, key.crate_version, key.scenario, key.params, cell.verdict), []).append(cell)
    for group in found.values():
        yield from [group] if _common(group) else [[cell] for cell in group]


def _common(cells: Sequence[Shown]) -> str:
    """The longest part of all their reasons that is sure to come again; empty where there is none."""
    parts = lasting(cells[0].observed) if cells else []
    fitting = (part for part in parts if all(part in cell.observed for cell in cells))
    return next((part for part in fitting if len(part) >= _SHORTEST), "")


def _skeleton(cells: Sequence[Shown], today: datetime.date) -> str:
    """A new entry; empty where no part of the reason can be expected."""
    key, part = cells[0].key, _common(cells)
    if not part:
        return ""
    table = tomlkit.table()
    table["crate"] = key.crate
    table["versions"] = [key.crate_version]
    table["scenarios"] = [key.scenario]
    if key.params:
        table["params"] = [key.params]
    if key.peer != NO_PEER:
        table["lines"] = [cell.key.peer for cell in cells]
    table["verdict"] = cells[0].verdict.value
    table["observed"] = part
    table["reason"] = f"{TODO} the cause, as the crate's source has it"
    table["defect"] = f"{TODO} its name"
    table["review"] = today
    return f"[[expect]]\n{table.as_string()}"
