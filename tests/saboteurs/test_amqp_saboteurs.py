"""Every AMQP scenario can fail: each wrong client is caught by the scenario that is about its lie.

Needs Docker. What the harness waits for is shortened here, because most lies are found by waiting in vain.
"""

from __future__ import annotations

import inspect

import pytest

from harness.bench import Bench
from harness.catalog import load_crates, load_lines
from harness.cells import broker, peer
from harness.model import Dialect, Level, Role, Verdict
from harness.peers.amqp import Confirm, Stage
from harness.scenario import scenario_of
from tests.saboteurs.amqp_clients import CLIENTS
from tests.saboteurs.cast import Case, expect_caught, saboteur, scenarios_of

CONTROL = next(c for c in load_crates() if c.role is Role.CONTROL and Dialect.AMQP_0_9_1 in c.dialects)
LINE = next(line for line in load_lines() if line.id == "rabbitmq@4.0")
FUNCTIONS = scenarios_of("amqp", Dialect.AMQP_0_9_1)
TIMEOUT = Verdict.TIMEOUT


_TOPIC = {"kind": "topic", "pattern": "sensor.*", "hit": "sensor.heat", "miss": "red"}
_BYTES = {"body": bytes(range(256))}
_CONFIRMS = "tells_which_messages_a_confirm_is_about"
_AT_ONCE = {"confirms": [Confirm(5, multiple=True)], "outcomes": "yyyyy"}
_OUT_OF_ORDER = {"confirms": [Confirm(3, accepted=False), Confirm(1), Confirm(2)], "outcomes": "yyn"}

CASES = [
    # connecting and leaving
    Case("misnames-queues", "connects", "declare-ok names the queue; observed it names 'mine'"),
    Case("ignores-the-virtual-host", "opens_a_virtual_host_by_name", "the consumer got nothing"),
    Case("takes-refusal-for-success", "reports_a_wrong_password", "the crate reported success"),
    Case("takes-refusal-for-success", "reports_a_forbidden_virtual_host", "the crate reported success"),
    Case("takes-refusal-for-success", "reports_an_unknown_virtual_host", "the crate reported success"),
    *(
        Case("takes-its-time", f"reports_{what}", "no answer to connect within 10", verdict=TIMEOUT, slow=True)
        for what in ("a_wrong_password", "a_forbidden_virtual_host", "an_unknown_virtual_host")
    ),
    Case("leaves-without-closing", "closes_with_a_handshake", "an end in good order; observed .*warning", slow=True),
    Case("closes-too-much", "works_on_several_channels", "publish ended with the error io: there is no connection"),
    Case(
        "leaves-without-closing",
        "lets_go_of_its_connection",
        "did not log 'closing AMQP connection'",
        verdict=TIMEOUT,
        slow=True,
    ),
    Case(
        "never-flushes", "sends_everything_before_it_disconnects", "reported as published arrives: .*the consumer got"
    ),
    Case(
        "keeps-its-connections",
        "frees_what_a_connection_took",
        "file descriptors and .*; observed at least",
        slow=True,
    ),
    Case("keeps-every-attempt", "frees_what_a_failed_attempt_took", r"file descriptors and .*after \d+ attempts"),
    # fetching and consuming
    Case("never-acks", "gets_a_message", "does not come back .* 1 messages are ready", {"body": b"x"}),
    Case("loses-the-last-byte", "consumes_a_message", "the crate got 255 bytes", _BYTES),
    Case("swaps-deliveries", "consumes_what_was_waiting", "all messages in order: "),
    Case("drops-a-tenth", "consumes_a_thousand_waiting_messages", r"all messages in order: .*\(900 in all\)"),
    Case("reads-no-timestamp", "reads_all_properties", "timestamp = '1700000000'.*; observed"),
    Case("acks-the-wrong-tag", "acknowledges_deliveries", "was not acknowledged, marked as redelivered"),
    Case("forgets-multiple", "acknowledges_several_at_once", "2 messages are ready in the queue"),
    Case("rejects-instead-of-requeueing", "rejects_and_requeues", "0 messages are ready in the queue"),
    Case("requeues-instead-of-rejecting", "rejects_and_requeues", "the next message, not the rejected"),
    Case("never-redelivered", "rejects_and_requeues", "the message again, marked as redelivered"),
    Case("forgets-multiple", "requeues_several_at_once", "1 messages are ready in the queue, not 2"),
    Case("commits-at-once", "acknowledges_in_a_transaction", "come back when .*; observed 0 messages are ready"),
    Case("requeues-instead-of-rejecting", "dead_letters_what_it_rejects", "0 messages are ready in the queue, not 1"),
    Case("ignores-prefetch", "limits_what_it_is_sent", "still in the queue; observed 0 messages are"),
    Case("delivers-twice", "limits_what_it_is_sent", "the first two messages"),
    Case("pretends-to-cancel", "stops_consuming", "stays in the queue; observed 0 messages"),
    Case("drops-a-tenth", "consumes_on_two_channels", "101 in all; observed 91 different messages"),
    Case(
        "has-one-consumer", "consumes_from_two_queues_on_one_channel", "of the first queue, in order: .*the crate got"
    ),
    Case("keeps-to-itself", "learns_that_its_queue_was_deleted", "the application is told; observed nothing"),
    Case("loses-a-property", "talks_to_itself", "correlation_id = 'c-1'.*the crate got"),
    Case("sends-twice", "publishes_beside_others", r"10 messages of each .*observed (19|20) \(10 different\), "),
    # declaring
    Case("counts-no-messages", "declares_a_queue", "with 2 messages .*; observed .* with 0 messages"),
    Case("misnames-queues", "learns_the_name_that_the_server_chose", "that the server made, amq.…; observed 'mine'"),
    Case("binds-everything", "routes_through_an_exchange", "and nothing else", _TOPIC),
    Case("sends-no-arguments", "routes_by_headers", "what has both headers arrives, and nothing else"),
    Case("binds-queues-alone", "binds_an_exchange_to_an_exchange", "passes both exchanges: .*the consumer got nothing"),
    Case("forgets-auto-delete", "declares_a_queue_that_deletes_itself", "the queue is still there"),
    Case("counts-no-messages", "sees_that_a_queue_exists", "one message in the queue; observed 0 messages"),
    Case("takes-errors-for-success", "reports_a_missing_queue", "the crate reported success"),
    Case("takes-missing-for-empty", "tells_a_missing_queue_from_an_empty_one", "the crate reported success"),
    Case("loses-the-connection-with-a-channel", "opens_a_new_channel_after_an_error", "the error io: there is no"),
    Case("pretends-to-delete", "purges_and_deletes_a_queue", "an empty queue after the purge; observed 1 messages"),
    Case("sends-no-arguments", "declares_a_queue_of_another_type", "with other arguments", {"kind": "quorum"}),
    Case("drops-what-nobody-answers", "declares_without_waiting", "bind ended with|publish ended with|get ended with"),
    Case("takes-errors-for-success", "reports_what_it_did_not_wait_for", "the crate reported success"),
    # what RabbitMQ adds
    Case("sends-no-arguments", "declares_a_queue_whose_messages_expire", "the consumer got nothing"),
    Case("loses-expiration", "publishes_a_message_that_expires", "the consumer got nothing"),
    Case("sends-no-arguments", "declares_an_alternate_exchange", "the consumer got nothing"),
    Case("loses-priority", "is_served_by_priority", "the messages by priority"),
    Case("keeps-its-secret", "updates_its_secret", "the broker did not log", verdict=TIMEOUT),
    Case("keeps-to-itself", "learns_that_it_is_blocked", "it is blocked; observed nothing within", slow=True),
    Case("drops-while-blocked", "publishes_on_after_it_was_blocked", "the consumer got .*nothing more", slow=True),
    Case("stumbles-over-notices", "leaves_after_it_was_blocked", "disconnect ended with", slow=True),
    Case("stays-while-it-is-blocked", "ends_while_it_is_blocked", "to disconnect", verdict=TIMEOUT, slow=True),
    Case(
        "queues-without-limit",
        "keeps_little_for_a_broker_that_stops_reading",
        r"grew by 1\d\d MiB: 100000 messages of .*; nothing held it up",
        slow=True,
    ),
    Case("shares-exclusive-queues", "reports_that_a_queue_is_taken", "the crate reported success"),
    # publishing
    Case("cuts-the-body", "publishes_a_body", "the consumer got 255 bytes", _BYTES),
    Case("sends-nul-for-empty", "publishes_a_body", r"got 1 bytes \(00\)", {"body": b""}),
    Case("loses-a-property", "publishes_all_properties", "correlation_id = 'c-1'.*the consumer got"),
    Case("loses-the-user-id", "publishes_its_user_id", "user_id = 'probe'.*the consumer got"),
    Case("cuts-the-body", "publishes_bodies_around_the_frame_size", "131065 bytes .*got 131064", {"difference": -7}),
    Case("sends-twice", "publishes_a_thousand_messages_in_order", "all messages in order"),
    Case("confirms-before-the-broker-did", "waits_for_the_confirm", "in the queue by then; observed 0"),
    Case("confirms-before-the-broker-did", "reports_no_confirm_for_a_full_queue", "reported success"),
    Case("keeps-to-itself", "hands_an_unroutable_message_back", "comes back; observed nothing", {"confirming": False}),
    Case("commits-at-once", "publishes_in_a_transaction", "the committed message alone arrives"),
    Case(
        "confirms-before-the-broker-did",
        "publishes_on_before_the_confirms",
        "in the queue by then; observed 0 messages",
    ),
    Case("takes-confirms-in-order", _CONFIRMS, "observed refused, confirmed, confirmed", _OUT_OF_ORDER),
    Case("awaits-each-confirm-alone", _CONFIRMS, "no answer to publish_all", _AT_ONCE, verdict=TIMEOUT, slow=True),
    Case("forgets-who-asked", "answers_where_it_consumes", "correlation_id = 'c-0'.*; observed the consumer got"),
    Case("answers-and-keeps", "answers_where_it_consumes", "comes back when .*; observed 300 messages are ready"),
    # what the broker refuses
    Case("takes-errors-for-success", "reports_a_refused_message", "its message was refused; observed nothing within"),
    Case(
        "takes-errors-for-success",
        "learns_that_the_broker_closed_the_connection",
        "the crate reported success",
        slow=True,
    ),
    Case("hides-the-end", "learns_why_the_broker_closed_the_connection", "is told why: .*there is no conn", slow=True),
    # headers
    Case("loses-headers", "publishes_a_header", "headers = .*the consumer got", {"kind": "long-string"}),
    Case("loses-headers", "publishes_a_header_of_bytes", "headers = .*the consumer got"),
    Case("reads-no-headers", "reads_a_header", "headers = .*; observed 32 bytes", {"kind": "long-string"}),
    Case("reads-no-headers", "reads_a_header_of_bytes", "headers = .*; observed 32 bytes"),
    # over TLS
    Case("speaks-no-tls", "works_over_tls", "connect ended with"),
    Case("speaks-no-tls", "works_over_the_brokers_own_tls", "connect ended with"),
    Case("trusts-any-certificate", "refuses_a_bad_certificate", "reported success", {"certificate": "expired"}),
    Case("ignores-the-host-name", "refuses_a_bad_certificate", "reported success", {"certificate": "other-host"}),
    Case("shows-no-certificate", "shows_a_client_certificate", "connect ended with"),
    # unusual and broken peers
    Case("waits-for-ever", "gives_up_on_a_peer_that_never_answers", "no answer to connect", verdict=TIMEOUT, slow=True),
    Case(
        "takes-refusal-for-success",
        "reports_a_handshake_that_is_cut_short",
        "the crate reported success",
        {"stage": Stage.START_OK},
    ),
    Case(
        "ignores-frame-max",
        "works_within_the_peers_limits",
        "frames of 4096 bytes at most; observed one of 12296 bytes",
        {"channel_max": 2047, "frame_max": 4096},
    ),
    Case(
        "has-one-channel",
        "works_within_the_peers_limits",
        r"and two channels within it.*; observed tune-ok with .*, the channels \[1\]",
        {"channel_max": 0, "frame_max": 131072},
    ),
    Case(
        "ignores-the-limits",
        "works_within_the_peers_limits",
        r"channel-max 2047, frame-max 0; observed tune-ok with \[\(50000, 50000\)\]",
        {"channel_max": 2047, "frame_max": 0},
    ),
    Case("takes-errors-for-success", "refuses_a_frame_with_a_wrong_end", "the crate reported success"),
    Case("loses-the-last-byte", "tells_interleaved_contents_apart", "both messages, whole: .*observed 31 bytes"),
    # networks
    Case("loses-the-last-byte", "reads_frames_byte_by_byte", "each message once: .*the crate got 31 bytes"),
    Case("drops-a-tenth", "reads_frames_that_come_together", r"each message once: .*\(19 in all\)|\(18 in all\)"),
    Case("knows-no-ipv6", "works_over_ipv6", "connect ended with the error io: no such address"),
    Case("tries-one-address", "tries_every_address", "connect ended with the error io .*Connection refused"),
    # staying and coming back
    Case("sleeps-while-it-waits", "stays_connected_while_idle", "still gets messages: .*nothing", slow=True),
    Case("takes-errors-for-success", "notices_a_cut", "observed success, without a new connection"),
    Case("takes-errors-for-success", "notices_a_silent_broker", "the crate reported success", slow=True),
    Case("hides-the-end", "notices_a_silent_broker_while_it_consumes", "connects again; observed neither", slow=True),
    Case("never-comes-back", "publishes_again_after_a_cut", "once is enough"),
    Case("consumes-once", "consumes_again_after_a_cut", "afterwards is delivered: .*observed the crate got nothing"),
    Case(
        "consumes-once",
        "consumes_again_after_a_broker_failure",
        "afterwards is delivered: .*observed the crate got nothing",
        {"how": "restart"},
        slow=True,
    ),
    Case("never-comes-back", "publishes_again_after_a_broker_failure", "once is enough", {"how": "restart"}, slow=True),
    Case("publishes-transient", "keeps_persistent_messages_over_a_broker_restart", "observed no message", slow=True),
]


def _is_in_ci(case: Case) -> bool:
    """CI leaves out what is slow, and what is about no core scenario."""
    stated = scenario_of(FUNCTIONS[case.scenario])
    return not case.slow and stated is not None and stated.level is Level.CORE


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds that the harness waits in vain; still far more than the honest client needs."""
    for name, seconds in {"DELIVERY": 3.0, "_LOGGED": 3.0, "RECOVERY": 8.0}.items():
        for module in (peer, broker, *map(inspect.getmodule, FUNCTIONS.values())):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, seconds)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("case", [case.parameter(in_ci=_is_in_ci(case)) for case in CASES])
def test_saboteur_is_caught(broker_bench: Bench, case: Case) -> None:
    """Each scenario sees the lie that it is about."""
    crate = saboteur(CONTROL, "amqp_clients", case.saboteur, left_to_application=CONTROL.left_to_application)
    expect_caught(broker_bench, case, FUNCTIONS[case.scenario], crate, CONTROL, LINE)


def test_every_saboteur_is_asked() -> None:
    """A saboteur that no case names proves nothing."""
    assert {case.saboteur for case in CASES} == set(CLIENTS)


def test_every_scenario_can_fail() -> None:
    """A new scenario needs a saboteur."""
    assert set(FUNCTIONS) - {case.scenario for case in CASES} == set(), "no saboteur fails these"
