"""The pages: contexts put into templates, and nothing else. They open from file://, ask no other site, and are
complete without their one script, which filters.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.errors import HarnessFault
from harness.matrix import Cell, Matrix
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


def pages(matrix: Matrix, evidence: Path, published: Publication) -> Iterator[tuple[str, str]]:
    """Address and text of every page, one after another.

    Args:
        matrix: what to show.
        evidence: the run's folder, which evidence paths are relative to; transcripts and conversations are read.
        published: when the report is made, and where it will be.
    """
    for name in ("style.css", "report.js"):
        yield name, (_TEMPLATES / name).read_text(encoding="utf-8")
    render = _renderer(matrix, published)
    yield "index.html", render("index.html.j2", index_context(matrix))
    if matrix.baseline is not None:
        yield DIFF_PAGE, render("diff.html.j2", diff_context(matrix, matrix.baseline))
    yield GUIDE_PAGE, render("guide.html.j2", guide_context(matrix))
    before = matrix.baseline.seen() if matrix.baseline is not None else {}
    for row in matrix.rows:
        yield from probe_files(matrix, row.crate)
        yield crate_page(row.crate.handle), render("crate.html.j2", crate_context(matrix, row, published))
        for group in row.groups:
            for cell in group.cells:
                if cell.measured:
                    known = before.get(cell.key)
                    transcript, said = (_quoted(cell, kind, evidence) for kind in ("transcript", "conversation"))
                    context = cell_context(matrix, row, group, cell, published, transcript, said, known)
                    yield cell_page(row.crate, cell.key), render("cell.html.j2", context)


def write(folder: Path, matrix: Matrix, published: Publication) -> None:
    """Write every page into a run's folder.

    Raises:
        HarnessFault: two cells have the same address.
        OSError: a page cannot be written.
    """
    written: set[str] = set()
    for address, text in pages(matrix, folder, published):
        if address.lower() in written:
            raise HarnessFault(f"two pages of the report are called {address}; rename one of their scenarios")
        written.add(address.lower())
        path = folder / address
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="replace")


def _quoted(cell: Cell, kind: str, folder: Path) -> str:
    """The end of the file that a cell's page quotes; empty where there is none.

    It may be gone, because evidence of green cells may be removed.
    """
    found = evidence_of(cell, kind)
    if not found or not evidence_href(found[0][1]):
        return ""
    try:
        with (folder / found[0][1]).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _renderer(matrix: Matrix, published: Publication) -> Callable[[str, Any], str]:
    """What puts a context into a template; what all pages of a run share is made once."""
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
    environment.globals["footer"] = macros.fact_list(facts(matrix))
    environment.globals["documents"] = [
        {"says": says, "link": Span(path, published.source(path))} for says, path in _DOCUMENTS
    ]
    environment.globals["stale"] = published.is_stale(matrix.run)
    environment.globals["stale_from"] = stale_from(matrix.run)

    def render(name: str, context: Any) -> str:
        # One level only: the parts stay objects with typed fields.
        shown = {field.name: getattr(context, field.name) for field in fields(context)}
        return environment.get_template(name).render(shown)

    return render
