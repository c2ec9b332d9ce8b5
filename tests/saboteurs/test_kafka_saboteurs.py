"""Every Kafka scenario can fail: each wrong client is caught by the scenario that is about its lie.

Needs Docker. What the harness waits for is shortened here, because most lies are found by waiting in vain.
"""

from __future__ import annotations

import inspect

import pytest

from harness.bench import Bench
from harness.catalog import load_crates, load_lines
from harness.cells import broker, kafka, peer
from harness.judge import known_before
from harness.model import Dialect, Role, Verdict
from harness.peers.kafka_answers import Api
from harness.scenario import scenario_of
from tests.saboteurs.cast import Case, expect_caught, saboteur, scenarios_of
from tests.saboteurs.kafka_clients import CLIENTS

CONTROL = next(c for c in load_crates() if c.role is Role.CONTROL and Dialect.KAFKA in c.dialects)
LINES = [line for line in load_lines() if line.broker == "kafka"]
FUNCTIONS = scenarios_of("kafka", Dialect.KAFKA)
_SCRAM = {"mechanism": "SCRAM-SHA-256"}
_CRASH, _TIMEOUT = Verdict.CRASH, Verdict.TIMEOUT
_MALFORMED = {
    "survives_an_answer_of_negative_size": (Api.METADATA, Api.PRODUCE),
    "survives_a_count_beyond_the_answer": (Api.METADATA, Api.PRODUCE, Api.FETCH),
}

CASES = [
    # connecting
    Case("counts-one-partition", "loads_metadata", "one with 3; observed 1 and 1 partitions"),
    Case("ignores-errors", "reports_an_unreachable_cluster", "observed the crate reported success"),
    Case(
        "ignores-errors", "gives_up_on_a_peer_that_never_answers", "nobody answers; observed the crate reported success"
    ),
    Case("delivers-once", "reads_answers_byte_by_byte", "each record once: .*; observed the crate delivered nothing"),
    Case(
        "loses-what-comes-together",
        "reads_answers_that_come_together",
        "each record once: .*; observed the crate delivered",
    ),
    Case(
        "forgets-what-nobody-acknowledges",
        "sends_everything_before_it_disconnects",
        "as produced are stored; observed 0 records",
    ),
    Case("keeps-its-connections", "frees_what_a_connection_took", "file descriptors and .*; observed at least"),
    Case("tries-one-address", "tries_every_address", "the client connects; observed connect ended with the error"),
    Case("knows-no-ipv6", "works_over_ipv6", "connect ended with the error io: no such address"),
    Case("counts-one-partition", "creates_a_topic", "a topic with 3 partitions; observed 1 partitions"),
    Case("hides-its-certificate", "shows_a_client_certificate", "connects; observed connect ended with"),
    Case("pretends-to-produce", "works_over_tls", "the record: .*; observed the topic holds nothing"),
    Case("pretends-to-produce", "works_over_the_brokers_own_tls", "the record: .*; observed the topic holds nothing"),
    Case("pretends-to-produce", "produces_100_kb_over_tls", "all 100000 bytes: .*observed the topic holds nothing"),
    *(
        Case("trusts-any-certificate", "refuses_a_bad_certificate", "reported success", {"certificate": bad})
        for bad in ("unknown-ca", "other-host", "expired")
    ),
    Case("pretends-to-produce", "logs_in_with_plain", "the topic holds the record: .*the topic holds nothing"),
    Case("logs-in-without-tls", "logs_in_with_plain_over_tls", "the client connects; observed connect ended with"),
    Case("pretends-to-produce", "logs_in_with_scram", "the topic holds the record: .*the topic holds nothing", _SCRAM),
    Case("ignores-errors", "reports_a_wrong_password_with_plain", "the crate reported success"),
    Case("ignores-errors", "reports_a_wrong_password_with_scram", "the crate reported success", _SCRAM),
    # producing
    Case("flips-a-byte", "produces", r"each record once: .*; observed the topic holds"),
    Case("duplicates", "produces", r"observed the topic holds key .* · .* · .* · "),
    Case("pretends-to-produce", "produces_with_fewer_acks", "acks=1 is stored; observed 0 records", {"acks": "1"}),
    Case("duplicates", "produces_beside_others", r"once, in its order; observed 10 \(5 different\)"),
    Case("wrong-partition", "produces_to_the_partition_that_is_asked_for", "each partition holds"),
    Case("sends-to-one-topic", "produces_to_several_topics", "the first topic holds its record: .*observed .* · "),
    Case("empty-key-for-null", "produces_a_null_key", "with a null key: .*observed the topic holds key of 0 bytes"),
    Case("empty-for-null", "produces_a_null_value", "observed the topic holds .*value of 0 bytes"),
    Case("null-for-empty", "produces_an_empty_value", "observed the topic holds .*value null"),
    Case("sends-text", "produces_every_byte", "the very bytes: .*value of 256 bytes.*value of 128 bytes"),
    Case("reverses", "produces_a_batch", "the first difference is at number 1: ", {"count": 100}),
    Case("drops-compressed", "produces_compressed", "observed the topic holds 0 of", {"compression": "gzip"}),
    Case("drops-compressed", "produces_compressed_with_lz4", "observed the topic holds 0 of"),
    Case("drops-compressed", "produces_compressed_with_zstd", "observed the topic holds 0 of"),
    Case("flips-a-byte", "produces_100_kb", "all 100000 bytes: .*observed the topic holds"),
    Case("confirms-too-early", "surfaces_an_oversized_record", "observed the crate reported success"),
    Case("confirms-too-early", "surfaces_an_unknown_topic", "observed the crate reported success"),
    Case("tells-a-wrong-offset", "tells_where_a_record_went", "offset 1; observed partition 1, offset 0"),
    Case("ignores-keys", "places_equal_keys_together", r"each in one partition, .*observed 16 keys, \d+ split"),
    Case("own-partitioner", "places_keys_as_java_does", r"observed \d+ of 16"),
    Case("loses-a-header", "produces_headers", "trace.*kind.*trace.*; observed"),
    Case("own-clock", "produces_timestamps", r"the time 1700000000123; observed \[\d+\]"),
    Case("duplicates", "produces_idempotently", "each record once: .*; observed the topic holds 42 of 21"),
    Case("is-not-idempotent", "produces_idempotently", "a sequence number; observed .*producer_id=-1, first_seq.*=-1"),
    Case("pretends-to-produce", "produces_in_a_transaction", "observed the topic holds nothing"),
    Case("pretends-to-produce", "produces_to_an_old_format", "the topic holds 0 of 5 records", {"version": 0}),
    # consuming
    Case("starts-late", "consumes_from_the_earliest", "what was there: .*observed the crate delivered nothing"),
    Case("starts-early", "consumes_from_the_latest", "afterwards alone: .*observed .*partition 0@0"),
    Case("starts-early", "consumes_from_an_offset", "from offset 6 on: .*0@0", {"compression": "none"}),
    Case("reads-one-partition", "consumes_several_partitions", "delivered 4 of 12 records"),
    Case("reads-every-partition", "consumes_one_of_several_partitions", "of partition 1: .*observed .*partition 0"),
    Case("reads-one-topic", "consumes_several_topics", "of both topics: .*observed the crate delivered 3 of 6"),
    Case("delivers-empty-for-null", "consumes_a_null_key", "with a null key: .*delivered key of 0 bytes"),
    Case("delivers-empty-for-null", "consumes_a_null_value", "delivered .*value of 0 bytes"),
    Case("delivers-null-for-empty", "consumes_an_empty_value", "with a value of 0 bytes: .*delivered .*value null"),
    Case("delivers-text", "consumes_every_byte", "the very bytes: .*value of 288 bytes"),
    Case("swaps-deliveries", "consumes_a_batch", "the first difference is at number 1: ", {"count": 100}),
    Case("swaps-deliveries", "consumes_compressed", "the first difference is at number 1: ", {"compression": "gzip"}),
    Case("swaps-deliveries", "consumes_compressed_with_lz4", "the first difference is at number 1: "),
    Case("swaps-deliveries", "consumes_compressed_with_zstd", "the first difference is at number 1: "),
    Case("cuts-deliveries", "consumes_100_kb", "all 100000 bytes: .*delivered .*value of 99999 bytes"),
    Case("cuts-deliveries", "consumes_100_kb_by_default", "all 100000 bytes: .*delivered .*value of 99999 bytes"),
    Case("cuts-deliveries", "talks_to_itself", "each record once: .*observed the crate delivered"),
    Case("delivers-once", "passes_over_gaps_in_offsets", "at offsets 0, 2 and 4: .*observed the crate delivered"),
    Case("cuts-deliveries", "consumes_a_compacted_topic", "at offsets 3, 5, 6 and 7: .*value of 31 bytes"),
    Case("reads-uncommitted", "reads_committed_records_alone", "committed records alone: .*0@0"),
    Case(
        "reads-committed",
        "reads_aborted_records_where_it_is_asked_to",
        "of both transactions: .*; observed the crate delivered 3 of 6 records",
    ),
    Case("delivers-no-headers", "consumes_headers", r"\('trace', .*; observed \(\)"),
    Case("tells-the-offset-as-time", "consumes_timestamps", "the time 1700000000123; observed the time 0"),
    Case("delivers-once", "consumes_an_old_format", "the crate delivered 1 of 20 records", {"version": 1}),
    Case("looks-behind", "tells_the_earliest_and_the_latest_offset", "observed earliest -1, latest 4"),
    Case("looks-behind", "looks_an_offset_up_by_time", "offset 3, .*; observed offset 2"),
    # groups
    Case("commits-the-last", "commits_the_next_offset", "the group's offset is 3; observed it is 2"),
    Case("looks-behind", "tells_a_committed_offset", "offset 4 for the group, none .*; observed 3 for the group"),
    Case("forgets-the-group", "resumes_where_another_client_stopped", "from offset 4 on: .*partition 0@0"),
    Case("commits-the-last", "resumes_where_it_stopped", "the second client delivers the rest"),
    Case("commits-unasked", "commits_nothing_that_was_not_asked_for", "delivers it again: .*delivered nothing"),
    Case("forgets-the-group", "members_share_the_partitions", "no record comes twice; observed one reads"),
    Case("never-leaves", "takes_over_from_a_member_that_left", "observed 2 of 4 records did not come"),
    Case("keeps-to-one-partition", "takes_over_from_a_member_that_was_killed", "1 of 2 records did not come"),
    # trouble
    Case("produces-once", "survives_an_answer_that_breaks_off", "is stored; observed the topic holds 1 "),
    Case("checks-no-checksums", "delivers_no_corrupt_record", "or an error; observed it delivered key of 3 bytes"),
    Case(
        "checks-no-checksums",
        "delivers_no_corrupt_compressed_record",
        "or an error; observed it delivered key of 3 bytes",
        {"compression": "snappy"},
    ),
    Case("delivers-once", "reads_on_after_an_answer_that_breaks_off", "the record did not come within"),
    Case("delivers-three", "notices_that_the_topic_it_reads_was_made_again", "of the new topic.*observed nothing"),
    Case("ignores-errors", "reports_an_unknown_topic_to_a_reader", "observed the crate reported success"),
    Case("produces-once", "produces_to_a_topic_that_was_made_again", "observed 0 others"),
    Case("delivers-once", "consumes_a_record_beyond_its_fetch_limit", "next one: .*observed the crate"),
    Case("produces-once", "notices_a_silent_broker", "as nobody answers; observed the crate reported success"),
    Case("produces-once", "produces_again_after_a_cut", "the topic holds 1 records, and not both"),
    Case("delivers-once", "reads_on_after_a_cut", "the record did not come within"),
    Case("produces-once", "produces_again_after_a_broker_restart", "holds 1 records, and not both"),
    Case("delivers-once", "reads_on_after_a_broker_restart", "the record did not come within"),
    Case("produces-once", "produces_again_after_the_broker_was_killed", "holds 1 records, and not both"),
    Case("delivers-once", "reads_on_after_the_broker_was_killed", "the record did not come within"),
    Case("produces-once", "produces_again_after_the_leader_was_killed", "holds 1 records, and not both"),
    Case("delivers-once", "reads_on_after_the_leader_was_killed", "the record did not come within"),
    Case("connects-without-a-pause", "does_not_reconnect_in_a_tight_loop", r"at most 400 .*; observed \d{4,} attempts"),
    *(
        Case("insists-on-its-offset", "goes_on_where_its_offset_is_gone", "the broker has; observed neither", start)
        for start in ({"start": 1}, {"start": 100})
    ),
    # a scripted cluster
    Case("takes-any-answer", "takes_no_answer_to_another_request", "the record is; observed the offset 777777, of"),
    *(
        Case("dies-of-malformed-answers", scenario, "observed the probe exited with status 134", {"api": api}, _CRASH)
        for scenario, apis in _MALFORMED.items()
        for api in apis
    ),
    Case(
        "confirms-too-early",
        "reports_an_error_that_it_does_not_know",
        "the partition holds 0 records, and not this one",
        {"code": 32000},
    ),
    Case("sends-again-when-throttled", "stores_a_throttled_record_once", "observed it holds 2 records, 2 of which are"),
    Case("loses-what-was-cut-off", "reads_what_a_fetch_cut_off", "each record once: .*; observed the crate delivered"),
    Case("keeps-its-first-metadata", "produces_to_the_new_leader", "no answer to produce within", verdict=_TIMEOUT),
    Case("keeps-its-first-metadata", "reads_on_from_the_new_leader", "the record did not come within"),
    Case(
        "keeps-its-first-metadata",
        "asks_again_until_there_is_a_leader",
        "no answer to produce within",
        verdict=_TIMEOUT,
    ),
    Case("keeps-its-coordinator", "commits_at_the_new_coordinator", "no answer to commit within", verdict=_TIMEOUT),
    Case("produces-once", "produces_again_after_the_leader_moved", "holds 1 records, and not both"),
    Case("delivers-once", "reads_on_after_the_leader_moved", "the record did not come within"),
]
#: Who shows that a scenario can be passed where kafka-python, the control, is known to fail it.
WITNESSES = {"does_not_reconnect_in_a_tight_loop": "connects-at-leisure"}
#: The cases that CI asks too, some of each kind: Kafka's clients take seconds to start, and all of them minutes.
IN_CI = {
    "flips-a-byte-produces",
    "null-for-empty-produces_an_empty_value",
    "starts-early-consumes_from_an_offset",
    "delivers-empty-for-null-consumes_a_null_value",
    "commits-the-last-commits_the_next_offset",
    "takes-any-answer-takes_no_answer_to_another_request",
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds that the harness waits in vain; still far more than the honest client needs."""
    for name, seconds in {"DELIVERY": 5.0, "RECOVERY": 10.0}.items():
        for module in (peer, broker, kafka, *map(inspect.getmodule, FUNCTIONS.values())):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, seconds)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("case", [case.parameter(in_ci=case.id in IN_CI) for case in CASES])
def test_saboteur_is_caught(broker_bench: Bench, case: Case) -> None:
    """Each scenario sees the lie that it is about."""
    function = FUNCTIONS[case.scenario]
    stated = scenario_of(function)
    assert stated is not None
    crate = saboteur(CONTROL, "kafka_clients", case.saboteur)
    witness = WITNESSES.get(case.scenario)
    honest = CONTROL if witness is None else saboteur(CONTROL, "kafka_clients", witness)
    # The first line that can be asked: the newest cannot for what is gone.
    line = next(line for line in LINES if not known_before(stated, crate, line))
    expect_caught(broker_bench, case, function, crate, honest, line)


def test_every_saboteur_is_asked() -> None:
    """A saboteur that no case names proves nothing."""
    assert {case.saboteur for case in CASES} | set(WITNESSES.values()) == set(CLIENTS)


def test_ci_asks_what_there_is() -> None:
    """A case that was renamed is asked for no more."""
    assert {case.id for case in CASES} >= IN_CI


def test_every_scenario_can_fail() -> None:
    """A new scenario needs a saboteur."""
    assert set(FUNCTIONS) - {case.scenario for case in CASES} == set(), "no saboteur fails these"
