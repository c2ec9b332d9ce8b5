"""A finished run put into another folder: its report there, its evidence with it, and nothing of workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model import Evidence
from harness.store import RunFolder, encode_cell
from tests.command_line import CommandLine, command_line
from tests.golden import made_up


@pytest.fixture
def iotyet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line."""
    return command_line(monkeypatch, capsys)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The made-up run with a file of evidence, an old page and a lease."""
    folder = RunFolder(tmp_path / "run")
    (folder.path / "leases").mkdir(parents=True)
    folder.write_run(made_up.RUN)
    folder.write_plan(made_up.PLAN)
    for result in made_up.RESULTS:
        folder.append(encode_cell(result))
    evidence: Evidence = made_up.RESULTS[2].attempts[0].evidence[2]
    (folder.path / evidence.path).parent.mkdir(parents=True)
    (folder.path / evidence.path).write_text("> hello", encoding="utf-8")
    (folder.path / "old.html").touch()
    return folder.path


def test_a_report_elsewhere_is_whole(iotyet: CommandLine, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "site" / "now"
    assert iotyet("report", str(run), "--out", str(out)) == (0, f"{out}/index.html\n", "")
    assert not (run / "index.html").exists()
    assert not (out / "leases").exists()
    assert not (out / "old.html").exists()
    files = {path.relative_to(run) for path in (run / "evidence").rglob("*") if path.is_file()}
    assert files
    assert all((out / file).read_bytes() == (run / file).read_bytes() for file in files)
    # It is a run's folder itself.
    assert iotyet("report", str(out))[0] == 0


def test_what_would_be_mixed_up_is_refused(iotyet: CommandLine, run: Path, tmp_path: Path) -> None:
    for command in (("report", str(run)), ("run",)):
        status, _, err = iotyet(*command, "--out", str(run))
        assert (status, err) == (2, f"iotyet: {run} is there already; name a new folder\n")
    status, _, err = iotyet("report", str(run), str(run), "--out", str(tmp_path / "new"))
    assert (status, f"iotyet: {tmp_path}/new takes one run with its evidence; " in err) == (2, True)
