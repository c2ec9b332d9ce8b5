"""Which scenario catches which wrong MQTT client, with which words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.model import Verdict

Params = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Case:
    """A saboteur, the scenario that catches it, and what the report says."""

    saboteur: str
    scenario: str
    verdict: Verdict
    reason: str
    params: Params = field(default=())
    #: It waits for a timer that nothing can shorten.
    slow: bool = False

    @property
    def id(self) -> str:
        """As pytest shows it."""
        return "-".join([self.saboteur, self.scenario, *(f"{name}{value}" for name, value in self.params)])


def _qos(value: int) -> Params:
    return (("qos", value),)


def _certificate(value: str) -> Params:
    return (("certificate", value),)


def _granted(value: int) -> Params:
    return (("granted", value),)


FAIL, TIMEOUT, CRASH, BROKEN = Verdict.FAIL, Verdict.TIMEOUT, Verdict.CRASH, Verdict.BROKEN

#: The slow ones stand apart, because xdist hands out neighbours together; otherwise by topic.
CASES = [
    Case(
        "never-pings",
        "stays_connected_while_idle",
        FAIL,
        r"one connection over 12.5 s of silence; observed the crate made \d+ connections",
    ),
    Case(
        "never-pings",
        "stays_connected_after_a_publish",
        FAIL,
        r"one connection over 25 s of silence; observed the crate made \d+ connections",
        slow=True,
    ),
    Case(
        "never-pings",
        "notices_a_half_open_connection",
        FAIL,
        r"within 12 s that nobody answers; observed it neither reported anything nor gave the connection up",
        slow=True,
    ),
    Case("never-answers", "gives_up_on_a_silent_peer", TIMEOUT, r"no answer to connect within 11.0 s", slow=True),
    # connecting and leaving
    Case("ignores-keep-alive", "connects", FAIL, r"keep-alive 5 s; observed .*k15"),
    Case("never-answers", "connects", TIMEOUT, r"CONNECT is accepted, within .* s; observed no answer to connect"),
    Case(
        "takes-refusal-for-success",
        "reports_a_wrong_password",
        FAIL,
        r"because the broker refused the password; observed the crate reported success",
    ),
    *(
        Case(
            "takes-refusal-for-success",
            "reports_every_refusal",
            FAIL,
            r"because CONNACK's code is 0x0\d; observed the crate reported success",
            (("why", why),),
        )
        for why in ("protocol", "client-id", "unavailable", "password", "authorisation")
    ),
    Case("forgets-credentials", "logs_in_with_a_password", FAIL, r"the broker knows the client as probe; observed"),
    Case(
        "leaves-without-disconnect",
        "disconnects_gracefully",
        FAIL,
        r"gets DISCONNECT; observed .*closed its connection",
    ),
    Case(
        "forgets-to-resubscribe",
        "is_subscribed_again_after_a_broker_restart",
        FAIL,
        r"subscribed again within \d+ s; observed the broker logged no second SUBSCRIBE",
    ),
    Case(
        "leaves-without-disconnect",
        "is_not_published_after_disconnect",
        FAIL,
        r"the marker, and no will: .*; observed the subscriber got .*on \w+/will, QoS 1 · 32 bytes",
    ),
    Case("forgets-the-will", "is_published_when_the_connection_breaks", FAIL, r"gets the will: .*observed .*nothing"),
    Case("always-clean", "gets_what_came_while_it_was_away", FAIL, r"it said that no session is present"),
    Case(
        "always-clean-and-lies",
        "gets_what_came_while_it_was_away",
        FAIL,
        r"the crate delivers what came meanwhile: .*observed the crate got nothing",
    ),
    Case("never-clean", "clean_session_forgets", FAIL, r"only the new subscription's: .*the crate got .*/before"),
    # publishing
    Case("flips-a-sent-bit", "publishes", FAIL, r"SHA-256 \w+\).*observed the subscriber got .*SHA-256", _qos(0)),
    Case("stays-away", "publishes_again_after_a_cut", FAIL, r"connected again within \d+ s; observed 0 attempts"),
    Case("confirms-without-sending", "publishes", FAIL, r"each message once: .*subscriber got 32 bytes", _qos(1)),
    Case("sends-qos1-as-qos0", "publishes", FAIL, r"QoS 1 · .*the subscriber got .*QoS 0 · ", _qos(1)),
    Case("sends-twice", "publishes", FAIL, r"each message once: .*the subscriber got .* · .* · ", _qos(2)),
    Case("panics", "publishes", CRASH, r"status 101 during publish: panicked at src/main.rs:1:1: attempt", _qos(1)),
    Case("sends-nul-for-empty", "publishes_an_empty_payload", FAIL, r"the subscriber got 1 bytes \(00\)"),
    Case("sends-text", "publishes_every_byte", FAIL, r"gets the very bytes: 288 bytes.*the subscriber got \d+ bytes"),
    Case(
        "reconnects-in-a-tight-loop",
        "does_not_reconnect_in_a_tight_loop",
        FAIL,
        r"at most 50 connection attempts in 5 s of outage; observed \d{3,} attempts",
    ),
    Case("truncates-large-payloads", "publishes_128_kib", FAIL, r"all 131072 bytes: .*subscriber got 65536 bytes"),
    Case("knows-only-ascii", "publishes_to_a_utf8_topic", FAIL, r"under that topic: .*/höhe/温度/🌡.*observed"),
    Case("ignores-retain", "sets_a_retained_message", FAIL, r"PUBLISH has RETAIN=1; observed .*\(d0, q1, r0"),
    Case("sends-nul-for-empty", "clears_a_retained_message", FAIL, r"only the marker .*got 1 bytes \(00\).*retained"),
    # receiving
    Case("flips-a-received-bit", "receives", FAIL, r"SHA-256 \w+\).*observed the crate got .*SHA-256", _qos(0)),
    Case("reorders", "receives", FAIL, r"each message once: .* · .*; observed the crate got 32 bytes", _qos(1)),
    Case(
        "panics-on-loss",
        "publishes_again_after_a_broker_restart",
        CRASH,
        r"exited with status 101 .*panicked at src/main.rs:1:1: called `Result::unwrap\(\)`",
    ),
    Case("overwrites-memory", "receives", CRASH, r"the probe was killed by SIGSEGV during wait", _qos(1)),
    Case("delivers-twice", "receives", FAIL, r"each message once: .*the crate got .* · .* · ", _qos(2)),
    Case("drops-empty-messages", "receives_an_empty_payload", FAIL, r"the empty message, .*observed the crate got 32"),
    Case("receives-text", "receives_every_byte", FAIL, r"the very bytes: 288 bytes.*the crate got \d+ bytes"),
    Case("truncates-large-payloads", "receives_128_kib", FAIL, r"all 131072 bytes: .*the crate got 65536 bytes"),
    Case(
        "strips-byte-order-marks",
        "keeps_a_byte_order_mark",
        FAIL,
        "on \ufeff.*; observed the crate got .* on [^\ufeff]",
    ),
    Case("knows-only-ascii", "receives_from_a_utf8_topic", FAIL, r"the crate got .* on \w+/h\?he/\?\?/\?"),
    Case(
        "swallows-while-offline",
        "drops_nothing_silently_while_offline",
        FAIL,
        r"took the message over, reported no error, and it never arrived",
    ),
    Case("takes-all-for-retained", "receives_a_retained_message", FAIL, r"not retained: .*the crate got .*retained"),
    # both ways
    Case("publishes-elsewhere", "talks_to_itself", FAIL, r"the crate got 32 bytes \(SHA-256 \w+\) on \w+/own", _qos(0)),
    Case("acknowledges-without-delivering", "talks_to_itself", FAIL, r"other client .*the crate got 32 bytes", _qos(1)),
    Case("shares-one-client-id", "talks_to_itself", FAIL, r"the crate got|publish ended with", _qos(2)),
    # subscribing
    Case("plus-spans-levels", "single_level_wildcard", FAIL, r"what matches `\+`.*the crate got .*/a/b/state"),
    Case("misses-the-parent", "multi_level_wildcard", FAIL, r"the parent and everything .*the crate got .*/tree/a"),
    Case(
        "sends-qos1-as-qos0",
        "loses_no_qos1_message_across_a_cut",
        FAIL,
        r"took the message over, reported no error, and it never arrived",
    ),
    Case("subscribes-to-the-first", "several_filters_in_one_subscribe", FAIL, r"each filter: .*got [^·]*, and nothing"),
    Case(
        "mixes-subscriptions-up",
        "several_filters_in_one_subscribe",
        FAIL,
        r"the crate got .*/one.* · .*/one.* · .*/one",
    ),
    Case("pretends-to-unsubscribe", "unsubscribes", FAIL, r"only the other filter's arrives: .*got .*/ended"),
    Case("unsubscribes-locally", "unsubscribes", TIMEOUT, r"the broker gets UNSUBSCRIBE; observed the broker did not"),
    Case(
        "takes-any-suback-for-success",
        "reports_a_refused_subscription",
        FAIL,
        r"told that the broker refused its subscription; observed the crate reported success",
    ),
    Case(
        "forgets-its-inbox",
        "gets_every_message_though_it_is_cut_off",
        FAIL,
        r"all 5 messages; observed 5 were not delivered",
    ),
    # again, and not twice
    Case(
        "sends-qos1-as-qos0",
        "loses_nothing_when_cut_while_sending_again",
        FAIL,
        r"took the message over, reported no error, and it never arrived",
    ),
    Case("forgets-dup", "sends_again_as_a_duplicate", FAIL, r"\(d1, q1, r0, m1; observed .*\(d0, q1, r0, m1", _qos(1)),
    Case("forgets-dup", "sends_again_as_a_duplicate", FAIL, r"\(d1, q2, r0, m1; observed .*\(d0, q2, r0, m1", _qos(2)),
    Case("delivers-twice", "delivers_qos2_once_across_a_cut", FAIL, r"the message once, .*the crate got .* · .* · "),
    Case(
        "reconnects-in-a-tight-loop",
        "does_not_fight_over_a_client_id",
        FAIL,
        r"at most 50 new connections in 5 s; observed \d{3,} connections",
    ),
    # volume
    Case("truncates-large-payloads", "publishes_1_mib", FAIL, r"all 1048576 bytes: .*subscriber got 65536 bytes"),
    Case("truncates-large-payloads", "receives_1_mib", FAIL, r"all 1048576 bytes: .*the crate got 65536 bytes"),
    Case("sends-twice", "publishes_a_thousand_messages", FAIL, r"each once and in order; observed .*got 90", _qos(0)),
    Case("sends-twice", "publishes_a_thousand_messages", FAIL, r"each once and in order; observed .*got 90", _qos(1)),
    Case("sends-twice", "publishes_a_thousand_messages", FAIL, r"each once and in order; observed .*got 90", _qos(2)),
    Case("delivers-twice", "receives_a_thousand_messages", FAIL, r"and in order; observed .*got 90; from", _qos(0)),
    Case("delivers-twice", "receives_a_thousand_messages", FAIL, r"and in order; observed .*got 90; from", _qos(1)),
    Case(
        "acknowledges-without-delivering",
        "receives_a_thousand_messages",
        FAIL,
        r"the message that was published last; observed it did not; before it came 30 messages",
        _qos(2),
    ),
    # subscriptions
    Case("takes-all-for-qos2", "receives_at_the_granted_qos", FAIL, r"at QoS 0: .*the crate got .*QoS 2", _granted(0)),
    Case("takes-all-for-qos2", "receives_at_the_granted_qos", FAIL, r"at QoS 1: .*the crate got .*QoS 2", _granted(1)),
    Case(
        "acknowledges-without-delivering",
        "overlapping_filters",
        FAIL,
        r"once or twice, .*observed before the marker the crate got nothing",
    ),
    Case(
        "matches-dollar-with-wildcards",
        "dollar_topics",
        FAIL,
        r"one message of each subscription: .*observed the crate got 32 .* on \$dev/\S+, QoS 1 · 32 .* on \$dev/",
    ),
    # connections
    Case(
        "makes-up-a-client-id",
        "leaves_the_client_id_to_the_broker",
        FAIL,
        r"the broker names the client itself; observed .*PUBLISH from made-up",
    ),
    Case("confirms-without-sending", "sends_everything_before_it_disconnects", FAIL, r"observed 25 of 50 messages did"),
    Case("keeps-every-connection", "frees_what_a_connection_took", FAIL, r"file descriptors .*after 120 connec"),
    Case("keeps-every-connection", "frees_what_a_failed_attempt_took", FAIL, r"file descriptors .*after 120 attempts"),
    # networks
    Case("takes-a-read-for-a-packet", "reads_packets_byte_by_byte", TIMEOUT, r"no answer to subscribe within"),
    Case("takes-one-packet-a-read", "reads_packets_that_come_together", FAIL, r"in order: .*the crate got"),
    Case(
        "comes-back-once",
        "works_through_several_broker_restarts",
        FAIL,
        r"connected again within 8 s; observed 0",
        slow=True,
    ),
    Case("knows-only-ipv4", "works_over_ipv6", FAIL, r"connect ended with the error io: invalid port number"),
    Case("tries-one-address", "tries_every_address", FAIL, r"connect ended with the error io: .*Connection refused"),
    Case("comes-back-once", "comes_back_again_and_again", FAIL, r"connected again within 8 s; observed 0", slow=True),
    # many messages
    Case(
        "drops-beyond-its-window", "goes_on_when_its_window_was_full", FAIL, r"all 60 messages .*last one came 10, 10"
    ),
    Case("drops-beyond-its-window", "publishes_beside_others", FAIL, r"clients came 11 \(11 different\), 11", _qos(1)),
    Case(
        "shares-one-client-id",
        "publishes_beside_others",
        FAIL,
        r"all 20 publishes at QoS 2 complete, .*observed publish_all ended with the error timeout",
        _qos(2),
    ),
    Case(
        "waits-in-its-callback", "publishes_what_it_receives", FAIL, r"all 30 messages come back within .*observed \d c"
    ),
    Case("counts-from-zero", "publishes_more_than_there_are_packet_ids", FAIL, r"from 1 to 65535; observed 1 packets"),
    # unfinished handshakes
    *(
        Case(
            "uses-taken-packet-ids",
            "subscribes_with_a_free_packet_id",
            FAIL,
            r"no SUBSCRIBE has the packet id 2 while .*; observed SUBSCRIBE number 11 has it",
            _qos(qos),
        )
        for qos in (1, 2)
    ),
    *(
        Case(
            "drops-beyond-its-window",
            "goes_on_after_a_late_acknowledgement",
            FAIL,
            r"all 110 messages come; observed 99 did not come",
            _qos(qos),
            slow=qos == 2,
        )
        for qos in (1, 2)
    ),
    Case(
        "stays-away",
        "publishes_again_after_a_cut_with_a_late_acknowledgement",
        FAIL,
        r"connected again within \d+ s; observed 0",
    ),
    *(
        Case(
            "keeps-old-sessions",
            "ends_handshakes_with_their_session",
            FAIL,
            r"nothing of the old session comes in the new one; observed PUBLISH 2, QoS \d, DUP",
            _qos(qos),
        )
        for qos in (1, 2)
    ),
    Case(
        "forgets-what-it-released",
        "answers_pubrel_again_after_a_reconnect",
        FAIL,
        r"PUBCOMP on connection 2 comes within .*; observed only CONNECT came",
    ),
    *(
        Case(
            "acknowledges-in-pairs",
            "acknowledges_in_the_order_of_arrival",
            FAIL,
            r"ids 5, 3, 65535, 1, 9, 256, 2, 8, in this order; observed it came for 3, 5, 1, 65535, 256, 9, 8, 2",
            _qos(qos),
        )
        for qos in (1, 2)
    ),
    Case(
        "acknowledges-in-pairs",
        "releases_in_the_order_of_pubrec",
        FAIL,
        r"PUBREL comes for the packet ids 4, 3, 2, 1, in this order; observed it came for 3, 4, 1, 2",
    ),
    # odd packets
    Case(
        "delivers-twice", "delivers_a_repeated_qos2_message_once", FAIL, r"once, and then .*crate delivered 32 .* · 32"
    ),
    Case("answers-pubrel-once", "answers_a_repeated_pubrel", FAIL, r"another PUBCOMP comes .*only CONNECT, SUBSCRIBE"),
    *(
        Case(
            "falls-silent-at-stray-acknowledgements", "survives_a_stray_acknowledgement", FAIL, r"it did neither", kind
        )
        for kind in ((("kind", "PUBACK"),), (("kind", "PUBREC"),), (("kind", "PUBCOMP"),))
    ),
    Case(
        "delivers-half-packets", "delivers_nothing_of_half_a_packet", FAIL, r"nothing is delivered; .*bytes .* on half"
    ),
    Case("reads-on-after-malformed-packets", "refuses_a_remaining_length_of_five_bytes", FAIL, r"it neither closed"),
    Case(
        "forgets-pubrel", "sends_pubrel_again_after_a_reconnect", FAIL, r"PUBREL on connection 2 comes .*only CONNECT"
    ),
    Case(
        "queues-without-limit",
        "keeps_little_for_a_broker_that_stops_reading",
        FAIL,
        r"grew by 1\d\d MiB: 100000 messages of .*; nothing held it up",
        slow=True,
    ),
    # TLS
    Case("speaks-plain", "works_over_tls", TIMEOUT, r"CONNECT is accepted, within .*; observed no answer to connect"),
    Case(
        "trusts-any-certificate",
        "refuses_a_bad_certificate",
        FAIL,
        r"as the certificate is bad \(unknown-ca\); observed the crate reported success",
        _certificate("unknown-ca"),
    ),
    Case(
        "ignores-the-host-name",
        "refuses_a_bad_certificate",
        FAIL,
        r"as the certificate is bad \(other-host\); observed the crate reported success",
        _certificate("other-host"),
    ),
    Case(
        "ignores-expiry",
        "refuses_a_bad_certificate",
        FAIL,
        r"as the certificate is bad \(expired\); observed the crate reported success",
        _certificate("expired"),
    ),
    Case("shows-no-certificate", "shows_a_client_certificate", TIMEOUT, r"CONNECT is accepted", (("key", "pkcs8"),)),
    Case("shows-no-certificate", "shows_a_client_certificate", TIMEOUT, r"CONNECT is accepted", (("key", "pkcs1"),)),
    Case("speaks-plain", "works_over_the_brokers_own_tls", TIMEOUT, r"CONNECT is accepted"),
    Case("shows-no-certificate", "logs_in_with_its_certificate", TIMEOUT, r"CONNECT is accepted"),
    Case(
        "takes-refusal-for-success",
        "reports_that_a_certificate_is_wanted",
        FAIL,
        r"demands a certificate; observed the crate reported success",
    ),
    # WebSocket
    Case("offers-no-subprotocol", "works_over_websocket", FAIL, r"subprotocol mqtt; observed it offered none"),
    Case(
        "takes-a-frame-for-a-packet",
        "reads_packets_across_websocket_frames",
        TIMEOUT,
        r"CONNECT is accepted, within .*; observed no answer to connect",
    ),
    Case("passes-over-text-frames", "closes_at_a_text_frame", FAIL, r"or reports an error; observed it did neither"),
    # ours, and no fault of a crate
    Case("lacks-the-will", "is_published_when_the_connection_breaks", BROKEN, r"'will'.*crates.toml does not declare"),
    Case(
        "claims-unsubscribe", "unsubscribes", BROKEN, r"hello claims unsubscribe, and unsubscribe replied not_written"
    ),
    Case("prints-a-log", "connects", BROKEN, r"printed 'performing hello' on standard output.*logs belong on standard"),
    Case("floods-standard-output", "connects", BROKEN, r"events that nobody asked for|no answer to op_"),
    Case("answers-unknown-ids", "connects", BROKEN, r"answered command 2, which was not asked; 1 was"),
    Case("takes-any-operation", "connects", BROKEN, r"did not refuse the operation op_\w+, which nobody knows"),
    Case("ignores-unknown-fields", "connects", BROKEN, r"did not refuse the field field_\w+ of \w+, which nobody"),
    Case("invents-an-operation", "connects", BROKEN, r"claims operations that WIRE.md does not have: teleport"),
    Case("writes-a-wrong-event", "receives", BROKEN, r"the event message is not as WIRE.md has it: payload", _qos(0)),
    Case(
        "dies-at-hello", "connects", BROKEN, r"cannot introduce itself: the probe exited with status 127 during hello"
    ),
    Case("stays-after-the-end", "connects", BROKEN, r"did not exit after its standard input ended"),
]

#: Who shows that a scenario can be passed where paho, the control, is known to fail it.
WITNESSES = {
    "closes_at_a_text_frame": "closes-at-text-frames",
    "ends_handshakes_with_their_session": "starts-anew",
}

#: Scenarios for which there is no saboteur, with the reason.
UNPROVEN: dict[tuple[str, Params], str] = {}
