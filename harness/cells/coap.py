"""The `cell` of CoAP scenarios: the crate's client or server, aiocoap or a script as the other side, a relay."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.bench import Bench, ReferencePeer
from harness.cells.coap_client import CoapEndpoint, Served
from harness.cells.peer import DELIVERY, PeerCell, listed
from harness.datagrams import Datagram, DatagramRelay
from harness.errors import CrateTimeout, Mismatch
from harness.model import Crate, Scenario
from harness.peers.coap import Packet, RawPeer, request
from harness.references.coap import NoAnswer, ReferenceClient, ReferenceServer, Response, Shape
from harness.wire import coap

#: The protocol's own port, for captures.
CANONICAL_PORT = 5683
SECURE_PORT = 5684
#: Seconds in which a server that works at several requests at once has done with them all.
QUIET = 0.5
#: Seconds between two looks whether the crate has reported something in the place of sending.
_GLANCE = 0.5
#: Packets that a sentence names.
_NAMED = 6


@dataclass(frozen=True)
class Seen:
    """A message that passed the relay, or was lost there; `at` is in seconds of the monotonic clock."""

    end: str
    at: float
    data: bytes
    packet: Packet


@dataclass(frozen=True)
class Link:
    """The crate's client and the reference's server, joined through a relay."""

    client: CoapEndpoint
    server: ReferenceServer
    relay: DatagramRelay


@dataclass(frozen=True)
class RawLink:
    """The crate's client and a scripted server, joined through a relay."""

    client: CoapEndpoint
    peer: RawPeer
    relay: DatagramRelay


@dataclass(frozen=True)
class Service:
    """The crate's server behind a relay."""

    crate: CoapEndpoint
    relay: DatagramRelay


class CoapCell(PeerCell):
    """One attempt at a CoAP scenario."""

    giving_up_is_an_error = True

    def __init__(self, bench: Bench, scenario: Scenario, crate: Crate, peer: ReferencePeer, folder: Path) -> None:
        super().__init__(bench, scenario, crate, folder)
        self.peer = peer
        self._captures = 0

    # -- who takes part ----------------------------------------------------------------------------

    def link(self, *, ack_timeout: float | None = None, block1_szx: int | None = None, **shapes: Shape) -> Link:
        """A client of the crate for a new reference server; resources by name, as `Shape` has them."""
        server = ReferenceServer()
        self._closing.callback(server.close)
        for name, shape in shapes.items():
            server.has(f"/{name}", shape)
        relay = self._relay_to(server.port)
        return Link(self._client(relay, ack_timeout, block1_szx), server, relay)

    def raw_link(self, *, ack_timeout: float | None = None, block1_szx: int | None = None) -> RawLink:
        """A client of the crate for a scripted server."""
        self.meet_script()
        peer = RawPeer()
        self._closing.callback(peer.close)
        relay = self._relay_to(peer.port)
        return RawLink(self._client(relay, ack_timeout, block1_szx), peer, relay)

    def _client(self, relay: DatagramRelay, ack_timeout: float | None, block1_szx: int | None) -> CoapEndpoint:
        client = CoapEndpoint(self, *self._start_client())
        client.open(relay.endpoint, ack_timeout=ack_timeout, block1_szx=block1_szx)
        return client

    def serve(self, dtls: coap.Dtls | None = None) -> Service:
        """The crate's server, over DTLS where that is set; WIRE.md says what it serves."""
        crate = CoapEndpoint(self, *self._start_client())
        return Service(crate, self._relay_to(crate.serve(dtls), CANONICAL_PORT if dtls is None else SECURE_PORT))

    def reference_client(self, service: Service, ack_timeout: float | None = None) -> ReferenceClient:
        """aiocoap's client for the crate's server; `ack_timeout` in seconds, null leaves the default."""
        client = ReferenceClient(service.relay.endpoint, ack_timeout)
        self._closing.callback(client.close)
        return client

    def raw_client(self, service: Service) -> RawPeer:
        """A scripted client for the crate's server."""
        self.meet_script()
        peer = RawPeer(service.relay.endpoint)
        self._closing.callback(peer.close)
        return peer

    def _relay_to(self, port: int, canonical: int = CANONICAL_PORT) -> DatagramRelay:
        self._captures += 1
        relay = DatagramRelay(
            self._bench.relays,
            ("127.0.0.1", port),
            self._capture_file("" if self._captures == 1 else str(self._captures)),
            client_address=self._client_address(),
            server_port=canonical,
        )
        self._closing.callback(relay.close)
        return relay

    # -- what the other side does ------------------------------------------------------------------

    def ask(self, client: ReferenceClient, method: str, path: str, **more: Any) -> Response:
        """aiocoap's request to the crate's server; `more` as `ReferenceClient.request` has it.

        Raises:
            CrateTimeout: no response came.
        """
        expected = f"the crate's server answers {method} {path}"
        within = self.remaining(more.pop("within", DELIVERY), expected)
        try:
            return client.request(method, path.strip("/").split("/"), within=within, **more)
        except NoAnswer as error:
            raise CrateTimeout(str(error), expected=expected) from error

    def watch(self, client: ReferenceClient, path: str) -> Response:
        """aiocoap observes a resource of the crate's server; returns the first response.

        Raises:
            CrateTimeout: no response came.
        """
        expected = f"the crate's server answers the observation of {path}"
        try:
            return client.observe(path.strip("/").split("/"), within=self.remaining(DELIVERY, expected))
        except NoAnswer as error:
            raise CrateTimeout(str(error), expected=expected) from error

    def take(self, peer: RawPeer, check: Callable[[Packet], bool], expected: str, within: float = DELIVERY) -> Packet:
        """The next message from the crate that `check` accepts.

        Raises:
            CrateTimeout: none came.
        """
        others: list[Packet] = []

        def accept(packet: Packet) -> bool:
            if not check(packet):
                others.append(packet)
                return False
            return True

        found = peer.receive_where(accept, self.remaining(within, expected))
        if found is None:
            raise CrateTimeout(f"the crate sent {named(others)} within {within:g} s", expected=expected)
        return found

    def take_request(self, link: RawLink, within: float = DELIVERY) -> Packet:
        """The next request from the crate.

        Raises:
            CrateTimeout, or what the crate reports in the place of sending: none came.
        """
        expected = "the crate sends a request"
        end = time.monotonic() + self.remaining(within, expected)
        while (left := end - time.monotonic()) > 0:
            found = link.peer.receive_where(lambda packet: packet.is_request, min(_GLANCE, left))
            if found is not None:
                return found
            link.client.surface()
        raise CrateTimeout(f"the crate sent none within {within:g} s", expected=expected)

    def strays(self, peer: RawPeer) -> list[Packet]:
        """What the crate's server sends beside the answer to a request of ours, which it has to give.

        A server may work at several requests at once, so that its answer is no barrier: a short silence follows.

        Raises:
            CrateTimeout: it does not answer.
        """
        marker = request("CON", "GET", "/store")
        peer.send(marker)
        seen: list[Packet] = []

        def answers(packet: Packet) -> bool:
            if packet.token != marker.token:
                seen.append(packet)
            return packet.token == marker.token

        self.take(peer, answers, "the server still answers a request")
        while (found := peer.receive(QUIET)) is not None:
            seen.append(found)
        return seen

    def exchange(self, peer: RawPeer, message: Packet, expected: str) -> Packet:
        """Send a message to the crate, and return what comes with its message id or its token.

        Raises:
            CrateTimeout: nothing came.
        """
        peer.send(message)

        def answers(found: Packet) -> bool:
            return found.mid == message.mid or (bool(message.token) and found.token == message.token)

        return self.take(peer, answers, expected)

    # -- what can be observed ----------------------------------------------------------------------

    def packets(self, relay: DatagramRelay, end: str = "ab") -> list[Seen]:
        """The CoAP messages of these ends so far, lost or not."""
        return [_seen(found) for found in relay.seen() if found.end in end and Packet.decode(found.data) is not None]

    def await_packet(
        self,
        relay: DatagramRelay,
        end: str,
        check: Callable[[Packet], bool],
        expected: str,
        *,
        within: float = DELIVERY,
        since: int = 0,
    ) -> Seen:
        """The first message of `end`, after the first `since` datagrams, that `check` accepts.

        Raises:
            Mismatch: none came.
        """

        def accept(found: Datagram) -> bool:
            packet = Packet.decode(found.data)
            return found.end == end and packet is not None and check(packet)

        found = relay.wait_for(accept, self.remaining(within, expected), since)
        if found is None:
            sent = [seen.packet for seen in map(_seen, relay.seen()[since:]) if seen.end == end]
            raise Mismatch(f"{named(sent)} within {within:g} s", expected=expected)
        self.remark(f"as expected: {expected}")
        return _seen(found)

    def expect_served(self, service: Service, count: int, *, expected: str) -> list[Served]:
        """The application behind the server got exactly so many requests by now. Returns them.

        A request of the harness's own follows them; as a server may work at several at once, so does a short silence.
        """
        marker = self.payload(16)
        self.ask(self.reference_client(service), "POST", "/store", payload=marker)
        got: list[Served] = []
        within = DELIVERY
        while (found := service.crate.next_served(within)) is not None:
            if found.payload == marker:
                within = QUIET
            else:
                got.append(found)
        self.expect(len(got) == count, expected=expected, observed=f"it got {' · '.join(map(str, got)) or 'nothing'}")
        return got


def named(packets: Sequence[Packet]) -> str:
    """The first of these messages, for a sentence."""
    return listed(packets, _NAMED)


def _seen(found: Datagram) -> Seen:
    packet = Packet.decode(found.data) or Packet("NON", "7.31", 0, payload=found.data)
    return Seen(found.end, found.at, found.data, packet)
