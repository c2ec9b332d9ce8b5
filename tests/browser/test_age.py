"""What a page finds out when it is read: how old it is by then, and its own address."""

from __future__ import annotations

import datetime
from pathlib import Path

from playwright.sync_api import Browser, expect

from harness.matrix import Matrix
from harness.report import write
from harness.report.publication import Publication
from harness.store import RunFolder
from tests.browser.conftest import serving


def test_advice_grows_stale_while_nobody_makes_the_report_again(browser: Browser, report: Path) -> None:
    page = browser.new_page()
    page.clock.set_fixed_time(datetime.datetime(2027, 2, 19, 23, 59, tzinfo=datetime.UTC))
    page.goto((report / "index.html").as_uri())
    expect(page.locator(".aged")).to_be_hidden()
    page.clock.set_fixed_time(datetime.datetime(2027, 2, 20, 0, 1, tzinfo=datetime.UTC))
    page.reload()
    expect(page.locator(".aged")).to_be_visible()
    mark = "getComputedStyle(document.querySelector('td.advice .state'), '::after').content"
    assert page.evaluate(mark) == '", stale"'
    page.close()


def test_a_report_that_is_made_late_says_so_without_scripts(
    browser: Browser, made_up_matrix: Matrix, tmp_path: Path
) -> None:
    for day, is_old in ((19, False), (20, True)):
        folder = tmp_path / str(day)
        folder.mkdir()
        write(RunFolder(folder), made_up_matrix, Publication(datetime.date(2027, 2, day)))
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        for address, advice in (("index.html", "td.advice"), ("crate/mqtt-one/index.html", "#advice ~ h3")):
            page.goto((folder / address).as_uri())
            expect(page.locator(".aged")).to_be_visible(visible=is_old)
            said = page.locator(f"{advice} .state").first
            mark = said.evaluate("state => getComputedStyle(state, '::after').content")
            assert mark == ('", stale"' if is_old else "none")
        context.close()


def test_what_to_paste_has_the_address_that_the_page_was_read_from(
    browser: Browser, made_up_matrix: Matrix, tmp_path: Path
) -> None:
    write(RunFolder(tmp_path), made_up_matrix, Publication(datetime.date(2026, 11, 23)))
    with serving(tmp_path) as root:
        page = browser.new_page()
        page.goto(f"{root}crate/mqtt-one/index.html")
        pasted = page.locator(".snippet").first.input_value()
        assert f"]({root}badge/mqtt-one.svg)]({root}crate/mqtt-one/index.html)" in pasted
        page.close()
