"""The command line as its users meet it: exit code and message of each way in which a run can end."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import expectations
from harness.cli import listing
from harness.liveness import RunLock
from harness.model import NO_PEER, CellKey
from harness.paths import ROOT
from harness.paths import SCENARIOS as REAL_SCENARIOS
from harness.store import RunFolder
from harness.wellformed import WireVerdict
from tests.command_line import CommandLine, command_line
from tests.integration.checkout import Checkout, digests

PUBLISHES = {f"publishes[{qos}] of {crate}" for qos in ("qos1", "qos2") for crate in ("paho", "paho-again")}
WAITS = {f"waits of {crate}" for crate in ("paho", "paho-again")}


# -- wrong usage: nothing is started ------------------------------------------------------------------


def test_a_wrong_catalogue_is_told_with_file_key_and_what_was_found(checkout: Checkout) -> None:
    text = checkout.catalogue.read_text(encoding="utf-8")
    checkout.catalogue.write_text(text.replace('kind = "codec"', 'kind = "codex"', 1), encoding="utf-8")
    run = checkout.iotyet("run")
    assert run.returncode == 2
    assert f"iotyet: {checkout.catalogue}: crate[0] (mqtt-rs).kind: is 'codex'; input should be" in run.stderr
    assert "Traceback" not in run.stderr
    assert checkout.runs == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "rumqtcc"), "there is no crate 'rumqtcc'; did you mean rumqttc? `iotyet list crates` shows all: "),
        (
            ("run", "--broker", "mosquito"),
            "there is no broker 'mosquito'; did you mean mosquitto? `iotyet list brokers`",
        ),
        (("run", "--resume"), "there is no run with anything left to measure; start one with `iotyet run`"),
    ],
    ids=["crate", "broker", "resume"],
)
def test_wrong_usage_is_one_sentence_and_exit_2(checkout: Checkout, arguments: tuple[str, ...], message: str) -> None:
    run = checkout.iotyet(*arguments)
    assert run.returncode == 2
    assert run.stderr.startswith(f"iotyet: {message}")
    assert len(run.stderr.splitlines()) == 1
    assert run.stdout == ""
    assert checkout.runs == []


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> CommandLine:
    """The command line in this very process, on an empty reports folder: for what starts nothing."""
    monkeypatch.setattr(listing, "REPORTS", tmp_path / "reports")

    return command_line(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "mqttc@nine"), "'nine' is no version; expected mqttc@MAJOR.MINOR.PATCH, such as mqttc@0.1.4"),
        (("run", "-k", "a@b"), "-k 'a@b', column 2: unexpected character \"@\"; expected names, `and`, `or`"),
        (("run", "--out", "docs"), "docs is there already; name a new folder"),
        (("run", "--shard", "4/3"), "--shard is '4/3'; expected I/N, as 1/3, 2/3 and 3/3 for a run in three parts"),
        (("run", "--shard", "1/99"), "99 shards are too many for "),
        (("run", "--shard", "1/2", "--resume"), "an interrupted shard goes on with `iotyet run --resume` alone"),
        (("merge", "scenarios", "--out", "docs"), "docs is there already; name a new folder"),
        (
            ("reproduce", "rumqttc"),
            "'rumqttc' is no cell: name it as its page does, dialect/scenario/crate@version/peer",
        ),
        (
            ("reproduce", "kafka/x/kafka-rusty@0.10.0/kafka@3.9"),
            "there is no crate 'kafka-rusty'; did you mean kafka-rust?",
        ),
        (("reproduce", "kafka/x/kafka-rust@0.10.0/kafka@9.9"), "there is no broker 'kafka@9.9'; did you mean kafka@"),
        (
            ("run", "--profile", "huge"),
            "'huge' is not one of 'ci', 'default', 'full'; `iotyet run --help` says what there is",
        ),
        (("rnu",), "No such command 'rnu'. Did you mean 'run'?; `iotyet --help` says what there is"),
        (("list",), "Choose from: crates, newer, brokers, scenarios, cells; `iotyet list --help` says what there is"),
        (("report", "scenarios"), "is no folder of a run: run.json: No such file or directory"),
    ],
    ids=[
        "version",
        "expression",
        "out",
        "shard",
        "shards",
        "shard resumed",
        "merged",
        "no cell",
        "no crate",
        "no broker",
        "profile",
        "command",
        "no argument",
        "no run",
    ],
)
def test_more_wrong_usage_is_one_sentence_and_exit_2(
    inside: CommandLine, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(ROOT)
    status, out, err = inside(*arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.startswith("iotyet: ")
    assert len(err.splitlines()) == 1


def test_without_a_command_its_help_is_told_as_it_is(inside: CommandLine) -> None:
    status, out, err = inside()
    assert (status, out) == (2, "")
    assert err.startswith("Usage: iotyet [OPTIONS] COMMAND [ARGS]...")


def test_before_the_first_run_its_cells_and_scenarios_are_listed(small: Checkout) -> None:
    cells, scenarios = (small.iotyet("list", what, "--format", "json") for what in ("cells", "scenarios"))
    assert cells.stderr == "iotyet: no run yet: the cells that `iotyet run` asks, in the profile default\n"
    run = small.iotyet("run", "-k", "publishes and qos1", "-j", "1")
    assert run.returncode == 0, run.stderr
    plan = small.run.read_plan()
    listed = [cell["id"] for cell in json.loads(cells.stdout)]
    assert listed == [str(cell.key) for cell in plan.cells]
    assert len(listed) > 2
    assert [entry["title"] for entry in json.loads(scenarios.stdout)] == [entry.title for entry in plan.scenarios]


def test_without_cargo_it_says_how_to_get_it(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    run = checkout.iotyet("run", "rumqttc", env={"PATH": str(tmp_path / "empty")})
    assert run.returncode == 2
    assert run.stderr == (
        "iotyet: cargo was not found, and no crate can be built without it; `make setup` says how to install it\n"
    )


def test_a_second_run_in_one_checkout_is_refused_with_the_first_ones_name(small: Checkout) -> None:
    lock = RunLock(small.path / "reports", "the-first-run")
    lock.acquire()
    run = small.iotyet("run", "-k", "waits")
    lock.release()
    assert run.returncode == 2
    assert f"run the-first-run, process {os.getpid()}; wait for it, end it, or use another" in run.stderr
    assert small.runs == []


def test_a_second_plain_pytest_is_refused_as_well(small: Checkout) -> None:
    lock = RunLock(small.path / "reports", "the-first-run")
    lock.acquire()
    run = small.pytest("scenarios", "-q")
    lock.release()
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "another run works in" in run.stdout + run.stderr


def test_pytest_tells_an_unknown_crate_like_the_command_line(checkout: Checkout) -> None:
    run = checkout.pytest("scenarios", "--crate", "rumqtcc")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "there is no crate 'rumqtcc'; did you mean rumqttc?" in run.stderr


# -- what is selected ---------------------------------------------------------------------------------


def test_an_expression_that_matches_nothing_is_exit_5_and_starts_no_broker(small: Checkout) -> None:
    run = small.iotyet("run", "-k", "nothing_is_called_this", "-j", "1", "--format", "json")
    assert run.returncode == 5
    outcome = json.loads(run.stdout)
    assert (outcome["exit"], outcome["selected"], outcome["measured"]) == (5, 0, 0)
    assert Path(outcome["results"]).is_file()
    assert small.containers() == []
    assert small.run.read_cells() == []
    said = small.iotyet("run", "-k", "nothing_is_called_this", "-j", "1")
    assert (said.returncode, said.stdout) == (5, "")
    assert "nothing is selected by -k 'nothing_is_called_this'; `iotyet list cells` has the names" in said.stderr


def test_an_expression_selects_what_it_matches_and_a_probe_that_speaks_no_json_is_broken(small: Checkout) -> None:
    """The crate that is broken is told what it printed; the other one's cell is measured all the same.

    Once its probe is mended the same run goes on, with this cell alone.
    """
    probe = small.path / "babbler.sh"
    probe.write_text("echo listening on port 1883\n", encoding="utf-8")
    with small.catalogue.open("a", encoding="utf-8") as file:
        file.write(
            '\n[[crate]]\nname = "babbler"\nrole = "control"\nkind = "client"\ndialects = ["mqtt-3.1.1"]\n'
            f'package = "paho-mqtt"\nversion = "2.0.0"\nlicence = "MIT"\ncommand = ["sh", "{probe}"]\n'
        )
    run = small.iotyet("run", "babbler", "paho", "-k", "qos2", "-j", "1", "--repeat", "2")
    assert run.returncode == 3, run.stdout + run.stderr
    assert "`iotyet run --resume` measures again what could not be measured" in run.stderr
    assert "1 passed" in run.stderr, "pytest's progress is no data"
    assert "1 passed" not in run.stdout
    assert run.stdout.lstrip().startswith("MQTT 3.1.1")
    attempts = {cell.key.crate: len(cell.attempts) for cell in small.run.read_cells()}
    assert attempts == {"paho": 2, "babbler": 1}, "what could not be asked is not asked again"
    assert small.verdicts() == {"publishes[qos2] of paho": "pass", "publishes[qos2] of babbler": "broken"}
    assert small.selected() == set(small.verdicts())
    assert len(small.run.read_plan().cells) == 9, "the rest is in the matrix too, as not run"
    reason = next(cell.reason for cell in small.run.read_cells() if cell.verdict == "broken")
    assert "the probe printed 'listening on port 1883' on standard output, which is no JSON object" in reason
    assert "logs belong on standard error" in reason

    probe.write_text(f"exec {sys.executable} -m harness.references.mqtt_control\n", encoding="utf-8")
    before = small.run.cells_file.read_text(encoding="utf-8")
    resumed = small.iotyet("run", "--resume", "babbler", "-j", "1")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert small.verdicts() == {"publishes[qos2] of paho": "pass", "publishes[qos2] of babbler": "pass"}
    after = small.run.cells_file.read_text(encoding="utf-8")
    assert after.startswith(before)
    assert len(after.splitlines()) == len(before.splitlines()) + 1, "what was measured is not measured again"
    assert [broker["line"] for broker in small.run.read_run().brokers] == ["mosquitto@2.0"]


@dataclass(frozen=True)
class Trapped:
    """Programs that fail and tell that they were called."""

    path: Path

    @property
    def env(self) -> dict[str, str]:
        return {"PATH": str(self.path), "DOCKER_HOST": f"unix://{self.path}/no.sock"}

    @property
    def called(self) -> list[str]:
        return sorted(file.name for file in self.path.glob("*.called"))


@pytest.fixture
def traps(tmp_path: Path) -> Trapped:
    folder = tmp_path / "traps"
    folder.mkdir()
    for program in ("docker", "dockerd", "cargo", "rustc", "git"):
        file = folder / program
        file.write_text(f"#!/bin/sh\n: > {file}.called\nexit 1\n")
        file.chmod(0o755)
    return Trapped(folder)


def test_collecting_starts_nothing_and_every_expectation_is_for_a_cell(checkout: Checkout, traps: Trapped) -> None:
    """The one full collection of the real scenarios serves both questions."""
    run = checkout.pytest("scenarios", "--collect-only", "-q", "--profile", "full", env=traps.env)
    assert run.returncode == 0, run.stdout + run.stderr
    assert traps.called == []
    assert checkout.runs == []
    nodes = [line for line in run.stdout.splitlines() if "::" in line]
    connects = [node for node in nodes if "test_connects[paho-mqtt-python@" in node]
    assert len(connects) > 1
    # A scripted peer is no broker: it is asked once, not for each line.
    scripted = [node for node in nodes if "test_answers_a_repeated_pubrel[paho-mqtt-python@" in node]
    assert [node.rpartition("-")[2] for node in scripted] == ["mosquitto@2.0]"]
    known = expectations.load(REAL_SCENARIOS)
    assert [str(key) for key in known if not any(_is_node_of(key, node) for node in nodes)] == []
    held = checkout.iotyet("expect", "check", env=traps.env)
    assert (held.returncode, held.stdout) == (0, ""), held.stdout + held.stderr
    assert f"iotyet: all {len(known)} expectations hold" in held.stderr
    assert (traps.called, checkout.runs) == ([], [])


def test_what_only_larger_runs_ask_is_not_asked_by_ci(checkout: Checkout, traps: Trapped) -> None:
    for profile, asked in (("ci", False), ("default", True)):
        run = checkout.pytest("scenarios/kafka", "--collect-only", "-q", "--profile", profile, env=traps.env)
        assert run.returncode == 0, run.stdout + run.stderr
        assert "test_produces_again_after_a_cut[kafka-rust@" in run.stdout
        assert ("test_produces_again_after_the_leader_was_killed[kafka-rust@" in run.stdout) is asked


def _is_node_of(key: CellKey, node: str) -> bool:
    crate = f"{key.crate}@{key.crate_version}"
    whole = crate if key.peer == NO_PEER else f"{crate}-{key.peer}"
    name, _, inner = node.rpartition("::")[2].partition("[")
    parts = inner.removesuffix("]")
    # A scenario that is asked in two dialects names the second one.
    params = parts.replace(whole, "", 1).removeprefix(f"{key.dialect}-").strip("-")
    return name == f"test_{key.scenario}" and whole in parts and params == key.params


def test_plain_pytest_runs_a_real_scenario(checkout: Checkout) -> None:
    options = ("--crate", "paho-mqtt-python", "--broker", "mosquitto@2.0")
    run = checkout.pytest("scenarios/mqtt", "-k", "test_connects and not mqtt-5", *options, "-q")
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^1 passed, \d+ deselected", run.stdout, re.MULTILINE)
    assert checkout.verdicts() == {"connects of paho-mqtt-python": "pass"}
    assert f"cells: reports/runs/{checkout.run.path.name}/cells.jsonl; `iotyet report reports/runs/" in run.stdout
    (cell,) = checkout.run.read_cells()
    assert sorted(evidence.kind for evidence in cell.attempts[0].evidence) == ["broker log", "capture", "transcript"]
    assert (checkout.containers(), checkout.processes()) == ([], [])


def test_last_failed_runs_what_failed_and_nothing_else(small: Checkout) -> None:
    small.write_scenarios(
        '@made\ndef test_is_red(cell):\n    """It is green."""\n    if not (ROOT / "mended").exists():\n'
        '        raise Mismatch("red", expected="green")\n\n\n'
        '@made\ndef test_is_green(cell):\n    """It is green."""\n'
    )
    first = small.pytest("scenarios", "-q", "--crate", "paho")
    assert first.returncode == 1
    assert "unexpected: fail: expected green; observed red" in first.stdout
    assert small.verdicts() == {"is_red of paho": "fail", "is_green of paho": "pass"}
    (small.path / "mended").touch()
    second = small.pytest("scenarios", "-q", "--crate", "paho", "--lf")
    assert second.returncode == 0, second.stdout
    assert [cell.key.scenario for cell in small.runs[-1].read_cells()] == ["is_red"]


# -- how a run ends -----------------------------------------------------------------------------------


def test_a_run_in_which_all_is_well(finished: Checkout) -> None:
    output = (finished.path / "output").read_text(encoding="utf-8")
    assert (finished.path / "status").read_text(encoding="utf-8") == "0", output
    assert finished.verdicts() == dict.fromkeys(PUBLISHES | WAITS, "pass")
    assert finished.run.read_run().exit == 0
    assert f"iotyet: 0 of {len(finished.run.read_cells())} cells\n" in output
    assert (finished.path / "reports" / "latest").resolve() == finished.run.path.resolve()
    assert (finished.containers(), finished.processes()) == ([], [])
    for name in ("index.html", "results.json", "matrix.md", "junit.xml"):
        assert (finished.run.path / name).is_file()


def test_a_report_can_be_made_again_and_is_the_same_to_the_byte(finished: Checkout, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(finished.run.path, copy)
    before = digests(copy)
    shutil.rmtree(copy / "cell")
    (copy / "index.html").unlink()
    (copy / "results.json").write_text("{}")
    run = finished.iotyet("report", str(copy))
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str(copy / "index.html")
    assert digests(copy) == before


def test_a_finished_run_can_be_judged_again(finished: Checkout, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished.run.path, copy)
    (copy / "oracle.json").unlink()
    run = finished.iotyet("oracle", str(copy))
    assert run.returncode == 0
    first, again = finished.run.read_oracle(), RunFolder(copy).read_oracle()
    assert first is not None
    assert first == again
    assert {cell.verdict for cell in first.cells} == {WireVerdict.WELL_FORMED}
    assert f"{len(first.cells):6} cells: well-formed" in run.stdout


def test_lists_are_data_on_standard_output(
    finished: Checkout, inside: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished.iotyet("list", "cells", "--format", "json")
    assert run.returncode == 0
    planned = {str(cell.key) for cell in finished.run.read_plan().cells}
    assert {entry["id"] for entry in json.loads(run.stdout)} == planned
    monkeypatch.setattr(listing, "REPORTS", finished.path / "reports")
    _, shown, _ = inside("list", "scenarios")
    assert [re.split(r"\s{2,}", line) for line in shown.splitlines()] == [
        ["mqtt-3.1.1/publishes", "core", "A publish completes."],
        ["mqtt-3.1.1/waits", "core", "The gate opens."],
    ]


def test_lists_crates_and_brokers_without_a_run(inside: CommandLine) -> None:
    status, crates, _ = inside("list", "crates", "--format", "json")
    assert status == 0
    assert [entry["guide"] for entry in json.loads(crates)][:3] == ["mqtt-rs", "RuMqtt", "rust-mq"]
    status, brokers, err = inside("list", "brokers")
    assert (status, err) == (0, "")
    assert "mosquitto@2.0 " in brokers


def test_doctor_says_of_each_need_whether_it_is_there(checkout: Checkout) -> None:
    run = checkout.iotyet("doctor")
    assert {line.split()[0] for line in run.stdout.splitlines()} <= {"ok", "missing", "optional"}
    assert run.returncode == (3 if "\nmissing " in f"\n{run.stdout}" else 0)
    found = json.loads(checkout.iotyet("doctor", "--format", "json").stdout)
    assert [one["what"] for one in found if one["optional"]] == ["Chromium"]
    assert len(found) == len(run.stdout.splitlines())


def test_doctor_on_a_bare_machine_is_exit_3(
    inside: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    status, out, _ = inside("doctor")
    assert status == 3
    assert "missing  git: crates that are published on git alone\n" in out
    assert "missing  cargo\n" in out
