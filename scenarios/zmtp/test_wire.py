"""What the crate says on the wire, to a peer that was written from the specification and shares no code with libzmq."""

from __future__ import annotations

import pytest

from harness.cells.peer import DELIVERY
from harness.cells.zmtp import ZmtpCell, endpoint_of, step
from harness.cells.zmtp_client import Message, ZmtpSocket
from harness.errors import RefusedByCrate
from harness.model import Consequence, Dialect, Level, Requirement
from harness.references.zmtp_raw import Command, Greeting, RawPeer
from harness.scenario import scenario

_GREETING = "https://rfc.zeromq.org/spec/23/#version-negotiation"
_METADATA = "https://rfc.zeromq.org/spec/23/#connection-metadata"
_GETS = "http://api.zeromq.org/4-3:zmq-msg-gets"
_FRAMING = "https://rfc.zeromq.org/spec/23/#framing"
_SUBSCRIBE_30 = "https://rfc.zeromq.org/spec/23/#the-publish-subscribe-pattern"
_SUBSCRIBE_31 = "https://rfc.zeromq.org/spec/37/#the-publish-subscribe-pattern"
_PING = "https://rfc.zeromq.org/spec/37/#connection-heartbeating"

minors = pytest.mark.parametrize("minor", [0, 1], ids=["3.0", "3.1"])


def _meet(
    cell: ZmtpCell, socket: ZmtpSocket, peer: RawPeer, own: bytes, minor: int, **more: bytes
) -> tuple[Greeting, dict[bytes, bytes]]:
    """The crate connects to the raw peer, which is a socket of type `own`; returns its greeting and properties."""
    relay = cell.relay_to(peer.endpoint)
    connected = socket.begin_connect(endpoint_of(relay))
    step("the crate connects", peer.accept)
    greeting = step("the crate greets", lambda: peer.greet(minor))
    own_properties = {b"Socket-Type": own, **{name.encode(): value for name, value in more.items()}}
    properties = step("the crate sends READY", lambda: peer.make_ready(own_properties))
    connected(DELIVERY)
    return greeting, properties


@minors
@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_GREETING, _METADATA, _FRAMING],
    scripted=True,
)
def test_talks_to_a_peer_of_zmtp_3(cell: ZmtpCell, minor: int) -> None:
    """Greeting, metadata and frames are as ZMTP 3.0 and 3.1 have them.

    The other side is written from the specification. In other scenarios it is pyzmq, which binds the same library as
    the crate: those say that the binding is right, and not that the library keeps to the protocol.
    """
    peer = cell.raw_peer()
    socket = cell.client().open("DEALER", routing_id=b"me")
    greeting, properties = _meet(cell, socket, peer, b"DEALER", minor)
    cell.expect(
        (greeting.signature, greeting.version[0], greeting.mechanism) == (b"\xff\x7f", 3, b"NULL"),
        expected="a greeting with the signature FF … 7F, of version 3, with the mechanism NULL",
        observed=f"{greeting}",
    )
    told = {name: properties.get(name) for name in (b"socket-type", b"identity")}
    cell.expect(
        told == {b"socket-type": b"DEALER", b"identity": b"me"},
        expected="READY has the socket type DEALER and the identity",
        observed=f"{told}",
    )
    frames = (b"", cell.payload(), cell.payload(300))
    socket.send(*frames)
    got = step("the message arrives", peer.receive)
    cell.expect(got == frames, expected=f"{Message(frames)}", observed=f"{got}")
    back = (cell.payload(255), b"", cell.payload(256))
    peer.send(*back)
    cell.expect_delivered(socket, [Message(back)], expected="the crate delivers the peer's message")


@minors
@scenario(
    Dialect.ZMTP,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_SUBSCRIBE_30, _SUBSCRIBE_31],
    scripted=True,
)
def test_subscribes_as_the_peers_version_has_it(cell: ZmtpCell, minor: int) -> None:
    """A subscription is a message that begins with 1 where a side speaks ZMTP 3.0, and a command where both speak 3.1.

    A crate of 3.0 talks as 3.0 to whoever is newer.
    """
    peer = cell.raw_peer()
    socket = cell.client().open("SUB")
    socket.subscribe(b"topic")
    greeting, _ = _meet(cell, socket, peer, b"PUB", minor)
    got = step("the subscription arrives", peer.receive)
    both_3_1 = min((3, minor), greeting.version) >= (3, 1)
    wanted = Command(b"SUBSCRIBE", b"topic") if both_3_1 else (b"\x01topic",)
    cell.expect(got == wanted, expected=f"{wanted}", observed=f"{got}")
    nonce = cell.payload()
    peer.send(b"topic" + nonce)
    cell.expect_delivered(socket, [Message.of(b"topic" + nonce)], expected="what the peer publishes is delivered")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[_PING],
    scripted=True,
    features=["ping"],
)
def test_answers_ping(cell: ZmtpCell) -> None:
    """PING is answered with PONG, which has the same context."""
    cell.require_ping()
    peer = cell.raw_peer()
    _meet(cell, cell.client().open("DEALER"), peer, b"DEALER", 1)
    context = cell.payload(16)
    peer.send_command(b"PING", b"\x00\x00" + context)
    got = step("PONG arrives", peer.receive)
    cell.expect(got == Command(b"PONG", context), expected="PONG with the context of PING", observed=f"{got}")


@scenario(
    Dialect.ZMTP,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_METADATA, "https://github.com/erickt/rust-zmq/pull/288"],
    scripted=True,
)
def test_takes_strange_metadata(cell: ZmtpCell) -> None:
    """A property that nobody knows, with a value that is no text, does no harm."""
    peer = cell.raw_peer()
    socket = cell.client().open("PULL")
    strange = {"X-Bytes": b"\xff\xfe\x00\x80", "X-Empty": b"", "X-Long": cell.payload(3000)}
    _meet(cell, socket, peer, b"PUSH", 0, **strange)
    payload = cell.payload()
    peer.send(payload)
    cell.expect_delivered(socket, [Message.of(payload)], expected="the peer's message is delivered")


@scenario(
    Dialect.ZMTP,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.CONVENIENCE,
    spec=[_METADATA, _GETS],
    features=["metadata"],
    scripted=True,
)
def test_reads_metadata(cell: ZmtpCell) -> None:
    """The crate tells the peer's metadata of a message: what ZMTP defines, what it does not, and that there is none."""
    peer = cell.raw_peer()
    socket = cell.client().open("PULL")
    _meet(cell, socket, peer, b"PUSH", 0, **{"X-Text": "näher".encode()})
    frames = (cell.payload(), cell.payload())
    peer.send(*frames)
    message, told = socket.receive_with("Socket-Type", "X-Text", "X-Other")
    wanted = {"Socket-Type": "PUSH", "X-Text": "näher", "X-Other": None}
    cell.expect(
        (message, told) == (Message(frames), wanted),
        expected=f"{Message(frames)} with {wanted}",
        observed=f"{message} with {told}",
    )


@scenario(
    Dialect.ZMTP,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.SECURITY,
    spec=[_METADATA, _GETS, "https://github.com/erickt/rust-zmq/pull/288"],
    features=["metadata"],
    scripted=True,
)
def test_reads_metadata_that_is_no_text(cell: ZmtpCell) -> None:
    """Reading a property whose value is no UTF-8 ends in an error or gives none, and the next message is delivered."""
    peer = cell.raw_peer()
    socket = cell.client().open("PULL")
    _meet(cell, socket, peer, b"PUSH", 0, **{"X-Bytes": b"\xff\xfe\x80", "X-Text": "näher".encode()})
    payload = cell.payload()
    peer.send(cell.payload())
    peer.send(payload)
    try:
        _, told = socket.receive_with("X-Bytes")
    except RefusedByCrate as error:
        cell.expect(error.code != "timeout", expected="the message or an error comes", observed=error.observed)
    else:
        cell.expect(told == {"X-Bytes": None}, expected="no text is told of what is none", observed=f"{told}")
    message, told = socket.receive_with("X-Text")
    cell.expect(
        (message, told) == (Message.of(payload), {"X-Text": "näher"}),
        expected=f"the next message, {Message.of(payload)}, with the property that is text",
        observed=f"{message} with {told}",
    )


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + bytes(64), id="http"),
        pytest.param(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NONSENSE".ljust(20, b"\0") + bytes(32), id="mechanism"),
    ],
)
@scenario(
    Dialect.ZMTP,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_GREETING],
    scripted=True,
)
def test_survives_a_peer_that_speaks_otherwise(cell: ZmtpCell, said: bytes) -> None:
    """Whoever speaks no ZMTP, or asks for another mechanism, does no harm to the next one who connects."""
    socket = cell.client().open("PULL")
    relay = cell.relay_to(socket.bind())
    stranger, peer = cell.raw_peer(), cell.raw_peer()
    stranger.connect(relay.endpoint)
    stranger.write(said)
    peer.connect(relay.endpoint)
    step("the crate greets", lambda: peer.greet(0))
    step("the crate sends READY", lambda: peer.make_ready({b"Socket-Type": b"PUSH"}))
    payload = cell.payload()
    peer.send(payload)
    cell.expect_delivered(socket, [Message.of(payload)], expected="the message of the next one is delivered")


@scenario(
    Dialect.ZMTP,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["http://api.zeromq.org/4-3:zmq-setsockopt (ZMQ_HANDSHAKE_IVL)"],
    scripted=True,
    timer=2.0,
)
def test_gives_a_silent_peer_up(cell: ZmtpCell) -> None:
    """A peer that accepts and never speaks is given up after the time for handshakes, and tried again."""
    peer = cell.raw_peer()
    socket = cell.client().open("PULL", handshake_ivl=2000)
    connected = socket.begin_connect(endpoint_of(cell.relay_to(peer.endpoint)))
    step("the crate connects", peer.accept)
    step("the crate connects again", peer.accept)
    step("the crate greets", lambda: peer.greet(0))
    step("the crate sends READY", lambda: peer.make_ready({b"Socket-Type": b"PUSH"}))
    connected(DELIVERY)
    payload = cell.payload()
    peer.send(payload)
    cell.expect_delivered(socket, [Message.of(payload)], expected="the message over the second connection is delivered")
