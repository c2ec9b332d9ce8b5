"""What every scenario's `cell` has, whatever the dialect."""

from __future__ import annotations

import secrets
import time

from harness.bench import Bench
from harness.errors import CrateTimeout, Mismatch, ScenarioFault
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
        #: Whether a scripted peer of the harness has taken part.
        self.met_script = False
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

    def meet_script(self) -> None:
        """Note that a scripted peer takes part; every way to one begins here.

        Raises:
            ScenarioFault: the scenario does not say so, and its cells would be shown as if a broker had answered.
        """
        if not self.scenario.scripted:
            raise ScenarioFault("a scripted peer takes part, and the scenario does not declare `scripted=True`")
        self.met_script = True

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
