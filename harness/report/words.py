"""Sentences and labels that several formats share."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable

from harness.advice import Advice, Recommendation, overall
from harness.advisories import Advisories
from harness.diff import Diff, Kind
from harness.matrix import BUILDS, Changes, Column, Matrix, Row
from harness.model import NO_PEER, CellKey, Crate, Role, Verdict
from harness.report.results_json import brokers
from harness.report.states import ADVICE, look_of
from harness.report.text import one_line

ROLES = {
    Role.LISTED: "Listed by the guide",
    Role.CANDIDATE: "Not listed: candidates",
    Role.CONTROL: "Reference clients, for comparison",
    Role.VERSION: "Other versions",
}

#: Groups that are no plain words.
_SPELLED = {"qos": "QoS", "tls": "TLS", "sasl": "SASL", "keepalive": "keep-alive"}


def count(number: int, one: str, many: str = "") -> str:
    """`1 cell`, `2 cells`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def heading(column: Column) -> str:
    """What a column is called."""
    if column == BUILDS:
        return "Builds"
    words = column.group.replace("_", " ").replace("-", " ").split()
    text = " ".join(_SPELLED.get(word, word) for word in words)
    return text[:1].upper() + text[1:]


def reproduce_command(key: CellKey) -> str:
    """The command that measures one cell again, ready for a shell."""
    return f"iotyet reproduce {shlex.quote(str(key))}"


def again(crate: Crate, key: CellKey, folder: str = "DIR") -> str:
    """The command that measures one cell again.

    Args:
        crate: whose cell.
        key: names the cell.
        folder: where the crate's source is, where that is not published; a report leaves it to the reader, because
            only the machine of the run has that folder.
    """
    if not crate.path:
        return reproduce_command(key)
    broker = "" if key.peer == NO_PEER else f" --broker {shlex.quote(key.peer)}"
    return f"iotyet check {crate.name} --path {shlex.quote(folder)} -k test_{key.scenario}{broker}"


def red_cells(row: Row) -> str:
    """`27 red cells, 3 defects`; what belongs to no known defect is said; empty where nothing is red."""
    if not row.summary.red:
        return ""
    parts = [count(row.summary.red, "red cell")]
    if row.defects:
        parts.append(count(len(row.defects), "defect"))
    if row.unexplained:
        parts.append(f"{row.unexplained} unexplained" if row.defects else "unexplained")
    return ", ".join(parts)


def verdict_counts(row: Row) -> list[tuple[Verdict, int]]:
    """Every verdict with its number, zeros included, in the order of the model."""
    return [(verdict, row.summary.counts[verdict]) for verdict in Verdict]


def verdict_line(row: Row) -> str:
    """All verdicts that occur, of N: `31 pass, 4 fail of 40`."""
    numbers = [f"{number} {look_of(verdict).word}" for verdict, number in verdict_counts(row) if number]
    return f"{', '.join(numbers) or 'no cell'} of {row.summary.planned} planned"


def advice_counts(advices: Iterable[Advice], role: Role) -> list[tuple[Recommendation, int]]:
    """How many crates of a role have each advice, the mildest first; a crate counts once, with its gravest."""
    by_crate: dict[str, list[Advice]] = {}
    for advice in advices:
        if advice.crate.role is role:
            by_crate.setdefault(advice.crate.id, []).append(advice)
    found = Counter(overall(own) for own in by_crate.values())
    return [(recommendation, found[recommendation]) for recommendation in ADVICE if found[recommendation]]


def run_facts(matrix: Matrix) -> list[tuple[str, str]]:
    """Which run this is: label and text, without anything that is only true of its machine's folders or names."""
    run = matrix.run
    host = " ".join(one_line(run.host[key], 60) for key in ("os", "arch") if run.host.get(key))
    ran = [f"{b.name} {b.version or b.line}" for b in brokers(run.brokers)]
    facts = [
        ("Run", run.id),
        ("Date", run.started.replace("T", " ")[:16] + " UTC"),
        ("Commit", f"{run.commit[:12]}{' with local changes' if run.dirty else ''}" if run.commit else ""),
        ("Profile", run.profile),
        ("Arguments", run.selection),
        ("Shard", run.shard),
        ("Attempts", f"{run.repeat} at each cell" if run.repeat > 1 else ""),
        ("Compiler", run.tools.get("rustc", "")),
        ("Peers", ", ".join(dict.fromkeys(ran))),
        ("Machine", host),
    ]
    return [(label, one_line(text)) for label, text in facts if text]


def known_advisories(advisories: Advisories, *, brief: bool) -> str:
    """What is known of advisories, and to which database; `brief` leaves out what each of them says."""
    if advisories.unknown:
        return one_line(f"unknown: {advisories.unknown}")
    of = f"(database: {advisories.database})"
    if not advisories.found:
        return one_line(f"none known {of}")
    said = "" if brief else "; ".join(known.sentence for known in advisories.found)
    informing = sum(bool(known.informs) for known in advisories.found)
    numbers = (
        (len(advisories.found) - informing, "vulnerability", "vulnerabilities"),
        (informing, "notice of what is unmaintained or unsound", "notices of what is unmaintained or unsound"),
    )
    counted = " and ".join(count(number, one, many) for number, one, many in numbers if number)
    return one_line(f"{counted} {of}{': ' if said else ''}{said}", 4000)


def title(crate: Crate) -> str:
    """What people call the crate: the guide's name, where the guide has one."""
    return one_line(crate.guide_name or crate.name)


def release(crate: Crate) -> str:
    """What is measured: the version, with the package's name where that is another one."""
    return one_line(crate.version if crate.package == title(crate) else f"{crate.package} {crate.version}")


def label(crate: Crate) -> str:
    """Name and version in one."""
    what = release(crate)
    return f"{title(crate)} {what}" if what == crate.version else f"{title(crate)} ({what})"


def since(diff: Diff) -> str:
    """What changed since another run: `Since run x of 2026-11-23: 1 fixed, 2 regressed`."""
    always = (Kind.FIXED, Kind.REGRESSED)
    numbers = [(kind, len(diff.having(kind))) for kind in (*always, *(kind for kind in Kind if kind not in always))]
    said = ", ".join(f"{number} {kind}" for kind, number in numbers if number or kind in always)
    return one_line(f"Since run {diff.before.run} of {diff.before.started[:10]}: {said}")


def differing(changes: Changes) -> list[tuple[str, str, int]]:
    """What is not as expected: key of `Changes`, sentence, number; nothing where all is as expected."""
    sentences = (
        ("unexpected", "differs from what is expected", "differ from what is expected"),
        ("stale", "passes though it is expected to be red", "pass though they are expected to be red"),
        ("broken", "could not be judged through our fault", "could not be judged through our fault"),
        ("lost", "was selected and has no outcome", "were selected and have no outcome"),
        ("unavailable", "could not be measured on this machine", "could not be measured on this machine"),
    )
    found = []
    for name, one, many in sentences:
        number = len(getattr(changes, name))
        if number:
            found.append((name, f"{count(number, 'cell')} {one if number == 1 else many}", number))
    return found
