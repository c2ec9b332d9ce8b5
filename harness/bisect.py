"""Since which of several versions something fails. Pure: who measures is handed in.

Bisecting takes for granted that a thing begins to fail once. Where it comes and goes, one of its beginnings is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

_Thing = TypeVar("_Thing")

#: Measures things in one version: true where one fails, false where not, null or left out where nobody can tell.
Measure = Callable[[str, frozenset[_Thing]], Mapping[_Thing, bool | None]]


@dataclass(frozen=True)
class Since(Generic[_Thing]):
    """Since when something fails.

    Attributes:
        thing: what fails.
        version: the oldest version in which it was seen to fail.
        not_in: the newest older one in which it was seen not to; empty where it fails in the oldest of all.
        unknown: versions between the two of which nobody can tell.
    """

    thing: _Thing
    version: str
    not_in: str
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class _Group(Generic[_Thing]):
    """Things of which the same is known, by indices of versions; `good` is null until they were seen not to fail."""

    things: frozenset[_Thing]
    good: int | None
    bad: int
    unknown: frozenset[int] = frozenset()

    def next(self) -> int | None:
        """The version to ask next: the oldest first, then halves; null where nothing is left to ask."""
        lowest = 0 if self.good is None else self.good + 1
        left = [index for index in range(lowest, self.bad) if index not in self.unknown]
        if not left:
            return None
        return left[0] if self.good is None else left[len(left) // 2]


def since(versions: Sequence[str], failing: Iterable[_Thing], measure: Measure[_Thing]) -> list[Since[_Thing]]:
    """For each of `failing`, which fail in the last of `versions`, since when.

    Args:
        versions: the oldest first.
        failing: what fails in the last one.
        measure: asked at most once about the same thing in the same version.
    """
    found: list[Since[_Thing]] = []
    things = frozenset(failing)
    groups = [_Group(things, None, len(versions) - 1)] if things else []
    while groups:
        group = groups.pop()
        index = group.next()
        if index is None:
            found += _ended(group, versions)
            continue
        fails = measure(versions[index], group.things)
        failing_there = frozenset(thing for thing in group.things if fails.get(thing) is True)
        sound = frozenset(thing for thing in group.things if fails.get(thing) is False)
        begun = replace(group, things=failing_there, bad=index)
        if group.good is None:  # the oldest that can be asked
            found += _ended(begun, versions)
        else:
            groups.append(begun)
        groups.append(replace(group, things=sound, good=index))
        rest = group.things - failing_there - sound
        groups.append(replace(group, things=rest, unknown=group.unknown | {index}))
        groups = [entry for entry in groups if entry.things]
    return found


def _ended(group: _Group[_Thing], versions: Sequence[str]) -> list[Since[_Thing]]:
    lowest = -1 if group.good is None else group.good
    unknown = tuple(versions[index] for index in sorted(group.unknown) if lowest < index < group.bad)
    not_in = "" if group.good is None else versions[group.good]
    return [Since(thing, versions[group.bad], not_in, unknown) for thing in group.things]
