"""The files of the made-up run's report: schema, XML, escaping, size, and that every link leads somewhere."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from rich.console import Console

from benchmarks import render
from harness.errors import HarnessFault
from harness.model import Need, Role, Verdict
from harness.paths import ROOT
from harness.report import console, html, junit, markdown, results_json, write
from harness.report.evidence import EvidenceLink
from harness.report.wire import conversation_block
from harness.store import RunFolder
from harness.tabulating import tabulate
from harness.wellformed import ENCRYPTED
from tests.golden import made_up

MATRIX = made_up.matrix()


class _Page(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: Counter[str] = Counter()
        self.headings: list[int] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags[tag] += 1
        self.links += [value for name in ("href", "src") if (value := found.get(name))]
        self.ids += [value] if (value := found.get("id")) else []
        if tag in ("h1", "h2", "h3"):
            self.headings.append(int(tag[1]))
        if any(name.startswith("on") for name in found):
            self.tags["script"] += 1


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    made_up.write_evidence(folder)
    assert write(RunFolder(folder), MATRIX, made_up.PUBLISHED) == folder / "index.html"
    return folder


def _pages(folder: Path) -> dict[Path, _Page]:
    return {path: _Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}


def test_the_made_up_run_has_every_verdict() -> None:
    assert {cell.verdict for cell in MATRIX.cells} == set(Verdict)


def test_every_format_is_written(report: Path) -> None:
    for name in ("results.json", "matrix.md", "junit.xml", "index.html", "badge/mqtt-one.svg", "badge/mqtt-one.json"):
        assert (report / name).stat().st_size > 0
    assert not list(report.rglob("*.tmp"))


def test_links_lead_to_files_and_anchors(report: Path) -> None:
    pages = _pages(report)
    assert len(pages) == 3 + len(MATRIX.rows) + len(made_up.RESULTS)
    for path, page in pages.items():
        for link in page.links:
            if link.startswith(("https://", "data:,")):
                continue
            address, _, fragment = link.partition("#")
            target = (path.parent / unquote(address)).resolve() if address else path
            assert target.is_file(), f"{path.relative_to(report)}: {link}"
            if fragment:
                assert fragment in pages[target].ids, f"{path.relative_to(report)}: {link}"


def test_pages_are_inert_and_sound(report: Path) -> None:
    for path, page in _pages(report).items():
        # The one script is ours, in a file of its own: nothing that runs is written into a page.
        scripts = [link for link in page.links if link.endswith(".js")]
        assert page.tags["script"] == len(scripts) <= 1, path
        assert not [link for link in page.links if link.startswith(("javascript:", "http:"))]
        assert len(page.ids) == len(set(page.ids)), path
        assert page.tags["main"] == page.tags["h1"] == 1
        assert page.headings[0] == 1
        assert page.tags["caption"] == page.tags["table"]


def test_what_means_harm_is_shown_as_text(report: Path) -> None:
    for path in report.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert made_up.SCRIPT not in text, path
        assert not set(text) & set("\x00\x07\x1b\u202e"), path
    page = (report / "cell/mqtt-one/receives/mosquitto@2.0/index.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; red" in page
    assert "last line of transcript" in page
    assert "last line of broker log" not in page


def _section(page: str, heading: str) -> str:
    """What a page has under a heading, up to the next one of the same rank."""
    return page.split(f">{heading}</h2>", 1)[1].split("<h2", 1)[0]


def test_a_cells_page_has_the_clause_beside_what_is_expected(report: Path) -> None:
    page = (report / "cell/mqtt-one/receives/mosquitto@2.0/index.html").read_text(encoding="utf-8")
    assert '<a href="https://docs.example.org/spec#3.3"' in _section(page, "Expected")


def test_a_cells_page_says_first_how_to_compare_it(report: Path) -> None:
    page = (report / "cell/mqtt-one/connects-1/mosquitto@2.0/index.html").read_text(encoding="utf-8")
    commands = re.findall(r"<code>(.*?)</code>", _section(page, "Run it again"))
    assert commands[0] == "iotyet reproduce &#39;mqtt-3.1.1/connects[1]/mqtt-one@1.2.3/mosquitto@2.0&#39;"
    assert commands[1].startswith("pytest ")


def test_a_cells_page_of_a_source_in_a_folder_leaves_the_folder_to_its_reader(tmp_path: Path) -> None:
    first, *others = made_up.PLAN.crates
    plan = replace(made_up.PLAN, crates=(replace(first, path="/home/me/one"), *others))
    write(RunFolder(tmp_path), tabulate(made_up.RUN, plan, made_up.RESULTS, made_up.ORACLE), made_up.PUBLISHED)
    page = (tmp_path / "cell/mqtt-one/receives/mosquitto@2.0/index.html").read_text(encoding="utf-8")
    told = _section(page, "Run it again")
    assert "where DIR has the crate" in told
    command = "iotyet check mqtt-one --path DIR -k test_receives --broker mosquitto@2.0"
    assert re.findall(r"<code>(.*?)</code>", told) == [command]


def test_a_cells_page_says_that_no_broker_answered(report: Path) -> None:
    page = (report / "cell/mqtt-one/notices_a_silent_broker/mosquitto@2.0/index.html").read_text(encoding="utf-8")
    assert "scripted peer met the crate here, and not mosquitto@2.0" in page
    assert '<a href="https://git.example.org/iotyet/blob/0f0f/harness/peers/mqtt.py"' in page
    assert "found running" not in page
    other = (report / "cell/mqtt-one/receives/mosquitto@2.0/index.html").read_text(encoding="utf-8")
    assert "scripted peer" not in other
    found = {cell["id"]: cell["scripted"] for cell in json.loads((report / "results.json").read_text())["cells"]}
    assert found["mqtt-3.1.1/notices_a_silent_broker/mqtt-one@1.2.3/mosquitto@2.0"] == "harness/peers/mqtt.py"
    assert found["mqtt-3.1.1/receives/mqtt-one@1.2.3/mosquitto@2.0"] == ""


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        ("receives_large_payloads", "broker log: no line of the broker names this cell"),
        ("notices_a_silent_broker", "broker log: no broker took part"),
    ],
)
def test_an_empty_log_is_said_and_not_linked(report: Path, scenario: str, said: str) -> None:
    page = (report / f"cell/mqtt-one/{scenario}/mosquitto@2.0/index.html").read_text(encoding="utf-8")
    assert said in page
    assert "broker.log" not in page
    other = (report / "cell/mqtt-one/receives/mosquitto@2.0/index.html").read_text(encoding="utf-8")
    assert "broker.log" in other


def test_a_cells_page_shows_what_was_sent(report: Path) -> None:
    page = (report / "cell/mqtt-one/mqtt-5.sends_user_properties/mosquitto@2.0/index.html").read_text(encoding="utf-8")
    said = _section(page, "What was sent, packet by packet")
    assert "<details open>" in said
    assert "Connect Command &lt;script&gt;" in said
    assert [Path(link).name for link in re.findall(r'<a href="(.*?)"', said)] == [
        "conversation-1.txt",
        "capture.pcapng",
    ]
    assert "Connect Command" in _section(page, "Tell its maintainers")
    cells = json.loads((report / "results.json").read_text())["cells"]
    assert [e["kind"] for cell in cells for e in cell["evidence"] if "conversation" in e["path"]] == ["conversation"]


def test_a_cells_page_says_where_there_was_no_tshark(report: Path) -> None:
    page = (report / "cell/mqtt-one/receives/mosquitto@2.0/index.html").read_text(encoding="utf-8")
    said = _section(page, "What was sent, packet by packet")
    assert "tshark, which reads captures, is unavailable: " in said
    assert "<details" not in said
    unjudged = (report / "cell/mqtt-one/receives_large_payloads/mosquitto@2.0/index.html").read_text(encoding="utf-8")
    assert "packet by packet" not in unjudged


@pytest.mark.parametrize(("verdict", "is_open"), [(Verdict.PASS, False), (Verdict.TIMEOUT, True)])
def test_what_was_sent_is_shown_at_once_where_the_cell_is_red(verdict: Verdict, is_open: bool) -> None:
    cell = next(cell for cell in MATRIX.cells if cell.wire)
    cell = replace(cell, result=replace(cell.result, verdict=verdict))
    block = conversation_block(cell, {}, "it says \x1b[31m", [EvidenceLink("conversation", "a", "a")])
    assert block is not None
    assert (block.is_open, block.text, block.note) == (is_open, "it says ", "")


def test_of_tls_it_says_where_that_ended() -> None:
    cell = next(cell for cell in MATRIX.cells if cell.wire)
    cell = replace(cell, scenario=replace(cell.scenario, needs=(Need.TLS,)))
    block = conversation_block(cell, {}, "it says", [EvidenceLink("conversation", "a", "a")])
    assert block is not None
    assert block.note.startswith("TLS ended in the relay")
    passed_through = conversation_block(
        cell, {}, f"wire.pcapng\n{ENCRYPTED}\n", [EvidenceLink("conversation", "a", "a")]
    )
    assert passed_through is not None
    assert passed_through.note == ""


def test_a_reason_without_a_cell_leads_to_its_source(report: Path) -> None:
    retired, codec = "https://github.com/example/mqtt-one", "https://docs.example.org/codec"
    index = (report / "index.html").read_text(encoding="utf-8")
    reasons = index.split('<a href="crate/mqtt-one/index.html">', 1)[1].split('class="why"', 1)[1]
    assert re.findall(r'href="(.*?)"', reasons)[0] == retired
    for crate, source in (("mqtt-one", retired), ("codec", codec)):
        page = (report / f"crate/{crate}/index.html").read_text(encoding="utf-8")
        assert f'Source: <a href="{source}"' in page


def test_every_page_names_the_limits_and_how_to_dispute_them(report: Path, tmp_path: Path) -> None:
    files = ("docs/limits.md", "docs/for-authors.md")
    for path in report.rglob("*.html"):
        footer = path.read_text(encoding="utf-8").split("<footer>", 1)[1]
        for file in files:
            assert f'<a href="https://git.example.org/iotyet/blob/0f0f/{file}"' in footer, path
            assert (ROOT / file).is_file()
    write(RunFolder(tmp_path), MATRIX, replace(made_up.PUBLISHED, source_url=""))
    footer = (tmp_path / "index.html").read_text(encoding="utf-8").split("<footer>", 1)[1]
    for file in files:
        assert file in footer
        assert f'{file}"' not in footer, "nobody knows where it is"


def test_no_page_asks_another_site(report: Path) -> None:
    for path in report.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert all(source.endswith(".svg") for source in re.findall(r"<img src=\"([^\"]*)", text))
        assert "@import" not in text
        assert text.count('rel="stylesheet"') == 1
    assert "url(" not in (report / "style.css").read_text(encoding="utf-8")


def test_a_row_says_when_a_newer_release_is_untested(report: Path) -> None:
    index = (report / "index.html").read_text(encoding="utf-8")
    said = "is published and untested</b>"
    newer = index.count(">1.3.0 &lt;script&gt;alert(1)&lt;/script&gt; " + said)
    assert newer == index.count(said) == 2, "of MQTT 3.1.1 and 5.0, which one crate speaks"
    assert index.index("mqtt-one/index.html") < index.index(said)
    crate = (report / "crate/mqtt-one/index.html").read_text(encoding="utf-8")
    assert "<dt>Not tested yet</dt><dd>1.3.0 " in crate


def test_index_is_small(report: Path) -> None:
    assert (report / "index.html").stat().st_size + (report / "style.css").stat().st_size <= 300_000


def test_index_of_two_hundred_crates_is_small_too() -> None:
    run, plan, results = render.made_up(crates=200, cells=4_400)
    matrix = tabulate(run, plan, results)
    assert [len(section.columns) for section in matrix.sections] == [11] * 4
    found = {
        address: len(text.encode())
        for address, text in itertools.islice(html.pages(matrix, Path("none"), made_up.PUBLISHED), 3)
    }
    assert found["index.html"] + found["style.css"] <= 300_000


def test_several_processes_write_the_same_pages(report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up.write_evidence(tmp_path)
    monkeypatch.setattr(html, "_MANY", 1)
    write(RunFolder(tmp_path), MATRIX, made_up.PUBLISHED)
    one, several = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (report, tmp_path)
    )
    assert one == several


def test_a_page_that_another_process_cannot_write_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cell").write_text("in the way", encoding="utf-8")
    monkeypatch.setattr(html, "_MANY", 1)
    with pytest.raises(HarnessFault, match=r"index\.html cannot be written: Not a directory"):
        write(RunFolder(tmp_path), MATRIX, made_up.PUBLISHED)


def test_schema_is_in_sync_and_valid(report: Path) -> None:
    schema = json.loads(results_json.schema())
    assert results_json.SCHEMA_FILE.read_text(encoding="utf-8") == results_json.schema(), (
        "docs/results.schema.json is old: `python -m harness.report.results_json` writes it"
    )
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads((report / "results.json").read_text(encoding="utf-8"))
    beside = report / document["$schema"]
    assert (beside.parent, beside.read_text(encoding="utf-8")) == (report, results_json.schema())
    jsonschema.validate(document, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | {"more": 1}, schema)
    assert sorted(document) == [
        "$schema",
        "brokers",
        "cells",
        "claims",
        "crates",
        "defects",
        "oracle",
        "run",
        "scenarios",
    ]


def test_results_add_up() -> None:
    document = results_json.document(MATRIX)
    for crate in document.crates:
        cells = [cell for cell in document.cells if cell.crate == crate.name]
        assert sum(crate.counts.values()) == crate.planned == len(cells)
        assert [advice.dialect for advice in crate.advice] == (
            [] if crate.role is Role.CONTROL else list(crate.dialects)
        )
    first = document.crates[0]
    assert first.repository == "https://github.com/example/mqtt-one"
    assert first.builds.as_published is not None
    assert first.builds.as_published.verdict is Verdict.BUILD_FAILED
    assert first.builds.as_repaired is not None
    assert first.builds.as_repaired.lock_sha256 == "ab" * 32
    assert [broker.name for broker in document.brokers] == ["mosquitto"]
    assert document.defects[0].cells == ("mqtt-3.1.1/receives/mqtt-one@1.2.3/mosquitto@2.0",)


def test_junit(report: Path) -> None:
    root = ET.parse(report / "junit.xml").getroot()  # noqa: S314 - our own document
    assert len(list(root.iter("testcase"))) == int(root.get("tests", "0")) == len(MATRIX.cells)
    for element, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert len(list(root.iter(element))) == int(root.get(name, "0")) > 0


def test_junit_outcomes() -> None:
    found = {(cell.key.crate, cell.key.scenario, cell.key.params): junit.outcome(cell)[:2] for cell in MATRIX.cells}
    assert found["mqtt-one", "connects", "0"] == ("", "")
    assert found["mqtt-one", "connects", "1"] == ("failure", "stale")
    assert found["mqtt-one", "receives", ""] == ("skipped", "xfail")
    assert found["mqtt-one", "receives_large_payloads", ""] == ("failure", "crash")
    assert found["codec", "reports_a_wrong_password", ""] == ("error", "broken")
    assert found["codec", "resumes_a_session", ""] == ("skipped", "not_applicable")
    assert found["mqtt-one", "reports_a_wrong_password", ""] == ("skipped", "unsupported")


def test_markdown_names_no_machine() -> None:
    text = markdown.render(MATRIX)
    assert text == markdown.render(made_up.matrix())
    for secret in ("/home/me", "40123", "mirror.example.org", "<script"):
        assert secret not in text


def test_console_is_readable_without_colour_at_100_columns() -> None:
    output = io.StringIO()
    Console(file=output, width=100, no_color=True).print(console.render(MATRIX))
    text = output.getvalue()
    assert max(map(len, text.splitlines())) <= 100
    for part in ("Mqtt One (mqtt-one", "✖\u00a00/2", "(control)", "4 cells differ", "4 red cells, 1 defect"):
        assert part in text
    assert not set(text) & set("\x1b\x00\u202e")
