"""What a run would have the guide say, as a patch: annotations, successors and order. No link is ever taken away.

Links change places only where nothing but commas and "and" stands between them, or where a list has one in each item:
elsewhere a description would go to another crate.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from harness.advice import BEST_FIRST, Advice, Recommendation, advise, overall
from harness.guide.blocks import Block, blocks_of
from harness.guide.check import by_place, places_of
from harness.guide.links import links_of, place
from harness.matrix import DIALECTS, Matrix
from harness.model import Crate, Role
from harness.report.addresses import crate_page
from harness.report.deciding import first_reason
from harness.report.states import ADVICE
from harness.report.text import markdown, web_link
from harness.report.words import label

#: A line of an earlier suggestion, which a new one replaces.
_OURS = re.compile(r"(\s*)- .* \(\[measured \d{4}-\d\d-\d\d\]\([^()\s]+/crate/[^/()\s]+/index\.html#advice\)\)\s*")
#: A link in the source; what is in its brackets may have brackets of its own.
_LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(\s*<?([^\s<>)]+)>?[^)]*\)")
_BETWEEN = re.compile(r"[\s,;]*(?:and|or)?\s*")
_END = re.compile(r"\s*\.?\s*")


def suggest(name: str, text: str, matrix: Matrix, base: str) -> str:
    """A unified diff of the page in Markdown; empty where there is nothing to say.

    Args:
        name: the page's file, as the patch names it.
        text: the page.
        matrix: of the run that the advice comes from.
        base: address of that run's report.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    plain = text.replace("\r\n", "\n")
    wanted = rewritten(plain, matrix, base)
    before, after = (_lines(page, end) for page in (plain, wanted))
    told = difflib.unified_diff(before, after, f"a/{name}", f"b/{name}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in told)


def _lines(page: str, end: str) -> list[str]:
    *whole, rest = page.split("\n")
    return [line + end for line in whole] + ([rest] if rest else [])


def _without_ours(text: str) -> str:
    """The page without the lines of an earlier suggestion and the empty line that came with them."""
    kept: list[str] = []
    inside = False
    for line in text.split("\n"):
        found = _OURS.fullmatch(line)
        if found and not found[1] and not inside and kept and not kept[-1]:
            kept.pop()
        if not found:
            kept.append(line)
        inside = found is not None
    return "\n".join(kept)


def rewritten(page: str, matrix: Matrix, base: str) -> str:
    """The page as the run would have it; what an earlier run had to say is replaced."""
    text = _without_ours(page)
    by_crate: dict[Crate, list[Advice]] = {}
    for advice in advise(matrix):
        if advice.crate.role is Role.VERSION:
            continue  # the guide lists crates, and not each of their versions
        by_crate.setdefault(advice.crate, []).append(advice)
    blocks, lists = blocks_of(text, by_place(by_crate))
    lines, order = text.split("\n"), list(range(text.count("\n") + 1))
    said: dict[int, list[str]] = {}
    told: set[Crate] = set()
    cite = _Citation(matrix.run.started[:10], base.rstrip("/"))
    offered = _offered(by_crate, {place(link.href) for link in links_of("", text)})
    for block in blocks:
        ranks = _ranks(block.crates, by_crate)
        if ranks:
            lines[block.first : block.last] = _reordered(lines[block.first : block.last], block, ranks)
        crates = dict.fromkeys(_best_first(block.crates, ranks))
        own = [line for crate in crates if crate not in told for line in _annotation(by_crate[crate], cite)]
        told.update(crates)
        dialects = {dialect for crate in crates for dialect in crate.dialects}
        for advice in [advice for advice in offered if advice.dialect in dialects]:
            own.append(_offer(advice, cite))
            offered.remove(advice)
        if own:
            gap = [""] if not block.indent else []
            said.setdefault(block.after - 1, []).extend([*gap, *(block.indent + line for line in own)])
    for found in lists:
        ranks = _ranks(found.crates, by_crate)
        if ranks:
            _move(order, found.items, sorted(range(len(ranks)), key=ranks.__getitem__))
    return "\n".join(line for number in order for line in (lines[number], *said.get(number, ())))


def _ranks(crates: Sequence[Crate], by_crate: Mapping[Crate, Sequence[Advice]]) -> list[int]:
    """The place of each by its advice; nothing where one of them is not known well enough to be moved."""
    given = [overall(by_crate[crate]) for crate in crates]
    return [] if Recommendation.UNKNOWN in given else [BEST_FIRST.index(advice) for advice in given]


def _best_first(crates: Sequence[Crate], ranks: Sequence[int]) -> list[Crate]:
    return [crates[number] for number in sorted(range(len(crates)), key=ranks.__getitem__)] if ranks else [*crates]


def _reordered(lines: Sequence[str], block: Block, ranks: Sequence[int]) -> list[str]:
    """The block with its links in order, where they are a plain enumeration at its end."""
    text = "\n".join(lines)
    places = {where for crate in block.crates for where in places_of(crate)}
    found = [link for link in _LINK.finditer(text) if place(link[1]) in places]
    between = [text[one.end() : other.start()] for one, other in pairwise(found)]
    is_plain = all(map(_BETWEEN.fullmatch, between)) and found and _END.fullmatch(text[found[-1].end() :])
    if len(found) != len(ranks) or not is_plain:
        return [*lines]
    moved = [found[number][0] for number in sorted(range(len(ranks)), key=ranks.__getitem__)]
    parts = [text[: found[0].start()], moved[0]]
    for gap, link in zip(between, moved[1:], strict=True):
        parts += [gap, link]
    return "".join((*parts, text[found[-1].end() :])).split("\n")


def _move(order: list[int], items: Sequence[tuple[int, int]], wanted: Sequence[int]) -> None:
    """Put the items of a list into the wanted order; what stands between them stays."""
    made = order[items[0][0] : items[0][0]]
    for slot, number in enumerate(wanted):
        first, last = items[number]
        made += order[first:last]
        if slot + 1 < len(items):
            made += order[items[slot][1] : items[slot + 1][0]]
    order[items[0][0] : items[-1][1]] = made


class _Citation:
    """The link that every line ends with."""

    def __init__(self, date: str, base: str) -> None:
        self._date, self._base = date, base

    def of(self, crate: Crate) -> str:
        return f"([measured {self._date}]({self._base}/{crate_page(crate.handle)}#advice))"


def _annotation(own: Sequence[Advice], cite: _Citation) -> Iterator[str]:
    """What is known of a crate: a line, or one for each dialect where they differ."""
    known = [advice for advice in own if advice.recommendation is not Recommendation.UNKNOWN]
    same = len({(advice.recommendation, advice.reasons) for advice in known}) == 1 and len(known) == len(own)
    for advice in known[:1] if same else known:
        crate = advice.crate
        spoken = "" if same else f", {DIALECTS[advice.dialect]}"
        address = web_link(crate.moved_to.what) if crate.moved_to else ""
        moved = f"; it moved to <{address}>" if address else ""
        yield f"- {markdown(label(crate))}{spoken}: {_said(advice)}{moved} {cite.of(crate)}"


def _offered(by_crate: Mapping[Crate, Iterable[Advice]], linked: set[str]) -> list[Advice]:
    """Candidates that may be used and that the page does not link."""
    return [
        advice
        for crate, own in by_crate.items()
        if crate.role is Role.CANDIDATE and not linked & places_of(crate)
        for advice in own
        if advice.recommendation.is_usable
    ]


def _offer(advice: Advice, cite: _Citation) -> str:
    crate = advice.crate
    link = f"[{markdown(crate.name)}](https://crates.io/crates/{crate.package})"
    return f"- not listed here: {link} {crate.version}, {DIALECTS[advice.dialect]}: {_said(advice)} {cite.of(crate)}"


def _said(advice: Advice) -> str:
    return f"**{ADVICE[advice.recommendation].word}**: {markdown(first_reason(advice))}"
