"""What a report needs to know beside its run: when it is made, and where it will be read."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from harness.report.addresses import run_root
from harness.store import RunInfo

#: Days after which what was measured no longer says what to use: crates and brokers have new releases by then.
STALE_AFTER = 90
#: Stands in for the address of a report that nobody has told; the page's script fills it in where it can.
UNKNOWN_BASE = "https://ADDRESS-OF-THIS-REPORT/"


@dataclass(frozen=True)
class Publication:
    """The day on which a report is made, its address once published, and that of this project's source.

    Addresses are empty where they are not known.
    """

    today: datetime.date
    base_url: str = ""
    #: What the address of each file of the commit that ran begins with.
    source_url: str = ""

    @property
    def base(self) -> str:
        """What the address of each page begins with."""
        return f"{self.base_url.rstrip('/')}/" if self.base_url else UNKNOWN_BASE

    def permalink(self, run: RunInfo) -> str:
        """What the address of each page begins with that stays as it is; empty where no address is known."""
        return self.base + run_root(run.id) if self.base_url else ""

    def source(self, path: str) -> str:
        """The address of a file of this project's source; empty where that is not known."""
        return f"{self.source_url.rstrip('/')}/{path}" if self.source_url else ""

    def is_stale(self, run: RunInfo) -> bool:
        """True where the run is too old for its advice to be followed without measuring again."""
        return self.today >= stale_from(run)


def measured_on(run: RunInfo) -> datetime.date:
    """The day on which the run started, in UTC."""
    return datetime.datetime.fromisoformat(run.started).date()


def stale_from(run: RunInfo) -> datetime.date:
    """The first day on which the run's advice is stale."""
    return measured_on(run) + datetime.timedelta(days=STALE_AFTER)
