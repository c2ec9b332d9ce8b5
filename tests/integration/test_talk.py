"""The conversation with a probe: each way in which it can go wrong, by a fake probe that goes wrong on request."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.errors import (
    AttemptError,
    ContractViolation,
    CrateCrash,
    CrateTimeout,
    FeatureUnsupported,
    NotWritten,
    RefusedByCrate,
)
from harness.model import Verdict
from harness.paths import ROOT
from harness.probes import talk
from harness.probes.talk import ProbeProcess, panic_message
from harness.probes.transcript import Transcript
from harness.probes.vetting import vet
from harness.wire import mqtt
from harness.wire.messages import decode, encode
from tests.processes import ends

Start = Callable[[str], ProbeProcess]

FAKE = ROOT / "tests" / "fake_probe.py"


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the fake probe with a behaviour; ends it afterwards."""
    with contextlib.ExitStack() as stack:

        def begin(behaviour: str) -> ProbeProcess:
            argv = [sys.executable, "-I", "-S", str(FAKE), behaviour]
            process = ProbeProcess(argv, mqtt.VOCABULARY, Transcript(), dict(os.environ))
            stack.callback(process.close, grace=0.1)
            return process

        yield begin


@pytest.fixture
def greeted(start: Start) -> Start:
    """The same, after hello."""

    def begin(behaviour: str) -> ProbeProcess:
        process = start(behaviour)
        process.hello()
        return process

    return begin


@pytest.fixture(autouse=True)
def _short_graces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds that a test need not wait."""
    monkeypatch.setattr(talk, "EXIT_GRACE", 0.5)


def publish(process: ProbeProcess, payload: bytes = b"hi", deadline: float = 5.0) -> dict[str, Any]:
    """Ask the probe to publish, which is where most behaviours start."""
    request = mqtt.PublishRequest(topic="t", payload=encode(payload))
    return process.call(request, op="publish", deadline=deadline, expected="the message is published")


def take(process: ProbeProcess, within: float) -> dict[str, Any] | None:
    """The next message."""
    return process.take_event(lambda event: event["event"] == "message", within, expected="the message comes back")


# -- what works ----------------------------------------------------------------------------------------


def test_a_conversation(greeted: Start) -> None:
    """Calls are answered, events are kept for who waits, and the end of input ends the probe."""
    process = greeted("honest")
    assert publish(process) == {"confirmed": True}
    assert take(process, 5.0) == {"event": "message", "topic": "t", "payload": "aGk="}
    started = time.monotonic()
    assert take(process, 0.2) is None
    assert 0.2 <= time.monotonic() - started < 2.0
    assert process.close() == 0


def test_the_transcript_has_both_sides(greeted: Start) -> None:
    """Who reads the evidence sees commands, replies and how it ended."""
    process = greeted("honest")
    publish(process)
    process.close()
    text = process.transcript.text()
    for part in ('> {"id": 1, "op": "hello"', '< {"re": 2, "ok": {"confirmed": true}}', "# exit status 0"):
        assert part in text


@pytest.mark.parametrize("size", [64 * 1024 + 1, 1024 * 1024])
def test_large_payloads_pass_in_one_line(greeted: Start, size: int) -> None:
    """More than a pipe holds, in both directions."""
    process, payload = greeted("honest"), os.urandom(size)
    publish(process, payload)
    event = take(process, 5.0)
    assert event is not None
    assert decode(event["payload"]) == payload
    assert len(process.transcript.text()) < 20_000, "the transcript keeps the beginning of a long line"


def test_a_flood_on_standard_error_holds_nobody_up(greeted: Start) -> None:
    """Logs are read while they come, and an endless log is cut in the transcript."""
    process = greeted("floods-stderr")
    assert publish(process) == {"confirmed": True}
    assert "log line 0 " in process.transcript.text()
    assert process.transcript.text().count("log line") <= 2_000


# -- errors that the probe reports ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "error", "verdict", "says"),
    [
        ("refuses", RefusedByCrate, Verdict.FAIL, r"ended with the error io \(it may have happened .*\): so it is"),
        ("unsupported", FeatureUnsupported, Verdict.BROKEN, r"unsupported for 'qos2'"),
        ("not-written", ContractViolation, Verdict.BROKEN, r"hello claims publish, and publish replied not_written"),
        ("not-written-field", NotWritten, Verdict.NOT_RUN, r"the probe has no publish yet: so it is"),
        ("bad-value", ContractViolation, Verdict.BROKEN, r"refused publish as bad_value"),
        ("wrong-code", ContractViolation, Verdict.BROKEN, r"a reply is not as WIRE.md has it: error.code"),
    ],
)
def test_error_replies(greeted: Start, behaviour: str, error: type[AttemptError], verdict: Verdict, says: str) -> None:
    """The crate's own error is the crate's; what says that the probe is wrong is ours."""
    with pytest.raises(error, match=says) as caught:
        publish(greeted(behaviour))
    assert caught.value.verdict is verdict


def test_unsupported_carries_the_feature(greeted: Start) -> None:
    """`judge` looks it up in crates.toml."""
    with pytest.raises(FeatureUnsupported) as caught:
        publish(greeted("unsupported"))
    assert caught.value.feature == "qos2"


def test_an_error_while_waiting_is_the_crates(greeted: Start) -> None:
    """A client that fails while it is driven has failed."""
    with pytest.raises(RefusedByCrate, match=r"failed while waiting: io: connection reset by peer") as caught:
        take(greeted("wait-fails"), 5.0)
    assert not caught.value.definite


def test_a_wait_that_is_not_written_is_ours(greeted: Start) -> None:
    """The probe claims `wait`."""
    with pytest.raises(ContractViolation):
        take(greeted("wait-not-written"), 1.0)


def test_a_wait_without_ok_is_ours(greeted: Start) -> None:
    """Its reply has the same rules as every other."""
    with pytest.raises(ContractViolation):
        take(greeted("wait-without-ok"), 0.3)


def test_a_wait_that_does_not_wait_is_ours(greeted: Start) -> None:
    """It drives the client until an event came or the time is over; thousands of waits a second drive nothing."""
    with pytest.raises(ContractViolation):
        take(greeted("eager-wait"), 0.3)


# -- what the contract forbids -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        ("text", r"printed 'connected to the broker' on standard output.*logs belong on standard error"),
        ("json-list", r"printed '\[1\]' on standard output, which is no JSON object"),
        ("endless-text", r"printed 'retrying' on standard output.*logs belong on standard error"),
        ("unknown-id", r"answered command 9, which was not asked; 2 was"),
        ("unknown-event", r"the event 'telepathy', which WIRE.md does not have"),
        ("wrong-event", r"the event message is not as WIRE.md has it: payload: Field required"),
        ("empty-reply", r"the reply to publish has neither ok nor error"),
        ("wrong-reply", r"the reply to publish is not as WIRE.md has it: confirmed"),
    ],
)
def test_violations(greeted: Start, behaviour: str, says: str) -> None:
    """Each one says what was printed and what is due instead."""
    with pytest.raises(ContractViolation, match=says):
        publish(greeted(behaviour))


def test_a_second_answer_shows_at_the_next_call(greeted: Start) -> None:
    """It cannot be seen before; it must not be taken for the answer to something else."""
    process = greeted("answers-twice")
    publish(process)
    with pytest.raises(ContractViolation, match=r"answered command 2, which was not asked; 3 was"):
        publish(process)


def test_endless_events_end(greeted: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise that is faster than its reader is cut off by its amount."""
    monkeypatch.setattr(talk, "_KEPT_EVENTS", 5_000)
    with pytest.raises(ContractViolation, match=r"more than 5000 events that nobody asked for"):
        publish(greeted("endless-events"))


def test_endless_events_end_in_time(greeted: Start) -> None:
    """The deadline holds although there is always another line to read."""
    process, started = greeted("endless-events"), time.monotonic()
    with pytest.raises(AttemptError):
        publish(process, deadline=0.3)
    assert time.monotonic() - started < 1.0


def test_one_deadline_whatever_comes_meanwhile(greeted: Start) -> None:
    """Events do not prolong a call."""
    process, started = greeted("trickling-events"), time.monotonic()
    with pytest.raises(CrateTimeout, match=r"no answer to publish within 0.5 s"):
        publish(process, deadline=0.5)
    assert 0.5 <= time.monotonic() - started < 1.5


def test_a_line_without_end(greeted: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not collected for ever."""
    monkeypatch.setattr(talk, "MAX_LINE", 1_000)
    with pytest.raises(ContractViolation, match=r"a line of more than 1000 bytes"):
        publish(greeted("long-line"))


# -- silence and death ---------------------------------------------------------------------------------


def test_silence_is_a_timeout(greeted: Start) -> None:
    """Within the deadline of the call, which the message names."""
    process, started = greeted("silent"), time.monotonic()
    with pytest.raises(CrateTimeout, match=r"expected the message is published, within 0.4 s; observed no answer"):
        publish(process, deadline=0.4)
    assert time.monotonic() - started < 1.4


def test_a_probe_that_does_not_read_is_a_timeout(greeted: Start) -> None:
    """More than a pipe holds, to a probe that hangs."""
    process = greeted("deaf")
    rescue = threading.Timer(1.5, process._process.kill)
    rescue.start()
    try:
        with pytest.raises(CrateTimeout):
            publish(process, os.urandom(256 * 1024), deadline=0.5)
    finally:
        rescue.cancel()


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        ("exits", r"the probe exited with status 3 during publish$"),
        ("killed", r"the probe was killed by SIGABRT during publish$"),
        (
            "panics",
            r"exited with status 101 during publish: panicked at some-0.1.0/src/lib.rs:7:9: "
            r"index out of bounds: the len is 0 but the index is 0$",
        ),
        (
            "panics-old",
            r"exited with status 101 during publish: panicked at 'called `Option::unwrap\(\)` on a `None` value', "
            r"src/main.rs:12:34$",
        ),
        ("closes-stdout", r"the probe closed its standard output during publish$"),
    ],
)
def test_crashes(greeted: Start, behaviour: str, says: str) -> None:
    """How it ended, during what, and what it panicked with, without this machine's paths."""
    with pytest.raises(CrateCrash, match=says):
        publish(greeted(behaviour))


def test_the_first_panic_is_the_cause(greeted: Start) -> None:
    """The crate's thread panics, and then our main thread does, because the other is gone."""
    with pytest.raises(CrateCrash, match=r"attempt to subtract with overflow"):
        publish(greeted("panics-twice"))


def test_a_dead_probe_stays_a_crash(greeted: Start) -> None:
    """Who asks again gets the same answer and no broken pipe."""
    process = greeted("exits")
    for _ in range(2):
        with pytest.raises(CrateCrash, match=r"exited with status 3"):
            publish(process)


def test_no_panic_no_text() -> None:
    """An ordinary log has none."""
    assert panic_message(["connecting", "connected"]) == ""


def test_a_probe_that_ignores_the_end_is_killed_with_its_child(greeted: Start) -> None:
    """Nothing of it stays behind."""
    process = greeted("ignores-end")
    found = None
    for _ in range(100):
        if found := re.search(r"! child (\d+)", process.transcript.text()):
            break
        time.sleep(0.02)
    assert found is not None
    started = time.monotonic()
    assert process.close(grace=0.3) is None
    assert time.monotonic() - started < 2.0
    for pid in (process._process.pid, int(found.group(1))):
        assert ends(pid)
    assert "killed after 0.3 s" in process.transcript.text()


def test_closing_does_not_wait_for_a_flood(greeted: Start) -> None:
    """A probe that is held up by a full pipe can be ended."""
    process = greeted("endless-events")
    process.begin(mqtt.PublishRequest(topic="t", payload=""), op="publish")
    time.sleep(0.3)
    started = time.monotonic()
    process.close(grace=0.3)
    assert time.monotonic() - started < 2.0


# -- whom to trust -------------------------------------------------------------------------------------


def test_an_honest_probe_is_trusted(start: Start) -> None:
    """Vetting returns what it said of itself."""
    hello = vet(start("honest"), mqtt.VOCABULARY)
    assert (hello.crate, hello.version, hello.ops) == ("some", "0.1.0", ["publish", "disconnect", "wait"])


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        ("takes-anything", r"did not refuse the operation op_[0-9a-f]{8}, which nobody knows"),
        ("ignores-fields", r"did not refuse the field field_[0-9a-f]{8} of \w+, which nobody knows"),
        ("claims-strange-operations", r"claims operations that WIRE.md does not have: teleport"),
        ("sets-what-it-does-not-speak", r"has settings for dialects that the probe lacks: mqtt-5"),
        ("ignores-end", r"did not exit after its standard input ended; status 0 within"),
        ("ends-badly", r"exited with status 3 after its standard input ended"),
        ("old-wire", r"speaks wire version 0, the harness 1"),
        ("nameless", r"hello's reply is not as WIRE.md has it: crate: Field required"),
    ],
)
def test_vetting_refuses(start: Start, behaviour: str, says: str) -> None:
    """Who cannot be trusted is not asked about a crate."""
    process = start(behaviour)
    close = process.close
    process.close = lambda *, grace=0.5: close(grace=grace)  # type: ignore[method-assign]
    with pytest.raises(ContractViolation, match=says):
        vet(process, mqtt.VOCABULARY)


def test_vetting_tries_every_operation(start: Start) -> None:
    """Whether a probe is trusted must not depend on luck: with one of three, it would be trusted two times of three."""
    for _ in range(12):
        with pytest.raises(ContractViolation):
            vet(start("ignores-fields-of-disconnect"), mqtt.VOCABULARY)


def test_vetting_refuses_who_can_nothing(start: Start) -> None:
    """There must be at least `wait`."""
    with pytest.raises(ContractViolation):
        vet(start("claims-nothing"), mqtt.VOCABULARY)


def test_a_probe_that_cannot_start_is_ours(start: Start) -> None:
    """No line of the crate has run at hello, and no control is asked while vetting."""
    with pytest.raises(ContractViolation):
        vet(start("dies-at-hello"), mqtt.VOCABULARY)


def test_a_probe_that_is_silent_at_hello_is_ours(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for one that says nothing."""
    monkeypatch.setattr(talk, "CALL_DEADLINE", 0.2)
    with pytest.raises(ContractViolation):
        vet(start("silent-at-hello"), mqtt.VOCABULARY)


def test_vetting_ends_the_probe_in_any_case(start: Start) -> None:
    """One that is not trusted must not live on."""
    process = start("takes-anything")
    with pytest.raises(ContractViolation):
        vet(process, mqtt.VOCABULARY)
    assert process._process.poll() is not None
