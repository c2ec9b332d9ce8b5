"""One cell again: by its id and by its page's address, the same and otherwise, and as a folder of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.paths import ROOT
from tests.integration.checkout import Checkout

CELL = "mqtt-3.1.1/publishes[qos1]/paho@2.0.0/mosquitto@2.0"


def test_a_cell_comes_out_the_same_until_it_does_not(small: Checkout) -> None:
    unknown = small.iotyet("reproduce", CELL.replace("qos1", "qos11"))
    assert unknown.returncode == 2
    assert f"is no cell of this checkout's scenarios; did you mean {CELL}?" in unknown.stderr
    assert small.runs == []
    refused = small.iotyet("reproduce", CELL, "--export", "somewhere")
    assert refused.returncode == 2
    assert f"{CELL} cannot be exported: a copy plays the broker to a crate that talks MQTT" in refused.stderr
    assert small.runs == []
    first = small.iotyet("reproduce", CELL)
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"{CELL}\nnow: pass\nnothing to compare with; expected of it: pass\n"
    (page,) = small.run.path.glob("cell/**/index.html")
    assert f"iotyet: evidence: {page}\n" in first.stderr
    small.write_scenarios(
        '@made\n@pytest.mark.parametrize("qos", [1], ids=["qos1"])\ndef test_publishes(cell, qos):\n'
        '    """A publish completes."""\n    raise Mismatch("silence", expected="a word")\n'
    )
    again = small.iotyet("reproduce", page.as_uri(), "--keep")
    assert again.returncode == 1, again.stderr
    before = f"in run {small.runs[0].path.name}: pass\n"
    assert again.stdout.splitlines(keepends=True)[2:] == [before, "it comes out otherwise: regressed\n"]
    assert "still running: mosquitto@2.0: plain on 127.0.0.1:" in again.stderr
    same = small.iotyet("reproduce", CELL, "--format", "json")
    told = json.loads(same.stdout)
    assert (same.returncode, told["exit"], told["cell"], told["differs"]) == (0, 0, CELL, None)
    assert told["now"] == told["before"] | {"verdict": "fail"}
    assert told["where"] == f"in run {small.runs[1].path.name}"
    assert (small.containers(), small.processes()) == ([], [])


@pytest.mark.full
def test_an_export_plays_again_without_this_project(checkout: Checkout, tmp_path: Path) -> None:
    out = tmp_path / "export"
    cell = "mqtt-3.1.1/receives[qos1]/mqtt-rs@0.12.0/mosquitto@2.0"
    made = checkout.iotyet("reproduce", cell, "--export", str(out))
    assert made.returncode == 0, made.stdout + made.stderr
    assert not [path for path in out.rglob("*") if path.is_file() and str(ROOT).encode() in path.read_bytes()]
    argv = [sys.executable, "-I", str(out / "replay.py")]
    same = subprocess.run(argv, capture_output=True, text=True, timeout=500, check=False)
    assert same.returncode == 0, same.stdout + same.stderr
    assert '"event": "message"' in same.stdout
    said = json.loads((out / "conversation.json").read_text(encoding="utf-8"))
    said["peer"]["connections"][0] = [piece for piece in said["peer"]["connections"][0] if "end" in piece]
    (out / "conversation.json").write_text(json.dumps(said), encoding="utf-8")
    other = subprocess.run(argv, capture_output=True, text=True, timeout=500, check=False)
    assert other.returncode == 1
    assert "! now:" in other.stdout
