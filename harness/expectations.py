"""Reads scenarios/*/expectations.toml: what is known about exact cells. No patterns; overlap is an error."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.catalog import load_toml, parse
from harness.errors import ConfigError
from harness.model import NO_PEER, CellKey, Dialect, Expectation, Verdict
from harness.paths import ROOT

#: What the reason of an expectation begins with whose cause nobody has looked up yet.
TODO = "TODO"


class _Expect(BaseModel):
    model_config = ConfigDict(extra="forbid")

    crate: str
    versions: list[str] = Field(min_length=1)
    scenarios: list[str] = Field(min_length=1)
    params: list[str] = [""]
    lines: list[str] = [NO_PEER]
    verdict: Verdict
    observed: str = Field(min_length=1, description="a part of the reason")
    reason: str = Field(min_length=1)
    review: datetime.date
    defect: str = ""
    issue: str = ""
    judge: Literal["", "clause", "oracle"] = Field(
        "", description="who decides where the control or the scenario cannot"
    )
    witness: str = ""
    may_also: list[Verdict] = []


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dialect: Dialect
    expect: list[_Expect] = []


def load(folder: Path) -> dict[CellKey, Expectation]:
    """All expectations below `folder`, by cell.

    Raises:
        ConfigError: an entry is wrong, or two cover one cell.
    """
    found: dict[CellKey, Expectation] = {}
    for path in sorted(folder.glob("*/expectations.toml")):
        file = parse(path, _File, load_toml(path))
        for index, entry in enumerate(file.expect):
            # What a control declares as missing is nothing to judge crates by either.
            absent = entry.verdict is Verdict.UNSUPPORTED and entry.judge == "clause"
            if not entry.verdict.is_red and not absent:
                red = ", ".join(verdict for verdict in Verdict if verdict.is_red)
                raise ConfigError(path, f"expect[{index}].verdict", f"is '{entry.verdict}'; expected one of {red}")
            if Verdict.BROKEN in entry.may_also:
                raise ConfigError(path, f"expect[{index}].may_also", "has broken, which is never the crate's")
            if entry.judge == "clause" and not entry.witness:
                raise ConfigError(path, f"expect[{index}].witness", 'is missing; judge = "clause" names who passes')
            for expectation in _cells(path, file.dialect, entry):
                if expectation.key in found:
                    raise ConfigError(path, f"expect[{index}]", f"{expectation.key} has an expectation already")
                found[expectation.key] = expectation
    return found


def _cells(path: Path, dialect: Dialect, entry: _Expect) -> Iterable[Expectation]:
    for version in entry.versions:
        for scenario in entry.scenarios:
            for params in entry.params:
                for line in entry.lines:
                    yield Expectation(
                        key=CellKey(dialect, scenario, params, entry.crate, version, line),
                        verdict=entry.verdict,
                        observed=entry.observed,
                        reason=entry.reason,
                        review=entry.review.isoformat(),
                        defect=entry.defect,
                        issue=entry.issue,
                        judge=entry.judge,
                        witness=entry.witness,
                        may_also=tuple(entry.may_also),
                        file=path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path),
                    )


def unmatched(expectations: Mapping[CellKey, Expectation], planned: Iterable[CellKey]) -> list[Expectation]:
    """Expectations for cells that no full run has."""
    known = set(planned)
    return [expectation for key, expectation in expectations.items() if key not in known]


def unexplained(expectations: Iterable[Expectation]) -> list[Expectation]:
    """Expectations whose cause nobody has looked up."""
    return [e for e in expectations if e.reason.lstrip().upper().startswith(TODO)]


def overdue(expectations: Iterable[Expectation], today: datetime.date) -> list[Expectation]:
    """Expectations whose review date is past."""
    return [e for e in expectations if datetime.date.fromisoformat(e.review) < today]
