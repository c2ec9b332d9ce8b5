"""What the oracle says of the frames that a crate sent: the words of oracle.json, which lies in a run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.model import CellKey, Evidence

#: What the text of a capture says that nobody can read.
ENCRYPTED = "It is encrypted: of the messages, only the handshake can be read."


class WireVerdict(StrEnum):
    """What all the frames of a cell came to."""

    WELL_FORMED = "well-formed"
    MALFORMED = "malformed"
    INCONCLUSIVE = "inconclusive"
    NO_TRAFFIC = "no traffic"


@dataclass(frozen=True)
class Finding:
    """An objection to one frame.

    `certain` is true where it alone makes the frame malformed: a rule with its clause, the peer's own refusal, or two
    sources of which neither would be enough.
    """

    source: str
    rule: str
    clause: str
    says: str
    #: The capture, or the broker's log, relative to the run's folder.
    file: str
    #: The number of the packet in the capture with which the frame ends, as Wireshark counts; 0 where that is unknown.
    packet: int
    certain: bool
    #: How many frames of this file it was said of; the packet is that of the first.
    times: int = 1


@dataclass(frozen=True)
class WireJudgement:
    """What the frames of one cell came to, over all attempts of the crate and none of the control."""

    key: CellKey
    verdict: WireVerdict
    frames: int
    findings: tuple[Finding, ...] = ()
    #: Of each attempt of the cell, its captures as text; null where there was none, or no tshark to read it.
    conversations: tuple[Evidence | None, ...] = ()

    @property
    def malformed(self) -> Finding | None:
        """The objection that the cell is judged by; null where no frame is malformed."""
        return next((finding for finding in self.findings if finding.certain), None)


@dataclass(frozen=True)
class OracleRecord:
    """The whole of oracle.json: what each source was, by name, or why it was not there, and every cell's judgement."""

    sources: Mapping[str, str] = field(default_factory=dict)
    cells: tuple[WireJudgement, ...] = ()
