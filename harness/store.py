"""A run's folder: what was planned, and each cell as it ends. Everything after a run is a function of this folder.

run.json      who, when, where, with what        (written at the start, completed at the end)
plan.json     every cell of the profile, selected or not, with its scenario
cells.jsonl   one line a cell, appended as it ends
oracle.json   what the frames were that the crates sent      (written once the cells ended)
evidence/     transcripts, broker logs, captures, and the oracle's captures as text
leases/       what the workers share while the run lives
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from harness.authors import ProbeSource, Statement
from harness.errors import HarnessFault, UsageError
from harness.model import BrokerLine, CellKey, CellResult, Claim, Crate, Expectation, Scenario, Verdict
from harness.snapshot import Snapshot
from harness.wellformed import OracleRecord


@dataclass(frozen=True)
class RunInfo:
    """The header of a run. `exit` is null until the run ended."""

    id: str
    started: str
    profile: str
    selection: str
    commit: str
    dirty: bool
    host: dict[str, str]
    tools: dict[str, str]
    harness_version: str
    #: Which part of a run in several parts this is, as `2/3`; empty where it is a whole one.
    shard: str = ""
    #: Attempts at each cell that were asked for.
    repeat: int = 1
    seconds: float = 0.0
    exit: int | None = None
    phases: dict[str, float] = field(default_factory=dict)
    brokers: tuple[dict[str, Any], ...] = ()
    builds: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedCell:
    """A cell of the profile; `node` is its pytest id.

    `shard` is the part of the run that measures it; 0 where none does, or where the run has no parts.
    """

    key: CellKey
    selected: bool
    node: str
    shard: int = 0


@dataclass(frozen=True)
class Plan:
    """What a run covers: the fixed denominators of every row."""

    crates: tuple[Crate, ...]
    lines: tuple[BrokerLine, ...]
    scenarios: tuple[Scenario, ...]
    cells: tuple[PlannedCell, ...]
    expectations: tuple[Expectation, ...] = ()
    claims: tuple[Claim, ...] = ()
    #: What the run is compared with; null where no baseline was accepted.
    baseline: Snapshot | None = None
    probes: tuple[ProbeSource, ...] = ()
    statements: tuple[Statement, ...] = ()


#: What another try may measure: the fault was ours, or something could not be reached.
_SAYS_NOTHING = (Verdict.BROKEN, Verdict.UNAVAILABLE)
_T = TypeVar("_T")
_RUN = TypeAdapter(RunInfo)
_PLAN = TypeAdapter(Plan)
_CELL = TypeAdapter(CellResult)
_ORACLE = TypeAdapter(OracleRecord)


class RunFolder:
    """Reads and writes one run's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cells_file = path / "cells.jsonl"

    @property
    def evidence(self) -> Path:
        """Where evidence goes."""
        return self.path / "evidence"

    def write_run(self, info: RunInfo) -> None:
        """Write the header, replacing an earlier one."""
        self._write("run.json", _RUN, info)

    def read_run(self) -> RunInfo:
        """The header.

        Raises:
            UsageError: this is no run's folder.
        """
        return self._read("run.json", _RUN)

    def write_plan(self, plan: Plan) -> None:
        """Write the plan."""
        self._write("plan.json", _PLAN, plan)

    def has_plan(self) -> bool:
        """True where a worker has written the plan already."""
        return (self.path / "plan.json").exists()

    def read_plan(self) -> Plan:
        """The plan.

        Raises:
            UsageError: the run ended before anything was collected, or this is no run's folder.
        """
        return self._read("plan.json", _PLAN)

    def write_oracle(self, record: OracleRecord) -> None:
        """Write what the oracle says, replacing an earlier judgement."""
        self._write("oracle.json", _ORACLE, record)

    def read_oracle(self) -> OracleRecord | None:
        """What the oracle says; null where it was not asked: the run ended before, or is older than the oracle."""
        return self._read("oracle.json", _ORACLE) if (self.path / "oracle.json").exists() else None

    def append(self, line: str) -> None:
        """Append one cell, as `encode_cell` made it, and have it on the disk before returning.

        Raises:
            HarnessFault: it could not be written, for example because the disk is full. What was written before stays.
        """
        try:
            with self.cells_file.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise HarnessFault(
                f"{self.cells_file} cannot be written: {error.strerror}; the cells before this one are kept: "
                "make room, then go on with `iotyet run --resume`"
            ) from error

    def write_cells(self, cells: Iterable[CellResult]) -> None:
        """Write all cells of a run that is over, replacing earlier ones."""
        self.cells_file.write_text("".join(f"{encode_cell(cell)}\n" for cell in cells), encoding="utf-8")

    def read_cells(self) -> list[CellResult]:
        """All cells that ended, in order; of a cell measured twice the last counts.

        The last line may be torn, where the machine or the process died while it was written: it is left out.
        """
        if not self.cells_file.exists():
            return []
        cells: dict[CellKey, CellResult] = {}
        # Only the newline ends a cell: JSON leaves other line separators as they are.
        lines = self.cells_file.read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n")
        for number, line in enumerate(lines, 1):
            try:
                cell = decode_cell(line)
            except ValidationError as error:
                if number == len(lines):
                    break
                raise UsageError(f"{self.cells_file}, line {number}: is no cell: {error.errors()[0]['msg']}") from error
            cells.pop(cell.key, None)
            cells[cell.key] = cell
        return list(cells.values())

    def left(self) -> set[CellKey]:
        """The cells of the plan that a resumed run measures: those without a result, and those that say nothing."""
        measured = {cell.key for cell in self.read_cells() if cell.verdict not in _SAYS_NOTHING}
        return {cell.key for cell in self.read_plan().cells if cell.selected} - measured

    def drop_torn_line(self) -> None:
        """Cut an incomplete last line off, so that appending starts on a new line."""
        if not self.cells_file.exists():
            return
        data = self.cells_file.read_bytes()
        if data and not data.endswith(b"\n"):
            self.cells_file.write_bytes(data[: data.rfind(b"\n") + 1])

    def _write(self, name: str, adapter: TypeAdapter[_T], value: _T) -> None:
        staged = self.path / f"{name}.{os.getpid()}.tmp"
        try:
            staged.write_bytes(adapter.dump_json(value, indent=1) + b"\n")
            staged.rename(self.path / name)
        except OSError as error:
            raise HarnessFault(f"{self.path / name} cannot be written: {error.strerror}") from error

    def _read(self, name: str, adapter: TypeAdapter[_T]) -> _T:
        file = self.path / name
        try:
            return adapter.validate_json(file.read_bytes())
        except OSError as error:
            raise UsageError(f"{self.path} is no folder of a run: {name}: {error.strerror}") from error
        except ValidationError as error:
            raise UsageError(f"{file} cannot be read: {error.errors()[0]['msg']}") from error


def encode_cell(cell: CellResult) -> str:
    """A cell as one line of JSON."""
    return _CELL.dump_json(cell).decode()


def decode_cell(line: str) -> CellResult:
    """The cell that `encode_cell` was given."""
    return _CELL.validate_json(line)


def all_runs(runs: Path) -> list[RunFolder]:
    """The runs in a folder, oldest first."""
    found: Iterable[Path] = sorted(path for path in runs.glob("*") if (path / "run.json").is_file())
    return [RunFolder(path) for path in found]


def newest_whole_run(runs: Path, profile: str = "") -> RunFolder:
    """The newest run that ended and left nothing of its profile out, which is any where none is named.

    Raises:
        UsageError: there is none.
    """
    for folder in reversed(all_runs(runs)):
        info = folder.read_run()
        is_whole = info.exit is not None and not info.selection and not info.shard and folder.has_plan()
        if is_whole and profile in ("", info.profile):
            return folder
    wanted = f"the profile {profile}" if profile else "a whole profile"
    raise UsageError(f"{runs} has no finished run of {wanted}; make one with `iotyet run`, or name a run's folder")
