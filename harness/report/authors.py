"""What a crate's page says to its author: how the probe uses the crate, and what an author had to say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.authors import ProbeSource, Statement
from harness.matrix import Matrix
from harness.model import Crate
from harness.report.addresses import crate_page, slug
from harness.report.text import Span, linked, one_line, shorten, visible
from harness.report.words import count

#: Characters of a statement on the page; its link leads to all of it.
_LONGEST = 5_000


@dataclass(frozen=True)
class SourceLink:
    """A file of a probe."""

    name: str
    href: str


@dataclass(frozen=True)
class ProbeBlock:
    """A probe: its files, its length, and in its own words which documentation it follows."""

    size: str
    files: tuple[SourceLink, ...]
    follows: tuple[tuple[Span, ...], ...]


@dataclass(frozen=True)
class StatementBlock:
    """A statement with who made it, when and where."""

    author: str
    date: str
    link: tuple[Span, ...]
    paragraphs: tuple[tuple[Span, ...], ...]


def probe_block(matrix: Matrix, crate: Crate) -> ProbeBlock | None:
    """The probe of a crate; nothing where it has none."""
    probe = _probe(matrix, crate)
    if probe is None:
        return None
    files = tuple(SourceLink(one_line(name), f"probe/{slug(name)}.txt") for name in probe.files)
    return ProbeBlock(count(probe.lines, "line"), files, _paragraphs(probe.follows))


def probe_files(matrix: Matrix, crate: Crate) -> Iterator[tuple[str, str]]:
    """Address and text of each file of a crate's probe, beside the page of the crate."""
    folder = crate_page(crate.handle).removesuffix("index.html")
    probe = _probe(matrix, crate)
    for name, text in probe.files.items() if probe else ():
        yield f"{folder}probe/{slug(name)}.txt", text


def statement_block(matrix: Matrix, crate: Crate) -> StatementBlock | None:
    """What an author had to say of a crate; nothing where nobody did."""
    found = next((statement for statement in matrix.statements if statement.crate == crate.name), None)
    return _shown(found) if found else None


def _probe(matrix: Matrix, crate: Crate) -> ProbeSource | None:
    return next((probe for probe in matrix.probes if probe.crate == crate.name), None)


def _shown(statement: Statement) -> StatementBlock:
    return StatementBlock(
        author=one_line(statement.author),
        date=one_line(statement.date),
        link=linked(one_line(statement.link, 500), 64),
        paragraphs=_paragraphs(shorten(statement.text, _LONGEST)),
    )


def _paragraphs(text: str) -> tuple[tuple[Span, ...], ...]:
    """Paragraphs and entries of lists, each on a line of its own, with its addresses as links."""
    parts = re.split(r"\n\s*\n|\n(?=- )", visible(text).strip())
    return tuple(linked(" ".join(part.split())) for part in parts if part.strip())
