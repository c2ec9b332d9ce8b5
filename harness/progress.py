"""What a long run says of itself: how many cells are done, and which one has been running for the longest time."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest

#: Seconds between two lines.
_PAUSE = 15.0


class Progress:
    """A plugin of pytest's, of the process that hands the cells out: a line now and then, and nothing that moves.

    Args:
        say: takes a line.
        clock: seconds.
    """

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._all = self._done = 0
        self._begun: dict[str, float] = {}
        self._told = clock()
        self._end_line: Callable[[], None] = lambda: None

    # After pytest's own, which makes the reporter.
    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Keep apart from the dots that pytest prints in the same place."""
        reporter = config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None:
            self._end_line = partial(reporter.write, "\n", flush=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Every worker finds the same cells."""
        if not self._all:
            self._all = len(ids)
            self._tell()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A worker has begun with a cell."""
        self._begun[nodeid] = self._clock()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A worker has ended a cell."""
        self._begun.pop(nodeid, None)
        self._done += 1
        if self._clock() - self._told >= _PAUSE:
            self._tell()

    def _tell(self) -> None:
        self._told = self._clock()
        said = f"{self._done} of {self._all} cells"
        if self._begun:
            first = min(self._begun, key=self._begun.__getitem__)
            # The name as -k and the report have it: without the file, and without pytest's prefix.
            name = first.rpartition("::")[2].removeprefix("test_")
            said += f"; {len(self._begun)} running, {name} for {self._told - self._begun[first]:.0f} s"
        if self._done:
            self._end_line()
        self._say(said)
