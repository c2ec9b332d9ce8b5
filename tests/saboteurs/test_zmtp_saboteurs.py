"""Every ZeroMQ scenario can fail: for each there is a wrong client that it catches. Needs no Docker.

What the harness waits for is shortened here, because many lies are found by waiting in vain.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from harness.bench import Bench, ReferencePeer
from harness.catalog import load_crates, load_peers
from harness.judge import Question, attempt
from harness.model import Attempt, CellKey, Crate, Dialect, Kind, Role, Sourced, Verdict
from harness.scenario import scenario_of
from tests.saboteurs.cast import saboteur, scenarios_of
from tests.saboteurs.zmtp_clients import CLIENTS

CONTROL = next(c for c in load_crates() if c.role is Role.CONTROL and Dialect.ZMTP in c.dialects)
LINE = next(line for line in load_peers() if Dialect.ZMTP in line.dialects)


FUNCTIONS = scenarios_of("zmtp", Dialect.ZMTP)
FAIL, TIMEOUT, CRASH = {Verdict.FAIL}, {Verdict.TIMEOUT}, {Verdict.CRASH}
BINDS, CONNECTS = {"side": "crate-binds"}, {"side": "crate-connects"}

#: Whether the message was taken over depends on whether that came before the connection was given up.
_NOBODY_THERE = r"the reference got nothing|taken over; observed send ended with the error timeout"

#: A greeting with a mechanism that nobody has, and a frame that is larger than frames may be.
_NONSENSE = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NONSENSE".ljust(20, b"\0") + bytes(32)
_ENDLESS = b"\x02\x80" + bytes(7)

#: Saboteur, the scenario that catches it, its parameters, the possible verdicts, and what the report says.
CASES: list[tuple[str, str, dict[str, Any], set[Verdict], str]] = [
    # patterns
    ("flips-a-sent-bit", "requests", BINDS, FAIL, r"the request arrives: 32 bytes .*observed the reference got 32"),
    ("flips-a-received-bit", "requests", CONNECTS, FAIL, r"the reply is delivered: .*observed the crate got 32"),
    ("flips-a-sent-bit", "replies", CONNECTS, FAIL, r"the reply arrives: .*observed the reference got 32"),
    ("swallows-messages", "publishes", BINDS, TIMEOUT, r"reaches the subscriber; observed none of \d+ messages"),
    ("flips-a-received-bit", "subscribes", CONNECTS, FAIL, r"all messages in order: .*observed the crate got"),
    ("flips-a-sent-bit", "pushes", BINDS, FAIL, r"all messages arrive in order: .*observed the reference got"),
    ("swallows-messages", "pushes", CONNECTS, FAIL, r"observed the reference got nothing, and nothing more"),
    ("flips-a-received-bit", "pulls", CONNECTS, FAIL, r"all messages in order: .*observed the crate got"),
    ("joins-received-frames", "routes", BINDS, FAIL, r"the sender's name, then the message: .* \+ 32 bytes"),
    ("ignores-options", "deals", BINDS, FAIL, r"the ROUTER gets name and message: .*observed the reference got 5 by"),
    ("ignores-options", "requests_of_a_router", CONNECTS, FAIL, r"name, empty frame and request: .*got 5 bytes"),
    ("flips-a-sent-bit", "replies_to_a_dealer", BINDS, FAIL, r"an empty frame and reply: 0 bytes \+ 32 bytes"),
    ("joins-received-frames", "routes_requests", BINDS, FAIL, r"name, empty frame and request: .* \+ 0 bytes"),
    ("joins-sent-frames", "asks_as_a_dealer", CONNECTS, FAIL, r"the REP socket gets the request alone: .*got nothing"),
    ("ignores-options", "routes_to_a_router", CONNECTS, FAIL, r"by its routing id; observed it knows nobody of that"),
    ("flips-a-received-bit", "reads_subscriptions", CONNECTS, FAIL, r"delivers the subscription: .*the crate got 17"),
    ("swallows-messages", "subscribes_by_messages", CONNECTS, TIMEOUT, r"subscription to .* arrives; observed"),
    ("flips-a-sent-bit", "talks_to_a_pair", BINDS, FAIL, r"three messages arrive in order"),
    ("reorders", "pushes_in_turns", {}, FAIL, r"receiver 1 gets every second message: .*observed the reference got"),
    # several peers
    ("serves-no-common-topic", "publishes_to_every_subscriber", {}, FAIL, r"all/ and one/ gets: .*the reference got"),
    ("answers-the-one-before", "answers_who_asked", {}, FAIL, r"reply to its own request arrives: 36 bytes .*got 36"),
    ("knows-one-endpoint", "asks_in_turns", {"kind": "REQ"}, FAIL, r"to the two in turn; observed .*1, number 1"),
    ("knows-one-endpoint", "asks_in_turns", {"kind": "DEALER"}, FAIL, r"to the two in turn; observed .*1, number 1"),
    # messages
    ("joins-sent-frames", "sends_several_frames", {}, FAIL, r"the message of five frames.*reference got 332 bytes"),
    ("joins-received-frames", "receives_several_frames", {}, FAIL, r"the message of five frames.*crate got 332 bytes"),
    ("flips-a-sent-bit", "sends_an_empty_message", {}, FAIL, r"the empty message.*the reference got 1 bytes \(00\)"),
    ("flips-a-received-bit", "receives_an_empty_message", {}, FAIL, r"the empty message.*the crate got 1 bytes \(00\)"),
    ("sends-text", "sends_every_byte", {}, FAIL, r"the very bytes.*288 bytes .*the reference got \d+ bytes"),
    ("receives-text", "receives_every_byte", {}, FAIL, r"the very bytes.*288 bytes .*the crate got \d+ bytes"),
    ("truncates-large-frames", "sends_10_megabytes", {}, FAIL, r"10000000 bytes .*the reference got 1000000 bytes"),
    ("flips-a-received-bit", "receives_10_megabytes", {}, FAIL, r"10000000 bytes .*the crate got 10000000 bytes"),
    ("flips-a-sent-bit", "frame_sizes_around_the_short_form", {}, FAIL, r"three frames arrive unchanged"),
    ("loses-non-text", "receiving_text_survives_other_bytes", {}, FAIL, r"that this is no text; observed .*as text"),
    ("flips-a-received-bit", "takes_bytes_one_by_one", {}, FAIL, r"two whole messages are delivered: .*the crate got"),
    ("reorders", "loses_none_of_many", {"way": "sends"}, FAIL, r"in order; observed another one at number \[0\]"),
    ("flips-a-received-bit", "loses_none_of_many", {"way": "receives"}, FAIL, r"observed another one at number \[0\]"),
    # subscriptions
    ("subscribes-to-everything", "subscribes_by_prefix", {"other": b"\xff\x00"}, FAIL, r"only what begins .*observed"),
    ("mixes-topics-up", "publishes_by_prefix", {}, FAIL, r"only what begins with the prefix arrives.*observed"),
    ("pretends-to-unsubscribe", "unsubscribes", {}, TIMEOUT, r"cancellation to b'ended/' arrives; observed"),
    ("never-reconnects", "keeps_subscriptions_across_a_cut", CONNECTS, TIMEOUT, r"subscription to b'kept/' arrives"),
    ("ignores-options", "reports_repeated_subscriptions", {"verbose": True}, FAIL, r"the second one, and the last"),
    # connections
    ("never-reconnects", "works_again_after_a_cut", CONNECTS, FAIL, r"there is a new connection; observed no new"),
    ("never-reconnects", "connects_before_the_peer_binds", {}, FAIL, _NOBODY_THERE),
    ("hammers", "pauses_between_attempts", {}, FAIL, r"between 2 and 17 attempts .*observed \d{2,} attempts"),
    ("keeps-the-nul", "tells_the_endpoint_that_it_is_bound_to", {}, FAIL, r"without a trailing NUL; observed .*x00"),
    ("flips-a-sent-bit", "works_over_ipc", BINDS, FAIL, r"a message arrives: .*observed the reference got 32"),
    ("ignores-options", "works_over_ipv6", BINDS, FAIL, r"is bound; observed bind ended with the error"),
    ("never-reconnects", "monitors_a_connection", {}, TIMEOUT, r"monitor reports connected; observed it reported"),
    ("monitors-nothing", "monitors_a_listener", {}, TIMEOUT, r"monitor reports listening; observed it reported noth"),
    (
        "panics-on-errors",
        "reports_a_bad_endpoint",
        {"endpoint": "ipc:///dev/null/s"},
        CRASH,
        r"status 101 during bind: panicked at src/main.rs:1:1: Not a directory",
    ),
    (
        "swallows-errors",
        "reports_an_endpoint_in_use",
        {},
        FAIL,
        r"as the port is taken; observed the crate reported suc",
    ),
    ("ignores-options", "notices_a_silent_peer", {}, TIMEOUT, r"monitor reports disconnected; observed it reported"),
    ("connects-anew", "answers_heartbeats", {}, FAIL, r"one connection all the time; observed \d+|delivered after 4.5"),
    # limits
    ("ignores-options", "reads_options_back", {}, FAIL, r"each option as it was set; observed other values of"),
    ("ignores-options", "keeps_to_the_high_water_mark", {}, FAIL, r"1 to 5 messages .*observed 20 messages"),
    ("is-impatient", "keeps_to_its_time_limit", {"way": "receive"}, FAIL, r"after 0.7 s; observed .*after 0.[0-4] s"),
    ("is-impatient", "keeps_to_its_time_limit", {"way": "send"}, FAIL, r"after 0.7 s; observed .*after 0.[0-4] s"),
    ("discards-at-close", "lingers_until_everything_is_sent", {}, FAIL, r"after the socket was closed.*got nothing"),
    ("lingers-for-ever", "does_not_linger_when_told_so", {}, TIMEOUT, r"the context ends, within .*no answer to term"),
    ("has-one-context", "ends_a_context_and_makes_another", {"explicit": True}, FAIL, r"crate: Bad address"),
    ("ignores-options", "keeps_the_last_message_alone", {}, FAIL, r"the last one sent: .*the reference got 32 bytes"),
    ("ignores-options", "refuses_messages_that_are_too_large", {}, TIMEOUT, r"monitor reports disconnected"),
    ("ignores-options", "reports_an_unknown_receiver", {}, FAIL, r"to nobody ends in an error; observed the crate re"),
    ("ignores-options", "hands_a_name_over", {"handover": True}, FAIL, r"known by the same name: .*the crate got noth"),
    ("swallows-errors", "takes_turns", {}, FAIL, r"second request ends in an error; observed the crate reported suc"),
    ("ignores-options", "asks_again_without_a_reply", {}, FAIL, r"the message is taken over; observed send ended"),
    # security
    ("ignores-options", "logs_in_with_plain", {}, FAIL, _NOBODY_THERE),
    ("monitors-nothing", "reports_a_wrong_password", {}, TIMEOUT, r"handshake_failed_auth or .*it reported nothing"),
    ("flips-a-received-bit", "lets_in_whom_zap_accepts", {}, FAIL, r"with mechanism, name and password; observed"),
    ("ignores-options", "keeps_out_whom_zap_refuses", {}, FAIL, r"a message is received; observed .*timeout"),
    ("ignores-options", "talks_to_a_curve_server", {}, FAIL, _NOBODY_THERE),
    (
        "ignores-options",
        "serves_curve",
        {},
        FAIL | TIMEOUT,  # the friend sends before its handshake fails, or after
        r"only what the client with the right key sends|monitor reports|the reference could send nothing",
    ),
    ("monitors-nothing", "trusts_no_curve_server_with_another_key", {}, TIMEOUT, r"or disconnected; observed it repo"),
    (
        "ignores-options",
        "asks_zap_without_a_password",
        {"status": "200"},
        FAIL,
        r"a message is received; observed .*tim",
    ),
    (
        "ignores-options",
        "asks_zap_without_a_password",
        {"status": "400"},
        FAIL,
        r"a message is received; observed .*tim",
    ),
    # keys
    ("decodes-in-base-64", "decodes_a_key", {}, FAIL, r"HelloWorld is 864fd26fb559f75b; observed 1de9"),
    (
        "skips-what-is-no-key",
        "refuses_what_is_no_key",
        {"text": "Hello~orld"},
        FAIL,
        r"observed the crate reported succ",
    ),
    # network
    (
        "drops-what-waits",
        "reads_frames_that_come_together",
        {},
        FAIL,
        r"all messages are delivered in order: .*observed",
    ),
    ("never-reconnects", "tries_every_address", {}, FAIL, _NOBODY_THERE),
    ("reorders", "pushes_beside_others", {}, FAIL, r"each in order; observed the reference got 200, 200 of them diff"),
    ("drops-what-waits", "pulls_from_many", {}, FAIL, r"each in order; observed the crate got"),
    (
        "leaks-files",
        "frees_what_a_connection_took",
        BINDS,
        FAIL,
        r"file descriptors .*observed at least .* after 40 conn",
    ),
    (
        "leaks-files",
        "frees_what_a_connection_took",
        CONNECTS,
        FAIL,
        r"file descriptors .*observed at least .* after 40 conn",
    ),
    # marks
    (
        "ignores-options",
        "takes_no_more_than_its_mark",
        {},
        FAIL,
        r"at most 16 more are in buffers; observed 100 of 100",
    ),
    ("ignores-options", "publishes_past_who_does_not_read", {}, FAIL, r"arrive, and not all; observed 40 messages"),
    ("ignores-options", "delivers_the_last_message_alone", {}, FAIL, r"at most 15 before it; observed 100 of 100 mess"),
    # signals
    ("dies-of-signals", "survives_a_signal", {"call": "poll"}, CRASH, r"killed by SIGUSR1 during receive"),
    ("dies-of-signals", "survives_a_signal", {"call": "receive"}, CRASH, r"killed by SIGUSR1 during receive"),
    # wire
    ("is-another-type", "talks_to_a_peer_of_zmtp_3", {"minor": 0}, FAIL, r"READY has the socket type DEALER.*REQ"),
    ("flips-a-sent-bit", "talks_to_a_peer_of_zmtp_3", {"minor": 1}, FAIL, r"0 bytes \+ 32 bytes .*observed \("),
    ("is-another-type", "subscribes_as_the_peers_version_has_it", {"minor": 0}, FAIL, r"topic.*observed .*othertopic"),
    ("is-another-type", "subscribes_as_the_peers_version_has_it", {"minor": 1}, FAIL, r"topic.*observed .*othertopic"),
    ("never-answers-ping", "answers_ping", {}, FAIL, r"PONG arrives; observed 0 of 1 bytes came, then: timed out"),
    ("reads-metadata-as-text", "takes_strange_metadata", {}, CRASH, r"status 101 during receive: .*can't decode byte"),
    ("forgets-metadata", "reads_metadata", {}, FAIL, r"with \{'Socket-Type': 'PUSH'.*observed .* with \{'Socket-Type"),
    ("reads-metadata-as-text", "reads_metadata_that_is_no_text", {}, CRASH, r"status 101 during receive: .*can't deco"),
    ("ignores-options", "gives_a_silent_peer_up", {}, FAIL, r"the crate connects again; observed nobody connected"),
    ("panics-on-strangers", "survives_a_peer_that_speaks_otherwise", {"said": _NONSENSE}, CRASH, r"handshake_failed"),
    # malformed
    ("panics-on-lost-peers", "survives_a_malformed_frame", {"said": _ENDLESS}, CRASH, r"101 during .*disconnected"),
    ("delivers-half-messages", "delivers_nothing_of_half_a_message", {"said": b"\0\x64half"}, FAIL, r"delivered 4 byt"),
    ("panics-on-strangers", "survives_a_malformed_ready", {"ready": b"\5REA"}, CRASH, r"101 during .*handshake_failed"),
]

#: Scenarios for which there is no saboteur, with the reason.
UNPROVEN: dict[str, str] = {}


#: Seconds that stand for all that the harness waits for: few, and enough for the honest client on a busy machine.
_PATIENCE = 2.5
#: Attempts at a cell of which the harness says that the machine was too busy to judge.
_ATTEMPTS = 3


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the harness waits for is still far more than the honest client needs."""
    monkeypatch.setattr(Bench, "_vet", lambda *_: {})  # the contract is not what they break, and starting takes time
    for module in ("peer", "zmtp", "zmtp_client"):
        monkeypatch.setattr(f"harness.cells.{module}.DELIVERY", _PATIENCE)
    monkeypatch.setattr("harness.references.zmtp_raw.STEP", _PATIENCE)
    monkeypatch.setattr("harness.cells.rounds.ROUNDS", 40)
    monkeypatch.setattr("harness.cells.zmtp_client.ZmtpSocket.await_event.__kwdefaults__", {"within": _PATIENCE})
    monkeypatch.setattr("harness.cells.zmtp_client.ZmtpSocket.receive.__defaults__", (_PATIENCE,))
    monkeypatch.setattr("harness.cells.zmtp_client.ZmtpSocket.send.__kwdefaults__", {"within": _PATIENCE})
    monkeypatch.setattr("harness.cells.peer.PeerCell.expect_soon.__kwdefaults__", {"within": _PATIENCE})
    monkeypatch.setattr("harness.cells.zmtp_client.ZmtpClient.terminate.__defaults__", (_PATIENCE,))


def _asked(bench: Bench, crate: Crate, scenario: str, params: dict[str, Any]) -> Attempt:
    """How one attempt of this client at a scenario ends, of which the machine does not spoil the judgement."""
    function = FUNCTIONS[scenario]
    stated = scenario_of(function)
    assert stated is not None
    key = CellKey(Dialect.ZMTP, scenario, "", crate.name, crate.version, LINE.id)
    question = Question(key=key, scenario=stated, crate=crate, line=LINE)
    for number in range(_ATTEMPTS):
        seen = attempt(
            bench, question, crate, ReferencePeer(LINE), lambda cell: function(cell, **params), f"{number + 1}"
        )
        if "this machine was too busy to judge" not in seen.reason:
            break
    return seen


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("name", "scenario", "params", "verdict", "reason"),
    [pytest.param(*case, id=f"{case[0]}-{case[1]}-{'-'.join(map(str, case[2].values()))[:20]}") for case in CASES],
)
def test_saboteur_is_caught(
    bench: Bench, name: str, scenario: str, params: dict[str, Any], verdict: set[Verdict], reason: str
) -> None:
    """The verdict is right, and the reason lets a human see what is wrong."""
    seen = _asked(bench, saboteur(CONTROL, "zmtp_clients", name, kind=Kind.BINDING), scenario, params)
    assert seen.verdict in verdict, seen.reason
    assert re.search(reason, seen.reason), seen.reason


@pytest.mark.parametrize(
    ("scenario", "params"),
    [("requests", BINDS), ("pushes", BINDS), ("deals", CONNECTS), ("talks_to_a_peer_of_zmtp_3", {"minor": 1})],
)
def test_who_waits_in_connect_and_not_in_send_is_not_blamed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, scenario: str, params: dict[str, Any]
) -> None:
    """No clause says when `connect` returns, and one lets a send end in an error that has nobody to go to."""
    monkeypatch.setattr(Bench, "_vet", lambda *_: {})
    seen = _asked(bench, saboteur(CONTROL, "zmtp_others", "waits", kind=Kind.BINDING), scenario, params)
    assert seen.verdict is Verdict.PASS, seen.reason


@pytest.mark.parametrize("scenario", ["answers_ping", "answers_heartbeats"])
def test_who_greets_as_zmtp_3_0_is_not_asked_for_ping(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, scenario: str
) -> None:
    """ZMTP 3.0 has no PING; that a crate speaks no other version is to be declared nevertheless."""
    monkeypatch.setattr(Bench, "_vet", lambda *_: {})
    crate = saboteur(CONTROL, "zmtp_others", "greets-as-zmtp-3-0", kind=Kind.BINDING)
    silent = _asked(bench, crate, scenario, {})
    assert (silent.verdict, "'ping': the crate greets as ZMTP 3.0" in silent.reason) == (Verdict.BROKEN, True)
    declared = replace(crate, unsupported=(Sourced("ping", "it greets as ZMTP 3.0", "https://example.org"),))
    assert _asked(bench, declared, scenario, {}).verdict is Verdict.UNSUPPORTED


def test_every_scenario_can_fail() -> None:
    """A new scenario needs a saboteur, or an entry in UNPROVEN that says why not."""
    proven = {case[1] for case in CASES}
    assert proven | set(UNPROVEN) == set(FUNCTIONS)
    assert not proven & set(UNPROVEN), "these are proven by now"


def test_every_saboteur_has_a_case() -> None:
    """None is there for nothing."""
    assert set(CLIENTS) == {case[0] for case in CASES}
