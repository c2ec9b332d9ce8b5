"""From a published crate to a row of the matrix: `check` without a probe, `new crate`, and a run of it.

The crate speaks no protocol of ours, which does not matter to a probe in which nothing is written yet.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.checkout import Checkout, digests

#: A published crate without dependencies.
CRATE = "itoa"


@pytest.fixture
def copy(tmp_path: Path) -> Checkout:
    return Checkout.copy(tmp_path / "checkout")


@pytest.mark.full
def test_a_new_crate_compiles_runs_and_is_blamed_for_nothing(copy: Checkout) -> None:
    before = copy.iotyet("check", CRATE, "--format", "json")
    assert before.returncode == 3, before.stderr
    known = json.loads(before.stdout)
    assert (known["advice"], known["next_command"]) == ([], f"iotyet new crate {CRATE} --dialect DIALECT")
    assert known["package"]["compiles"] == "pass"

    made = copy.iotyet("new", "crate", CRATE, "--dialect", "coap-client")
    assert made.returncode == 0, made.stderr
    assert f"rust-probes/{CRATE}/src/main.rs compiles and runs against {CRATE} " in made.stdout
    assert "Fill in: open, request, observe, cancel_observe, discover, serve." in made.stdout

    run = copy.iotyet("run", CRATE, "-k", "test_sends_requests or compiles_as", "-j", "1")
    assert run.returncode == 0, run.stdout + run.stderr
    verdicts = copy.verdicts()
    assert {name for name, verdict in verdicts.items() if verdict == "pass"} == {
        f"compiles_as_published of {CRATE}",
        f"compiles_as_repaired of {CRATE}",
    }
    assert {verdict for name, verdict in verdicts.items() if name.startswith("sends_")} == {"not_run"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("rumqttc", "--dialect", "mqtt-5"), "there is a crate 'rumqttc' already; `iotyet check rumqttc` says"),
        (("one", "--dialect", "mqtt-5", "--dialect", "kafka"), "one probe speaks dialects of one protocol"),
        (("one", "--dialect", "mqtt-6"), "'mqtt-6' is not one of"),
        (("One!", "--dialect", "kafka"), "'One!' is no name of a package"),
    ],
)
def test_what_cannot_be_made_is_told_in_a_sentence_and_leaves_nothing(
    copy: Checkout, arguments: tuple[str, ...], problem: str
) -> None:
    found = digests(copy.path / "rust-probes")
    run = copy.iotyet("new", "crate", *arguments)
    assert (run.returncode, run.stdout) == (2, "")
    assert problem in run.stderr
    assert digests(copy.path / "rust-probes") == found


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("paho-mqtt-python", "paho-mqtt-python is a reference client, about which there is no advice"),
        ("rumqttc@newest", "'newest' is no version"),
    ],
)
def test_what_cannot_be_checked_is_told_in_a_sentence(copy: Checkout, name: str, problem: str) -> None:
    run = copy.iotyet("check", name)
    assert (run.returncode, run.stdout) == (2, "")
    assert problem in run.stderr
    assert copy.runs == []
