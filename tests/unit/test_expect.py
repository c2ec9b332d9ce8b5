"""`iotyet expect`: which expectations do not hold, and what a run writes into their files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli import expecting
from harness.model import CellKey
from harness.store import RunFolder, encode_cell
from tests.command_line import CommandLine, command_line
from tests.golden import made_up

KNOWN, STALE, NEW = (made_up.key("mqtt-one", name) for name in ("receives", "connects", "receives_large_payloads"))
STALE = replace(STALE, params="1")
FLAKY = made_up.key("mqtt-one", "notices_a_silent_broker")


def _entry(key: CellKey, verdict: str, observed: str, reason: str = "a cause", review: str = "2999-01-01") -> str:
    params = f'params = ["{key.params}"]\n' if key.params else ""
    return (
        f'\n[[expect]]\ncrate = "{key.crate}"\nversions = ["{key.crate_version}"]\nscenarios = ["{key.scenario}"]\n'
        f'{params}lines = ["{key.peer}"]\nverdict = "{verdict}"\nobserved = "{observed}"\nreason = "{reason}"\n'
        f"review = {review}\n"
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What is expected of the made-up run."""
    path = tmp_path / "scenarios" / "mqtt" / "expectations.toml"
    path.parent.mkdir(parents=True)
    known = _entry(KNOWN, "fail", "the payload as it was sent") + _entry(STALE, "fail", "refused")
    path.write_text(f'# Known.\ndialect = "mqtt-3.1.1"\n{known}', encoding="utf-8")
    return path


@pytest.fixture
def iotyet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, file: Path
) -> CommandLine:
    """The command line on these scenarios; every cell of the made-up run is planned."""
    assert file.is_file()
    monkeypatch.setattr(expecting, "SCENARIOS", tmp_path / "scenarios")
    monkeypatch.setattr(expecting, "collect", lambda _profile: made_up.PLAN)
    return command_line(monkeypatch, capsys)


@pytest.fixture
def run(tmp_path: Path) -> str:
    """The made-up run."""
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.write_run(made_up.RUN)
    folder.write_plan(made_up.PLAN)
    for result in made_up.RESULTS:
        folder.append(encode_cell(result))
    return str(folder.path)


def test_expectations_that_hold_are_exit_0(iotyet: CommandLine) -> None:
    assert iotyet("expect", "check") == (0, "", "iotyet: all 2 expectations hold\n")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (_entry(replace(KNOWN, scenario="gone"), "fail", "x"), "no full run has this cell"),
        (_entry(NEW, "crash", "x", reason="TODO why"), "nobody has looked up its cause: TODO why"),
        (_entry(NEW, "crash", "x", review="2020-01-01"), "was to be looked at again by 2020-01-01"),
    ],
    ids=["no cell", "unexplained", "overdue"],
)
def test_an_expectation_that_does_not_hold_is_exit_1(iotyet: CommandLine, file: Path, entry: str, problem: str) -> None:
    file.write_text(file.read_text(encoding="utf-8") + entry, encoding="utf-8")
    status, out, _ = iotyet("expect", "check")
    assert (status, len(out.splitlines())) == (1, 2)
    assert f": {problem}\n    in {file}\n" in out
    (found,) = json.loads(iotyet("expect", "check", "--format", "json")[1])
    assert (found["problem"], found["file"]) == (problem, str(file))


def test_a_run_says_what_is_stale(iotyet: CommandLine, run: str) -> None:
    status, out, _ = iotyet("expect", "check", "--run", run)
    assert (status, len(out.splitlines())) == (1, 2)
    assert out.startswith(f"{STALE}: stale in run {made_up.RUN.id}: ")


def test_what_a_run_shows_is_written_and_then_has_to_be_explained(iotyet: CommandLine, run: str, file: Path) -> None:
    before = file.read_text(encoding="utf-8")
    status, out, err = iotyet("expect", "update", "--run", run)
    kept = before[: before.index(_entry(STALE, "fail", "refused"))]
    text = file.read_text(encoding="utf-8")
    assert text.startswith(kept)
    assert f"{STALE}: taken out, it is pass" in out
    assert f"{NEW}: new, crash" in out
    assert f"{FLAKY}: new, timeout" in out
    package = made_up.key("mqtt-one", "compiles_as_published")
    assert (status, err) == (1, f"iotyet: by hand: {package}: its scenarios have no expectations.toml\n")
    status, out, _ = iotyet("expect", "check")
    assert status == 1
    assert f"{NEW}: nobody has looked up its cause: TODO the cause" in out
    iotyet("expect", "update", "--run", run)
    assert file.read_text(encoding="utf-8") == text
