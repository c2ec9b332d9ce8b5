"""What a cell's page says of each attempt, and the files that show it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from harness.model import Attempt, Evidence, Scenario
from harness.report.addresses import evidence_href
from harness.report.counterpart import no_lines
from harness.report.states import Look, look_of
from harness.report.text import one_line, shorten, visible

#: Characters of one text on a page; whole texts are in results.json.
LONGEST = 20_000
#: The digest of a file with nothing in it.
_EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class EvidenceLink:
    """A file that shows what happened; `href` is empty where the path leads out of the run's folder.

    Without a path there is nothing to see, and `kind` says why.
    """

    kind: str
    path: str
    href: str


@dataclass(frozen=True)
class AttemptLine:
    """One execution."""

    look: Look
    observed: str
    seconds: str
    evidence: tuple[EvidenceLink, ...]


def attempt_line(attempt: Attempt, scenario: Scenario, root: str) -> AttemptLine:
    """An attempt on a page that is `root` away from the report's folder."""
    return AttemptLine(
        look=look_of(attempt.verdict),
        observed=shorten(visible(attempt.observed or "what was expected"), LONGEST),
        seconds=f"{attempt.seconds:.1f} s",
        evidence=tuple(_file(e, scenario, root) for e in attempt.evidence),
    )


def _file(evidence: Evidence, scenario: Scenario, root: str) -> EvidenceLink:
    if evidence.sha256 == _EMPTY and evidence.kind.endswith("broker log"):
        return EvidenceLink(f"{one_line(evidence.kind)}: {no_lines(scenario)}", "", "")
    return evidence_link(evidence.kind, evidence.path, root)


def evidence_link(kind: str, path: str, root: str) -> EvidenceLink:
    """A file of the run's folder, seen from a page that is `root` away from it."""
    href = evidence_href(path)
    return EvidenceLink(one_line(kind), one_line(path), root + href if href else "")
