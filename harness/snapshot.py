"""What a run came to in short, to compare later runs with: every cell with its verdict, and what it was measured with.

`reports/baseline.json` is one, committed: nested, and a line a cell, so that a change of it can be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.errors import ConfigError, HarnessFault
from harness.model import CellKey, CellResult, Dialect, Verdict
from harness.paths import BASELINE

_TOLD = re.compile(r"(flaky )?([a-z_]+)(?:: (.*))?", re.DOTALL)
#: Characters of a reason that are kept: enough to tell one from another.
_LONGEST = 300


@dataclass(frozen=True)
class Seen:
    """A cell's outcome; green cells need no reason."""

    verdict: Verdict
    reason: str = ""
    flaky: bool = False

    def __str__(self) -> str:
        return f"{'flaky ' if self.flaky else ''}{self.verdict}{f': {self.reason}' if self.reason else ''}"

    @classmethod
    def of(cls, result: CellResult) -> Seen:
        """What is kept of an outcome."""
        reason = "" if result.verdict is Verdict.PASS else " ".join(result.reason.split())[:_LONGEST]
        return cls(result.verdict, reason, result.flaky)

    @classmethod
    def parse(cls, text: str) -> Seen:
        """The outcome from what `str()` makes of it.

        Raises:
            ValueError: it is none.
        """
        found = _TOLD.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no outcome of a cell")
        return cls(Verdict(found[2]), found[3] or "", bool(found[1]))


@dataclass(frozen=True)
class Snapshot:
    """A run in short. `cells` goes by crate and version, then dialect and peer, then scenario and parameters.

    What cannot be asked of a crate is left out. `versions` has the compiler and each broker line that ran.
    """

    run: str
    started: str
    commit: str
    profile: str
    versions: dict[str, str] = field(default_factory=dict)
    cells: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)

    def seen(self) -> dict[CellKey, Seen]:
        """Every cell.

        Raises:
            ValueError: an entry is not what `nested` makes.
        """
        found = {}
        for crate, peers in self.cells.items():
            name, _, version = crate.rpartition("@")
            for where, scenarios in peers.items():
                dialect, _, peer = where.partition(" ")
                for asked, told in scenarios.items():
                    scenario, _, params = asked.partition("[")
                    key = CellKey(Dialect(dialect), scenario, params.removesuffix("]"), name, version, peer)
                    found[key] = Seen.parse(told)
        return found


def nested(results: Iterable[CellResult]) -> dict[str, dict[str, dict[str, str]]]:
    """Outcomes as `Snapshot.cells` has them."""
    cells: dict[str, dict[str, dict[str, str]]] = {}
    for result in results:
        key = result.key
        if result.verdict is not Verdict.NOT_APPLICABLE:
            asked = f"{key.scenario}[{key.params}]" if key.params else key.scenario
            inside = cells.setdefault(f"{key.crate}@{key.crate_version}", {}).setdefault(
                f"{key.dialect} {key.peer}", {}
            )
            inside[asked] = str(Seen.of(result))
    return cells


def versions(tools: Mapping[str, str], brokers: Iterable[Mapping[str, object]]) -> dict[str, str]:
    """What was measured with: the compiler, and each broker line with the version found running."""
    lines = {str(broker["line"]): str(broker.get("version") or "") for broker in brokers}
    return {"rustc": tools.get("rustc", ""), **dict(sorted(lines.items()))}


_SNAPSHOT = TypeAdapter(Snapshot)


def read(path: Path) -> Snapshot:
    """A snapshot from its file.

    Raises:
        ConfigError: it cannot be read or is none.
    """
    try:
        found = _SNAPSHOT.validate_json(path.read_bytes())
        found.seen()
    except OSError as error:
        raise ConfigError(path, "the file", f"cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise ConfigError(path, "the file", f"is no baseline: {error.errors()[0]['msg']}") from error
    except ValueError as error:
        raise ConfigError(path, "the file", f"is no baseline: {error}; `iotyet baseline accept` writes one") from error
    return found


def committed() -> Snapshot | None:
    """The baseline that runs of this checkout are compared with; nothing where none was accepted.

    Raises:
        ConfigError: it cannot be read or is none.
    """
    return read(BASELINE) if BASELINE.exists() else None


def write(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot to its file, replacing an earlier one.

    Raises:
        HarnessFault: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(snapshot), indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise HarnessFault(f"{path} cannot be written: {error.strerror}") from error
