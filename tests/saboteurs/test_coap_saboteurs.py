"""CoAP scenarios can fail: wrong clients and servers, each with the scenarios that catch it. Needs no Docker.

What the harness waits for is shortened here, because many lies are found by waiting in vain.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from harness.bench import Bench, ReferencePeer
from harness.catalog import load_crates, load_peers
from harness.judge import Question, attempt
from harness.model import CellKey, Dialect, Role, Verdict
from harness.peers.coap import Opt
from harness.scenario import scenario_of
from tests.saboteurs.cast import saboteur, scenarios_of
from tests.saboteurs.coap_clients import CLIENTS
from tests.saboteurs.coap_servers import SERVERS

CONTROL = next(c for c in load_crates() if c.role is Role.CONTROL and Dialect.COAP_CLIENT in c.dialects)
LINE = next(line for line in load_peers() if Dialect.COAP_CLIENT in line.dialects)
OF_CLIENTS = scenarios_of("coap_client", Dialect.COAP_CLIENT)
OF_SERVERS = scenarios_of("coap_server", Dialect.COAP_SERVER)

CON, NON = {"confirmable": True}, {"confirmable": False}

#: Saboteur, the scenario that catches it, its parameters, and what the report says.
Case = tuple[str, str, dict[str, Any], str]
CLIENT_CASES: list[Case] = [
    # messages
    ("flips-a-bit", "sends_requests", {"method": "GET", **CON}, r"2.05 with 32 bytes .*observed 2.05 with 32 bytes"),
    ("flips-a-sent-bit", "sends_requests", {"method": "PUT", **CON}, r"with the payload sent; observed it got"),
    ("says-non", "sends_requests", {"method": "DELETE", **CON}, r"one DELETE of /test, CON.*confirmable=False"),
    ("says-con", "sends_requests", {"method": "GET", **NON}, r"one GET of /test, NON.*confirmable=True"),
    ("joins-the-path", "asks_with_path_and_query", {}, r"observed \[\['seg1/two words/größe'\]"),
    ("own-token", "uses_the_token_given", {"size": 8}, r"a request with the token .*; observed CON GET"),
    ("no-token", "chooses_tokens", {}, r"observed the tokens \['', '', ''\]"),
    ("one-message-id", "uses_a_message_id_once", {}, r"five message ids; observed|the GET of /test is answered"),
    ("hides-errors", "delivers_errors", {"code": "4.04"}, r"expected 4.04 .*observed 2.05"),
    ("matches-message-ids", "knows_a_separate_response_by_its_token", {"size": 8}, r"ACK Empty, .*observed RST Empty"),
    ("takes-anything", "passes_other_tokens_over", {}, r"which has the token; observed 2.05"),
    ("takes-anything", "passes_strangers_over", {}, r"from the server; observed 2.05"),
    # DTLS
    ("pretends-to-encrypt", "works_over_dtls_with_a_key", {}, r"the server keeps 32 .*; observed it keeps"),
    (
        "pretends-to-encrypt",
        "works_over_dtls_with_certificates",
        {},
        r"the server keeps 32 bytes .*; observed it keeps",
    ),
    ("pretends-to-encrypt", "refuses_another_key", {}, r"ends in an error; observed the crate reported success"),
    (
        "trusts-anyone",
        "refuses_a_bad_certificate_over_dtls",
        {"certificate": "expired"},
        r"ends in an error; observed the crate reported success",
    ),
    ("trusts-anyone", "shows_a_client_certificate_over_dtls", {}, r"observed request ended with .*no response"),
    (
        "pretends-to-encrypt",
        "shakes_hands_over_a_lossy_link",
        {"end": "a", "number": 1},
        r"the server keeps 32 .*; observed it keeps",
    ),
    # reliability
    ("never-acknowledges", "takes_a_separate_response", {}, r"the crate acknowledges the response with ACK Empty"),
    (
        "goes-on-sending",
        "stops_retransmitting_once_acknowledged",
        {},
        r"no request after ACK.*observed CON GET.* s after",
    ),
    ("never-retransmits", "retransmits_in_time", {}, r"the GET of /test is answered; observed .*timeout"),
    ("sends-at-one-rate", "doubles_the_time_between_retransmissions", {}, r"gaps that double; observed 4 requests"),
    ("never-retransmits", "gives_up", {}, r"the request 5 times.*observed CON GET"),
    ("repeats-non", "sends_a_non_confirmable_request_once", {}, r"is sent once; observed NON GET.* once more"),
    (
        "never-acknowledges",
        "takes_a_separate_response_over_a_lossy_link",
        {"lost": "its-acknowledgement"},
        r"the second copy is acknowledged|the response comes once more",
    ),
    ("flips-a-bit", "takes_a_late_response_to_a_non_confirmable_request", {}, r"observed 2.05 with 32 bytes"),
    (
        "waits-for-the-acknowledgement",
        "takes_a_response_for_the_acknowledgement",
        {},
        r"no request after CON 2.05.*observed CON GET.* once more",
    ),
    ("waits-for-ever", "gives_up_on_a_response_that_never_comes", {}, r"is answered, within .*; observed no answer"),
    ("takes-anything", "takes_a_response_that_comes_twice_for_one", {}, r"once more; observed 2.05 with 32 bytes"),
    ("acks-strangers", "rejects_a_response_that_it_did_not_ask_for", {}, r"RST Empty.*observed ACK Empty"),
    (
        "ignores-resets",
        "stops_when_it_is_reset",
        {},
        r"an error, because the request was rej|is not sent again; observed",
    ),
    # conditions
    (
        "hides-options",
        "tells_where_something_was_created",
        {"option": Opt.LOCATION_PATH},
        r"observed 2.01 with the parts \[\]",
    ),
    ("sends-no-options", "asks_for_a_format", {"wanted": 41}, r"expected 2.05 .*observed 2.05"),
    ("hides-options", "validates_by_etag", {}, r"the ETag is delivered; observed the ETags \[\]"),
    ("sends-no-options", "sets_a_condition", {"option": Opt.IF_MATCH, "holds": False}, r"expected 4.12; observed 2.04"),
    # blocks
    ("first-block-only", "gets_a_body_in_blocks", {}, r"2500 bytes .*observed 2.05 with 1024 bytes"),
    (
        "sends-no-options",
        "asks_for_small_blocks",
        {"szx": 2},
        r"requests for blocks 0 to 4 of 64 bytes; observed|300 bytes",
    ),
    ("asks-with-more", "asks_for_each_block_anew", {}, r"with M=0 in Block2; observed CON GET.*Block2 1/1/1024"),
    (
        "own-block-size",
        "sends_a_body_in_blocks",
        {"method": "PUT", "szx": 0},
        r"blocks of 16 bytes; observed blocks of",
    ),
    ("first-block-only", "sends_and_gets_bodies_in_blocks", {}, r"2500 bytes .*observed 2.04 with"),
    ("first-block-only", "gets_a_body_over_a_lossy_link", {}, r"2500 bytes .*observed 2.05 with 1024 bytes"),
    (
        "never-retransmits",
        "sends_a_body_over_a_lossy_link",
        {"lost": "request"},
        r"PUT of /large is answered; .*timeout",
    ),
    (
        "own-block-size",
        "sends_smaller_blocks_when_asked",
        {},
        r"a request with Block1 16/1/64, after CON PUT.*; observed .*Block1 1/1/1024",
    ),
    ("mixes-bodies", "does_not_mix_two_bodies", {}, r"a mixture of both"),
    # observing
    ("delivers-the-first-alone", "observes", {}, r"the crate delivers 2.05 with 32 bytes .*observed None"),
    ("says-con", "observes_by_non_confirmable_messages", {}, r"the crate sends NON alone; observed it sent"),
    ("never-ends", "ends_an_observation", {}, r"a GET with Observe 1, or a reset, to four notifications; observed"),
    ("hides-errors", "learns_that_a_resource_is_gone", {}, r"delivers 4.04 .*observed 2.05"),
    ("hides-errors", "learns_that_a_format_is_gone", {}, r"delivers 4.06 .*observed 2.05"),
    ("delivers-the-first-alone", "asks_while_it_observes", {}, r"the crate delivers 2.05 .*observed None"),
    ("delivers-the-first-alone", "hears_of_its_own_change", {}, r"the crate delivers 2.05 .*observed None"),
    ("delivers-the-first-alone", "observes_over_a_lossy_link", {}, r"the crate delivers 2.05 .*observed None"),
    (
        "delivers-old-news",
        "takes_a_notification_that_comes_twice_for_one",
        {},
        r"the crate delivers 2.05 .*observed 2.05",
    ),
    ("never-registers-again", "notices_that_notifications_have_ended", {}, r"Max-Age 2; observed neither"),
    ("delivers-old-news", "knows_the_newest_notification", {}, r"the crate delivers 2.05 .*observed 2.05"),
    ("delivers-the-first-alone", "observes_a_large_resource", {}, r"the crate sends a request"),
    # discovery
    (
        "finds-the-same-always",
        "discovers_resources",
        {"query": "rt=first", "wanted": {"/a", "/b"}},
        r"the links .*observed \{'/a': \{\}\}",
    ),
    # robustness
    (
        "takes-any-version",
        "ignores_what_is_no_coap",
        {"spoil": "version-2"},
        r"2.05 with 32 bytes .*observed 2.05 with 32",
    ),
    (
        "takes-any-format",
        "ignores_a_response_with_an_error_of_format",
        {"spoil": "payload-marker-alone"},
        r"observed 2.05",
    ),
    (
        "passes-errors-over",
        "rejects_a_long_token",
        {"length": 9},
        r"RST Empty, mid 18193, to a token of 9 bytes; observed",
    ),
    ("takes-anything", "rejects_an_unknown_critical_option", {}, r"RST Empty.*observed ACK Empty"),
    (
        "takes-anything",
        "passes_over_an_acknowledgement_with_an_unknown_critical_option",
        {},
        r"an error, or 2.05 .* the option 65001; observed 2.05",
    ),
    ("never-pongs", "answers_a_ping", {}, r"RST Empty, mid .*, to CON Empty.*; observed"),
    ("takes-any-reset", "passes_empty_messages_over", {}, r"the GET of /test is answered; observed .*reset"),
]
SERVER_CASES: list[Case] = [
    # messages
    ("flips-an-answer", "answers_requests", {"method": "GET", **CON}, r"2.05 with 32 bytes .*observed 2.05 with 32"),
    ("other-token", "gives_the_token_back", {"size": 8, **CON}, r"a response with the token, .*token 77726f6e67"),
    (
        "never-acknowledges-requests",
        "gives_the_token_back",
        {"size": 1, **CON},
        r"a response with the token.*observed NON",
    ),
    (
        "joins-paths",
        "reads_path_and_query",
        {},
        r"GET /a/b/c first=1&second=2 & 3&.*; observed GET /a/b/c first=1/second",
    ),
    ("misses-unknown-methods", "refuses_an_unknown_method", {}, r"4.05, .*observed ACK 4.04"),
    ("has-everything", "says_what_is_not_there", {}, r"expected 4.04; observed 2.05"),
    ("refuses-elective", "takes_elective_options", {"what": "nothing-known"}, r"2.04 with 32 .*observed 4.02"),
    ("creates", "answers_requests", {"method": "POST", **CON}, r"2.04 with 32 .*observed 2.01"),
    ("never-pongs", "answers_a_ping", {}, r"an answer to CON Empty, mid 24301; observed the crate sent nothing"),
    # reliability
    ("runs-duplicates", "runs_a_repeated_request_once", {}, r"the request once; observed it got POST .* · POST"),
    ("runs-duplicates", "runs_a_repeated_non_confirmable_request_once", {}, r"the request once; observed it got POST"),
    ("runs-duplicates", "runs_a_request_once_over_a_lossy_link", {"lost": "response"}, r"once; observed it got POST"),
    ("runs-duplicates", "runs_a_slow_request_once", {}, r"the request once; observed POST /slow .* once more"),
    ("other-token", "gives_the_token_back_in_a_late_response", {}, r"with the token .*token 77726f6e67"),
    (
        "answers-once",
        "answers_a_slow_request_over_a_lossy_link",
        {"lost": "acknowledgement"},
        r"the crate's server answers POST /slow; observed",
    ),
    ("acknowledges-all", "answers_a_slow_non_confirmable_request", {}, r"in a NON or a CON; observed ACK 2.04"),
    # observers
    ("ignores-non", "notifies_who_asks_for_no_acknowledgement", {}, r"2.05 with Observe .*observed NON 2.05"),
    ("forgets-nobody", "forgets_who_is_gone", {}, r"no notification after 3 were left unanswered; observed CON 2.05"),
    ("counts-registrations", "takes_a_second_registration_for_the_same", {}, r"expected 32 bytes .*observed CON 2.05"),
    ("ignores-conditions", "tells_observers_that_a_format_is_gone", {}, r"with 4.06; observed CON 2.05"),
    # conditions
    ("serves-half", "tells_where_it_created_something", {}, r"2.01 with Location-Path .*observed 2.04"),
    ("ignores-conditions", "gives_no_format_but_the_one_asked_for", {}, r"4.06, .*observed ACK 2.05"),
    ("ignores-conditions", "validates_by_etag", {}, r"a response with an ETag; observed"),
    ("ignores-conditions", "keeps_to_a_condition", {"option": (Opt.IF_MATCH, b"x")}, r"expected 4.12; observed 2.04"),
    ("notifies-nobody", "notifies_observers", {}, r"a notification comes; observed the crate sent nothing"),
    ("never-acknowledges-requests", "acknowledges_an_observation", {}, r"an ACK with mid .*; observed"),
    ("numbers-nothing", "numbers_notifications", {}, r"each larger than before; observed \[1, 1, 1\]"),
    ("forgets-nobody", "lets_observers_deregister", {}, r"no notification after CON GET.*observed CON 2.05"),
    ("forgets-nobody", "forgets_who_resets", {}, r"no notification after RST Empty.*observed CON 2.05"),
    ("notifies-nobody", "goes_on_after_an_ordinary_get", {}, r"a notification comes; observed the crate sent nothing"),
    ("notifies-nobody", "tells_observers_that_a_resource_is_gone", {}, r"a notification comes; observed"),
    ("serves-half", "repeats_a_notification_that_was_lost", {}, r"CON 2.05.* once more; observed None within 4 s"),
    # blocks, which none of these servers has
    ("serves-half", "takes_and_gives_a_body_in_blocks", {}, r"the application gets 2500 bytes .*observed PUT /store"),
    (
        "serves-half",
        "takes_and_gives_bodies_in_one_request",
        {},
        r"2.04 with 2500 bytes .*observed|answers POST /store",
    ),
    ("serves-half", "gives_small_blocks", {"szx": 2}, r"Block2 0/1/64, .*observed ACK 2.05"),
    ("serves-half", "takes_small_blocks", {}, r"2.31 with block 0, .*observed ACK 2.04"),
    ("counts-in-its-own-size", "gives_smaller_blocks_midway", {}, r"block 4 of 64 bytes, .*observed ACK 2.05"),
    ("mixes-bodies", "gives_no_mixture_of_two_bodies", {}, r"another ETag than block 0 had, or an error; observed ACK"),
    ("gives-the-old-body", "gives_the_newest_body_to_who_starts_over", {}, r"64 bytes .*, of what was before"),
    ("never-starts-over", "takes_the_body_of_who_starts_over", {}, r"26 bytes .*, which ends as what was broken off"),
    ("knows-one-client", "takes_bodies_of_two_clients_at_once", {}, r"40 bytes .* and 40 bytes .*observed PUT /store"),
    ("serves-half", "notices_that_blocks_are_missing", {}, r"expected 4.08, .*observed ACK 2.04"),
    # discovery
    (
        "serves-half",
        "describes_its_resources",
        {"query": "", "there": {"</store>", "</obs>"}, "absent": set()},
        r"</obs>, </store> and none of nothing else; observed </store>",
    ),
    # robustness
    ("takes-any-version", "ignores_what_is_no_coap", {"spoil": "version-2"}, r"no answer; observed ACK 4.04"),
    ("serves-half", "rejects_an_error_of_format", {"spoil": "token-of-15"}, r"RST Empty, mid 18193; observed"),
    ("serves-half", "refuses_an_unknown_critical_option", {}, r"4.02, .*observed ACK 4.04"),
    ("serves-half", "rejects_an_unknown_critical_option_by_silence", {}, r"no response to NON POST.*observed NON 2.04"),
    ("answers-anything", "passes_empty_messages_over", {}, r"perhaps a reset; observed .*4.00"),
    # DTLS
    (
        "knows-another-key",
        "serves_over_dtls_with_a_key",
        {"library": "openssl"},
        r"answers its PUT of /store; observed coap-client-openssl got",
    ),
    (
        "shows-its-own-certificate",
        "serves_over_dtls_with_a_certificate",
        {"library": "gnutls"},
        r"answers its PUT of /store; observed coap-client-gnutls got",
    ),
    (
        "tells-of-handshakes",
        "refuses_a_client_with_another_key",
        {},
        r"another key is not served; observed the application got PUT /store",
    ),
    (
        "asks-for-no-certificate",
        "refuses_a_client_without_a_good_certificate",
        {"certificate": "none"},
        r"the certificate 'none' is not served; observed the client was answered 2.04",
    ),
    ("serves-in-the-open", "serves_nobody_in_the_open", {}, r"not performed; observed it was answered 2.04"),
    (
        "serves-two-clients",
        "serves_others_after_a_refused_client",
        {"refused": "no-certificate"},
        r"answers its PUT of /store; observed coap-client-openssl got no response",
    ),
    (
        "serves-one-client",
        "serves_others_while_a_handshake_stalls",
        {},
        r"answers its PUT of /store; observed coap-client-openssl got no response",
    ),
    (
        "hears-everything-once",
        "shakes_hands_over_a_lossy_link",
        {"end": "b", "number": 1},
        r"answers its PUT of /store; observed coap-client-openssl got no response",
    ),
]

#: What no reference shows to be possible: an honest script does what the scenario states.
WITNESSES: list[tuple[Dialect, str, str, dict[str, Any]]] = [
    (Dialect.COAP_CLIENT, "finds-the-same-always", "rejects_a_long_token", {"length": 9}),
    (Dialect.COAP_CLIENT, "finds-the-same-always", "takes_a_response_for_the_acknowledgement", {}),
    (Dialect.COAP_CLIENT, "finds-the-same-always", "notices_that_notifications_have_ended", {}),
    (
        Dialect.COAP_CLIENT,
        "finds-the-same-always",
        "passes_over_an_acknowledgement_with_an_unknown_critical_option",
        {},
    ),
    (Dialect.COAP_SERVER, "creates", "tells_where_it_created_something", {}),
    (Dialect.COAP_SERVER, "serves-half", "gives_no_format_but_the_one_asked_for", {}),
    (Dialect.COAP_SERVER, "serves-half", "validates_by_etag", {}),
    (Dialect.COAP_SERVER, "serves-half", "keeps_to_a_condition", {"option": (Opt.IF_MATCH, b"another")}),
    (Dialect.COAP_SERVER, "serves-half", "keeps_to_a_condition", {"option": (Opt.IF_NONE_MATCH, b"")}),
    (Dialect.COAP_SERVER, "serves-half", "tells_observers_that_a_format_is_gone", {}),
    (Dialect.COAP_SERVER, "serves-in-the-open", "serves_over_dtls_with_a_key", {"library": "gnutls"}),
    (Dialect.COAP_SERVER, "serves-in-the-open", "serves_over_dtls_with_a_certificate", {"library": "gnutls"}),
    (Dialect.COAP_SERVER, "serves-in-the-open", "serves_others_after_a_refused_client", {"refused": "another-key"}),
    (Dialect.COAP_SERVER, "serves-in-the-open", "serves_others_after_a_refused_client", {"refused": "no-certificate"}),
    (Dialect.COAP_SERVER, "serves-in-the-open", "serves_others_while_a_handshake_stalls", {}),
    (Dialect.COAP_SERVER, "serves-in-the-open", "shakes_hands_over_a_lossy_link", {"end": "b", "number": 3}),
]


def _ids(cases: list[Case]) -> list[Any]:
    return [pytest.param(*case, id=f"{case[0]}-{case[1]}") for case in cases]


def _attempt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, dialect: Dialect, name: str, scenario: str, params: dict[str, Any]
) -> tuple[Verdict, str]:
    monkeypatch.setattr(Bench, "_vet", lambda *_: {})  # the contract is not what they break, and starting takes time
    for module in ("peer", "coap", "coap_client", "coap_dtls"):
        monkeypatch.setattr(f"harness.cells.{module}.DELIVERY", 4.0)  # still far more than the honest ones need
    monkeypatch.setattr("harness.cells.coap.CoapCell.take.__defaults__", (4.0,))
    monkeypatch.setattr("harness.cells.coap.CoapCell.await_packet.__kwdefaults__", {"within": 4.0, "since": 0})
    monkeypatch.setattr("harness.cells.coap_client.CoapEndpoint.next_notification.__defaults__", (4.0,))
    clients = dialect is Dialect.COAP_CLIENT
    function = (OF_CLIENTS if clients else OF_SERVERS)[scenario]
    stated = scenario_of(function)
    assert stated is not None
    crate = saboteur(CONTROL, "coap_clients" if clients else "coap_servers", name)
    key = CellKey(dialect, scenario, "", crate.name, crate.version, LINE.id)
    question = Question(key=key, scenario=stated, crate=crate, line=LINE)
    seen = attempt(bench, question, crate, ReferencePeer(LINE), lambda cell: function(cell, **params), "1")
    return seen.verdict, seen.reason


@pytest.mark.parametrize(("name", "scenario", "params", "reason"), _ids(CLIENT_CASES))
def test_wrong_client_is_caught(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, scenario: str, params: dict[str, Any], reason: str
) -> None:
    """The cell is red, and the reason lets a human see what is wrong."""
    verdict, seen = _attempt(bench, monkeypatch, Dialect.COAP_CLIENT, name, scenario, params)
    assert verdict.is_red, seen
    assert re.search(reason, seen), seen


@pytest.mark.parametrize(("name", "scenario", "params", "reason"), _ids(SERVER_CASES))
def test_wrong_server_is_caught(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, scenario: str, params: dict[str, Any], reason: str
) -> None:
    """The cell is red, and the reason lets a human see what is wrong."""
    verdict, seen = _attempt(bench, monkeypatch, Dialect.COAP_SERVER, name, scenario, params)
    assert verdict.is_red, seen
    assert re.search(reason, seen), seen


@pytest.mark.parametrize(
    ("dialect", "name", "scenario", "params"), [pytest.param(*case, id=case[2]) for case in WITNESSES]
)
def test_honest_script_passes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, dialect: Dialect, name: str, scenario: str, params: dict[str, Any]
) -> None:
    """The scenario can be satisfied."""
    verdict, seen = _attempt(bench, monkeypatch, dialect, name, scenario, params)
    assert verdict is Verdict.PASS, seen


def test_every_scenario_can_fail() -> None:
    """A new scenario needs a saboteur."""
    caught = {f"client {case[1]}" for case in CLIENT_CASES} | {f"server {case[1]}" for case in SERVER_CASES}
    stated = {f"client {name}" for name in OF_CLIENTS} | {f"server {name}" for name in OF_SERVERS}
    assert caught == stated


def test_every_saboteur_has_a_case() -> None:
    """None is there for nothing."""
    assert set(CLIENTS) == {case[0] for case in CLIENT_CASES}
    assert set(SERVERS) == {case[0] for case in SERVER_CASES}
