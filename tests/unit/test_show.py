"""`iotyet show`: what a finished run knows of a crate and of a cell, from the newest run that can tell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli import showing
from harness.model import CellKey, Verdict
from harness.report.addresses import cell_page
from harness.store import RunFolder, encode_cell
from tests.command_line import CommandLine, command_line
from tests.golden import made_up

RED, FLAKY = made_up.key("mqtt-one", "receives"), made_up.key("mqtt-one", "notices_a_silent_broker")


@pytest.fixture
def iotyet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> CommandLine:
    """The command line with the made-up crates as its catalogue, and a reports folder of its own."""
    monkeypatch.setattr(showing, "REPORTS", tmp_path)
    monkeypatch.setattr(showing, "load_crates", lambda: made_up.CRATES)
    return command_line(monkeypatch, capsys)


def _run(tmp_path: Path, name: str, *only: CellKey) -> Path:
    """A run of the made-up plan; of these cells alone where any are named."""
    folder = RunFolder(tmp_path / "runs" / name)
    folder.path.mkdir(parents=True)
    folder.write_run(replace(made_up.RUN, id=name))
    cells = tuple(replace(cell, selected=cell.key in only) for cell in made_up.PLAN.cells)
    folder.write_plan(replace(made_up.PLAN, cells=cells) if only else made_up.PLAN)
    for result in made_up.RESULTS:
        if not only or result.key in only:
            folder.append(encode_cell(result))
    return folder.path


def test_a_crate_has_its_verdicts_its_advice_and_every_red_cell(iotyet: CommandLine, tmp_path: Path) -> None:
    _run(tmp_path, "1")
    status, out, err = iotyet("show", "mqtt-one")
    assert (status, err) == (0, "")
    assert out.startswith("mqtt-one@1.2.3\n  run 1, ")
    assert "\nMQTT 3.1.1: retired\n  - " in out
    red = [result for result in made_up.RESULTS if result.key.crate == "mqtt-one" and result.verdict.is_red]
    assert len(red) > 2
    assert all(f": {result.key}\n" in out for result in red)
    assert "timeout, flaky, unexpected: " in out
    assert f"\n  cut-payload (1 cell):\n    fail: {RED}\n" in out
    assert "\x1b" not in out


def test_the_json_of_a_crate_is_its_entry_of_the_results(iotyet: CommandLine, tmp_path: Path) -> None:
    _run(tmp_path, "1")
    document = json.loads(iotyet("show", "the-codec", "--format", "json")[1])
    assert (document["run"], document["crate"]["name"], document["red"]) == ("1", "codec", [])
    assert [entry["dialect"] for entry in document["crate"]["advice"]] == ["mqtt-3.1.1", "kafka"]
    red = json.loads(iotyet("show", "mqtt-one", "--format", "json")[1])["red"]
    assert str(RED) in [entry["id"] for entry in red]


def test_about_a_reference_client_there_is_no_advice(iotyet: CommandLine, tmp_path: Path) -> None:
    _run(tmp_path, "1")
    assert "would change it" not in iotyet("show", "paho")[1]
    assert json.loads(iotyet("show", "paho", "--format", "json")[1])["crate"]["advice"] == []


def test_a_crate_is_taken_from_a_run_that_left_none_of_its_cells_out(iotyet: CommandLine, tmp_path: Path) -> None:
    _run(tmp_path, "2", RED)
    assert "  run 2, " in iotyet("show", "mqtt-one")[1]
    _run(tmp_path, "1")
    assert "  run 1, " in iotyet("show", "mqtt-one")[1]
    assert "  run 2, " in iotyet("show", str(RED))[1]
    assert "  run 2, " in iotyet("show", "mqtt-one", "--run", str(tmp_path / "runs" / "2"))[1]


def test_a_cell_has_what_was_expected_and_observed_with_its_evidence(iotyet: CommandLine, tmp_path: Path) -> None:
    folder = _run(tmp_path, "1")
    status, out, _ = iotyet("show", str(RED))
    assert status == 0
    for line in (
        "  verdict     fail\n",
        "  expected    the payload as it was sent\n",
        "  clause      see https://docs.example.org/spec#3.3 and ",
        "  known as    fail: payloads are cut ",
        "  defect      cut-payload\n",
        "  control     pass as stated\n",
        f"\n      transcript: {folder}/evidence/{RED}/1/transcript.txt\n",
        f"\n  again: iotyet reproduce {RED}\n",
    ):
        assert line in out
    assert "\x1b" not in out
    flaky = iotyet("show", str(FLAKY))[1]
    assert "  verdict     timeout, flaky: its attempts differ\n" in flaky
    assert "\n  attempt 1: pass in 1.0 s: " in flaky
    assert "\n  attempt 2: timeout in 30.0 s: " in flaky


def test_the_command_that_measures_again_is_quoted_for_a_shell(iotyet: CommandLine, tmp_path: Path) -> None:
    _run(tmp_path, "1")
    cell = made_up.key("mqtt-one", "connects", "0")
    assert f"  again: iotyet reproduce '{cell}'\n" in iotyet("show", str(cell))[1]


def test_a_cell_of_a_source_in_a_folder_is_measured_again_with_that_folder(iotyet: CommandLine, tmp_path: Path) -> None:
    """`iotyet reproduce` takes what is published alone."""
    folder = _run(tmp_path, "1")
    first, *others = made_up.PLAN.crates
    RunFolder(folder).write_plan(replace(made_up.PLAN, crates=(replace(first, path="/src/mqtt one"), *others)))
    command = "iotyet check mqtt-one --path '/src/mqtt one' -k test_receives --broker mosquitto@2.0"
    assert iotyet("show", str(RED))[1].endswith(f"\n  again: {command}\n")
    assert json.loads(iotyet("show", str(RED), "--format", "json")[1])["reproduce"] == command
    built = made_up.key("mqtt-one", "compiles_as_published")
    assert iotyet("show", str(built))[1].endswith(" --path '/src/mqtt one' -k test_compiles_as_published\n")


def test_a_cell_is_found_by_the_address_of_its_page_too(iotyet: CommandLine, tmp_path: Path) -> None:
    folder = _run(tmp_path, "1")
    address = f"https://example.org/matrix/{cell_page(made_up.CRATES[0], RED)}"
    document = json.loads(iotyet("show", address, "--format", "json")[1])
    assert (document["cell"]["id"], document["folder"]) == (str(RED), str(folder))
    assert document["cell"]["verdict"] == document["expectation"]["verdict"] == Verdict.FAIL
    assert document["clauses"] == list(made_up.SCENARIOS[4].spec)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("mqtt-won", "there is no crate 'mqtt-won'; did you mean mqtt-one?"),
        ("mqtt-one@9.9.9", "no run here has measured mqtt-one@9.9.9; did you mean mqtt-one@1.2.3?"),
        ("kafka-one", "no run here has measured kafka-one"),
        ("mqtt-3.1.1/receive/mqtt-one@1.2.3/mosquitto@2.0", f"did you mean {RED} or "),
        (str(made_up.key("mqtt-one", "resumes_a_session")), "; `iotyet reproduce 'mqtt-3.1.1/resumes_a_session/"),
        ("some/thing", "'some/thing' is no cell: name it as its page does"),
    ],
)
def test_what_no_run_has_is_exit_2_with_the_next_step(
    iotyet: CommandLine, tmp_path: Path, what: str, said: str
) -> None:
    _run(tmp_path, "1")
    status, out, err = iotyet("show", what)
    assert (status, out) == (2, "")
    assert said in err


def test_a_folder_that_is_no_run_is_named(iotyet: CommandLine, tmp_path: Path) -> None:
    status, _, err = iotyet("show", "mqtt-one", "--run", str(tmp_path))
    assert (status, err) == (2, f"iotyet: {tmp_path} is no folder of a run: plan.json: No such file or directory\n")
