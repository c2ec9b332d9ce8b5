"""Statements of authors, and what the page says of the probe."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.authors import load_probes, load_statements
from harness.catalog import load_crates
from harness.errors import ConfigError
from harness.model import Role
from harness.paths import PROBES
from harness.report import html
from tests.golden import made_up

HEAD = "2026-11-23, Jane Doe, https://example.org/issues/7\n"


def test_a_statement_has_date_author_link_and_text(tmp_path: Path) -> None:
    (tmp_path / "one.md").write_text(f"{HEAD}\nFixed in 1.3.\n\nThanks.\n", encoding="utf-8")
    (found,) = load_statements(["one", "two"], tmp_path)
    assert (found.crate, found.date, found.author) == ("one", "2026-11-23", "Jane Doe")
    assert (found.link, found.text) == ("https://example.org/issues/7", "Fixed in 1.3.\n\nThanks.")


def test_without_the_folder_nobody_said_anything(tmp_path: Path) -> None:
    assert load_statements(["one"], tmp_path / "statements") == ()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("two.md", f"{HEAD}\nx\n", "the name: is no crate's; `iotyet list crates` shows all"),
        ("one.md", "Jane Doe\n\nx\n", "line 1: is 'Jane Doe'; expected `YYYY-MM-DD, author, https://…`"),
        ("one.md", "2026-11-23, Jane, somewhere\n\nx\n", "line 1: is '2026-11-23, Jane, somewhere'; expected"),
        ("one.md", HEAD, "and the text below an empty line"),
    ],
    ids=["no crate", "no date", "no link", "no text"],
)
def test_what_is_no_statement_is_told_with_its_file(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_statements(["one"], tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert said in str(caught.value)


def test_every_probe_says_which_documentation_it_follows_and_links_it() -> None:
    crates = [crate for crate in load_crates() if crate.role is not Role.CONTROL and crate.has_probe]
    probes = load_probes(crate.name for crate in crates)
    assert [probe.crate for probe in probes] == [crate.name for crate in crates]
    for crate, probe in zip(crates, probes, strict=True):
        assert "https://" in probe.follows, crate.name
        assert next(iter(probe.files)) == "main.rs"
        assert probe.lines == sum(
            len(file.read_text(encoding="utf-8").splitlines()) for file in (PROBES / crate.name / "src").rglob("*.rs")
        )


def test_the_probes_files_are_beside_the_crates_page_as_text(tmp_path: Path) -> None:
    html.write(tmp_path, made_up.matrix(), made_up.PUBLISHED)
    folder = tmp_path / "crate" / "mqtt-one" / "probe"
    assert {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()} == {
        "main.rs.txt": made_up.PROBE.files["main.rs"],
        "tls~2fall.rs.txt": "// more\n",
    }
    page = (folder.parent / "index.html").read_text(encoding="utf-8")
    assert '<a href="probe/main.rs.txt">main.rs</a>, <a href="probe/tls~2fall.rs.txt">tls/all.rs</a>' in page
    assert (
        '<a href="https://docs.example.org/one/struct.ClientOfManyWords.html#method.with_a_long_name" rel="noreferrer">'
        in page
    )
    assert 'The probe <span class="sub">3 lines</span>' in page


def test_a_statement_is_shown_beside_the_advice_and_escaped(tmp_path: Path) -> None:
    html.write(tmp_path, made_up.matrix(), made_up.PUBLISHED)
    page = (tmp_path / "crate" / "mqtt-one" / "index.html").read_text(encoding="utf-8")
    assert page.index('id="advice"') < page.index('id="author"') < page.index('id="counts"')
    assert "<p>It is fixed.</p>" in page
    assert "Jane &lt;script&gt;alert(1)&lt;/script&gt; red" in page
    assert 'id="author"' not in (tmp_path / "crate" / "codec" / "index.html").read_text(encoding="utf-8")
