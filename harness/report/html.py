"""The pages: contexts put into templates, and nothing else. They open from file://, ask no other site, and are
complete without their one script, which filters.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.errors import HarnessFault
from harness.matrix import Cell, Matrix, Row
from harness.report.addresses import DIFF_PAGE, GUIDE_PAGE, cell_page, crate_page, evidence_href
from harness.report.authors import probe_files
from harness.report.comparing import diff_context
from harness.report.contexts import facts, index_context
from harness.report.guide import guide_context
from harness.report.pages import cell_context, crate_context, evidence_of
from harness.report.publication import Publication, stale_from
from harness.report.text import Span

_TEMPLATES = Path(__file__).parent / "templates"
#: What every page names for who wants to know how far to trust it.
_DOCUMENTS = (
    ("What a cell does and does not mean", "docs/limits.md"),
    ("To dispute a cell or to correct a probe", "docs/for-authors.md"),
)
#: Bytes read from the end of what a page quotes: more than a transcript's excerpt needs, and all of most conversations.
_TAIL = 256 * 1024
#: Cells from which on several processes make the pages; of fewer, one has made them before others have started.
_MANY = 10_000
#: In such a process, what it was started for.
_inherited: list[_Book] = []


def pages(matrix: Matrix, evidence: Path, published: Publication) -> Iterator[tuple[str, str]]:
    """Address and text of every page, one after another.

    Args:
        matrix: what to show.
        evidence: the run's folder, which evidence paths are relative to; transcripts and conversations are read.
        published: when the report is made, and where it will be.
    """
    book = _Book(matrix, evidence, published)
    yield from book.shared()
    for row in matrix.rows:
        yield from book.of_crate(row)


def write(folder: Path, matrix: Matrix, published: Publication) -> None:
    """Write every page into a run's folder.

    Raises:
        HarnessFault: two cells have the same address.
        OSError: a page cannot be written.
    """
    book = _Book(matrix, folder, published)
    written: set[str] = set()
    for address in itertools.chain(_put(folder, book.shared()), _put_crates(book)):
        if address.lower() in written:
            raise HarnessFault(f"two pages of the report are called {address}; rename one of their scenarios")
        written.add(address.lower())


class _Book:
    """All pages of a report; what several of them need is made once."""

    def __init__(self, matrix: Matrix, folder: Path, published: Publication) -> None:
        self.matrix, self.folder = matrix, folder
        self._published = published
        self._render = _renderer(matrix, published)
        self._before = matrix.baseline.seen() if matrix.baseline is not None else {}

    def shared(self) -> Iterator[tuple[str, str]]:
        """What is about all crates."""
        for name in ("style.css", "report.js"):
            yield name, (_TEMPLATES / name).read_text(encoding="utf-8")
        matrix = self.matrix
        yield "index.html", self._render("index.html.j2", "index.html", index_context(matrix))
        if matrix.baseline is not None:
            yield DIFF_PAGE, self._render("diff.html.j2", DIFF_PAGE, diff_context(matrix, matrix.baseline))
        yield GUIDE_PAGE, self._render("guide.html.j2", GUIDE_PAGE, guide_context(matrix))

    def of_crate(self, row: Row) -> Iterator[tuple[str, str]]:
        """A crate's page, its probe and its cells."""
        matrix = self.matrix
        yield from probe_files(matrix, row.crate)
        page = crate_page(row.crate.handle)
        yield page, self._render("crate.html.j2", page, crate_context(matrix, row, self._published))
        for group in row.groups:
            for cell in group.cells:
                if cell.measured:
                    known = self._before.get(cell.key)
                    transcript, said = (_quoted(cell, kind, self.folder) for kind in ("transcript", "conversation"))
                    context = cell_context(matrix, row, group, cell, self._published, transcript, said, known)
                    page = cell_page(row.crate, cell.key)
                    yield page, self._render("cell.html.j2", page, context)


def _put_crates(book: _Book) -> Iterator[str]:
    """Write the pages of all crates, those of a large report in several processes; returns their addresses."""
    rows = range(len(book.matrix.rows))
    if len(book.matrix.cells) < _MANY:
        yield from itertools.chain.from_iterable(_put(book.folder, book.of_crate(row)) for row in book.matrix.rows)
        return
    # A copy of this process has the matrix already; any other would have to be sent 40,000 cells.
    copies = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(os.cpu_count(), copies, _inherit, (book,)) as processes:
        yield from itertools.chain.from_iterable(processes.map(_put_crate, rows))


def _inherit(book: _Book) -> None:
    """What a copy of this process works on."""
    _inherited.append(book)


def _put_crate(number: int) -> list[str]:
    book = _inherited[-1]
    return _put(book.folder, book.of_crate(book.matrix.rows[number]))


def _put(folder: Path, found: Iterable[tuple[str, str]]) -> list[str]:
    """Write pages; returns their addresses. Of each there may be 40,000: paths stay strings."""
    addresses, made = [], {""}
    for address, text in found:
        _make_folders(folder, address.rpartition("/")[0], made)
        with open(f"{folder}/{address}", "wb") as file:  # noqa: PTH123
            file.write(text.encode("utf-8", "replace"))
        addresses.append(address)
    return addresses


def _make_folders(folder: Path, inside: str, made: set[str]) -> None:
    """A folder in the run's, with those above it. Each is asked for once: `made` holds those that are there.

    A large report has more folders than pages, and asking the system for them takes as long as rendering.
    """
    if inside not in made:
        _make_folders(folder, inside.rpartition("/")[0], made)
        with contextlib.suppress(FileExistsError):
            os.mkdir(f"{folder}/{inside}")  # noqa: PTH102
        made.add(inside)


def _quoted(cell: Cell, kind: str, folder: Path) -> str:
    """The end of the file that a cell's page quotes; empty where there is none.

    It may be gone, because evidence of green cells may be removed.
    """
    found = evidence_of(cell, kind)
    if not found or not evidence_href(found[0][1]):
        return ""
    try:
        with open(f"{folder}/{found[0][1]}", "rb") as file:  # noqa: PTH123
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _renderer(matrix: Matrix, published: Publication) -> Callable[[str, str, Any], str]:
    """What puts the context of the page at an address into a template; what all pages of a run share is made once."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    macros: Any = environment.get_template("macros.html.j2").module
    # What comes on every page, a few at a time and with the same few arguments, is rendered once.
    for name in ("state", "flaky_mark", "spans"):
        setattr(macros, name, functools.lru_cache(maxsize=10_000)(getattr(macros, name)))
    documents = [{"says": says, "link": Span(path, published.source(path))} for says, path in _DOCUMENTS]
    environment.globals["footer"] = macros.footer(documents, facts(matrix))
    environment.globals["stale"] = published.is_stale(matrix.run)
    environment.globals["stale_from"] = stale_from(matrix.run)

    permalink = published.permalink(matrix.run)

    def render(name: str, page: str, context: Any) -> str:
        # One level only: the parts stay objects with typed fields.
        return environment.get_template(name).render(vars(context), permalink=permalink and permalink + page)

    return render
