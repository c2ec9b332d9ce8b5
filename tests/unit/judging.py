"""A bench whose peers are stubs and whose crates follow a script, for tests of who is blamed for what."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import cast

from harness.bench import Bench
from harness.cells.base import Cell
from harness.errors import AttemptError, Mismatch
from harness.judge import Question, measure
from harness.model import (
    BrokerLine,
    CellKey,
    CellResult,
    Consequence,
    Crate,
    Dialect,
    Expectation,
    Kind,
    Level,
    Profile,
    Requirement,
    Role,
    Scenario,
    Sourced,
    Verdict,
)
from harness.store import RunFolder
from harness.wire.messages import Setting

MQTT = Dialect.MQTT_3_1_1
LINE = BrokerLine("mosquitto", "2.0", Profile.CI, (MQTT,), "image:1", "", "2.0.")
CRATE = Crate("mqttc", Role.LISTED, Kind.CLIENT, (MQTT,), "mqttc", "0.1.4", "MIT")
CONTROL = Crate("paho", Role.CONTROL, Kind.CLIENT, (MQTT,), "paho", "2.0.0", "EPL", command=("paho",))
WILL = replace(CRATE, unsupported=(Sourced("will", "the crate has no will", "https://example.org"),))
SCENARIO = Scenario(
    "delivers", MQTT, "deliver", "base", Level.CORE, Requirement.MUST, Consequence.LOSS, "It delivers.", deadline=30.0
)
KEY = CellKey(MQTT, "delivers", "", "mqttc", "0.1.4", "mosquitto@2.0")
FAILS = Mismatch("nothing came", expected="the message")


@dataclass
class StubBench:
    """Hands out peers by name, in an order that it remembers; `lags` is what the relay's loop says when asked."""

    folder: RunFolder
    peers: list[str] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    refuse: dict[str, AttemptError] = field(default_factory=dict)

    @property
    def relays(self) -> StubBench:
        return self

    def take_worst_lag(self) -> float:
        return self.lags.pop(0) if self.lags else 0.0

    def probe_command(self, crate: Crate) -> list[str]:
        if crate.name in self.refuse:
            raise self.refuse[crate.name]
        return [crate.name]

    def hello(self, _crate: Crate) -> SimpleNamespace:
        return SimpleNamespace(settings=self.settings)

    def shared_peer(self, _line: BrokerLine) -> SimpleNamespace:
        return self._peer("shared")

    @contextlib.contextmanager
    def own_peer(self, _line: BrokerLine, *, cluster: bool = False) -> Iterator[SimpleNamespace]:
        yield self._peer(f"own{sum(name.startswith('own') for name in self.peers) + 1}")

    def _peer(self, name: str) -> SimpleNamespace:
        if name in self.refuse:
            raise self.refuse[name]
        self.peers.append(name)
        return SimpleNamespace(name=name, version="2.0.21")


class StubCell(Cell):
    """A cell that knows which peer it got."""

    peer: str
    closed = False

    def close(self) -> None:
        type(self).closed = True
        raise RuntimeError("what goes wrong at the end of an attempt does not change its verdict")


#: What each crate does in turn: an error to raise, or null for a pass. The last one repeats.
Script = dict[str, list[BaseException | None]]


def measured(bench: StubBench, script: Script, **changed: object) -> tuple[CellResult, list[str]]:
    """Measure a cell whose crates follow a script; also returns who was asked, and on which peer."""
    question = replace(Question(KEY, SCENARIO, CRATE, LINE, control=CONTROL), **changed)  # type: ignore[arg-type]
    asked = []

    def body(cell: Cell) -> None:
        asked.append(f"{cell.crate.name} on {getattr(cell, 'peer', '-')}")
        steps = script.get(cell.crate.name, [None])
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        if step is not None:
            raise step

    return measure(cast(Bench, bench), question, body), asked


def expectation(verdict: Verdict = Verdict.FAIL, observed: str = "nothing came", **more: object) -> Expectation:
    known = Expectation(KEY, verdict, observed, "known", "2027-01-01", file="expectations.toml")
    return replace(known, **more)  # type: ignore[arg-type]
