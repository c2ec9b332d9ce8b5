"""What people meet: every kind of page, in a real browser, in each way in which they may look at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Dialog, Page

PAGES = {
    "index": "index.html",
    "guide": "guide/index.html",
    "diff": "diff/index.html",
    "crate": "crate/mqtt-one/index.html",
    "cell": "cell/mqtt-one/receives/mosquitto@2.0/index.html",
    "packets": "cell/mqtt-one/mqtt-5.sends_user_properties/mosquitto@2.0/index.html",
}
every_page = pytest.mark.parametrize("address", PAGES.values(), ids=PAGES.keys())
#: Name -> colour scheme, and whether the system forces its own colours.
LOOKS: dict[str, tuple[Literal["light", "dark"], Literal["active", "none"]]] = {
    "light": ("light", "none"),
    "dark": ("dark", "none"),
    "forced": ("dark", "active"),
}
#: How an element that has the focus shows it.
_OUTLINE = """() => {
    const style = getComputedStyle(document.activeElement);
    return [document.activeElement.tagName, style.outlineStyle, parseFloat(style.outlineWidth)];
}"""

#: What a page would have where a script had been written into it.
_SCRIPT_OF_THE_PAGE = """() => {
    const script = document.createElement("script");
    script.textContent = "window.harmed = 1";
    document.body.append(script);
}"""


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 900})
    yield opened
    opened.close()


def _opened(context: BrowserContext, report: Path, address: str) -> Page:
    page = context.new_page()
    page.goto((report / address).as_uri())
    return page


@every_page
def test_nothing_but_the_report_is_asked_for(context: BrowserContext, report: Path, address: str) -> None:
    asked: list[str] = []
    faults: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text))
    page.goto((report / address).as_uri())
    assert [url for url in asked if not url.startswith((report.as_uri(), "data:,"))] == []
    assert len(asked) >= 2, "the style sheet at least was asked for"
    assert faults == []


@every_page
def test_everything_is_there_without_scripts(browser: Browser, report: Path, address: str) -> None:
    texts = []
    for enabled in (True, False):
        context = browser.new_context(java_script_enabled=enabled)
        page = _opened(context, report, address)
        texts.append(page.locator("main").inner_text())
        if page.locator("form.filter").count():
            assert page.locator("form.filter").is_visible() is enabled
            # Beside the filters themselves.
            form = page.locator("form.filter").inner_text() if enabled else ""
            texts[-1] = texts[-1].replace(form, "") if form else texts[-1]
        context.close()
    with_scripts, without = ("".join(text.split()) for text in texts)
    assert with_scripts == without
    assert len(without) > 200


@every_page
def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    context: BrowserContext, report: Path, address: str
) -> None:
    page = _opened(context, report, address)
    page.keyboard.press("Tab")
    skip = page.locator("a.skip")
    assert skip.evaluate("link => link === document.activeElement")
    box = skip.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["y"] >= 0
    wanted = page.locator("a[href]:visible, summary:visible, [tabindex='0']:visible, input:visible, select:visible")
    reached = 1
    while True:
        page.keyboard.press("Tab")
        tag, style, width = page.evaluate(_OUTLINE)
        if tag == "BODY" or reached > 500:
            break
        assert style != "none", f"element {reached} with the focus, {tag}, shows no outline"
        assert width >= 1
        reached += 1
    assert reached == wanted.count()


@every_page
def test_the_skip_link_leads_past_the_head(context: BrowserContext, report: Path, address: str) -> None:
    page = _opened(context, report, address)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main, footer ~ *').contains(document.activeElement)")


@every_page
@pytest.mark.parametrize("width", [320, 360, 970, 1280])
def test_tables_scroll_sideways_and_not_the_page(browser: Browser, report: Path, address: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 740})
    page = _opened(context, report, address)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


@every_page
def test_paper_shows_tables_whole(browser: Browser, report: Path, address: str) -> None:
    # The width of A4 on its side between the margins.
    context = browser.new_context(viewport={"width": 1047, "height": 700})
    page = _opened(context, report, address)
    page.emulate_media(media="print")
    cut = "parts => parts.filter(part => getComputedStyle(part).overflowX !== 'visible').length"
    assert page.locator(".scroll, .transcript").evaluate_all(cut) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1047
    assert not page.locator("form.filter, .top nav").first.is_visible()
    context.close()


def test_a_phone_shows_many_crates_at_once(browser: Browser, report: Path) -> None:
    """In three lines what they are, in up to four why: at 15 pixels each, which people can still read."""
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = _opened(context, report, "index.html")
    table = page.locator("section:has(#mqtt) table")
    assert table.locator("tr[data-peers]").count() >= 2
    for rows, lines in (("tr[data-peers]", 3), ("tr.why", 4)):
        for row in table.locator(rows).all():
            box = row.bounding_box()
            assert box is not None
            assert box["height"] <= 15 * lines + 8
    assert page.locator("td.advice").first.evaluate("cell => parseFloat(getComputedStyle(cell).fontSize)") >= 11
    context.close()


def test_name_and_advice_stay_while_a_phone_scrolls(browser: Browser, report: Path) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = _opened(context, report, "index.html")
    table = page.locator("section:has(#mqtt) .scroll")
    name, advice = table.locator("tbody tr[data-peers] th").first, table.locator("td.advice").first
    builds = table.locator("tbody tr[data-peers] td").nth(1)
    before = [part.bounding_box() for part in (name, advice, builds)]
    table.evaluate("element => { element.scrollLeft = 150; }")
    after = [part.bounding_box() for part in (name, advice, builds)]
    assert before[:2] == after[:2]
    assert before[2] != after[2]
    context.close()


@every_page
def test_axe_finds_nothing(context: BrowserContext, report: Path, address: str) -> None:
    page, axe = _opened(context, report, address), Axe()
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    for look, (scheme, forced) in LOOKS.items():
        page.emulate_media(color_scheme=scheme, forced_colors=forced)
        found = axe.run(page).response["violations"]
        assert [(look, rule["id"], node["target"]) for rule in found for node in rule["nodes"]] == []


@every_page
def test_what_a_crate_prints_harms_nothing(context: BrowserContext, report: Path, address: str) -> None:
    page = context.new_page()
    dialogs: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.goto((report / address).as_uri())
    assert dialogs == []
    assert page.locator("script").count() == page.locator("script[src$='report.js']").count()
    assert "alert(1)" in page.locator("main").inner_text() or address == PAGES["index"]
    # The page's policy would stop a script even if one were written into it.
    page.evaluate(_SCRIPT_OF_THE_PAGE)
    assert page.evaluate("window.harmed") is None
