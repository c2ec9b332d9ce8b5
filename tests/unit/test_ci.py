"""The workflows and the action: what they call exists, what they use is pinned, and their scripts do what they say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from harness.cli import COMMANDS
from harness.cli.group import cli
from harness.paths import ROOT
from harness.probes.registry import Release, newer
from harness.report import write
from harness.store import RunFolder
from tests.golden import made_up

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCRIPTS = sorted((ROOT / ".ci").iterdir())


def _steps(file: Path) -> Iterator[dict[str, Any]]:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    jobs = document["jobs"].values() if "jobs" in document else [document["runs"]]
    for job in jobs:
        yield from job["steps"]


def _fake(folder: Path, script: str) -> Path:
    """A copy of `.ci` beside an `iotyet` that is this shell script."""
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    program = folder / ".venv" / "bin" / "iotyet"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return folder


def _run(folder: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(folder / ".ci" / argv[0]), *argv[1:]],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **env},
    )


@pytest.mark.parametrize("file", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda path: path.name)
def test_actions_are_pinned_by_hash_with_their_release(file: Path) -> None:
    used = re.findall(r"uses: (.*)", file.read_text(encoding="utf-8"))
    assert used or file.name == "action.yml"
    for action in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("file", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda path: path.name)
def test_scripts_that_steps_call_are_there(file: Path) -> None:
    called = [name for step in _steps(file) for name in re.findall(r"\.ci/(\w+)", str(step))]
    assert called
    for name in called:
        assert ROOT / ".ci" / name in SCRIPTS
        assert (ROOT / ".ci" / name).stat().st_mode & 0o100


#: What GitHub puts into the environment of steps, and what its expressions come to.
_ENVIRONMENT = {
    "SHARD": "2",
    "PAGES": "https://pages.example.org",
    "SOURCE": "https://git.example.org/o/r/blob/0f",
    "SERVER": "https://git.example.org",
    "TOKEN": "secret",
    "CRATE": "rumqttc",
    "AGAINST": "published",
    "EXPRESSION": "qos1 or qos2",
    "GITHUB_REPOSITORY": "o/r",
}
_CALLS = {
    "ci.yml": [
        ["shard", "2/4"],
        ["report", "https://pages.example.org", "https://git.example.org/o/r/blob/0f"],
        ["summary", "site"],
        ["publish", "site", "https://x-access-token:secret@git.example.org/o/r", "https://pages.example.org"],
    ],
    "releases.yml": [["newer"], ["summary", "reports/latest"]],
    "action.yml": [["compare", "rumqttc", "https://git.example.org/o/r/blob/0f", "published", "qos1 or qos2"]],
}


@pytest.mark.parametrize("file", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda path: path.name)
def test_steps_call_their_scripts_with_what_they_take(tmp_path: Path, file: Path) -> None:
    """Each command is run by a shell as it is written, with scripts that only tell how they were called."""
    scripts = tmp_path / ".ci"
    scripts.mkdir()
    calls = tmp_path / "calls"
    for script in SCRIPTS:
        fake = scripts / script.name
        tell = f"import json, sys; print(json.dumps(['{script.name}', *sys.argv[1:]]))"
        fake.write_text(f'#!/bin/sh\n{sys.executable} -c "{tell}" "$@" >> {calls}\n', encoding="utf-8")
        fake.chmod(0o755)
    given = {"GITHUB_OUTPUT": f"{tmp_path}/output", "GITHUB_STEP_SUMMARY": f"{tmp_path}/summary"}
    given |= _ENVIRONMENT | {"COMPARE": f"{scripts}/compare", "PATH": os.environ["PATH"]}
    for step in _steps(file):
        if ".ci/" in str(step):
            # Of its own environment a step has what it names, and nothing that only another step has.
            own = {name: given[name] for name in step.get("env", {})}
            given_to_all = {name: value for name, value in given.items() if name.startswith(("GITHUB_", "PATH"))}
            argv = ["bash", "-euc", step["run"]]
            subprocess.run(argv, cwd=tmp_path, env=given_to_all | own, check=True, timeout=60)
    told = [json.loads(line) for line in calls.read_text(encoding="utf-8").splitlines()]
    assert told == _CALLS[file.name]


def test_what_steps_make_is_in_the_makefile() -> None:
    made = [line for file in WORKFLOWS for line in re.findall(r"run: (make .*)", file.read_text(encoding="utf-8"))]
    assert made
    for line in made:
        subprocess.run([*line.split(), "--dry-run"], cwd=ROOT, check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("file", [*WORKFLOWS, ROOT / "action.yml", *SCRIPTS], ids=lambda path: path.name)
def test_commands_and_options_exist(file: Path) -> None:
    assert COMMANDS  # to import them is to register them
    text = file.read_text(encoding="utf-8").replace('"$iotyet"', "bin/iotyet")
    for command, rest in re.findall(r"bin/iotyet (\w+)([^|\n]*)", text):
        known = cli.commands[command]
        options = {name for parameter in known.params for name in parameter.opts}
        for option in re.findall(r"(?<=\s)--?[a-z][a-z-]*", rest):
            assert option in options, f"{file.name}: iotyet {command} has no {option}"
        choice = next((p.type for p in known.params if isinstance(p, click.Argument)), None)
        if isinstance(choice, click.Choice):
            assert rest.split()[0].rstrip(")") in choice.choices


@pytest.mark.parametrize(("code", "outcome"), [(0, 0), (1, 0), (3, 0), (2, 2), (4, 4)])
def test_a_shard_without_outcome_fails_and_one_that_differs_does_not(tmp_path: Path, code: int, outcome: int) -> None:
    folder = _fake(tmp_path, f'echo "$@" > asked; exit {code}')
    (folder / "reports/runs/one").mkdir(parents=True)
    (folder / "reports/latest").symlink_to("runs/one")
    assert _run(folder, "shard", "2/4").returncode == outcome
    assert (folder / "asked").read_text(encoding="utf-8") == "run --shard 2/4 --tolerate-unreachable\n"
    assert (folder / "shard").is_dir() is (outcome == 0)


@pytest.mark.parametrize(("code", "outcome"), [(0, 0), (1, 0), (3, 0), (2, 2), (4, 4), (5, 5)])
def test_there_is_a_report_to_publish_where_cells_differ(tmp_path: Path, code: int, outcome: int) -> None:
    folder = _fake(tmp_path, f'echo "the matrix"; echo "$@" > asked; exit {code}')
    (folder / "shards/shard-1").mkdir(parents=True)
    (folder / "shards/shard-2").mkdir()
    ran = _run(folder, "report", "https://example.org/matrix", "https://example.org/source")
    assert (ran.returncode, ran.stdout) == (outcome, f"code={code}\n" if outcome == 0 else "")
    addresses = "--base-url https://example.org/matrix --source-url https://example.org/source"
    merged = f"merge --tolerate-unreachable {addresses} --out site"
    assert (folder / "asked").read_text(encoding="utf-8") == f"{merged} shards/shard-1 shards/shard-2\n"


def test_a_red_report_is_published_and_the_job_is_red() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    report, publish = jobs["report"], jobs["publish"]
    by_id = {step.get("id"): number for number, step in enumerate(report["steps"])}
    last = report["steps"][-1]
    # Without a status function in the condition, a job is skipped where one that it needs has failed.
    assert publish["needs"] == "report"
    assert "!cancelled() && needs.report.outputs.site != '' &&" in publish["if"]
    assert report["outputs"]["site"] == "${{ steps.site.outputs.artifact-id }}"
    assert by_id["merge"] < by_id["site"] < len(report["steps"]) - 1
    assert "actions/upload-artifact@" in report["steps"][by_id["site"]]["uses"]
    assert last["env"]["CODE"] == "${{ steps.merge.outputs.code }}"
    assert ".ci/report " in report["steps"][by_id["merge"]]["run"]
    for code in (0, 1, 3):
        assert subprocess.run(["bash", "-ec", last["run"]], env={"CODE": str(code)}, timeout=60).returncode == code


def test_addresses_are_kept_before_pages_are_public() -> None:
    publish = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]["publish"]
    said = [step.get("run", "") + step.get("uses", "") for step in publish["steps"]]
    download, keep, upload, deploy = (
        next(number for number, text in enumerate(said) if name in text)
        for name in (
            "actions/download-artifact@",
            ".ci/publish site ",
            "actions/upload-pages-artifact@",
            "deploy-pages@",
        )
    )
    assert download < keep < upload < deploy
    assert publish["permissions"]["contents"] == "write"
    used = publish["steps"][download]["with"]
    assert used == {"name": "site", "path": "site"}


@pytest.mark.parametrize("code", [0, 1, 3])
def test_an_author_gets_the_exit_code_and_the_summary(tmp_path: Path, code: int) -> None:
    folder = _fake(tmp_path, f"echo 'two cells are fixed'; exit {code}")
    summary = tmp_path / "summary"
    ran = _run(folder, "compare", "rumqttc", ".", "published", "", GITHUB_STEP_SUMMARY=str(summary))
    assert (ran.returncode, ran.stdout) == (code, "two cells are fixed\n")
    assert summary.read_text(encoding="utf-8") == "```\ntwo cells are fixed\n```\n"


def test_new_releases_are_run_by_name(tmp_path: Path) -> None:
    script = 'if [ "$1" = list ]; then printf "a@2.0.0  1.0.0  2026-01-01\\nb@3.1.0  3.0.0\\n"; else echo "$@"; fi'
    assert _run(_fake(tmp_path, script), "newer").stdout == "run --profile ci a@2.0.0 b@3.1.0\n"


def test_without_new_releases_nothing_runs(tmp_path: Path) -> None:
    ran = _run(_fake(tmp_path, '[ "$1" = list ] || exit 9'), "newer")
    assert (ran.returncode, ran.stdout) == (0, "")


def test_the_summary_names_what_regressed(tmp_path: Path) -> None:
    write(RunFolder(tmp_path), made_up.matrix(), made_up.PUBLISHED)
    folder = _fake(tmp_path / "checkout", "echo 'regressed: mqtt-one'; exit 1")
    (folder / "reports").mkdir()
    (folder / "reports/baseline.json").touch()
    ran = _run(folder, "summary", str(tmp_path))
    assert ran.returncode == 0
    assert "regressed: mqtt-one" in ran.stdout
    assert "### Compatibility matrix" in ran.stdout
    assert made_up.SCRIPT not in ran.stdout


@pytest.mark.parametrize(
    ("versions", "found"),
    [
        (["0.9.0", "1.0.0"], None),
        (["1.0.0", "1.10.0", "1.9.0"], "1.10.0"),
        (["1.0.0", "2.0.0-beta.1"], None),
    ],
)
def test_the_newest_release_that_cargo_would_pick(versions: list[str], found: str | None) -> None:
    known = [Release(version, "", yanked=False) for version in versions]
    release = newer(known, "1.0.0")
    assert (release.version if release else None) == found


def test_a_withdrawn_release_is_not_new() -> None:
    assert newer([Release("2.0.0", "", yanked=True)], "1.0.0") is None
