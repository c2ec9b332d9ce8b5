"""Kafka scenarios can fail: wrong clients, each with the scenario that catches it. Needs Docker."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest

from harness.bench import Bench
from harness.catalog import load_crates, load_lines
from harness.judge import Question, known_before, measure
from harness.model import CellKey, Dialect, Role, Verdict
from harness.scenario import scenario_of
from tests.saboteurs.cast import saboteur, scenarios_of
from tests.saboteurs.kafka_clients import CLIENTS

#: Needs a broker that the profile `ci` does not start.
pytestmark = pytest.mark.full

CONTROL = next(c for c in load_crates() if c.role is Role.CONTROL and Dialect.KAFKA in c.dialects)

#: Saboteur, file and scenario that catches it, the scenario's parameters, and what the reason says.
CASES: list[tuple[str, str, str, dict[str, Any], str]] = [
    ("flips-a-byte", "produce", "produces", {}, r"each record once: .*; observed the topic holds"),
    ("duplicates", "produce", "produces", {}, r"observed the topic holds key .* · .* · .* · "),
    ("null-for-empty", "produce", "produces_an_empty_value", {}, r"observed the topic holds .*value null"),
    ("empty-for-null", "produce", "produces_a_null_value", {}, r"observed the topic holds .*value of 0 bytes"),
    ("wrong-partition", "produce", "produces_to_the_partition_that_is_asked_for", {}, r"each partition holds"),
    ("own-partitioner", "produce", "places_keys_as_java_does", {}, r"observed \d+ of 16"),
    ("loses-a-header", "produce", "produces_headers", {}, r"trace.*kind.*trace.*; observed"),
    ("own-clock", "produce", "produces_timestamps", {}, r"the time 1700000000123; observed \[\d+\]"),
    ("reverses", "produce", "produces_a_batch", {"count": 100}, r"the first difference is at number 1: "),
    ("drops-compressed", "produce", "produces_compressed", {"compression": "gzip"}, r"observed the topic holds 0 of"),
    ("confirms-too-early", "produce", "surfaces_an_oversized_record", {}, r"observed the crate reported success"),
    ("confirms-too-early", "produce", "surfaces_an_unknown_topic", {}, r"observed the crate reported success"),
    ("tells-a-wrong-offset", "produce", "tells_where_a_record_went", {}, r"offset 1; observed partition 1, offset 0"),
    ("commits-the-last", "groups", "commits_the_next_offset", {}, r"the group's offset is 3; observed it is 2"),
    ("commits-the-last", "groups", "resumes_where_it_stopped", {}, r"the second client delivers the rest"),
    ("forgets-the-group", "groups", "resumes_where_another_client_stopped", {}, r"from offset 4 on: .*partition 0@0"),
    ("starts-early", "consume", "consumes_from_the_latest", {}, r"afterwards alone: .*observed .*partition 0@0"),
    ("starts-early", "consume", "consumes_from_an_offset", {"compression": "none"}, r"from offset 6 on: .*0@0"),
    ("reads-one-partition", "consume", "consumes_several_partitions", {}, r"delivered 4 of 12 records"),
    ("delivers-empty-for-null", "consume", "consumes_a_null_value", {}, r"delivered .*value of 0 bytes"),
    ("reads-uncommitted", "consume", "reads_committed_records_alone", {}, r"committed records alone: .*0@0"),
    ("hides-its-certificate", "tls", "shows_a_client_certificate", {}, r"connects; observed connect ended with"),
    (
        "pretends-to-produce",
        "tls",
        "works_over_tls",
        {},
        r"the record: .*; observed the topic holds nothing",
    ),
    ("pretends-to-produce", "tls", "produces_100_kb_over_tls", {}, r"all 100000 bytes: .*observed the topic holds no"),
    ("pretends-to-produce", "sasl", "logs_in_with_plain", {}, r"the topic holds the record: .*the topic holds nothing"),
    ("pretends-to-produce", "produce", "produces_in_a_transaction", {}, r"observed the topic holds nothing"),
    ("pretends-to-produce", "formats", "produces_to_an_old_format", {"version": 0}, r"the topic holds 0 of 5 records"),
    ("produces-once", "trouble", "survives_an_answer_that_breaks_off", {}, r"is stored; observed the topic holds 1 "),
    ("produces-once", "trouble", "produces_to_a_topic_that_was_made_again", {}, r"observed 0 others"),
    ("produces-once", "recover", "produces_again_after_a_cut", {}, r"the topic holds 1 records, and not both"),
    ("delivers-once", "recover", "reads_on_after_a_cut", {}, r"the record did not come within"),
    (
        "delivers-once",
        "trouble",
        "consumes_a_record_beyond_its_fetch_limit",
        {},
        r"next one: .*observed the crate",
    ),
    ("delivers-once", "formats", "consumes_an_old_format", {"version": 1}, r"the crate delivered 1 of 20 records"),
    ("ignores-errors", "sasl", "reports_a_wrong_password_with_plain", {}, r"observed the crate reported success"),
    ("ignores-errors", "connect", "reports_an_unreachable_cluster", {}, r"observed the crate reported success"),
    ("ignores-errors", "trouble", "reports_an_unknown_topic_to_a_reader", {}, r"observed the crate reported success"),
    ("reads-alone", "groups", "members_share_the_partitions", {}, r"no record comes twice; observed one reads"),
    (
        "never-leaves",
        "groups",
        "takes_over_from_a_member_that_left",
        {},
        r"both partitions: .*observed the crate",
    ),
    *(
        ("trusts-any-certificate", "tls", "refuses_a_bad_certificate", {"certificate": bad}, r"reported success")
        for bad in ("unknown-ca", "other-host", "expired")
    ),
]

#: Scenarios that no saboteur has failed yet. None may be added.
UNPROVEN = {
    "commits_nothing_that_was_not_asked_for",
    "consumes_100_kb",
    "consumes_100_kb_by_default",
    "consumes_a_batch",
    "consumes_a_null_key",
    "consumes_an_empty_value",
    "consumes_compressed",
    "consumes_compressed_with_lz4",
    "consumes_compressed_with_zstd",
    "consumes_every_byte",
    "consumes_from_the_earliest",
    "consumes_headers",
    "consumes_one_of_several_partitions",
    "consumes_several_topics",
    "consumes_timestamps",
    "creates_a_topic",
    "loads_metadata",
    "logs_in_with_scram",
    "looks_an_offset_up_by_time",
    "passes_over_gaps_in_offsets",
    "places_equal_keys_together",
    "produces_100_kb",
    "produces_a_null_key",
    "produces_again_after_a_broker_restart",
    "produces_again_after_the_broker_was_killed",
    "produces_again_after_the_leader_was_killed",
    "produces_compressed_with_lz4",
    "produces_compressed_with_zstd",
    "produces_every_byte",
    "produces_idempotently",
    "produces_to_several_topics",
    "produces_with_fewer_acks",
    "reads_on_after_a_broker_restart",
    "reads_on_after_the_leader_was_killed",
    "reports_a_wrong_password_with_scram",
    "talks_to_itself",
    "tells_a_committed_offset",
    "tells_the_earliest_and_the_latest_offset",
}


@pytest.mark.parametrize(
    ("name", "file", "scenario", "params", "reason"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_saboteur_is_caught(
    broker_bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    file: str,
    scenario: str,
    params: dict[str, Any],
    reason: str,
) -> None:
    """The verdict is `fail`, the control passes the same cell, and the reason lets a human see what is wrong."""
    # Most lies are found by waiting in vain; this is still far more than the honest client needs.
    for limit, seconds in {"DELIVERY": 5.0, "RECOVERY": 10.0}.items():
        monkeypatch.setattr(f"harness.cells.kafka.{limit}", seconds)
    # A fresh broker for the second attempt costs seconds, and these scenarios do not hurt theirs.
    monkeypatch.setattr(broker_bench, "own_peer", lambda line, **_options: _Same(broker_bench.shared_peer(line)))
    function = getattr(importlib.import_module(f"scenarios.kafka.test_{file}"), f"test_{scenario}")
    stated = scenario_of(function)
    assert stated is not None
    crate = saboteur(CONTROL, "kafka_clients", name)
    lines = [line for line in load_lines() if line.broker == "kafka"]
    line = next(line for line in lines if not known_before(stated, crate, line))
    key = CellKey(Dialect.KAFKA, scenario, "-".join(map(str, params.values())), crate.name, crate.version, line.id)
    question = Question(key=key, scenario=stated, crate=crate, line=line, control=CONTROL)
    cell = measure(broker_bench, question, lambda cell: function(cell, **params))
    assert cell.verdict is Verdict.FAIL, cell.reason
    assert cell.control is Verdict.PASS, cell.control_reason
    assert re.search(reason, cell.reason), cell.reason


class _Same:
    """A broker that stays."""

    def __init__(self, peer: Any) -> None:
        self._peer = peer

    def __enter__(self) -> Any:
        return self._peer

    def __exit__(self, *_error: object) -> None:
        """Leave it running."""


def test_every_saboteur_has_a_case() -> None:
    """None is there for nothing."""
    assert set(CLIENTS) == {case[0] for case in CASES}


def test_every_scenario_can_fail() -> None:
    """A new scenario needs a saboteur."""
    every = set(scenarios_of("kafka", Dialect.KAFKA))
    proven = {case[2] for case in CASES}
    assert every - proven - UNPROVEN == set(), "no saboteur fails these"
    assert proven & UNPROVEN == set(), "these are proven by now"
    assert UNPROVEN - every == set(), "these are gone"
