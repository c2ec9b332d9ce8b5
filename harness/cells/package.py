"""The `cell` of scenarios that need no peer: builds and identity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.bench import Bench
from harness.cells.base import Cell
from harness.errors import NotWritten
from harness.model import Crate, Scenario


class PackageCell(Cell):
    """Asks cargo about the crate."""

    def __init__(self, bench: Bench, scenario: Scenario, crate: Crate, folder: Path) -> None:
        super().__init__(bench, scenario, crate)
        self._folder = folder

    def keep(self, name: str, text: str) -> None:
        """Keep a file as evidence."""
        (self._folder / name).write_text(text, encoding="utf-8")

    def published(self) -> dict[str, Any]:
        """How the crate compiles as published; see `harness.probes.build.PublishedBuild`.

        Raises:
            Unavailable: its source cannot be reached.
        """
        result = self._bench.published(self.crate)
        self.remark(f"{result['rustc']}; {result['dependencies']} dependencies; repository {result['repository']}")
        return result

    def repaired(self) -> dict[str, Any]:
        """The built probe; see `harness.probes.build.ProbeBuild`.

        Raises:
            BuildFailed, NotWritten, Unavailable: as they say.
        """
        if not self.crate.has_probe:
            raise NotWritten(f"there is no probe of {self.crate.name} yet")
        result = self._bench.repaired(self.crate)
        self.remark(f"{result['rustc']}; lock file {result['lock_sha256']}")
        return result
