"""From a matrix to the report in a run's folder. One module a format; each is a pure function, this one writes."""

from __future__ import annotations

import contextlib
import datetime
import gc
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.errors import HarnessFault
from harness.matrix import Matrix
from harness.report import badges, html, junit, markdown, results_json
from harness.report.publication import Publication
from harness.report.results_shape import SCHEMA_NAME
from harness.store import RunFolder


def _text(name: str, render: Callable[[Matrix], str]) -> Callable[[Path, Matrix, Publication], None]:
    """A writer of one file with the text that `render` makes."""

    def write_file(folder: Path, matrix: Matrix, _: Publication) -> None:
        staged = folder / f"{name}.tmp"
        staged.write_text(render(matrix), encoding="utf-8")
        staged.rename(folder / name)

    return write_file


#: Every format: what it writes, and how. A new one is a module and a line here.
FORMATS: tuple[tuple[str, Callable[[Path, Matrix, Publication], None]], ...] = (
    ("results.json", _text("results.json", results_json.render)),
    (SCHEMA_NAME, _text(SCHEMA_NAME, lambda _: results_json.schema())),
    ("matrix.md", _text("matrix.md", markdown.render)),
    ("junit.xml", _text("junit.xml", junit.render)),
    ("badges", badges.write),
    ("index.html", html.write),
)


def write(folder: RunFolder, matrix: Matrix, published: Publication | None = None) -> Path:
    """Write the report in all formats beside the run's cells; returns the first page.

    Args:
        folder: of the run.
        matrix: of the run.
        published: when and where; today and nowhere by default.

    Raises:
        HarnessFault: a file cannot be written, or two pages would have the same address.
    """
    made = published or Publication(datetime.datetime.now(datetime.UTC).date())
    with without_collector():
        for name, write_format in FORMATS:
            try:
                write_format(folder.path, matrix, made)
            except OSError as error:
                raise HarnessFault(f"{folder.path}: {name} cannot be written: {error.strerror}") from error
    return folder.path / "index.html"


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """A report makes hundreds of thousands of objects and hardly a cycle: looking for cycles takes half of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
