"""Coming and going: endpoints, reconnecting, monitors, heartbeats."""

from __future__ import annotations

import time

import pytest

from harness.cells.zmtp import SIDES, Side, ZmtpCell, endpoint_of
from harness.cells.zmtp_client import Message
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.scenario import scenario

_TCP = "http://api.zeromq.org/4-3:zmq-tcp"
_IPC = "http://api.zeromq.org/4-3:zmq-ipc"
_BIND = "http://api.zeromq.org/4-3:zmq-bind"
_CONNECT = "http://api.zeromq.org/4-3:zmq-connect"
#: Sockets "SHALL establish connections opportunistically, that is: they connect to an endpoint asynchronously, and if
#: the connection is broken, SHOULD reconnect"; a queue is there "whether or not the connection is established".
_ZMTP = "https://rfc.zeromq.org/spec/23/"
_REQREP = "https://rfc.zeromq.org/spec/28/"
_PIPELINE = "https://rfc.zeromq.org/spec/30/"
_MONITOR = "http://api.zeromq.org/4-3:zmq-socket-monitor"
_OPTIONS = "http://api.zeromq.org/4-3:zmq-setsockopt"
_PING = "https://rfc.zeromq.org/spec/37/#connection-heartbeating"

sides = pytest.mark.parametrize("side", SIDES)


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.SHOULD,
    consequence=Consequence.HANG,
    spec=[_ZMTP, _REQREP, _CONNECT],
    needs=[Need.RECONNECT],
)
def test_works_again_after_a_cut(cell: ZmtpCell, side: Side) -> None:
    """After the connection broke, messages go both ways again without the application's help."""
    link = cell.link("DEALER", "DEALER", side)
    for cuts in range(3):
        there, back = cell.payload(), cell.payload()
        cell.send_first(link.crate, there)
        cell.expect_received(link.reference, [Message.of(there)], expected="a message arrives")
        cell.send(link.reference, back)
        cell.expect_delivered(link.crate, [Message.of(back)], expected="a message is delivered", after_cut=cuts > 0)
        connections = link.relay.served
        link.relay.cut()
        cell.expect_soon(
            lambda before=connections: "" if link.relay.served > before else "no new connection",  # type: ignore[misc]
            expected="there is a new connection",
        )


@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_ZMTP, _PIPELINE, _CONNECT],
    needs=[Need.RECONNECT],
)
def test_connects_before_the_peer_binds(cell: ZmtpCell) -> None:
    """Messages that are sent before there is anybody to connect to arrive once there is."""
    reference = cell.reference.open("PULL")
    relay = cell.relay_to(reference.bind())
    relay.refuse(True)
    sender = cell.client().open("PUSH")
    sender.connect(endpoint_of(relay))
    payloads = [cell.payload() for _ in range(3)]
    for payload in payloads:
        sender.send(payload)
    cell.expect_soon(lambda: "" if relay.accepted else "no attempt to connect", expected="the crate tries to connect")
    relay.refuse(False)
    cell.expect_received(reference, [Message.of(p) for p in payloads], expected="all three messages arrive")


@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[f"{_OPTIONS} (ZMQ_RECONNECT_IVL)"],
    needs=[Need.RECONNECT],
)
def test_pauses_between_attempts(cell: ZmtpCell) -> None:
    """While every connection is refused, the crate tries again no more often than its reconnect interval says."""
    reference = cell.reference.open("PULL")
    relay = cell.relay_to(reference.bind())
    relay.refuse(True)
    sender = cell.client().open("PUSH", reconnect_ivl=200)
    sender.connect(endpoint_of(relay))
    time.sleep(3.0)  # a rate has no event
    attempts = relay.accepted
    cell.expect(
        2 <= attempts <= 3.0 / 0.2 + 2,
        expected="between 2 and 17 attempts in 3 s, at 200 ms each",
        observed=f"{attempts} attempts",
    )


@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[f"{_BIND}", "http://api.zeromq.org/4-3:zmq-getsockopt (ZMQ_LAST_ENDPOINT)"],
)
def test_tells_the_endpoint_that_it_is_bound_to(cell: ZmtpCell) -> None:
    """After binding a port that the system picks, the last endpoint is the address with the port that was chosen."""
    socket = cell.client().open("PULL")
    bound = socket.bind()
    told = socket.option("last_endpoint")
    host, _, port = str(told).rpartition(":")
    cell.expect(
        told == bound and host == "tcp://127.0.0.1" and port.isdigit(),
        expected="tcp://127.0.0.1: and a port, without a trailing NUL",
        observed=repr(told),
    )
    payload, sender = cell.payload(), cell.reference.open("PUSH")
    sender.connect(bound)
    cell.send(sender, payload)
    cell.expect_delivered(socket, [Message.of(payload)], expected="what is sent to that endpoint is delivered")


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_IPC],
)
def test_works_over_ipc(cell: ZmtpCell, side: Side) -> None:
    """Messages go both ways over a Unix socket."""
    socket, reference = cell.client().open("DEALER"), cell.reference.open("DEALER")
    endpoint = cell.ipc_endpoint()
    if side == "crate-binds":
        reference.connect(socket.bind(endpoint))
    else:
        socket.connect(reference.bind(endpoint))
    there, back = cell.payload(), cell.payload()
    cell.send_first(socket, there)
    cell.expect_received(reference, [Message.of(there)], expected="a message arrives")
    cell.send(reference, back)
    cell.expect_delivered(socket, [Message.of(back)], expected="a message is delivered")


@sides
@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[f"{_OPTIONS} (ZMQ_IPV6)", _TCP],
)
def test_works_over_ipv6(cell: ZmtpCell, side: Side) -> None:
    """With the option for IPv6, messages go both ways over ::1."""
    socket, reference = cell.client().open("DEALER", ipv6=True), cell.reference.open("DEALER", ipv6=True)
    if side == "crate-binds":
        reference.connect(socket.bind("tcp://[::1]:0"))
    else:
        relay = cell.relay_to(reference.bind())
        socket.connect(f"tcp://[::1]:{relay.endpoint[1]}")
    there, back = cell.payload(), cell.payload()
    cell.send_first(socket, there)
    cell.expect_received(reference, [Message.of(there)], expected="a message arrives")
    cell.send(reference, back)
    cell.expect_delivered(socket, [Message.of(back)], expected="a message is delivered")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.CONVENIENCE,
    spec=[_MONITOR],
)
def test_monitors_a_connection(cell: ZmtpCell) -> None:
    """A monitor reports connecting, the handshake, the loss of the connection, and the next connection."""
    reference = cell.reference.open("DEALER")
    relay = cell.relay_to(reference.bind())
    socket = cell.client().open("DEALER")
    socket.monitor()
    socket.connect(endpoint_of(relay))
    for name in ("connected", "handshake_succeeded"):
        socket.await_event(name)
    relay.cut()
    for name in ("disconnected", "connected", "handshake_succeeded"):
        socket.await_event(name)


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.CONVENIENCE,
    spec=[_MONITOR],
)
def test_monitors_a_listener(cell: ZmtpCell) -> None:
    """A monitor reports that the socket listens, who comes, and who goes."""
    socket = cell.client().open("DEALER")
    socket.monitor()
    relay = cell.relay_to(socket.bind())
    socket.await_event("listening")
    reference = cell.reference.open("DEALER")
    reference.connect(endpoint_of(relay))
    for name in ("accepted", "handshake_succeeded"):
        socket.await_event(name)
    reference.close()
    socket.await_event("disconnected")


@pytest.mark.parametrize(
    "endpoint",
    [
        pytest.param("127.0.0.1:5555", id="no-transport"),
        pytest.param("nope://127.0.0.1:5555", id="unknown-transport"),
        pytest.param("ipc:///nowhere-at-all/s", id="no-folder"),
        pytest.param("ipc:///dev/null/s", id="below-a-file"),
        pytest.param("ipc:///tmp/" + 120 * "s", id="too-long"),
    ],
)
@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_BIND, "https://docs.rs/zmq/0.10.0/zmq/enum.Error.html"],
)
def test_reports_a_bad_endpoint(cell: ZmtpCell, endpoint: str) -> None:
    """Binding an endpoint that cannot be bound ends in an error, after which the socket can be used."""
    socket = cell.client().open("PULL")
    cell.expect_refused(lambda: socket.bind(endpoint), expected="binding ends in an error")
    sender, payload = cell.reference.open("PUSH"), cell.payload()
    sender.connect(socket.bind())
    cell.send(sender, payload)
    cell.expect_delivered(socket, [Message.of(payload)], expected="the socket works on another endpoint")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.CONVENIENCE,
    spec=[f"{_BIND} (EADDRINUSE)"],
)
def test_reports_an_endpoint_in_use(cell: ZmtpCell) -> None:
    """Binding an endpoint at which another socket listens ends in an error."""
    taken = cell.reference.open("PULL").bind()
    socket = cell.client().open("PULL")
    cell.expect_refused(lambda: socket.bind(taken), expected="binding ends in an error, as the port is taken")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[_PING, f"{_OPTIONS} (ZMQ_HEARTBEAT_IVL)"],
)
def test_notices_a_silent_peer(cell: ZmtpCell) -> None:
    """With heartbeats, a connection over which nothing comes any more is given up, and made anew."""
    reference = cell.reference.open("DEALER")
    relay = cell.relay_to(reference.bind())
    socket = cell.client().open("DEALER", heartbeat_ivl=300, heartbeat_timeout=1000)
    socket.monitor()
    socket.connect(endpoint_of(relay))
    socket.await_event("handshake_succeeded")
    relay.hold("ab")
    socket.await_event("disconnected")
    relay.release()
    relay.cut()
    payload = cell.payload()
    socket.send(payload)
    cell.expect_received(reference, [Message.of(payload)], expected="a message arrives over a new connection")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[_PING],
    features=["ping"],
    timer=4.5,
)
def test_answers_heartbeats(cell: ZmtpCell) -> None:
    """A peer that sends PING and gives up without PONG stays connected while the application is idle."""
    cell.require_ping()  # libzmq sends PING to peers of ZMTP 3.0 as well
    heartbeats = {"heartbeat_ivl": 200, "heartbeat_timeout": 2000}
    link = cell.link("DEALER", "DEALER", "crate-connects", reference_options=heartbeats)
    first = cell.payload()
    link.crate.send(first)
    cell.expect_received(link.reference, [Message.of(first)], expected="a message arrives")
    time.sleep(4.5)  # more than twice the time without PONG after which the reference gives up
    payload = cell.payload()
    cell.send(link.reference, payload)
    cell.expect_delivered(link.crate, [Message.of(payload)], expected="a message is delivered after 4.5 s of silence")
    served = link.relay.served
    cell.expect(served == 1, expected="one connection all the time", observed=f"{served} connections")
