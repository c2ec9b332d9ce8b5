"""Copies of the checkout, small enough to be made for each test, and the command line run in them.

A copy has reports of its own, so that tests disturb neither each other nor a run that goes on in the real one. Built
probes and images come from the cache, which is keyed by content.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import docker
import psutil

from harness.brokers.containers import LABEL
from harness.commands import RUN_MARK
from harness.paths import ROOT
from harness.store import RunFolder, all_runs

_PARTS = ("harness", "scenarios", "compose", "rust-probes", "guide", "conftest.py", "pyproject.toml")
#: Two clients that are there without a build: the control, and the same program once more.
_SMALL_CATALOGUE = """\
[[crate]]
name = "paho"
role = "control"
kind = "client"
dialects = ["mqtt-3.1.1"]
package = "paho-mqtt"
version = "2.0.0"
licence = "EPL-2.0"
command = ["{python}", "-m", "harness.references.mqtt_control"]

[[crate]]
name = "paho-again"
role = "control"
kind = "client"
dialects = ["mqtt-3.1.1"]
package = "paho-mqtt"
version = "2.0.0"
licence = "EPL-2.0"
command = ["{python}", "-m", "harness.references.mqtt_control"]
"""
#: Written at the start of every made-up scenario module.
_HEAD = '''\
"""Made up by a test."""

import time

import pytest

from harness.errors import Mismatch, ScenarioFault
from harness.model import Consequence, Dialect, Level, Requirement
from harness.paths import ROOT
from harness.scenario import scenario

made = scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["made up"],
    deadline=100.0,
)


'''
#: What a guide might say of them.
_SMALL_CLAIMS = """\
guide = "https://example.org/guide"

[[claim]]
id = "paho"
section = "MQTT"
line = 1
text = "paho speaks MQTT"
crate = "paho"
"""
#: One scenario with parameters that really talks to the broker, and one that waits, holding a client, for `open_gate`.
SCENARIOS = '''\
@made
@pytest.mark.parametrize("qos", [1, 2], ids=["qos1", "qos2"])
def test_publishes(cell, qos):
    """A publish completes."""
    cell.connected().publish(cell.topic("t"), b"x", qos=qos)


@made
def test_waits(cell):
    """The gate opens."""
    cell.connected()
    (ROOT / "waiting").touch()
    while not (ROOT / "gate").exists():
        time.sleep(0.02)
'''


@dataclass(frozen=True)
class Checkout:
    """A copy of the checkout."""

    path: Path

    @classmethod
    def copy(cls, target: Path) -> Checkout:
        """Copy what a run needs."""
        target.mkdir(parents=True)
        # Other workers write compiled modules at this very moment.
        ignored = shutil.ignore_patterns("target", "__pycache__")
        for part in _PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, target / part, ignore=ignored)
            else:
                shutil.copy2(source, target / part)
        return cls(target)

    def made_small(self, scenarios: str) -> Checkout:
        """Replace the crates by two that need no build, all scenarios by these, and leave one line of Mosquitto."""
        self.catalogue.write_text(_SMALL_CATALOGUE, encoding="utf-8")
        (self.path / "guide" / "claims.toml").write_text(_SMALL_CLAIMS, encoding="utf-8")
        shutil.rmtree(self.path / "scenarios")
        self.write_scenarios(scenarios)
        lines = self.path / "compose" / "mosquitto" / "lines.toml"
        head, first, *_ = lines.read_text(encoding="utf-8").split("[[line]]")
        lines.write_text(f"{head}[[line]]{first}", encoding="utf-8")
        return self

    @property
    def catalogue(self) -> Path:
        """The copy's crates.toml."""
        return self.path / "rust-probes" / "crates.toml"

    def write_scenarios(self, text: str) -> None:
        """Have these made-up scenarios."""
        file = self.path / "scenarios" / "mqtt" / "test_made.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_HEAD + text, encoding="utf-8")

    def open_gate(self) -> None:
        """Let `test_waits` end."""
        (self.path / "gate").touch()

    @property
    def waits(self) -> bool:
        """True once `test_waits` has begun."""
        return (self.path / "waiting").exists()

    # -- running -----------------------------------------------------------------------------------

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """A user's environment, without anything of the tests that run here."""
        # Where Python may not keep what it compiled, each of the many starts here would take a second longer.
        dropped = {RUN_MARK, "PYTHONDONTWRITEBYTECODE"}
        own = {k: v for k, v in os.environ.items() if k not in dropped and not k.startswith("PYTEST_")}
        return {**own, "PYTHONPATH": str(self.path), **(extra or {})}

    def iotyet(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        return self._run(_iotyet(arguments), env)

    def pytest(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run pytest to its end, as a user does who debugs a scenario."""
        return self._run([sys.executable, "-m", "pytest", *arguments], env)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command line in a process group of its own, as a shell would."""
        return subprocess.Popen(
            _iotyet(arguments),
            cwd=self.path,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # Who starts the tests in the background hands down that SIGINT is ignored; a user's terminal does not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def _run(self, argv: list[str], env: Mapping[str, str] | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            cwd=self.path,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    # -- what a run left ---------------------------------------------------------------------------

    @property
    def runs(self) -> list[RunFolder]:
        """All runs of this copy, oldest first."""
        return all_runs(self.path / "reports" / "runs")

    @property
    def run(self) -> RunFolder:
        """The only run of this copy."""
        (only,) = self.runs
        return only

    def verdicts(self) -> dict[str, str]:
        """Scenario, parameters and crate of every cell of the only run, with its verdict."""
        return {_short(cell.key): str(cell.verdict) for cell in self.run.read_cells()}

    def selected(self) -> set[str]:
        """The cells that the only run selected, named as in `verdicts`."""
        return {_short(cell.key) for cell in self.run.read_plan().cells if cell.selected}

    def containers(self) -> list[str]:
        """Names of all containers that belong to runs of this copy."""
        client = docker.from_env(timeout=60)
        try:
            found = client.api.containers(all=True, filters={"label": LABEL})
        finally:
            client.close()
        return [c["Names"][0] for c in found if c["Labels"][LABEL].endswith(f"@{self._lock}")]

    def processes(self) -> list[psutil.Process]:
        """All processes that carry the mark of a run of this copy."""
        found = []
        for process in psutil.process_iter():
            try:
                mark = process.environ().get(RUN_MARK, "")
            except (psutil.Error, OSError):
                continue
            if mark.endswith(f"@{self._lock}") and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    @property
    def _lock(self) -> Path:
        return self.path / "reports" / ".lock"


def _iotyet(arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-c", "from harness.cli import main; main()", *arguments]


def _short(key: object) -> str:
    scenario, crate = str(key).split("/")[1:3]
    return f"{scenario} of {crate.partition('@')[0]}"


def await_that(condition: Callable[[], bool], what: str, *, within: float = 60.0) -> None:
    """Wait for something that another process does and that nobody announces."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {within:g} s"
        time.sleep(0.02)


def digests(folder: Path) -> dict[str, str]:
    """Every file below a folder with its content, as text that compares well."""
    return {
        path.relative_to(folder).as_posix(): json.dumps(path.read_bytes().decode("latin-1"))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
