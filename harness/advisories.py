"""What is known of security advisories about what a crate brings with it.

The words that a run's builds, the matrix and the advice share; `harness.probes.audit` looks them up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter


@dataclass(frozen=True)
class Advisory:
    """An advisory about one package that a new user of the crate gets, in the version that a new user gets."""

    id: str
    package: str
    version: str
    title: str
    #: Releases of the package that are repaired, as cargo writes requirements; empty where there is none.
    patched: tuple[str, ...] = ()
    #: What it is where it is no vulnerability: `unmaintained`, `unsound`, `notice`; empty where it is one.
    informs: str = ""
    #: Its page; empty where the database names none.
    source: str = ""

    @property
    def sentence(self) -> str:
        """What it says, for people."""
        if self.informs:
            return f"{self.id} in {self.package} {self.version} ({self.informs}): {self.title}"
        repaired = f"repaired in {' or '.join(self.patched)}" if self.patched else "no release repairs it"
        return f"{self.id} in {self.package} {self.version}: {self.title}; {repaired}"


@dataclass(frozen=True)
class Advisories:
    """What was found. `unknown` says why nothing is known; what could not be looked up is never called clean."""

    unknown: str
    found: tuple[Advisory, ...] = ()
    #: How many advisories the database has that was asked, with its date and commit; empty where none was.
    database: str = ""


_NOTED = TypeAdapter(Advisories)


def of_build(published: Mapping[str, Any]) -> Advisories:
    """What a run's header has of a crate as published; unknown where that was not built, or before runs asked."""
    noted = published.get("advisories")
    return Advisories("this run did not look them up") if noted is None else _NOTED.validate_python(noted)
