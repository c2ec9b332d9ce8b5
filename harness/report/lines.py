"""What several cells came to together, and how a crate stands with each broker line or other peer."""

from __future__ import annotations

from dataclasses import dataclass

from harness.matrix import Row, State, Summary, summarise
from harness.model import NO_PEER
from harness.report.states import LOOKS, Look
from harness.report.text import one_line


@dataclass(frozen=True)
class Badge:
    """A state with the number of cells that pass, of those that apply; `href` may be empty."""

    look: Look
    number: str
    flaky: bool
    href: str


@dataclass(frozen=True)
class PeerLine:
    """How a crate stands with one broker line or other peer."""

    peer: str
    version: str
    badge: Badge


def badge(summary: Summary, href: str = "") -> Badge:
    """What several cells came to together."""
    number = f"{summary.passed}/{summary.applicable}" if summary.applicable else ""
    return Badge(LOOKS[summary.state], number, bool(summary.flaky), href)


def peer_lines(row: Row) -> tuple[PeerLine, ...]:
    """How a crate stands with each line that it was asked with, in the order of the plan."""
    asked = [cell for cell in row.cells if cell.key.peer != NO_PEER]
    lines = []
    for peer in dict.fromkeys(cell.key.peer for cell in asked):
        inside = [cell for cell in asked if cell.key.peer == peer]
        version = next((c.result.broker_version for c in inside if c.result.broker_version), "")
        lines.append(PeerLine(one_line(peer), one_line(version), badge(summarise(inside, State.NOT_RUN))))
    return tuple(lines)


def lines_badge(row: Row, href: str) -> Badge:
    """Lines on which every core cell passes, of those that apply; the worst line is what is shown."""
    summaries = [line.badge.look for line in peer_lines(row)]
    asked = [look for look in summaries if look is not LOOKS[State.NOT_APPLICABLE]]
    works = sum(look in (LOOKS[State.PASS], LOOKS[State.PARTIAL]) for look in asked)
    whole = summarise([cell for cell in row.cells if cell.key.peer != NO_PEER], State.NOT_RUN)
    number = f"{works}/{len(asked)}" if asked else ""
    return Badge(LOOKS[whole.state], number, bool(whole.flaky), href)
