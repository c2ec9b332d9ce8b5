"""Badges say version, advice and date, grow stale, and cannot be broken out of."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.advice import Recommendation
from harness.model import Role
from harness.report.badges import badge_text, snippets, write
from harness.report.publication import Publication, stale_from
from tests.golden import made_up

CRATE = made_up.CRATES[0]
LAST_DAY = datetime.date(2027, 2, 19)


def test_a_badge_has_version_advice_and_date() -> None:
    said = badge_text(CRATE, Recommendation.WITH_CAVEATS, made_up.RUN, made_up.PUBLISHED)
    assert (said.message, said.shields) == ("◐ 1.2.3 with caveats · 2026-11-22", "yellow")


@pytest.mark.parametrize("given", Recommendation)
def test_every_advice_has_colours(given: Recommendation) -> None:
    assert given in badge_text(CRATE, given, made_up.RUN, made_up.PUBLISHED).message


def test_it_is_stale_after_90_days_and_not_before() -> None:
    assert stale_from(made_up.RUN) == LAST_DAY + datetime.timedelta(days=1) == datetime.date(2027, 2, 20)
    fresh, stale = (
        badge_text(
            CRATE, Recommendation.RECOMMENDED, made_up.RUN, Publication(LAST_DAY + datetime.timedelta(days=more))
        )
        for more in (0, 1)
    )
    assert "stale" not in fresh.message
    assert (stale.message, stale.shields) == ("1.2.3 stale since 2027-02-20", "lightgrey")


def test_both_forms_are_written_and_say_the_same(tmp_path: Path) -> None:
    matrix = made_up.matrix()
    write(tmp_path, matrix, made_up.PUBLISHED)
    named = {crate.name for crate in made_up.CRATES if crate.role is not Role.CONTROL}
    assert {path.stem for path in tmp_path.glob("badge/*.svg")} == named
    for name in named:
        document = json.loads((tmp_path / f"badge/{name}.json").read_text(encoding="utf-8"))
        assert sorted(document) == ["color", "label", "message", "schemaVersion"]
        assert document["schemaVersion"] == 1
        drawing = ET.parse(tmp_path / f"badge/{name}.svg").getroot()  # noqa: S314 - our own document
        assert drawing.get("aria-label") == f"{document['label']} {document['message']}"


def test_a_version_that_means_harm_is_text(tmp_path: Path) -> None:
    matrix = made_up.matrix()
    rows = tuple(replace(row, crate=replace(row.crate, version=made_up.SCRIPT)) for row in matrix.rows)
    write(tmp_path, replace(matrix, rows=rows), made_up.PUBLISHED)
    assert "<script" not in (tmp_path / "badge/mqtt-one.svg").read_text(encoding="utf-8")


def test_what_to_paste_leads_to_the_published_report() -> None:
    found = dict(snippets(CRATE, made_up.PUBLISHED))
    root = "https://iot.example.org/matrix/"
    assert found["Markdown"].endswith(f"({root}badge/mqtt-one.svg)]({root}crate/mqtt-one/index.html)")
    assert f'href="{root}crate/mqtt-one/index.html"' in found["HTML"]
    assert found["shields.io"] == f"https://img.shields.io/endpoint?url={root}badge/mqtt-one.json"
