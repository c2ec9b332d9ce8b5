"""AMQP scenarios can fail: each wrong client is caught by the scenario that is about its lie.

Needs Docker. What the harness waits for is shortened here, because most lies are found by waiting in vain.
"""

from __future__ import annotations

import importlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.bench import Bench
from harness.brokers.containers import connect, remove_containers
from harness.catalog import load_crates, load_lines
from harness.cells import peer
from harness.cells.base import Cell
from harness.errors import Unavailable
from harness.judge import Question, measure
from harness.liveness import RunLock, end_own_processes
from harness.model import CellKey, Crate, Dialect, Kind, Role, Verdict
from harness.scenario import scenario_of
from harness.store import RunFolder
from tests.saboteurs.amqp_clients import CLIENTS

#: Needs a broker that the profile `ci` does not start.
pytestmark = pytest.mark.full

CONTROL = next(c for c in load_crates() if c.role is Role.CONTROL and Dialect.AMQP_0_9_1 in c.dialects)
LINE = next(line for line in load_lines() if line.id == "rabbitmq@4.0")


@dataclass(frozen=True)
class Case:
    """A saboteur, the scenario that catches it, and what the report says."""

    saboteur: str
    group: str
    scenario: str
    reason: str
    params: dict[str, Any] = field(default_factory=dict)


_DIRECT = {"kind": "topic", "pattern": "sensor.*", "hit": "sensor.heat", "miss": "red"}

CASES = [
    Case("cuts-the-body", "publish", "publishes_a_body", "the consumer got 255 bytes", {"body": bytes(range(256))}),
    Case("sends-nul-for-empty", "publish", "publishes_a_body", r"got 1 bytes \(00\)", {"body": b""}),
    Case("loses-headers", "headers", "publishes_a_header", r"headers = .*the consumer got", {"kind": "long-string"}),
    Case("loses-a-property", "publish", "publishes_all_properties", "correlation_id = 'c-1'.*the consumer got"),
    Case("confirms-before-the-broker-did", "publish", "waits_for_the_confirm", "in the queue by then; observed 0"),
    Case("sends-twice", "publish", "publishes_a_thousand_messages_in_order", "all messages in order"),
    Case("acks-the-wrong-tag", "consume", "acknowledges_deliveries", "was not acknowledged, marked as redelivered"),
    Case("never-acks", "consume", "gets_a_message", "does not come back .* 1 messages are ready", {"body": b"x"}),
    Case("forgets-multiple", "consume", "acknowledges_several_at_once", "2 messages are ready in the queue"),
    Case("rejects-instead-of-requeueing", "consume", "rejects_and_requeues", "0 messages are ready in the queue"),
    Case("requeues-instead-of-rejecting", "consume", "rejects_and_requeues", "the next message, not the rejected"),
    Case("ignores-prefetch", "consume", "limits_what_it_is_sent", "still in the queue; observed 0 messages are"),
    Case("pretends-to-cancel", "consume", "stops_consuming", "stays in the queue; observed 0 messages"),
    Case("takes-refusal-for-success", "connect", "reports_a_wrong_password", "the crate reported success"),
    Case("binds-everything", "declare", "routes_through_an_exchange", "and nothing else", _DIRECT),
    Case("never-redelivered", "consume", "rejects_and_requeues", "the message again, marked as redelivered"),
    Case("speaks-no-tls", "tls", "works_over_tls", "connect ended with|no answer to connect"),
    Case("trusts-any-certificate", "tls", "refuses_a_bad_certificate", "reported success", {"certificate": "expired"}),
    Case("ignores-the-host-name", "tls", "refuses_a_bad_certificate", "success", {"certificate": "other-host"}),
    Case("shows-no-certificate", "tls", "shows_a_client_certificate", "connect ended with"),
    Case("delivers-twice", "consume", "limits_what_it_is_sent", "the first two messages"),
]

GROUPS = {case.group for case in CASES}


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A run of its own for this process: brokers and probes of no other run are touched, and none of its own stay."""
    try:
        connect().close()
    except Unavailable as error:
        pytest.skip(str(error))
    name = f"saboteurs-{secrets.token_hex(4)}"
    reports = tmp_path_factory.mktemp("reports")
    folder = RunFolder(reports / "runs" / name)
    folder.evidence.mkdir(parents=True)
    lock = RunLock(reports, name)
    lock.acquire()
    bench = Bench(folder, lock.mark)
    try:
        yield bench
    finally:
        bench.close()
        remove_containers(lambda mark: mark == lock.mark)
        end_own_processes(lock.mark)
        lock.release()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds that the harness waits in vain; still far more than the honest client needs."""
    for module in (peer, *(importlib.import_module(f"scenarios.amqp.test_{group}") for group in GROUPS)):
        for name in ("DELIVERY", "_LOGGED"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, 3.0)


def _crate(name: str) -> Crate:
    """A saboteur as an entry of crates.toml would have it."""
    return Crate(
        name=name,
        role=Role.CANDIDATE,
        kind=Kind.CLIENT,
        dialects=(Dialect.AMQP_0_9_1,),
        package="pika",
        version=CONTROL.version,
        licence=CONTROL.licence,
        left_to_application=CONTROL.left_to_application,
        command=("{python}", "-m", "tests.saboteurs.amqp_clients", name),
    )


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("case", [pytest.param(case, id=case.saboteur) for case in CASES])
def test_saboteur_is_caught(bench: Bench, case: Case) -> None:
    """The verdict is right, the reason lets a human see what is wrong, and the honest client passes."""
    function = getattr(importlib.import_module(f"scenarios.amqp.test_{case.group}"), f"test_{case.scenario}")
    stated = scenario_of(function)
    assert stated is not None
    crate = _crate(case.saboteur)
    key = CellKey(stated.dialect, stated.id, "", crate.name, crate.version, LINE.id)
    question = Question(key=key, scenario=stated, crate=crate, line=LINE, control=CONTROL)

    def body(cell: Cell) -> None:
        function(cell, **case.params)

    cell = measure(bench, question, body)
    assert cell.verdict is Verdict.FAIL, cell.reason
    assert re.search(case.reason, cell.reason), cell.reason
    assert cell.control is Verdict.PASS, cell.control_reason


def test_every_saboteur_is_asked() -> None:
    """A saboteur that no case names proves nothing."""
    assert {case.saboteur for case in CASES} == set(CLIENTS)
