"""The filters: they hide, say how many, live in the address, and can be undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import serving

ROWS = "tr[data-peers]"


@pytest.fixture(scope="module")
def served(report: Path) -> Iterator[str]:
    """The report's address where it is published over HTTP."""
    with serving(report) as root:
        yield root


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    yield opened
    opened.close()


def _shown(page: Page) -> list[str]:
    """The crates whose rows are shown."""
    names = page.locator(f"{ROWS}:visible th a").all_inner_texts()
    return list(dict.fromkeys(names))


@pytest.mark.parametrize("over", ["file", "http"])
def test_choices_hide_rows_and_are_told_and_kept(page: Page, report: Path, served: str, over: str) -> None:
    root = served if over == "http" else f"{report.as_uri()}/"
    page.goto(f"{root}index.html")
    everything = page.locator(ROWS).count()
    assert page.locator(f"{ROWS}:visible").count() == everything
    expect(page.locator("form.filter output")).to_have_text("")
    page.get_by_label("Protocol").select_option("kafka")
    assert _shown(page) == ["kafka-one", "codec"]
    expect(page.locator("form.filter output")).to_have_text(f"2 of {everything} rows shown, {everything - 2} hidden")
    expect(page.locator("section:has(#mqtt)")).to_be_hidden()
    page.get_by_label("Search").fill("KAFKA")
    assert _shown(page) == ["kafka-one"]
    assert page.url == f"{root}index.html?q=KAFKA&dialects=kafka"
    page.reload()
    assert _shown(page) == ["kafka-one"]
    page.get_by_role("button", name="Show all").click()
    expect(page.locator(f"{ROWS}:visible")).to_have_count(everything)
    assert page.url == f"{root}index.html"


def test_problems_with_one_broker(page: Page, report: Path) -> None:
    page.goto(f"{report.as_uri()}/crate/codec/index.html?problems=1")
    # Its build as published could not be had, and one cell could not be judged.
    assert page.locator(f"{ROWS}:visible").count() == 2
    page.locator("[name=peers]").select_option("mosquitto@2.0")
    assert page.locator(f"{ROWS}:visible .verdict").all_inner_texts() == ["⚠ our fault"]


def test_only_what_is_not_as_expected(page: Page, report: Path) -> None:
    page.goto(f"{report.as_uri()}/crate/mqtt-one/index.html")
    page.get_by_label("only what is not as expected").check()
    notes = page.locator(f"{ROWS}:visible .note").all_inner_texts()
    assert sorted(set(notes)) == ["stale", "unexpected"]
    assert len(notes) == page.locator(f"{ROWS}:visible").count()


def test_what_changed_since_the_baseline(page: Page, report: Path) -> None:
    page.goto(f"{report.as_uri()}/index.html")
    page.get_by_label("only what changed or is not as expected").check()
    assert _shown(page) == ["Mqtt One", "codec"]


def test_by_advice(page: Page, report: Path) -> None:
    page.goto(f"{report.as_uri()}/index.html?advice=retired")
    assert _shown(page) == ["Mqtt One"]


def test_a_choice_that_the_page_does_not_have_hides_nothing(page: Page, report: Path) -> None:
    page.goto(f"{report.as_uri()}/index.html?peers=kafka@0.1&unknown=1")
    assert page.locator(f"{ROWS}:visible").count() == page.locator(ROWS).count()
