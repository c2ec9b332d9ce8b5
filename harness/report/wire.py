"""What a cell's page says of the frames that the crate sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.matrix import Cell
from harness.report.addresses import evidence_href
from harness.report.text import one_line
from harness.wellformed import Finding, WireJudgement, WireVerdict

_SAYS = {
    WireVerdict.WELL_FORMED: "Well-formed: no source objects to any of them.",
    WireVerdict.MALFORMED: "Malformed: at least one breaks a clause.",
    WireVerdict.INCONCLUSIVE: "Inconclusive: one source objects to some, and that is not enough, or cannot judge them.",
    WireVerdict.NO_TRAFFIC: "No traffic: it sent none.",
}


@dataclass(frozen=True)
class FindingLine:
    """An objection; `href` leads to the capture or the log, and is empty where that is not in the run's folder."""

    certain: str
    source: str
    says: str
    clause: str
    where: str
    href: str


@dataclass(frozen=True)
class WireLines:
    """The judgement of a cell's frames, and who judged."""

    frames: str
    says: str
    findings: tuple[FindingLine, ...]
    sources: str


def wire_lines(cell: Cell, sources: Mapping[str, str], root: str) -> WireLines | None:
    """What is said of a cell's frames, seen from a page that is `root` away from the report's folder.

    Null where the oracle was not asked: cells without a peer, and runs that are older than it.
    """
    if cell.wire is None:
        return None
    return WireLines(
        frames=_frames(cell.wire),
        says=_SAYS[cell.wire.verdict],
        findings=tuple(_line(finding, root) for finding in cell.wire.findings),
        sources=one_line(", ".join(_sources(sources))),
    )


def _frames(wire: WireJudgement) -> str:
    return f"{wire.frames} frame{'' if wire.frames == 1 else 's'}"


def _line(finding: Finding, root: str) -> FindingLine:
    href = evidence_href(finding.file)
    name = one_line(finding.file.rpartition("/")[2])
    where = f"packet {finding.packet} of {name}" if finding.packet else name
    return FindingLine(
        certain="malformed" if finding.certain else "in doubt",
        source=one_line(finding.source),
        says=one_line(finding.says),
        clause=one_line(finding.clause),
        where=where + (f", and {finding.times - 1} more" if finding.times > 1 else ""),
        href=root + href if href else "",
    )


def _sources(sources: Mapping[str, str]) -> Iterable[str]:
    for name, version in sources.items():
        yield f"{version} rules" if name == "rules" else f"{name} {version}"
