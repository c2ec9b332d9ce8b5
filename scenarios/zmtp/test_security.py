"""Who is let in: PLAIN and CURVE, and what a ZAP handler decides."""

from __future__ import annotations

import contextlib

import pytest
import zmq

from harness.cells.zmtp import ZmtpCell, endpoint_of
from harness.cells.zmtp_client import Message, ZmtpSocket
from harness.errors import RefusedByCrate
from harness.model import Consequence, Dialect, Level, Requirement
from harness.references.zmtp import Socket
from harness.scenario import scenario

_NULL = "https://rfc.zeromq.org/spec/23/#the-null-security-mechanism"
_PLAIN = "https://rfc.zeromq.org/spec/24/"
_CURVE = "https://rfc.zeromq.org/spec/26/"
_ZAP = "https://rfc.zeromq.org/spec/27/"
_USER, _PASSWORD, _WRONG = "probe", "open-sesame", "open-barley"
#: What a socket reports that was not let in: the last one where the peer ends the connection without a word.
_REFUSALS = ("handshake_failed_auth", "handshake_failed_protocol", "handshake_failed_no_detail", "disconnected")


def _plain_server(cell: ZmtpCell) -> Socket:
    cell.reference.authenticate("global", {_USER: _PASSWORD})
    return cell.reference.open("PULL", plain_server=True, zap_domain="global")


@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_PLAIN, _ZAP],
    capability="security",
)
def test_logs_in_with_plain(cell: ZmtpCell) -> None:
    """With the right name and password a PLAIN server lets the crate in."""
    reference = _plain_server(cell)
    relay = cell.relay_to(reference.bind())
    socket = cell.client().open("PUSH", plain_username=_USER, plain_password=_PASSWORD)
    socket.connect(endpoint_of(relay))
    payload = cell.payload()
    socket.send(payload)
    cell.expect_received(reference, [Message.of(payload)], expected="the message arrives")


@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_PLAIN, _ZAP, "http://api.zeromq.org/4-3:zmq-socket-monitor (ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)"],
    capability="security",
)
def test_reports_a_wrong_password(cell: ZmtpCell) -> None:
    """A PLAIN server that refuses the password shows in the crate's monitor with its status, and no message arrives."""
    reference = _plain_server(cell)
    relay = cell.relay_to(reference.bind())
    socket = cell.client().open("PUSH", plain_username=_USER, plain_password=_WRONG)
    socket.monitor()
    socket.connect(endpoint_of(relay))
    # The refusal may be quicker, and then there is nobody to send to.
    with contextlib.suppress(RefusedByCrate):
        socket.send(cell.payload(), within=0)
    name, value = socket.await_event(*_REFUSALS)
    cell.expect(
        (name, value) == ("handshake_failed_auth", 400),
        expected="the event handshake_failed_auth with the status 400",
        observed=f"{name} with the value {value}",
    )
    _only_this_arrives(cell, reference)


def _only_this_arrives(cell: ZmtpCell, reference: Socket) -> None:
    friend, marker = cell.reference.open("PUSH", plain_username=_USER, plain_password=_PASSWORD), cell.payload()
    friend.connect(reference.raw.getsockopt_string(zmq.LAST_ENDPOINT))
    cell.send(friend, marker)
    cell.expect_received(reference, [Message.of(marker)], expected="only what another client sends arrives")


def _serve_with_zap(cell: ZmtpCell) -> tuple[ZmtpSocket, ZmtpSocket, Socket]:
    """The crate as a PLAIN server with a ZAP handler of its own, and a reference that wants in."""
    client = cell.client()
    handler = client.open("REP")
    handler.bind("inproc://zeromq.zap.01")
    server = client.open("PULL", plain_server=True, zap_domain="domain")
    relay = cell.relay_to(server.bind())
    reference = cell.reference.open("PUSH", plain_username=_USER, plain_password=_PASSWORD)
    reference.monitor()
    reference.connect(endpoint_of(relay))
    return server, handler, reference


def _decide(cell: ZmtpCell, handler: ZmtpSocket, user: str, status: str) -> None:
    """Answer the ZAP request about `user`, which has to be as the specification has it; refuse any other before it."""
    asking = b""
    while asking != user.encode():
        request = handler.receive()[0].frames
        told, asking = (request[0], request[2], request[5], request[7:]), request[6]
        cell.expect(
            told == (b"1.0", b"domain", b"PLAIN", (_PASSWORD.encode(),)),
            expected="a request of version 1.0 for the domain, with mechanism, name and password",
            observed=f"{told}",
        )
        answer = status if asking == user.encode() else "400"
        handler.send(b"1.0", request[1], answer.encode(), b"", asking, b"")


@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_PLAIN, _ZAP],
    capability="security",
)
def test_lets_in_whom_zap_accepts(cell: ZmtpCell) -> None:
    """The crate as a PLAIN server asks its ZAP handler, and lets the client in that the handler accepts."""
    server, handler, reference = _serve_with_zap(cell)
    payload = cell.payload()
    cell.send(reference, payload)
    _decide(cell, handler, _USER, "200")
    cell.expect_delivered(server, [Message.of(payload)], expected="the message is delivered")


@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_PLAIN, _ZAP],
    capability="security",
)
def test_keeps_out_whom_zap_refuses(cell: ZmtpCell) -> None:
    """The crate as a PLAIN server tells the client that its ZAP handler refused it, and delivers nothing of it."""
    server, handler, reference = _serve_with_zap(cell)
    cell.send(reference, cell.payload())
    _decide(cell, handler, _USER, "400")
    event = reference.await_event(_REFUSALS, cell.remaining(10.0, "the client learns of its refusal"))
    cell.expect(
        event == ("handshake_failed_auth", 400),
        expected="the client gets ERROR with the status 400",
        observed=f"{event}",
    )
    marker, friend = cell.payload(), cell.reference.open("PUSH", plain_username="friend", plain_password=_PASSWORD)
    friend.connect(str(server.option("last_endpoint")))
    cell.send(friend, marker)
    _decide(cell, handler, "friend", "200")
    cell.expect_delivered(server, [Message.of(marker)], expected="only what the accepted client sends is delivered")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_CURVE],
    capability="security",
    features=["curve"],
)
def test_talks_to_a_curve_server(cell: ZmtpCell) -> None:
    """With the server's key and a key pair of its own, the crate sends to a CURVE server."""
    public, secret = (key.decode() for key in zmq.curve_keypair())
    own_public, own_secret = (key.decode() for key in zmq.curve_keypair())
    options = {"curve_serverkey": public, "curve_publickey": own_public, "curve_secretkey": own_secret}
    reference = cell.reference.open("PULL", curve_server=True, curve_secretkey=secret)
    relay = cell.relay_to(reference.bind())
    socket = cell.client().open("PUSH", **options)
    socket.connect(endpoint_of(relay))
    payload = cell.payload()
    socket.send(payload)
    cell.expect_received(reference, [Message.of(payload)], expected="the message arrives")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_CURVE],
    capability="security",
    features=["curve"],
)
def test_serves_curve(cell: ZmtpCell) -> None:
    """The crate as a CURVE server gets what a client with its key sends, and nothing from one with another key."""
    public, secret = (key.decode() for key in zmq.curve_keypair())
    other, _ = (key.decode() for key in zmq.curve_keypair())
    own_public, own_secret = (key.decode() for key in zmq.curve_keypair())
    own = {"curve_publickey": own_public, "curve_secretkey": own_secret}
    server = cell.client().open("PULL", curve_server=True, curve_secretkey=secret)
    server.monitor()
    relay = cell.relay_to(server.bind())
    stranger = cell.reference.open("PUSH", curve_serverkey=other, **own)
    stranger.connect(endpoint_of(relay))
    stranger.send(cell.payload(), within=1.0)  # the refusal may be quicker
    server.await_event("handshake_failed_protocol", "handshake_failed_no_detail", "disconnected")
    friend, payload = cell.reference.open("PUSH", curve_serverkey=public, **own), cell.payload()
    friend.connect(endpoint_of(relay))
    cell.send(friend, payload)
    cell.expect_delivered(server, [Message.of(payload)], expected="only what the client with the right key sends")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_CURVE],
    capability="security",
    features=["curve"],
)
def test_trusts_no_curve_server_with_another_key(cell: ZmtpCell) -> None:
    """With another key than the server's, the crate as a CURVE client is not let in and sends the server nothing."""
    public, secret = (key.decode() for key in zmq.curve_keypair())
    other, _ = (key.decode() for key in zmq.curve_keypair())
    own_public, own_secret = (key.decode() for key in zmq.curve_keypair())
    own = {"curve_publickey": own_public, "curve_secretkey": own_secret}
    reference = cell.reference.open("PULL", curve_server=True, curve_secretkey=secret)
    relay = cell.relay_to(reference.bind())
    socket = cell.client().open("PUSH", curve_serverkey=other, **own)
    socket.monitor()
    socket.connect(endpoint_of(relay))
    with contextlib.suppress(RefusedByCrate):
        socket.send(cell.payload(), within=0)
    socket.await_event(*_REFUSALS)
    friend, marker = cell.reference.open("PUSH", curve_serverkey=public, **own), cell.payload()
    friend.connect(endpoint_of(relay))
    cell.send(friend, marker)
    cell.expect_received(reference, [Message.of(marker)], expected="only what the client with the right key sends")


@pytest.mark.parametrize("status", ["200", "400"], ids=["accepted", "refused"])
@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_NULL, _ZAP],
    capability="security",
)
def test_asks_zap_without_a_password(cell: ZmtpCell, status: str) -> None:
    """With a domain, the crate asks its ZAP handler about clients that log in with NULL, and does what that says."""
    client = cell.client()
    handler = client.open("REP")
    handler.bind("inproc://zeromq.zap.01")
    server = client.open("PULL", zap_domain="domain")
    relay = cell.relay_to(server.bind())
    reference, payload = cell.reference.open("PUSH"), cell.payload()
    reference.monitor()
    reference.connect(endpoint_of(relay))
    cell.send(reference, payload)
    request = handler.receive()[0].frames
    told = (request[0], request[2], *request[5:])
    cell.expect(
        told == (b"1.0", b"domain", b"NULL"),
        expected="a request of version 1.0 for the domain, with the mechanism and no credentials",
        observed=f"{told}",
    )
    handler.send(b"1.0", request[1], status.encode(), b"", b"", b"")
    if status == "200":
        cell.expect_delivered(server, [Message.of(payload)], expected="the message is delivered")
        return
    event = reference.await_event(_REFUSALS, cell.remaining(10.0, "the client learns of its refusal"))
    cell.expect(
        event == ("handshake_failed_auth", 400),
        expected="the client gets ERROR with the status 400",
        observed=f"{event}",
    )
    cell.expect(server.take(0) is None, expected="nothing of it is delivered", observed="a message was")
