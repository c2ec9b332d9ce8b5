"""What a cell's page says of the frames that the crate sent, and of all that was sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.matrix import Cell
from harness.model import Need, Verdict
from harness.report.addresses import evidence_href
from harness.report.evidence import EvidenceLink
from harness.report.text import one_line, visible
from harness.wellformed import ENCRYPTED, Finding, WireJudgement, WireVerdict

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


@dataclass(frozen=True)
class ConversationBlock:
    """What both ends sent, packet by packet; where `text` is empty, `note` says why."""

    text: str
    note: str
    #: True where it is shown without being asked for.
    is_open: bool
    files: tuple[EvidenceLink, ...]


def conversation_block(
    cell: Cell, sources: Mapping[str, str], text: str, files: Iterable[EvidenceLink]
) -> ConversationBlock | None:
    """The captures of the attempt that decided.

    Null where there is nothing to tell: cells without a capture, and runs that are older than this.

    Args:
        cell: whose.
        sources: of the oracle.
        text: as the oracle wrote it down; empty where it did not, or the file is gone.
        files: that text and the captures, to be linked.
    """
    linked = tuple(files)
    if cell.wire is None or not linked:
        return None
    if text:
        ended = Need.TLS in cell.scenario.needs and ENCRYPTED not in text
        note = "TLS ended in the relay: this is what was sent inside it." if ended else ""
        return ConversationBlock(visible(text), note, cell.verdict is not Verdict.PASS, linked)
    tshark = sources.get("tshark", "")
    if not tshark.startswith("unavailable"):
        return None
    return ConversationBlock("", f"tshark, which reads captures, is {one_line(tshark)}.", False, linked)


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
