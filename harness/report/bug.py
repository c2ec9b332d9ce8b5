"""A report of a red cell for the crate's own maintainers, as Markdown that is ready to be pasted into an issue.

It says what the specification asks for, what was seen, how to see it again, and who did it right beside it. Nothing in
it is only true of the machine of the run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.matrix import DIALECTS, Cell, Row
from harness.model import NO_PEER, Role, Verdict
from harness.report.counterpart import counterpart
from harness.report.results_json import decisive
from harness.report.states import wording
from harness.report.text import one_line, portable, shorten, visible
from harness.report.words import again
from harness.store import RunInfo

#: Lines of the transcript's end, and characters of each: an issue is read, a page is searched.
_LINES, _WIDTH = 15, 240
#: Characters of what was expected and observed.
_LONGEST = 2_000
#: How a line begins that says what is wrong with the packet above it.
_OBJECTION = re.compile(r" +\^ malformed: ")


def bug_report(run: RunInfo, row: Row, cell: Cell, excerpt: str, conversation: str = "", permalink: str = "") -> str:
    """The text; empty where there is nothing to tell the crate's maintainers.

    Args:
        run: the header of the run.
        row: the cell's crate.
        cell: whose report.
        excerpt: the end of the transcript, safe to show.
        conversation: the captures as text, safe to show.
        permalink: address of the cell's page that stays; empty where that is not known.
    """
    if not cell.verdict.is_red or row.crate.role is Role.CONTROL:
        return ""
    return "\n".join(_lines(run, row, cell, excerpt, conversation, permalink)) + "\n"


def _lines(run: RunInfo, row: Row, cell: Cell, excerpt: str, conversation: str, permalink: str) -> Iterable[str]:
    crate, scenario, result = row.crate, cell.scenario, cell.result
    attempt = decisive(result)
    expected = attempt.expected if attempt and attempt.expected else scenario.title
    observed = attempt.observed if attempt and attempt.observed else result.reason
    yield f"# {one_line(crate.package)} {crate.version}: {_plain(cell.defect or scenario.title, 160)}"
    yield from ("", f"**Expected:** {_plain(expected)}", "", f"**Observed ({cell.verdict}):** {_plain(observed)}")
    clauses = ", ".join(one_line(clause).replace("<", r"\<") for clause in scenario.spec)
    said = wording(cell.verdict, scenario.requirement).removesuffix(".")
    if said:
        yield from ("", f"{said}{f' ({DIALECTS[cell.key.dialect]}: {clauses})' if clauses else ''}.")
    known = cell.expectation
    if cell.defect and known is not None:
        yield from ("", f"**Likely cause:** {_plain(known.reason)}")
        if known.issue:
            yield from ("", f"Known upstream: {one_line(known.issue)}")
    yield from ("", "**Seen with**", "")
    yield from (f"- {fact}" for fact in _facts(run, cell))
    if permalink:
        yield from ("", f"All of it: <{permalink}>")
    where = "in a checkout of iotyet" + (", where DIR has the crate's source" if crate.path else "")
    yield from ("", f"**To see it again**, {where}:", "", *_fenced(visible(again(crate, cell.key))))
    if excerpt:
        tail = [shorten(line, _WIDTH) for line in portable(excerpt).split("\n")[-_LINES:]]
        yield from ("", "The end of the conversation with the program that uses the crate:", "")
        yield from _fenced("\n".join(tail))
    if conversation:
        yield from ("", "What was sent, as tshark reads it:", "")
        yield from _fenced("\n".join(shorten(line, _WIDTH) for line in _telling(conversation)))


def _telling(conversation: str) -> list[str]:
    """The lines that lead to the first malformed frame, else the last ones; nothing in them is the machine's."""
    lines = conversation.rstrip("\n").split("\n")
    objected = next((number for number, line in enumerate(lines, 1) if _OBJECTION.match(line)), len(lines))
    return lines[max(0, objected - _LINES) : objected]


def _facts(run: RunInfo, cell: Cell) -> Iterable[str]:
    key, result = cell.key, cell.result
    rustc = run.tools.get("rustc", "")
    if rustc:
        yield f"rustc {one_line(rustc)}, {one_line(run.host.get('os', ''))} {run.host.get('arch', '')}".rstrip(", ")
    scripted = bool(cell.scenario.scripted)
    if scripted:
        yield counterpart(cell)
    elif key.peer != NO_PEER:
        yield f"{key.peer.partition('@')[0]} {one_line(result.broker_version or key.peer.partition('@')[2])}"
    for option in result.options:
        yield f"set by its user: {one_line(option)}"
    times = f"{len(result.attempts)} attempts" if len(result.attempts) > 1 else "one attempt"
    yield f"{times}, which differed" if result.flaky else times
    if result.control is Verdict.PASS:
        yield f"the reference client passes the same against the same {'scripted peer' if scripted else 'broker'}"


def _plain(text: str, limit: int = _LONGEST) -> str:
    # Where it is pasted, a tag would vanish or be obeyed.
    return shorten(" ".join(portable(visible(text)).split()), limit).replace("<", r"\<")


def _fenced(text: str) -> tuple[str, str, str]:
    """A block of code whose fence is longer than any in the text."""
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return fence, text, fence
