"""What the workers of a run share: brokers and builds, each started once, by whoever needs it first.

Under xdist the controller does not collect, so it cannot know what is needed. The first worker takes the lease's file
lock, does the work and writes its result; the others read it. A failure is a result too: it is not tried again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.errors import AttemptError, BrokerFailed, BuildFailed, ContractViolation, NotWritten, Unavailable

#: Failures that a lease passes on to everyone who asks.
_SHARED_FAILURES: dict[str, type[AttemptError]] = {
    cls.__name__: cls for cls in (BrokerFailed, BuildFailed, ContractViolation, NotWritten, Unavailable)
}


class Leases:
    """The leases of one run, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def obtain(self, name: str, start: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The result of `start`, which runs once in the whole run.

        Args:
            name: names the lease; a file name.
            start: does the work and returns what others need to use it, as JSON.

        Raises:
            AttemptError: what `start` raised, the first time and every later time.
        """
        file = self._folder / f"{name}.json"
        with FileLock(self._folder / f"{name}.lock"):
            if not file.exists():
                self._write(file, self._outcome(start))
            outcome = json.loads(file.read_text(encoding="utf-8"))
        if "failure" in outcome:
            raise _SHARED_FAILURES[outcome["failure"]](outcome["observed"], expected=outcome["expected"])
        result: dict[str, Any] = outcome["result"]
        return result

    def obtained(self, prefix: str) -> dict[str, dict[str, Any]]:
        """The results of all leases whose name starts with `prefix`, failed ones left out."""
        found = {}
        for file in sorted(self._folder.glob(f"{prefix}*.json")):
            outcome = json.loads(file.read_text(encoding="utf-8"))
            if "result" in outcome:
                found[file.stem] = outcome["result"]
        return found

    @staticmethod
    def _outcome(start: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return {"result": start()}
        except tuple(_SHARED_FAILURES.values()) as error:
            return {"failure": type(error).__name__, "observed": error.observed, "expected": error.expected}

    @staticmethod
    def _write(file: Path, outcome: dict[str, Any]) -> None:
        staged = file.with_suffix(".tmp")
        staged.write_text(json.dumps(outcome), encoding="utf-8")
        staged.rename(file)
