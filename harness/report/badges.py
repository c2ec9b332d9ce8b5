"""Badges for READMEs, each with version and date: an SVG, and the endpoint document that shields.io draws one from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.advice import Recommendation, advise, overall
from harness.matrix import Matrix
from harness.model import Crate
from harness.report.addresses import badge_file, crate_page
from harness.report.publication import Publication, measured_on, stale_from
from harness.report.states import ADVICE
from harness.report.text import markdown, one_line
from harness.store import RunInfo

LABEL = "Is Rust IoT yet?"
#: Background behind white text, dark enough for it, and the nearest word of shields.io.
_COLOURS = {
    Recommendation.RECOMMENDED: ("#1f6b32", "green"),
    Recommendation.WITH_CAVEATS: ("#755600", "yellow"),
    Recommendation.NOT_RECOMMENDED: ("#a12620", "red"),
    Recommendation.UNKNOWN: ("#57606a", "lightgrey"),
    Recommendation.RETIRED: ("#6a3d1d", "inactive"),
}
_STALE = ("#57606a", "lightgrey")
#: Pixels of a character at 11 pixels of Verdana, on average; the text is fitted into what this gives.
_CHARACTER = 6.6
_PADDING = 12


@dataclass(frozen=True)
class BadgeText:
    """What a badge says, and in which colours: that of the SVG, and that of shields.io."""

    message: str
    colour: str
    shields: str


def badge_text(crate: Crate, given: Recommendation, run: RunInfo, published: Publication) -> BadgeText:
    """A crate's badge."""
    version = one_line(crate.version, 40)
    if published.is_stale(run):
        return BadgeText(f"{version} stale since {stale_from(run)}", *_STALE)
    look = ADVICE[given]
    return BadgeText(f"{look.glyph} {version} {look.word} · {measured_on(run)}", *_COLOURS[given])


def write(folder: Path, matrix: Matrix, published: Publication) -> None:
    """Write both forms for each crate that has an advice.

    Raises:
        OSError: a file cannot be written.
    """
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
    )
    drawing = templates.get_template("badge.svg.j2")
    advices = advise(matrix)
    for crate in {advice.crate.handle: advice.crate for advice in advices}.values():
        text = badge_text(crate, overall(a for a in advices if a.crate == crate), matrix.run, published)
        path = folder / badge_file(crate.handle, "svg")
        path.parent.mkdir(exist_ok=True)
        widths = [round(len(part) * _CHARACTER) + _PADDING for part in (LABEL, text.message)]
        path.write_text(drawing.render(label=LABEL, text=text, widths=widths), encoding="utf-8")
        document = {"schemaVersion": 1, "label": LABEL, "message": text.message, "color": text.shields}
        (folder / badge_file(crate.handle, "json")).write_text(json.dumps(document) + "\n", encoding="utf-8")


def snippets(crate: Crate, published: Publication) -> tuple[tuple[str, str], ...]:
    """What to paste into a README, by kind."""
    base = published.base
    image, page = base + badge_file(crate.handle, "svg"), base + crate_page(crate.handle)
    return (
        ("Markdown", f"[![{markdown(LABEL)}]({image})]({page})"),
        ("HTML", f'<a href="{page}"><img alt="{LABEL}" src="{image}"></a>'),
        ("shields.io", f"https://img.shields.io/endpoint?url={base}{badge_file(crate.handle, 'json')}"),
    )
