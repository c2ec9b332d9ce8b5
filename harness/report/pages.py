"""What the page of a crate and the page of a cell say; `contexts` has the index and what pages share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.advice import advise_row
from harness.matrix import DIALECTS, Cell, Group, Matrix, Row
from harness.model import Change, Expectation, Role, Verdict
from harness.report.addresses import badge_file, cell_page, crate_page, to_root
from harness.report.advising import AdviceSection, advice_sections
from harness.report.authors import ProbeBlock, StatementBlock, probe_block, statement_block
from harness.report.badges import snippets
from harness.report.bug import bug_report
from harness.report.contexts import (
    CrateGroup,
    Fact,
    crate_filters,
    crate_groups,
    group_anchor,
)
from harness.report.counterpart import counterpart, script_note
from harness.report.evidence import LONGEST, AttemptLine, EvidenceLink, attempt_line, evidence_link
from harness.report.filters import FilterForm
from harness.report.lines import PeerLine, peer_lines
from harness.report.publication import Publication
from harness.report.recorded import recorded, untested, upkeep
from harness.report.results_json import decisive, repository
from harness.report.states import LOOKS, Look, look_of, wording
from harness.report.text import Span, linked, one_line, shorten, visible
from harness.report.wire import ConversationBlock, WireLines, conversation_block, wire_lines
from harness.report.words import ROLES, again, heading, known_advisories, red_cells, release, title, verdict_counts
from harness.snapshot import Seen
from harness.store import RunInfo

#: Lines of the transcript's end on a cell's page, and characters of each.
EXCERPT_LINES, EXCERPT_WIDTH = 40, 400

_CHANGES = {
    Change.AS_EXPECTED: "As expected.",
    Change.UNEXPECTED: "Not what is expected of this cell.",
    Change.STALE: "Expected to be red, and passes: the expectation is stale.",
    Change.UNMEASURED: "Nothing was measured.",
    Change.OPEN: "No expectation is about this version.",
}


@dataclass(frozen=True)
class Entry:
    """A label and a text with links."""

    label: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class StatementLine:
    """A statement about a crate, with what backs it."""

    label: str
    what: str
    reason: str
    source: tuple[Span, ...]


@dataclass(frozen=True)
class DefectLine:
    """A known cause of red cells."""

    id: str
    title: str
    cells: int
    upstream: tuple[Span, ...]


@dataclass(frozen=True)
class CratePage:
    """The page of one crate."""

    root: str
    name: str
    version: str
    look: Look
    advice: tuple[AdviceSection, ...]
    author: StatementBlock | None
    probe: ProbeBlock | None
    identity: tuple[Entry, ...]
    statements: tuple[StatementLine, ...]
    settings: tuple[str, ...]
    assembled: tuple[str, ...]
    counts: tuple[tuple[Look, int], ...]
    planned: int
    applicable: int
    red: str
    defects: tuple[DefectLine, ...]
    lines: tuple[PeerLine, ...]
    badge: str
    snippets: tuple[tuple[str, str], ...]
    filters: FilterForm
    groups: tuple[CrateGroup, ...]


@dataclass(frozen=True)
class ExpectationLines:
    """What was known of the cell."""

    look: Look
    observed: str
    reason: str
    defect: str
    issue: tuple[Span, ...]
    review: str
    overdue: bool
    file: str


@dataclass(frozen=True)
class CellPage:
    """The page of one cell."""

    root: str
    id: str
    title: str
    crate: str
    crate_version: str
    crate_href: str
    group: str
    group_href: str
    look: Look
    flaky: bool
    wording: str
    change: str
    #: That no broker answered, and who did; empty where a broker or a reference client did.
    scripted: tuple[Span, ...]
    details: tuple[str, ...]
    spec: tuple[tuple[Span, ...], ...]
    about: tuple[Fact, ...]
    expected: str
    observed: str
    attempts: tuple[AttemptLine, ...]
    control: Look | None
    control_reason: str
    expectation: ExpectationLines | None
    wire: WireLines | None
    conversation: ConversationBlock | None
    #: The command that measures it again and compares, and the one that only runs its test.
    again: str
    reproduce: str
    #: True where the crate's source is in a folder alone, which only its author has.
    unpublished: bool
    bug: str
    excerpt: str
    transcript: EvidenceLink | None


def crate_context(matrix: Matrix, row: Row, published: Publication) -> CratePage:
    """What a crate's page says."""
    crate, page = row.crate, crate_page(row.crate.handle)
    known = recorded(matrix.run, crate)
    advised = advise_row(row, matrix.lines)
    options = [one_line(option) for cell in row.cells for option in cell.result.options]
    return CratePage(
        root=to_root(page),
        name=title(crate),
        version=release(crate),
        look=LOOKS[row.summary.state],
        advice=advice_sections(advised, row),
        author=statement_block(matrix, crate),
        probe=probe_block(matrix, crate),
        identity=tuple(_identity(row, repository(row, known), untested(matrix, crate), matrix.run)),
        statements=tuple(_statements(row)),
        settings=known.settings or tuple(dict.fromkeys(options)),
        assembled=known.assembled,
        counts=tuple((look_of(verdict), number) for verdict, number in verdict_counts(row)),
        planned=row.summary.planned,
        applicable=row.summary.applicable,
        red=red_cells(row),
        defects=tuple(
            DefectLine(defect.id, one_line(defect.title), len(defect.cells), linked(defect.upstream))
            for defect in row.defects
        ),
        lines=peer_lines(row),
        badge=to_root(page) + badge_file(crate.handle, "svg") if advised else "",
        snippets=snippets(crate, published) if advised else (),
        filters=crate_filters(row),
        groups=crate_groups(row, page),
    )


def cell_context(
    matrix: Matrix,
    row: Row,
    group: Group,
    cell: Cell,
    published: Publication,
    transcript: str = "",
    conversation: str = "",
    before: Seen | None = None,
) -> CellPage:
    """What a cell's page says.

    Args:
        matrix: of the run.
        row: the cell's crate.
        group: what the cell is in there.
        cell: a measured one.
        published: when the report is made, and where it and the source will be.
        transcript: text of the file of that kind that `evidence_of` names; its end is quoted.
        conversation: text of the file of that kind that `evidence_of` names.
        before: the cell in the baseline; null where that has it not, or there is none.
    """
    page = cell_page(row.crate, cell.key)
    root, result, scenario, key = to_root(page), cell.result, cell.scenario, cell.key
    attempt = decisive(result)
    link, shown = evidence_of(cell, "transcript"), excerpt(transcript)
    permalink = published.permalink(matrix.run)
    links = (evidence_link(*found, root) for kind in ("conversation", "capture") for found in evidence_of(cell, kind))
    packets = conversation_block(cell, matrix.sources, conversation, links)
    return CellPage(
        root=root,
        id=str(key),
        title=one_line(scenario.title),
        crate=title(row.crate),
        crate_version=release(row.crate),
        crate_href=root + crate_page(row.crate.handle),
        group=heading(group.column),
        group_href=f"{root}{crate_page(row.crate.handle)}#{group_anchor(group.column)}",
        look=look_of(cell.verdict),
        flaky=result.flaky,
        wording=wording(cell.verdict, scenario.requirement),
        change=_CHANGES[result.change],
        scripted=script_note(cell, published),
        details=tuple(" ".join(part.split()) for part in visible(scenario.details).split("\n\n") if part.strip()),
        spec=tuple(linked(clause) for clause in scenario.spec),
        about=tuple(_about(cell, _failing_since(matrix, cell, before))),
        expected=_long(attempt.expected if attempt and attempt.expected else scenario.title),
        observed=_long(attempt.observed if attempt and attempt.observed else _plain_outcome(cell)),
        attempts=tuple(attempt_line(a, scenario, root) for a in result.attempts),
        control=look_of(result.control) if result.control else None,
        control_reason=_control_reason(cell, row),
        expectation=_expectation(cell.expectation, matrix.run.started) if cell.expectation else None,
        wire=wire_lines(cell, matrix.sources, root),
        conversation=packets,
        again=visible(again(row.crate, key)),
        reproduce=visible(result.reproduce),
        unpublished=bool(row.crate.path),
        bug=bug_report(matrix.run, row, cell, shown, packets.text if packets else "", permalink and permalink + page),
        excerpt=shown,
        transcript=evidence_link(*link[0], root) if link else None,
    )


def evidence_of(cell: Cell, kind: str) -> list[tuple[str, str]]:
    """Kind and path of the files of one kind that the attempt that decided left."""
    attempt = decisive(cell.result)
    return [(e.kind, e.path) for e in attempt.evidence if e.kind == kind] if attempt else []


def excerpt(transcript: str) -> str:
    """The end of a transcript, safe to show."""
    lines = transcript.rstrip("\n").split("\n")[-EXCERPT_LINES:]
    return "\n".join(shorten(visible(line.rstrip("\r")), EXCERPT_WIDTH) for line in lines)


def _identity(row: Row, source: str, newer: str, run: RunInfo) -> Iterable[Entry]:
    crate, (dependencies, last) = row.crate, upkeep(run, row.crate)
    listed = f"{crate.guide_name} {crate.guide_link}".strip() if crate.guide_name or crate.guide_link else ""
    revision = f"revision {crate.git.rev}" if crate.git else ""
    texts = (
        ("Package", f"{crate.package} {crate.version}"),
        ("Source", f"{source} {revision}".strip()),
        ("In the guide", listed),
        ("Role", ROLES[crate.role]),
        ("Kind", crate.kind.value),
        ("Speaks", ", ".join(DIALECTS[dialect] for dialect in crate.dialects)),
        ("Licence", crate.licence),
        ("Released", crate.released),
        ("Not tested yet", newer),
        ("Last release", last),
        ("Dependencies", dependencies),
        ("Advisories", "" if crate.role is Role.CONTROL else known_advisories(row.advisories, brief=True)),
        ("Features", ", ".join(crate.features) + ("" if crate.default_features else " (default features off)")),
        ("Native libraries", ", ".join(crate.native_libraries)),
        ("May be unreachable", crate.may_be_unreachable),
        (
            "Measured",
            "" if crate.has_probe or crate.role is Role.CONTROL else "the package only: no probe is written yet",
        ),
    )
    for label, text in texts:
        if text:
            yield Entry(label, linked(text))


def _statements(row: Row) -> Iterable[StatementLine]:
    crate = row.crate
    single = (("Retired", crate.retired), ("Moved to", crate.moved_to), ("Not to be confused with", crate.namesake))
    entries = [(label, entry) for label, entry in single if entry]
    entries += [("Repair", entry) for entry in crate.repairs]
    entries += [("Lacks", entry) for entry in crate.unsupported]
    entries += [("Left to the application", entry) for entry in crate.left_to_application]
    entries += [("Left to handlers", entry) for entry in crate.left_to_handler]
    for label, entry in entries:
        yield StatementLine(label, one_line(entry.what), one_line(entry.reason, LONGEST), linked(entry.source, 64))


def _failing_since(matrix: Matrix, cell: Cell, before: Seen | None) -> str:
    """Since which run a red cell is known to be red; empty where it is not red, or nothing is known of earlier runs."""
    if not cell.verdict.is_red or matrix.baseline is None or before is None:
        return ""
    of_then = f"run {matrix.baseline.run} of {matrix.baseline.started[:10]}"
    if before.verdict.is_red:
        return f"{of_then} at least, where it ended in {before.verdict}"
    return f"this run; {before.verdict} in {of_then}"


def _about(cell: Cell, failing_since: str) -> Iterable[Fact]:
    key, scenario, result = cell.key, cell.scenario, cell.result
    facts_of_cell = (
        ("Dialect", DIALECTS[key.dialect]),
        ("Scenario", key.scenario),
        ("Parameters", key.params),
        ("Peer", counterpart(cell)),
        ("Level", scenario.level.value),
        ("Asked for by", scenario.requirement.value),
        ("A failure costs", cell.consequence.value),
        ("Needs", ", ".join((*scenario.needs, *scenario.features))),
        ("Deadline", f"{scenario.deadline:g} s"),
        ("Took", f"{result.seconds:.1f} s"),
        ("Failing since", failing_since),
        ("Settings changed", ", ".join(result.options)),
    )
    return (Fact(label, one_line(text)) for label, text in facts_of_cell if text)


def _plain_outcome(cell: Cell) -> str:
    """For cells whose attempts say nothing: what the verdict means, or why nothing was measured."""
    return cell.result.reason or look_of(cell.verdict).meaning


def _control_reason(cell: Cell, row: Row) -> str:
    known, result = cell.expectation, cell.result
    if result.control is not None:
        # Anything but a pass makes a cell `broken`, except where the clause is the judge.
        alone = result.control is not Verdict.PASS and cell.verdict is not Verdict.BROKEN
        note = " The reference is known to be unable here: no control, judged by the clause." if alone else ""
        return _long(result.control_reason + note)
    if known is not None and known.judge:
        witness = f" Witness: {known.witness}." if known.witness else ""
        return _long(f"No control: judged by the {known.judge}.{witness}")
    if result.verdict.is_red and cell.wire is not None and cell.wire.malformed:
        return "None: frames are judged by their clauses."
    if row.crate.role is Role.CONTROL:
        return "This is the control itself."
    return "Asked only where a cell is red." if cell.verdict is Verdict.PASS else "None on record."


def _expectation(known: Expectation, started: str) -> ExpectationLines:
    return ExpectationLines(
        look=look_of(known.verdict),
        observed=_long(known.observed),
        reason=_long(known.reason),
        defect=one_line(known.defect),
        issue=linked(known.issue),
        review=one_line(known.review),
        overdue=bool(known.review) and known.review < started[: len(known.review)],
        file=one_line(known.file),
    )


def _long(text: str) -> str:
    return shorten(visible(text), LONGEST)
