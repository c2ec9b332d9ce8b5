"""What every scenario's `cell` has, whatever the dialect."""

from __future__ import annotations

import secrets
import time

from harness.bench import Bench
from harness.errors import CrateTimeout, Mismatch
from harness.model import Crate, Scenario
from harness.probes.transcript import Transcript


class Cell:
    """One attempt at one cell, as a scenario sees it."""

    def __init__(self, bench: Bench, scenario: Scenario, crate: Crate) -> None:
        self._bench = bench
        self.scenario = scenario
        self.crate = crate
        #: Part of every name that this attempt uses, so that cells on one broker keep apart.
        self.token = secrets.token_hex(5)
        self.transcript = Transcript()
        self._started = time.monotonic()

    def remark(self, text: str) -> None:
        """Leave a line in the transcript, for who reads the evidence."""
        self.transcript.add("#", text)

    def remaining(self, at_most: float, expected: str) -> float:
        """Seconds that a step may take: `at_most`, or what is left of the scenario's deadline.

        Raises:
            CrateTimeout: nothing is left.
        """
        left = self.scenario.deadline - (time.monotonic() - self._started)
        if left <= 0:
            limit = f"{self.scenario.deadline:g} s"
            raise CrateTimeout(
                f"not done after {limit}, the scenario's deadline", expected=f"{expected}, within {limit}"
            )
        return min(at_most, left)

    def expect(self, right: bool, *, expected: str, observed: str) -> None:
        """State what the crate has to have done.

        Raises:
            Mismatch: it did not.
        """
        if not right:
            raise Mismatch(observed, expected=expected)
        self.remark(f"as expected: {expected}")

    def close(self) -> None:
        """End everything that the attempt started."""
