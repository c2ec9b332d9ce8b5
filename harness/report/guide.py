"""The page of the guide's claims, and what the first page says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from harness.advice import advise
from harness.claims import JudgedClaim, judge
from harness.matrix import Matrix
from harness.model import CellKey
from harness.report.addresses import GUIDE_PAGE, crate_page, to_root
from harness.report.advising import ReasonLine, cell_pages, reason_line
from harness.report.states import CLAIMS, Look
from harness.report.text import Span, linked, one_line


@dataclass(frozen=True)
class ClaimLine:
    """A claim, how it stands and why; `crate_href` is empty where it is about no crate."""

    text: str
    look: Look
    source: tuple[Span, ...]
    crate_href: str
    reasons: tuple[ReasonLine, ...]


@dataclass(frozen=True)
class ClaimSection:
    """A section of the guide."""

    title: str
    claims: tuple[ClaimLine, ...]


@dataclass(frozen=True)
class GuidePage:
    """The page of the guide's claims."""

    root: str
    counts: tuple[tuple[Look, int], ...]
    sections: tuple[ClaimSection, ...]


def guide_context(matrix: Matrix) -> GuidePage:
    """What the page says."""
    judged, pages = judge(matrix, advise(matrix)), cell_pages(matrix.rows)
    titles = dict.fromkeys(entry.claim.section for entry in judged)
    return GuidePage(
        root=to_root(GUIDE_PAGE),
        counts=claim_counts(judged),
        sections=tuple(
            ClaimSection(title, tuple(_line(entry, pages) for entry in judged if entry.claim.section == title))
            for title in titles
        ),
    )


def claim_counts(judged: tuple[JudgedClaim, ...]) -> tuple[tuple[Look, int], ...]:
    """How many claims stand how."""
    found = Counter(entry.status for entry in judged)
    return tuple((look, found[status]) for status, look in CLAIMS.items() if found[status])


def _line(judged: JudgedClaim, pages: Mapping[CellKey, str]) -> ClaimLine:
    claim, root = judged.claim, to_root(GUIDE_PAGE)
    return ClaimLine(
        text=one_line(claim.text),
        look=CLAIMS[judged.status],
        source=linked(claim.source, 40),
        crate_href=f"{root}{crate_page(claim.crate)}" if claim.crate else "",
        reasons=tuple(reason_line(reason, pages, root) for reason in judged.reasons),
    )
