"""The guide's page against the catalogue, and the patch that a run would make of it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.catalog import load_crates, load_guide_links
from harness.guide.check import check
from harness.guide.links import Link, links_of, place
from harness.guide.suggest import rewritten, suggest
from harness.matrix import Matrix
from harness.model import CellKey, CellResult, Crate, GuideLink, Role, Sourced, Verdict
from harness.store import Plan, PlannedCell
from harness.tabulating import tabulate
from tests.golden import made_up

BASE = "https://example.org/run/7"
GOOD, BAD, OLD, UNKNOWN, NEW = "good", "bad", "old", "unknown", "new"


def _crate(name: str, role: Role = Role.LISTED) -> Crate:
    return replace(
        made_up.CRATES[0],
        name=name,
        guide_name=name.title() if role is Role.LISTED else "",
        guide_link=f"https://github.com/Owner/{name}" if role is Role.LISTED else "",
        repository="" if role is Role.LISTED else f"https://github.com/owner/{name}",
        package=f"{name}-package",
        role=role,
        dialects=(made_up.MQTT,),
        retired=Sourced("good", "archived", "https://example.org/archived") if name == OLD else None,
        moved_to=Sourced("https://github.com/elsewhere/bad", "moved", "s") if name == BAD else None,
        namesake=Sourced("impostor", "other authors", "s") if name == GOOD else None,
        unsupported=(),
    )


CRATES = (*map(_crate, (GOOD, BAD, OLD, UNKNOWN)), _crate(NEW, Role.CANDIDATE))
VERDICTS = {GOOD: Verdict.PASS, BAD: Verdict.FAIL, OLD: Verdict.PASS, UNKNOWN: Verdict.BROKEN, NEW: Verdict.PASS}


def _matrix() -> Matrix:
    scenario = next(scenario for scenario in made_up.SCENARIOS if scenario.id == "connects")
    keys = [CellKey(made_up.MQTT, "connects", "", crate.name, crate.version, made_up.MOSQUITTO) for crate in CRATES]
    plan = Plan(CRATES, made_up.LINES, (scenario,), tuple(PlannedCell(key, True, "n") for key in keys))
    cells = [CellResult(key, VERDICTS[key.crate], "why_ not", 1.0, ()) for key in keys]
    return tabulate(made_up.RUN, plan, cells)


MATRIX = _matrix()


def _link(name: str) -> str:
    return f"[{name}](https://github.com/owner/{name})"


def _cited(name: str) -> str:
    return f"([measured 2026-11-22]({BASE}/crate/{name}/index.html#advice))"


SAYS = {
    GOOD: f"- Good (good-package 1.2.3): **recommended**: all 1 core cell pass {_cited(GOOD)}",
    BAD: (
        "- Bad (bad-package 1.2.3): **not recommended**: fails where this is asked: The client connects (1 cell, loss)"
        f"; it moved to <https://github.com/elsewhere/bad> {_cited(BAD)}"
    ),
    OLD: f"- Old (old-package 1.2.3): **retired**: archived; its successor is good {_cited(OLD)}",
    NEW: (
        "- not listed here: [new](https://crates.io/crates/new-package) 1.2.3, MQTT 3.1.1: **recommended**: "
        f"all 1 core cell pass {_cited(NEW)}"
    ),
}


# -- where links lead ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("href", "where"),
    [
        ("http://www.GitHub.com/Owner/Name.git/", "github.com/owner/name"),
        ("https://github.com/owner/name/tree/main/sub?x=1#readme", "github.com/owner/name"),
        ("https://gitlab.com/owner/name", "gitlab.com/owner/name"),
        ("https://crates.io/crates/My_Crate/1.2.3", "crates.io/my-crate"),
        ("https://docs.rs/my-crate/latest/my_crate/", "crates.io/my-crate"),
        ("https://docs.rs/crate/my-crate/1.2.3/source/", "crates.io/my-crate"),
        ("https://lib.rs/crates/my-crate", "crates.io/my-crate"),
        ("https://github.com/owner", ""),
        ("https://github.com/topics/mqtt", ""),
        ("https://crates.io/", ""),
        ("mailto:someone@example.org", ""),
        ("./assets/github.com/owner/name", ""),
        ("https://[broken/owner/name", ""),
    ],
)
def test_a_link_leads_to_a_project_however_it_is_written(href: str, where: str) -> None:
    assert place(href) == where


def test_links_of_markdown_have_their_lines() -> None:
    text = (
        "<!doctype html>\n<p><a href='https://a.example'>a</a></p>\n\n"
        'one [b](https://b.example)\ntwo <a href="https://c.example">c</a> and\n[d][1] `[no](https://no.example)`\n\n'
        "| x | [e](https://e.example) |\n|---|---|\n\n- <https://f.example>\n\n[1]: https://d.example\n"
    )
    assert [(link.href[8], link.line) for link in links_of("index.md", text)] == [
        ("a", 2),
        ("b", 4),
        ("c", 5),
        ("d", 6),
        ("e", 8),
        ("f", 11),
    ]


def test_html_goes_by_the_files_name() -> None:
    text = "<p>\n<A HREF='https://a.example'>a</A> [b](https://b.example)</p><!-- <a href='https://no.example'> -->"
    assert links_of("page.HTML", text) == (Link("https://a.example", 2),)


# -- check --------------------------------------------------------------------------------------------


def _checked(text: str, others: tuple[GuideLink, ...] = ()) -> list[str]:
    return list(map(str, check(links_of("index.md", text), CRATES, others)))


ALL = " ".join(_link(name) for name in (GOOD, BAD, OLD, UNKNOWN))


def test_a_page_that_links_every_listed_crate_differs_in_nothing() -> None:
    assert _checked(ALL + " [w](https://en.wikipedia.org/wiki/MQTT)") == []
    assert _checked(ALL.replace("owner/bad", "Elsewhere/Bad/")) == []
    assert _checked(ALL.replace("github.com/owner/old", "crates.io/crates/old_package")) == []


def test_a_link_without_an_entry_is_told_with_its_line_unless_it_is_declared() -> None:
    (told,) = _checked(f"{ALL}\n\n[x](https://github.com/Some/Body)")
    assert told.startswith(
        "line 3: https://github.com/Some/Body has no entry in rust-probes/crates.toml: add the crate"
    )
    assert _checked(f"{ALL} [x](https://github.com/Some/Body)", (GuideLink("http://github.com/some/body/", "w"),)) == []


def test_an_entry_that_the_page_no_longer_has_is_told() -> None:
    text = ALL.replace(_link(OLD), "")
    assert _checked(text) == ["old: the page no longer links it; it was https://github.com/Owner/old"]


def test_a_linked_candidate_and_a_namesake_are_told() -> None:
    (candidate,) = _checked(f"{ALL} {_link(NEW)}")
    assert candidate.startswith("line 1: https://github.com/owner/new is the candidate new: its role is listed now")
    (namesake,) = _checked(f"{ALL} [x](https://crates.io/crates/impostor)")
    assert namesake == "line 1: https://crates.io/crates/impostor is not good: other authors"


def test_the_catalogue_itself_is_what_its_own_links_say() -> None:
    text = " ".join(f"[x]({crate.guide_link})" for crate in load_crates() if crate.guide_link)
    assert list(check(links_of("index.md", text), load_crates(), load_guide_links())) == []


# -- suggest ------------------------------------------------------------------------------------------

PAGE = f"""# Guide

Rust has several: {_link(BAD)}, {_link(OLD)},
and {_link(GOOD)}.

## Next
"""


def test_a_plain_enumeration_is_put_in_order_and_annotated() -> None:
    assert rewritten(PAGE, MATRIX, BASE + "/") == (
        f"# Guide\n\nRust has several: {_link(GOOD)}, {_link(BAD)},\nand {_link(OLD)}.\n\n"
        f"{SAYS[GOOD]}\n{SAYS[BAD]}\n{SAYS[OLD]}\n{SAYS[NEW]}\n\n## Next\n"
    )


def test_a_list_is_put_in_order_with_what_belongs_to_each_item() -> None:
    page = f"- {_link(BAD)}, which is fast\n  and small\n\n- {_link(GOOD)}:\n  - a detail\n"
    assert rewritten(page, MATRIX, BASE) == (
        f"- {_link(GOOD)}:\n  {SAYS[GOOD]}\n  - a detail\n\n"
        f"- {_link(BAD)}, which is fast\n  and small\n  {SAYS[BAD]}\n  {SAYS[NEW]}\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        f"Use {_link(BAD)}, which is fast, and {_link(GOOD)}.",
        f"{_link(BAD)} and {_link(GOOD)}, a stable library.",
        f"{_link(BAD)}, {_link(UNKNOWN)} and {_link(GOOD)}",
        f"1. {_link(BAD)}\n2. {_link(GOOD)}",
        f"- {_link(BAD)}\n- {_link(GOOD)}\n- nothing",
        f"| {_link(BAD)} | {_link(GOOD)} |\n|---|---|",
    ],
    ids=["described between", "described after", "one unknown", "numbered", "an item without", "table"],
)
def test_nothing_changes_its_place_where_a_description_could_go_astray(text: str) -> None:
    hrefs = [link.href for link in links_of("index.md", rewritten(text, MATRIX, BASE)) if "/owner/" in link.href]
    assert hrefs == [link.href for link in links_of("index.md", text)]


def test_nothing_is_said_of_a_crate_that_nobody_knows() -> None:
    page = f"Rust has {_link(UNKNOWN)} and {_link(NEW)}.\n"
    assert SAYS[NEW].partition("**")[0] not in rewritten(page, MATRIX, BASE)
    assert "unknown-package" not in rewritten(page, MATRIX, BASE)


_PARTS = st.sampled_from(
    [
        *map(_link, (GOOD, BAD, OLD, UNKNOWN, NEW)),
        "[w](https://w.example)",
        "![i](https://i.example)",
        ", ",
        " and ",
        "\n",
        "\n\n",
        "- ",
        "  - ",
        "1. ",
        "> ",
        "# ",
        "words. ",
        "`",
        "    ",
        "<div>",
        "\n```\n",
        "\n|---|---|\n",
    ]
)


@given(st.lists(_PARTS, max_size=24).map("".join))
def test_no_link_is_ever_taken_away_and_a_second_suggestion_changes_nothing(page: str) -> None:
    once = rewritten(page, MATRIX, BASE)
    for name in (*VERDICTS, "w.example", "i.example"):
        assert once.count(f"/owner/{name})") == page.count(f"/owner/{name})")
        assert once.count(f"//{name})") == page.count(f"//{name})")
    assert rewritten(once, MATRIX, BASE) == once


def test_every_line_that_is_added_cites_the_report() -> None:
    added = [line[1:] for line in suggest("index.md", PAGE, MATRIX, BASE).splitlines()[2:] if line.startswith("+")]
    annotations = [line for line in added if line.startswith("- ")]
    assert len(annotations) == 4
    assert all(f"]({BASE}/crate/" in line for line in annotations)


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("last", ["\n", ""], ids=["newline at the end", "none"])
def test_the_patch_applies(tmp_path: Path, end: str, last: str) -> None:
    page = (PAGE.rstrip("\n") + last).replace("\n", end)
    file = tmp_path / "docs" / "index.md"
    file.parent.mkdir()
    file.write_bytes(page.encode())
    patch = suggest("docs/index.md", page, MATRIX, BASE)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=patch.encode(), check=True)
    assert file.read_bytes().decode() == rewritten(page.replace(end, "\n"), MATRIX, BASE).replace("\n", end)
    assert suggest("docs/index.md", file.read_bytes().decode(), MATRIX, BASE) == ""
