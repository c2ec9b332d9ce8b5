"""The pages: contexts put into templates, and nothing else. They open from file://, without scripts or other sites."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.errors import HarnessFault
from harness.matrix import Cell, Matrix, Row
from harness.report.addresses import DIFF_PAGE, GUIDE_PAGE, cell_page, crate_page, evidence_href
from harness.report.authors import probe_files
from harness.report.comparing import diff_context
from harness.report.contexts import index_context
from harness.report.guide import guide_context
from harness.report.pages import cell_context, crate_context, transcript_of

_TEMPLATES = Path(__file__).parent / "templates"
#: Bytes read from a transcript's end; more than its excerpt needs.
_TAIL = 256 * 1024


def pages(matrix: Matrix, evidence: Path) -> Iterator[tuple[str, str]]:
    """Address and text of every page, one after another.

    Args:
        matrix: what to show.
        evidence: the run's folder, which evidence paths are relative to; only transcripts are read.
    """
    templates = _environment()
    yield "style.css", (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    yield "index.html", _render(templates, "index.html.j2", index_context(matrix))
    if matrix.baseline is not None:
        yield DIFF_PAGE, _render(templates, "diff.html.j2", diff_context(matrix, matrix.baseline))
    yield GUIDE_PAGE, _render(templates, "guide.html.j2", guide_context(matrix))
    for row in matrix.rows:
        yield from probe_files(matrix, row.crate)
        yield crate_page(row.crate.handle), _render(templates, "crate.html.j2", crate_context(matrix, row))
        for cell in row.cells:
            if cell.measured:
                yield cell_page(row.crate, cell.key), _cell(templates, matrix, row, cell, evidence)


def write(folder: Path, matrix: Matrix) -> None:
    """Write every page into a run's folder.

    Raises:
        HarnessFault: two cells have the same address.
        OSError: a page cannot be written.
    """
    written: set[str] = set()
    for address, text in pages(matrix, folder):
        if address.lower() in written:
            raise HarnessFault(f"two pages of the report are called {address}; rename one of their scenarios")
        written.add(address.lower())
        path = folder / address
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="replace")


def _cell(templates: Environment, matrix: Matrix, row: Row, cell: Cell, folder: Path) -> str:
    found = transcript_of(cell)
    text = _tail(folder / found[1]) if found and evidence_href(found[1]) else ""
    return _render(templates, "cell.html.j2", cell_context(matrix, row, cell, text))


def _tail(path: Path) -> str:
    """The end of a file; empty where it is gone, because evidence of green cells may be removed."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _render(templates: Environment, name: str, context: Any) -> str:
    # One level only: the parts stay objects with typed fields.
    return templates.get_template(name).render({field.name: getattr(context, field.name) for field in fields(context)})
