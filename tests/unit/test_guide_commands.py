"""`iotyet guide` as its users meet it: exit codes, streams and messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.catalog import load_crates
from harness.cli import guiding
from harness.model import Role
from harness.store import RunFolder, encode_cell
from tests.command_line import CommandLine, command_line
from tests.golden import made_up

ADDRESS = "https://example.org/matrix"
BASE = f"--base-url={ADDRESS}"


@pytest.fixture
def iotyet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> CommandLine:
    """The command line on a reports folder of its own."""
    monkeypatch.setattr(guiding, "REPORTS", tmp_path / "reports")
    return command_line(monkeypatch, capsys)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page that links every listed crate, and Mqtt One of the made-up run."""
    file = tmp_path / "page.md"
    links = [crate.guide_link for crate in load_crates() if crate.role is Role.LISTED]
    file.write_text("".join(f"- [x]({link})\n" for link in links), encoding="utf-8")
    return file


def _run(folder: Path, **changes: object) -> None:
    run = RunFolder(folder)
    folder.mkdir(parents=True)
    run.write_run(made_up.RUN.__class__(**{**vars(made_up.RUN), **changes}))
    run.write_plan(made_up.PLAN)
    for result in made_up.RESULTS:
        run.append(encode_cell(result))


def test_a_page_that_agrees_with_the_catalogue_is_exit_0_and_one_that_does_not_is_exit_1(
    iotyet: CommandLine, page: Path
) -> None:
    status, out, err = iotyet("guide", "check", str(page))
    assert (status, out) == (0, "")
    assert "has an entry" in err
    _, *rest = page.read_text(encoding="utf-8").splitlines(keepends=True)
    page.write_text("".join(rest) + "[new](https://github.com/some/body)\n", encoding="utf-8")
    status, out, _ = iotyet("guide", "check", str(page))
    assert status == 1
    assert [line.partition(":")[0] for line in out.splitlines()] == [f"line {len(rest) + 1}", load_crates()[0].name]
    found = json.loads(iotyet("guide", "check", str(page), "--format", "json")[1])
    assert [(one["line"], one["crate"]) for one in found] == [(len(rest) + 1, ""), (None, load_crates()[0].name)]
    assert out.splitlines()[0] == f"line {found[0]['line']}: {found[0]['text']}"


def test_a_patch_is_exit_1_and_the_page_with_it_is_exit_0(iotyet: CommandLine, page: Path, tmp_path: Path) -> None:
    _run(tmp_path / "reports" / "runs" / "1")
    _run(tmp_path / "reports" / "runs" / "2", selection="-k one", started="2027-01-01T00:00:00Z")
    _run(tmp_path / "reports" / "runs" / "3", exit=None, started="2027-01-01T00:00:00Z")
    page.write_text("Rust has [Mqtt One](https://github.com/example/mqtt-one).\n", encoding="utf-8")
    status, patch, err = iotyet("guide", "suggest", str(page), BASE)
    assert status == 1
    assert f"as run {made_up.RUN.id} of the profile default has it" in err
    assert "\n+- Mqtt One (mqtt-one 1.2.3): **retired**" in patch
    # The newest whole run, and not one that measured a part or was interrupted.
    assert f"[measured 2026-11-22]({ADDRESS}/run/{made_up.RUN.id}/crate/mqtt-one/index.html#advice)" in patch
    added = [line[1:] for line in patch.splitlines()[3:] if line[0] in "+ "]
    page.write_text("\n".join(added) + "\n", encoding="utf-8")
    assert iotyet("guide", "suggest", str(page), BASE, "--run", str(tmp_path / "reports" / "runs" / "1"))[:2] == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("check", "nowhere.md"),
            "nowhere.md cannot be read: No such file or directory; name a copy of the guide's page",
        ),
        (("check", "binary.md"), "binary.md is no text in UTF-8 (byte 0); name a copy of the guide's page"),
        (("check",), "Missing argument 'FILE'; `iotyet guide check --help` says what there is"),
        (("suggest", "page.md"), "every line of the patch cites the report: say with --base-url https://… where it is"),
        (("suggest", "page.md", "--base-url", "a b"), "every line of the patch cites the report: say with --base-url"),
        (("suggest", "page.html", BASE), "page.html is HTML, and a patch is for the page's source: name the Markdown"),
        (("suggest", "page.md", BASE), "has no finished run of a whole profile; make one with `iotyet run`, or name"),
        (("suggest", "page.md", BASE, "--run", "."), "is no folder of a run: run.json: No such file or directory"),
    ],
    ids=["no file", "no text", "no argument", "no address", "no link", "HTML", "no run", "no run's folder"],
)
def test_wrong_usage_is_one_sentence_and_exit_2(
    iotyet: CommandLine,
    page: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(page.parent)
    (page.parent / "binary.md").write_bytes(b"\xff\x00")
    status, out, err = iotyet("guide", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
