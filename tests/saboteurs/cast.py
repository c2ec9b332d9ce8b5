"""What the saboteurs of every protocol share: the scenarios that they are asked, and their entries in the catalogue."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from harness.model import Crate, Dialect, Kind, Role
from harness.paths import SCENARIOS
from harness.scenario import scenario_of

Function = Callable[..., None]


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
        name=name,
        role=Role.CANDIDATE,
        kind=kind,
        dialects=control.dialects,
        package=control.package,
        version=control.version,
        licence=control.licence,
        command=("{python}", "-m", f"tests.saboteurs.{clients}", name),
        **fields,
    )
