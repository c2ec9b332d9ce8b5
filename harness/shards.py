"""A run in several parts for machines side by side: who gets which crates, and the parts as one run again.

A crate's cells stay together, and a reference client's row is a crate's like the others: as the judge of red cells it
is in every part anyway. Pure: no files, no clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.errors import UsageError
from harness.model import BrokerLine, CellResult, Crate
from harness.store import Plan, RunInfo
from harness.wellformed import OracleRecord

_TEXT = re.compile(r"([1-9]\d*)/([1-9]\d*)")


@dataclass(frozen=True)
class Shard:
    """One part of a run; `number` counts from 1."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class Part:
    """What one shard measured."""

    info: RunInfo
    plan: Plan
    cells: Sequence[CellResult]
    #: What the oracle said of its frames; null where it was not asked.
    judged: OracleRecord | None = None

    @property
    def shard(self) -> Shard:
        """Which one it is.

        Raises:
            UsageError: it is a whole run.
        """
        if not self.info.shard:
            raise UsageError(f"run {self.info.id} is no shard; make shards with `iotyet run --shard 1/2` and so on")
        return parse(self.info.shard)


def parse(text: str) -> Shard:
    """A shard from `I/N`.

    Raises:
        UsageError: it is none.
    """
    found = _TEXT.fullmatch(text)
    if not found or int(found[1]) > int(found[2]):
        raise UsageError(f"--shard is {text!r}; expected I/N, as 1/3, 2/3 and 3/3 for a run in three parts")
    return Shard(int(found[1]), int(found[2]))


def assign(crates: Iterable[Crate], lines: Sequence[BrokerLine], of: int) -> Mapping[str, int]:
    """The shard of each crate, by its id; every shard gets one at least.

    The heaviest crate goes to the lightest shard, and so on. A crate weighs as much as it has broker lines to be asked
    at.

    Args:
        crates: those of the whole run.
        lines: those of the whole run.
        of: how many shards there are.

    Raises:
        UsageError: there are more shards than crates.
    """
    weights = {
        crate.id: 1 + sum(len(set(line.dialects).intersection(crate.dialects)) for line in lines) for crate in crates
    }
    if len(weights) < of:
        raise UsageError(f"{of} shards are too many for {len(weights)} crates; a crate's cells stay together")
    loads = dict.fromkeys(range(1, of + 1), 0)
    found = {}
    for crate in sorted(weights, key=lambda crate: (-weights[crate], crate)):
        lightest = min(loads, key=loads.__getitem__)
        found[crate] = lightest
        loads[lightest] += weights[crate]
    return found


def merge(parts: Sequence[Part]) -> tuple[Part, tuple[Shard, ...]]:
    """The run that the shards are parts of, and the shards that are missing; its exit code is left open.

    Raises:
        UsageError: they are not parts of one run, or one is there twice.
    """
    ordered = sorted(parts, key=lambda part: part.shard.number)
    first = ordered[0]
    for part in ordered[1:]:
        for what, one, other in _compared(first, part):
            if one != other:
                raise UsageError(
                    f"runs {first.info.id} and {part.info.id} are no shards of one run: {what} differs"
                    f"{f' ({one} and {other})' if isinstance(one, str) else ''}; measure them again, alike"
                )
    numbers = [part.shard.number for part in ordered]
    twice = [number for number in numbers if numbers.count(number) > 1]
    if twice:
        raise UsageError(f"shard {Shard(twice[0], first.shard.of)} is there twice; name one folder of each")
    missing = tuple(Shard(number, first.shard.of) for number in range(1, first.shard.of + 1) if number not in numbers)
    plan = replace(first.plan, cells=tuple(replace(cell, selected=cell.shard > 0) for cell in first.plan.cells))
    cells = [cell for part in ordered for cell in part.cells]
    return Part(_header(ordered), plan, cells, _judged(ordered)), missing


def _judged(parts: Sequence[Part]) -> OracleRecord | None:
    records = [part.judged for part in parts if part.judged is not None]
    if not records:
        return None
    sources = {name: version for record in records for name, version in record.sources.items()}
    return OracleRecord(sources, tuple(cell for record in records for cell in record.cells))


def _compared(one: Part, other: Part) -> Iterable[tuple[str, object, object]]:
    yield "the number of shards", str(one.shard.of), str(other.shard.of)
    for name in ("commit", "profile", "selection", "harness_version"):
        yield f"the {name.replace('_', ' ')}", getattr(one.info, name), getattr(other.info, name)
    yield "the compiler", one.info.tools.get("rustc", ""), other.info.tools.get("rustc", "")
    yield "the architecture", one.info.host.get("arch", ""), other.info.host.get("arch", "")
    yield "the number of attempts", str(one.info.repeat), str(other.info.repeat)
    for name in ("crates", "lines", "scenarios", "expectations", "claims"):
        yield f"the plan's list of {name}", getattr(one.plan, name), getattr(other.plan, name)
    cells = [[(cell.key, cell.shard, cell.node) for cell in part.plan.cells] for part in (one, other)]
    yield "the plan's list of cells", cells[0], cells[1]


def _header(parts: Sequence[Part]) -> RunInfo:
    """The header of the whole: it began with the earliest, and took as long as the longest of what ran side by side."""
    infos = [part.info for part in parts]
    earliest = min(infos, key=lambda info: (info.started, info.id))
    phases = {name for info in infos for name in info.phases}
    brokers = {tuple(sorted(broker.items())): broker for info in infos for broker in info.brokers}
    return replace(
        earliest,
        id=f"{earliest.id}-merged",
        shard="",
        dirty=any(info.dirty for info in infos),
        seconds=max(info.seconds for info in infos),
        phases={name: max(info.phases.get(name, 0.0) for info in infos) for name in sorted(phases)},
        brokers=tuple(brokers.values()),
        builds={name: build for info in infos for name, build in info.builds.items()},
        exit=None,
    )
