"""What the saboteurs of every protocol share: the scenarios that they are asked, and their entries in the catalogue."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.bench import Bench
from harness.cells.base import Cell
from harness.judge import Question, measure
from harness.model import BrokerLine, CellKey, Crate, Dialect, Expectation, Kind, Role, Verdict
from harness.paths import SCENARIOS
from harness.scenario import scenario_of

Function = Callable[..., None]


@dataclass(frozen=True)
class Case:
    """A saboteur, the scenario that catches it, and what the report says."""

    saboteur: str
    scenario: str
    #: A regular expression that occurs in the cell's reason.
    reason: str
    params: dict[str, Any] = field(default_factory=dict)
    verdict: Verdict = Verdict.FAIL
    #: Waits for a timer or starts brokers of its own.
    slow: bool = False

    @property
    def id(self) -> str:
        """As pytest shows it."""
        return f"{self.saboteur}-{self.scenario}"

    def parameter(self, *, in_ci: bool) -> Any:
        """The case for `pytest.mark.parametrize`."""
        return pytest.param(self, id=self.id, marks=[] if in_ci else [pytest.mark.full])


def expect_caught(bench: Bench, case: Case, function: Function, crate: Crate, control: Crate, line: BrokerLine) -> None:
    """The verdict is right, the reason lets a human see what is wrong, and the honest client passes.

    The red is expected, so that it is not tried again on a fresh broker: that is the judge's test.
    """
    stated = scenario_of(function)
    assert stated is not None
    key = CellKey(stated.dialect, stated.id, "", crate.name, crate.version, line.id)
    expectation = Expectation(key, case.verdict, observed="", reason="it lies", review="2027-05-01")
    question = Question(key=key, scenario=stated, crate=crate, line=line, control=control, expectation=expectation)

    def body(cell: Cell) -> None:
        function(cell, **case.params)

    cell = measure(bench, question, body)
    assert cell.verdict is case.verdict, cell.reason
    assert re.search(case.reason, cell.reason), cell.reason
    assert cell.control is Verdict.PASS, cell.control_reason


def scenarios_of(folder: str, dialect: Dialect) -> dict[str, Function]:
    """The scenarios of a folder below scenarios/ that state the dialect, by id."""
    found: dict[str, Function] = {}
    for path in sorted((SCENARIOS / folder).glob("test_*.py")):
        module = importlib.import_module(f"scenarios.{folder}.{path.stem}")
        for _, function in inspect.getmembers(module, inspect.isfunction):
            stated = scenario_of(function)
            if stated is not None and stated.dialect is dialect:
                found[stated.id] = function
    return found


def saboteur(control: Crate, clients: str, name: str, *, kind: Kind = Kind.CLIENT, **fields: Any) -> Crate:
    """A wrong client as an entry of crates.toml would have it.

    Args:
        control: the reference client that it is made from.
        clients: the module of `tests.saboteurs` that runs it.
        name: the wrong client's name there.
        kind: what it passes for.
        fields: of `Crate`, where they differ.
    """
    return Crate(
        # Protocols have wrong clients of the same name, and what is known of a client is kept by it for the whole run.
        name=f"{clients.replace('_', '-')}-{name}",
        role=Role.CANDIDATE,
        kind=kind,
        dialects=control.dialects,
        package=control.package,
        version=control.version,
        licence=control.licence,
        command=("{python}", "-m", f"tests.saboteurs.{clients}", name),
        **fields,
    )
