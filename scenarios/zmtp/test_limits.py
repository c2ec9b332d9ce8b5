"""Options that bound what a socket keeps, how long it waits, and to whom it sends."""

from __future__ import annotations

import time
from typing import Any

import pytest

from harness.cells.zmtp import ZmtpCell, endpoint_of
from harness.cells.zmtp_client import Message, messages
from harness.errors import RefusedByCrate
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario

_OPTIONS = "http://api.zeromq.org/4-3:zmq-setsockopt"
_REQREP = "https://rfc.zeromq.org/spec/28/"

_READ_BACK: dict[str, Any] = {
    "sndhwm": 7,
    "rcvhwm": 11,
    "linger": 250,
    "sndtimeo": 1234,
    "rcvtimeo": 2345,
    "reconnect_ivl": 321,
    "maxmsgsize": 5_000_000_000,
    "heartbeat_ivl": 4000,
    "immediate": True,
    "ipv6": True,
    "routing_id": b"\x01\x00\xff-id",
    "zap_domain": "domain",
}


@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.CONVENIENCE,
    spec=[_OPTIONS, "http://api.zeromq.org/4-3:zmq-getsockopt"],
)
def test_reads_options_back(cell: ZmtpCell) -> None:
    """Options of every kind (32 and 64 bits, flags, bytes, text) are read back as they were set."""
    socket = cell.client().open("DEALER", **_READ_BACK)
    read = {name: socket.option(name) for name in _READ_BACK}  # type: ignore[arg-type]
    wrong = {name: value for name, value in read.items() if value != _READ_BACK[name]}
    cell.expect(not wrong, expected="each option as it was set", observed=f"other values of {wrong}")


@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_OPTIONS} (ZMQ_SNDHWM)"],
)
def test_keeps_to_the_high_water_mark(cell: ZmtpCell) -> None:
    """A PUSH socket that nobody reads takes no more messages than its high-water mark, and loses none of those."""
    reference = cell.reference.open("PULL")
    relay = cell.relay_to(reference.bind())
    relay.refuse(True)
    socket = cell.client().open("PUSH", sndhwm=5)
    socket.connect(endpoint_of(relay))
    taken: list[bytes] = []
    refusal = "nothing"
    for payload in [cell.payload() for _ in range(20)]:
        try:
            socket.send(payload, within=0)
        except RefusedByCrate as error:
            refusal = error.code
            break
        taken.append(payload)
    cell.expect(
        1 <= len(taken) <= 5 and refusal == "timeout",
        expected="1 to 5 messages are taken over, and the next one would block",
        observed=f"{len(taken)} messages, then {refusal}",
    )
    relay.refuse(False)
    cell.expect_received(reference, messages(taken), expected="the messages that were taken over")


@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[f"{_OPTIONS} (ZMQ_RCVTIMEO, ZMQ_SNDTIMEO)"],
)
@pytest.mark.parametrize("way", ["send", "receive"])
def test_keeps_to_its_time_limit(cell: ZmtpCell, way: str) -> None:
    """With a time limit of its own, a call that nobody answers ends in an error when the time is over."""
    socket = cell.client().open("PUSH" if way == "send" else "PULL", sndtimeo=700, rcvtimeo=700)
    socket.bind()
    started = time.monotonic()
    code = "none"
    try:
        if way == "send":
            socket.send(cell.payload(), within=None)
        else:
            socket.receive(within=None)
    except RefusedByCrate as error:
        code = error.code
    took = time.monotonic() - started
    cell.expect(
        code == "timeout" and 0.65 <= took < 5.0,
        expected="the error EAGAIN after 0.7 s",
        observed=f"the error {code} after {took:.1f} s",
    )


@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_OPTIONS} (ZMQ_LINGER)", "http://api.zeromq.org/4-3:zmq-ctx-term"],
)
def test_lingers_until_everything_is_sent(cell: ZmtpCell) -> None:
    """What a closed socket still has to send arrives, and the context ends after that."""
    reference = cell.reference.open("PULL")
    relay = cell.relay_to(reference.bind())
    relay.refuse(True)
    client = cell.client()
    socket = client.open("PUSH", linger=-1)
    socket.connect(endpoint_of(relay))
    payload = cell.payload()
    socket.send(payload)
    socket.close()
    finish = client.begin_terminate()
    relay.refuse(False)
    cell.expect_received(reference, [Message.of(payload)], expected="the message arrives after the socket was closed")
    finish(10.0)


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[f"{_OPTIONS} (ZMQ_LINGER)"],
)
def test_does_not_linger_when_told_so(cell: ZmtpCell) -> None:
    """A socket that is closed with a linger of zero discards what was not sent, and the context ends at once."""
    reference = cell.reference.open("PULL")
    relay = cell.relay_to(reference.bind())
    relay.refuse(True)
    client = cell.client()
    socket = client.open("PUSH", linger=-1)
    socket.connect(endpoint_of(relay))
    socket.send(cell.payload())
    socket.close(linger=0)
    client.terminate()
    relay.refuse(False)
    marker, after = cell.payload(), cell.client().open("PUSH")
    after.connect(endpoint_of(relay))
    after.send(marker)
    cell.expect_received(reference, [Message.of(marker)], expected="only what another client sends arrives")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[
        "http://api.zeromq.org/4-3:zmq-ctx-term",
        "https://docs.rs/zmq/0.10.0/zmq/struct.Context.html#method.destroy",
    ],
)
@pytest.mark.parametrize("explicit", [False, True], ids=["dropped", "destroyed"])
def test_ends_a_context_and_makes_another(cell: ZmtpCell, explicit: bool) -> None:
    """After a context was ended, by dropping it or by the call for that, sockets of a new one work."""
    client, reference = cell.client(), cell.reference.open("PULL")
    relay = cell.relay_to(reference.bind())
    for _ in range(3):
        payload, socket = cell.payload(), client.open("PUSH")
        socket.connect(endpoint_of(relay))
        socket.send(payload)
        cell.expect_received(reference, [Message.of(payload)], expected="a message of each context arrives")
        client.terminate(explicit=explicit)


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[f"{_OPTIONS} (ZMQ_CONFLATE)"],
)
def test_keeps_the_last_message_alone(cell: ZmtpCell) -> None:
    """With the option to conflate, a socket that nobody reads keeps its last message and no other."""
    reference = cell.reference.open("PULL")
    relay = cell.relay_to(reference.bind())
    relay.refuse(True)
    socket = cell.client().open("PUSH", conflate=True)
    socket.connect(endpoint_of(relay))
    payloads = [cell.payload() for _ in range(10)]
    for payload in payloads:
        socket.send(payload)
    relay.refuse(False)
    cell.expect_received(reference, messages(payloads[-1:]), expected="the first to arrive is the last one sent")
    marker = cell.payload()
    socket.send(marker)
    cell.expect_received(reference, [Message.of(marker)], expected="the next one is what is sent now")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[f"{_OPTIONS} (ZMQ_MAXMSGSIZE)"],
)
def test_refuses_messages_that_are_too_large(cell: ZmtpCell) -> None:
    """A peer that sends more than the greatest size is disconnected; a message of that size is delivered."""
    socket = cell.client().open("PULL", maxmsgsize=1000)
    socket.monitor()
    relay = cell.relay_to(socket.bind())
    reference = cell.reference.open("PUSH")
    reference.connect(endpoint_of(relay))
    fits, too_large, after = cell.payload(1000), cell.payload(1001), cell.payload()
    cell.send(reference, fits)
    cell.expect_delivered(socket, [Message.of(fits)], expected="the message of 1000 bytes is delivered")
    cell.send(reference, too_large)
    socket.await_event("disconnected")
    socket.await_event("handshake_succeeded")
    cell.send(reference, after)
    cell.expect_delivered(socket, [Message.of(after)], expected="only the message after it is delivered")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_OPTIONS} (ZMQ_ROUTER_MANDATORY)"],
)
def test_reports_an_unknown_receiver(cell: ZmtpCell) -> None:
    """A ROUTER socket that is set to be mandatory reports that nobody has the name; else it drops the message."""
    link = cell.link("ROUTER", "DEALER", "crate-binds", crate_options={"router_mandatory": True})
    hello = cell.payload()
    cell.send(link.reference, hello)
    sender = link.crate.receive()[0].frames[0]
    nobody = b"nobody-" + cell.token.encode()
    error = cell.expect_refused(
        lambda: link.crate.send(nobody, cell.payload()), expected="sending to nobody ends in an error"
    )
    cell.expect(error.code == "io", expected="the error that the host is unreachable", observed=error.observed)
    answer = cell.payload()
    link.crate.send(sender, answer)
    cell.expect_received(link.reference, [Message.of(answer)], expected="a message to somebody arrives afterwards")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[f"{_OPTIONS} (ZMQ_ROUTER_HANDOVER)"],
)
@pytest.mark.parametrize("handover", [False, True], ids=["kept", "handed-over"])
def test_hands_a_name_over(cell: ZmtpCell, handover: bool) -> None:
    """Of two peers with one name, a ROUTER socket serves the second with the option to hand over, else the first."""
    router = cell.client().open("ROUTER", router_handover=handover)
    relay = cell.relay_to(router.bind())
    name, third = b"same-name", b"other-name"

    def join(routing_id: bytes) -> Any:
        dealer = cell.reference.open("DEALER", routing_id=routing_id)
        dealer.monitor()
        dealer.connect(endpoint_of(relay))
        return dealer

    first = join(name)
    hello = cell.payload()
    cell.send(first, hello)
    cell.expect_delivered(router, [Message.of(name, hello)], expected="the first peer is known")
    second = join(name)
    if handover:
        again = cell.payload()
        cell.send(second, again)
        cell.expect_delivered(router, [Message.of(name, again)], expected="the second peer is known by the same name")
    else:
        # The ROUTER has seen the second peer once it knows one that came after that one's handshake.
        cell.expect(
            second.await_event(["handshake_succeeded"], 10.0) is not None,
            expected="the second peer is connected",
            observed="no handshake",
        )
        later, greeting = join(third), cell.payload()
        cell.send(later, greeting)
        cell.expect_delivered(router, [Message.of(third, greeting)], expected="a third peer is known by its name")
    answer = cell.payload()
    router.send(name, answer)
    served, which = (second, "second") if handover else (first, "first")
    cell.expect_received(served, [Message.of(answer)], expected=f"the {which} peer gets what is sent to the name")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_REQREP, "http://api.zeromq.org/4-3:zmq-msg-send (EFSM)"],
)
def test_takes_turns(cell: ZmtpCell) -> None:
    """A second request before the reply ends in an error, and the reply to the first one is delivered."""
    link = cell.link("REQ", "REP", "crate-connects")
    request, reply = cell.payload(), cell.payload()
    link.crate.send(request)
    cell.expect_received(link.reference, [Message.of(request)], expected="the request arrives")
    cell.expect_refused(
        lambda: link.crate.send(cell.payload(), within=None), expected="the second request ends in an error"
    )
    cell.send(link.reference, reply)
    cell.expect_delivered(link.crate, [Message.of(reply)], expected="the reply is delivered")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[f"{_OPTIONS} (ZMQ_REQ_RELAXED, ZMQ_REQ_CORRELATE)"],
)
def test_asks_again_without_a_reply(cell: ZmtpCell) -> None:
    """A REQ socket that is relaxed and correlates may ask again, and then delivers the new reply, not the old one."""
    options = {"req_relaxed": True, "req_correlate": True}
    link = cell.link("REQ", "ROUTER", "crate-connects", crate_options=options)
    asked: list[tuple[bytes, ...]] = []
    for _ in range(2):
        request = cell.payload()
        link.crate.send(request)
        envelope = link.reference.receive(cell.remaining(10.0, "the request arrives"))
        cell.expect(
            envelope is not None and envelope[-1] == request,
            expected="the request arrives",
            observed=f"{envelope}",
        )
        asked.append(envelope or ())
    old, new = cell.payload(), cell.payload()
    for envelope, reply in zip(asked, (old, new), strict=True):
        cell.send(link.reference, *envelope[:-1], reply)
    cell.expect_delivered(link.crate, [Message.of(new)], expected="only the reply to the second request")
