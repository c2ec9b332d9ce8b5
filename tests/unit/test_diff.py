"""Two runs side by side, the baseline's file, and the commands about both."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli import comparing as commands
from harness.diff import Kind, VersionChange, compare, snapshot
from harness.errors import ConfigError
from harness.model import Verdict
from harness.paths import BASELINE
from harness.report.words import since
from harness.snapshot import Snapshot, read, write
from harness.store import RunFolder, encode_cell
from tests.command_line import CommandLine, command_line
from tests.golden import made_up

WHERE = f"mqtt-3.1.1 {made_up.MOSQUITTO}"
BEFORE = Snapshot("before", "2026-01-01T00:00:00Z", "c1", "default", {"rustc": "1"})


def _one(told: str, crate: str = "one@1.0.0", run: Snapshot = BEFORE) -> Snapshot:
    return replace(run, cells={crate: {WHERE: {"connects[0]": told}}} if told else {})


def _kinds(before: str, after: str) -> list[str]:
    return [change.kind for change in compare(_one(before), _one(after)).cells]


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        ("pass", "pass", []),
        ("pass", "fail: x", ["regressed"]),
        ("pass", "timeout: x", ["regressed"]),
        ("pass", "build_failed: x", ["regressed"]),
        ("pass", "unsupported: x", ["regressed"]),
        ("pass", "flaky crash: x", ["regressed"]),
        ("flaky pass", "flaky crash: x", ["unsteady"]),
        ("crash: x", "flaky pass", ["unsteady"]),
        ("fail: x", "pass", ["fixed"]),
        ("unsupported: x", "pass", ["fixed"]),
        ("fail: x", "crash: x", ["evidence changed"]),
        ("fail: x", "fail: y", ["evidence changed"]),
        ("fail: x", "fail: x", []),
        ("pass", "broken: x", ["no longer measured"]),
        ("fail: x", "not_run: x", ["no longer measured"]),
        ("unavailable: x", "fail: x", ["measured now"]),
        ("not_run: x", "pass", ["measured now"]),
        ("broken: x", "unavailable: y", []),
        ("", "fail: x", ["new"]),
        ("pass", "", ["gone"]),
    ],
)
def test_how_a_cell_differs(before: str, after: str, kinds: list[str]) -> None:
    assert _kinds(before, after) == kinds


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("mid 8275, token 73596dce, within 2 s", "mid 11383, token 8e1b9568, within 2.5 s"),
        ("the topic 'a b' was /x-63fd242f25", "the topic 'c' was /x-78058b343b"),
        ("CONNECT, PINGREQ, PINGREQ, PINGREQ came", "CONNECT, PINGREQ, PINGREQ came"),
        ("panicked at src/a.rs:92:18: unreachable", "panicked at src/a.rs:93:18: unreachable"),
    ],
)
def test_what_differs_by_chance_is_no_other_evidence(before: str, after: str) -> None:
    assert _kinds(f"fail: {before}", f"fail: {after}") == []


def test_the_real_words_of_a_reason_are_evidence() -> None:
    assert _kinds("fail: the client is silent", "fail: the client is gone") == ["evidence changed"]
    assert _kinds("fail: CONNECT, PINGREQ came", "fail: CONNECT, DISCONNECT came") == ["evidence changed"]


def test_a_crate_is_compared_across_its_versions_where_each_run_has_one() -> None:
    one, other = _one("pass"), _one("fail: x", "one@1.1.0")
    (change,) = compare(one, other).cells
    assert (change.kind, change.key.crate_version) == (Kind.REGRESSED, "1.1.0")
    assert compare(one, other).environment == (VersionChange("crate one", "1.0.0", "1.1.0"),)
    both = replace(one, cells=one.cells | other.cells)
    assert [change.kind for change in compare(one, both).cells] == [Kind.NEW]


def test_runs_of_different_profiles_are_compared_where_they_overlap() -> None:
    smaller = replace(_one("fail: x"), profile="ci")
    larger = replace(BEFORE, cells={"one@1.0.0": {WHERE: {"connects[0]": "pass", "more": "pass"}}})
    assert [change.kind for change in compare(larger, smaller).cells] == [Kind.REGRESSED]
    assert [change.kind for change in compare(smaller, larger).cells] == [Kind.FIXED]


def test_the_environment_is_told() -> None:
    after = replace(BEFORE, commit="c2", versions={"rustc": "2", "mosquitto@2.0": "2.0.22"})
    assert compare(BEFORE, after).environment == (
        VersionChange("commit", "c1", "c2"),
        VersionChange("rustc", "1", "2"),
        VersionChange("mosquitto@2.0", "", "2.0.22"),
    )


def test_a_run_in_short_has_every_cell_that_can_be_asked() -> None:
    matrix = made_up.matrix()
    taken = snapshot(matrix)
    expected = {
        cell.key: (cell.verdict, cell.result.flaky)
        for cell in matrix.cells
        if cell.verdict is not Verdict.NOT_APPLICABLE
    }
    assert {key: (seen.verdict, seen.flaky) for key, seen in taken.seen().items()} == expected
    assert taken.versions == {"rustc": "1.95.0 (made up)", made_up.MOSQUITTO: "2.0.22"}
    assert not compare(taken, taken).cells


def test_the_made_up_run_shows_every_kind() -> None:
    diff = compare(made_up.BASELINE, snapshot(made_up.matrix()))
    assert {change.kind for change in diff.cells} == set(Kind)
    assert [(c.key.scenario, c.key.params) for c in diff.having(Kind.REGRESSED)] == [("receives_large_payloads", "")]
    assert since(diff).startswith(
        "Since run 20261001-000000-0000 <script>alert(1)</script> of 2026-10-01: 1 fixed, 1 regr"
    )


# -- the file -----------------------------------------------------------------------------------------


def test_a_snapshot_is_the_same_when_it_was_written_and_read(tmp_path: Path) -> None:
    taken = snapshot(made_up.matrix())
    write(tmp_path / "new" / "baseline.json", taken)
    assert read(tmp_path / "new" / "baseline.json") == taken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no baseline: Invalid JSON"),
        ("{}", "is no baseline: Field required"),
        (json.dumps(vars(_one("good"))), "is no baseline: 'good' is not a valid Verdict; `iotyet baseline accept`"),
        (json.dumps(vars(_one("!"))), "is no baseline: '!' is no outcome of a cell; `iotyet baseline accept` writes"),
    ],
)
def test_what_is_no_baseline_is_told_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read(file)
    assert f"{file}: the file: {said}" in str(caught.value)


def test_the_committed_baseline_is_a_whole_default_run_and_small() -> None:
    found = read(BASELINE)
    assert found.profile == "default"
    assert len(found.seen()) > 3000
    assert BASELINE.stat().st_size < 500_000


# -- the commands -------------------------------------------------------------------------------------


@pytest.fixture
def iotyet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> CommandLine:
    """The command line in an empty folder, with a reports folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(commands, "REPORTS", tmp_path / "reports")
    monkeypatch.setattr(commands, "BASELINE", tmp_path / "reports" / "baseline.json")
    return command_line(monkeypatch, capsys)


def _run(path: Path, name: str, verdict: Verdict = Verdict.PASS, profile: str = "default") -> None:
    folder = RunFolder(path)
    path.mkdir(parents=True)
    folder.write_run(replace(made_up.RUN, id=name, profile=profile))
    folder.write_plan(made_up.PLAN)
    for result in made_up.RESULTS:
        changed = replace(result, verdict=verdict, reason="x") if result.key.scenario == "connects" else result
        folder.append(encode_cell(changed))


def test_accept_takes_the_newest_default_run_and_diff_compares_with_it(iotyet: CommandLine, tmp_path: Path) -> None:
    runs = tmp_path / "reports" / "runs"
    _run(runs / "1", "first")
    _run(runs / "2", "small", profile="ci")
    status, out, err = iotyet("baseline", "accept")
    assert (status, out) == (0, "")
    assert err == "iotyet: runs are compared with first from now on: commit baseline.json\n"
    assert iotyet("diff", "reports/baseline.json", "reports/runs/1")[0] == 0
    _run(runs / "3", "worse", Verdict.CRASH)
    status, out, _ = iotyet("diff", "reports/baseline.json", "reports/runs/3")
    assert status == 1
    assert out.startswith("Since run first of 2026-11-22: 0 fixed, 6 regressed.\n\nregressed: Passed, and is red now")
    assert "\n  mqtt-3.1.1/connects[0]/mqtt-one@1.2.3/mosquitto@2.0: pass -> crash: x\n" in out
    status, out, _ = iotyet("diff", "reports/runs/3", "reports/runs/1", "--format", "json")
    found = json.loads(out)
    assert (status, found["counts"]["fixed"], found["counts"]["regressed"]) == (0, 6, 0)
    assert found["cells"][0]["before"] == {"verdict": "crash", "reason": "x", "flaky": False}
    assert iotyet("baseline", "accept", "--run", "reports/runs/3")[2].splitlines() == [
        "iotyet: Since run first of 2026-11-22: 0 fixed, 6 regressed",
        "iotyet: runs are compared with worse from now on: commit baseline.json",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("diff", "nowhere", "nowhere"), "nowhere is not there; name the folder of a run or a baseline's file"),
        (("diff", ".", "."), "is no folder of a run: run.json"),
        (("baseline", "accept"), "has no finished run of the profile default; make one with `iotyet run`, or name"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_2(iotyet: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    status, out, err = iotyet(*arguments)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert said in err
