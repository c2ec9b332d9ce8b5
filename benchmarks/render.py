"""How long the report of a large made-up run takes: 200 crates, 40,000 cells, four protocols, every verdict.

python -m benchmarks.render [CRATES CELLS]

The report has to be there in under 10 seconds, with an index of at most 300 KB.
"""

from __future__ import annotations

import datetime
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from harness.model import (
    NO_PEER,
    Attempt,
    BrokerLine,
    CellKey,
    CellResult,
    Change,
    Consequence,
    Crate,
    Dialect,
    Evidence,
    Expectation,
    Kind,
    Level,
    Profile,
    Requirement,
    Role,
    Scenario,
    Verdict,
)
from harness.report import FORMATS, without_collector
from harness.report.publication import Publication
from harness.store import Plan, PlannedCell, RunInfo
from harness.tabulating import tabulate

_PEERS = {
    Dialect.MQTT_3_1_1: ("mosquitto", ("2.0", "2.0.11")),
    Dialect.AMQP_0_9_1: ("rabbitmq", ("4.0", "3.10")),
    Dialect.KAFKA: ("kafka", ("4.4", "3.9")),
    Dialect.ZMTP: ("pyzmq", ("27", "26")),
}
_GROUPS = ("connect", "deliver", "keepalive", "network", "recover", "retain", "robustness", "session", "tls", "volume")
#: As many of each as a bad run has.
_VERDICTS = [*[Verdict.PASS] * 14, Verdict.FAIL, Verdict.FAIL, Verdict.TIMEOUT, Verdict.CRASH, Verdict.UNSUPPORTED]


def made_up(crates: int, cells: int) -> tuple[RunInfo, Plan, list[CellResult]]:
    """A run with as many crates and cells; the same one each time."""
    chance = random.Random(1)  # noqa: S311 - no secret
    lines = [
        BrokerLine(broker, line, Profile.CI, (dialect,), "", "", line, maintained_by="somebody")
        for dialect, (broker, found) in _PEERS.items()
        for line in found
    ]
    each = cells // crates // 2 - 1
    scenarios = [_scenario(Dialect.PACKAGE, "builds", 0), _scenario(Dialect.PACKAGE, "builds", 1)]
    scenarios += [_scenario(dialect, _GROUPS[n % len(_GROUPS)], n) for dialect in _PEERS for n in range(each)]
    made = [_crate(number) for number in range(crates)]
    keys = [
        CellKey(scenario.dialect, scenario.id, "", crate.name, crate.version, peer)
        for crate in made
        for scenario in scenarios
        if scenario.dialect in (Dialect.PACKAGE, crate.dialects[0])
        for peer in ([NO_PEER] if scenario.dialect is Dialect.PACKAGE else _lines_of(scenario.dialect))
    ]
    results = [_result(key, chance.choice(_VERDICTS)) for key in keys]
    known = [_known(result) for result in results if result.verdict.is_red]
    plan = Plan(
        tuple(made), tuple(lines), tuple(scenarios), tuple(PlannedCell(k, True, str(k)) for k in keys), tuple(known)
    )
    run = RunInfo("made-up", "2026-11-22T10:11:12Z", "default", "", "", False, {"os": "none"}, {}, "0", exit=0)
    return run, plan, results


def _scenario(dialect: Dialect, group: str, number: int) -> Scenario:
    return Scenario(
        id=f"{group}_does_what_is_asked_{number}",
        dialect=dialect,
        group=group,
        capability="base",
        level=list(Level)[number % 3],
        requirement=Requirement.MUST,
        consequence=list(Consequence)[number % 5],
        title=f"The client does what clause {number} asks of it in {group}, and the other side sees that it did.",
        details="What this is about, in two lines of text,\nas scenarios have it.",
        spec=(f"MADE-UP-{number}",),
    )


def _crate(number: int) -> Crate:
    name = f"crate-number-{number}"
    role = Role.LISTED if number % 3 else Role.CANDIDATE
    dialect = list(_PEERS)[number % len(_PEERS)]
    return Crate(name, role, Kind.CLIENT, (dialect,), name, f"0.{number}.0", "MIT")


def _lines_of(dialect: Dialect) -> Iterable[str]:
    broker, lines = _PEERS[dialect]
    return (f"{broker}@{line}" for line in lines)


def _result(key: CellKey, verdict: Verdict) -> CellResult:
    folder = f"evidence/{key}/1"
    files = ("broker log", "broker.log"), ("capture", "capture.pcapng"), ("transcript", "transcript.txt")
    evidence = tuple(Evidence(kind, f"{folder}/{name}", "0" * 64) for kind, name in files)
    passed = verdict is Verdict.PASS
    observed = "as stated" if passed else "the other side closed the connection after 0.2 s, and nothing came"
    attempt = Attempt(verdict, "the message, once", observed, 0.5, evidence)
    change = Change.AS_EXPECTED
    return CellResult(
        key,
        verdict,
        "" if passed else attempt.reason,
        0.5,
        (attempt,),
        broker_version="1.2.3",
        control=None if passed else Verdict.PASS,
        expected=verdict if verdict.is_red else None,
        change=change,
        reproduce=f"iotyet reproduce '{key}'",
    )


def _known(result: CellResult) -> Expectation:
    return Expectation(
        result.key,
        result.verdict,
        "closed the connection",
        "the crate closes what it should keep open (src/lib.rs, line 7)",
        "2027-05-01",
        defect="closes too early",
        file="scenarios/made_up/expectations.toml",
    )


def main(crates: int, cells: int) -> None:
    """Print a table in Markdown."""
    run, plan, results = made_up(crates, cells)
    print(f"{len(plan.crates)} crates, {len(plan.cells)} cells\n\n| step | seconds | CPU seconds |\n|---|---:|---:|")
    published = Publication(datetime.date(2026, 11, 23))
    began = _now()
    matrix = tabulate(run, plan, results)
    _print("matrix", began)
    # In the system's folder for temporary files, which TMPDIR can put on another disk or in memory.
    with tempfile.TemporaryDirectory() as name, without_collector():
        for file, write in FORMATS:
            started = _now()
            write(Path(name), matrix, published)
            _print(file, started)
        _print("whole", began)
        print(f"\nindex.html has {(Path(name) / 'index.html').stat().st_size / 1000:.0f} KB")


def _now() -> tuple[float, float]:
    """Seconds of the clock, and of processors at work, ours and the system's, for this process and those it started."""
    used = os.times()
    return time.monotonic(), used.user + used.system + used.children_user + used.children_system


def _print(step: str, since: tuple[float, float]) -> None:
    clock, used = (now - then for now, then in zip(_now(), since, strict=True))
    print(f"| {step} | {clock:.2f} | {used:.2f} |", flush=True)


if __name__ == "__main__":
    main(*(map(int, sys.argv[1:3]) if len(sys.argv) > 2 else (200, 40_000)))
