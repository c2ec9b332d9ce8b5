"""A CoAP client written message by message, which does what the scenarios ask for as far as `coap_clients` needs it.

It is honest but for discovery. What it does differently where one of its attributes is changed is a lie.
"""

from __future__ import annotations

import secrets
import threading
import time

from harness.peers.coap import EMPTY, Block, Kind, Opt, Options, Packet, RawPeer, request
from harness.wire import coap
from harness.wire.messages import Empty, ErrorCode, decode, encode
from harness.wire.serve import Events, ProbeFailure

#: Seconds for which a response is fresh where it does not say (RFC 7252, section 5.10.5).
_MAX_AGE = 60
#: Seconds after which a client registers again once its notification is stale (RFC 7641, section 3.3.1: 5 to 15).
_PAUSE = 5.0


class _Peer(RawPeer):
    """A socket that rejects confirmable messages whose format is wrong."""

    def __init__(self, client: Client, remote: tuple[str, int] | None = None) -> None:
        super().__init__(remote)
        self._client = client

    def read(self, data: bytes) -> Packet | None:
        """What a datagram says; null where it is to be passed over."""
        if len(data) < 4:
            return None
        if data[0] >> 6 != 1:
            if self._client.checks_versions:
                return None
            data = bytes([data[0] & 0x3F | 0x40]) + data[1:]
        found = super().read(data)
        # A marker without a payload; the last byte of an id, a token or an option may look like one.
        ends_early = data[-1] == 0xFF and found is not None and super().read(data[:-1]) == found
        ends_early = ends_early and self._client.checks_formats
        if data[0] & 15 > 8 or found is None or ends_early:
            if self._client.rejects_errors and data[0] >> 4 & 3 == 0:
                self.send(Packet("RST", EMPTY, int.from_bytes(data[2:4], "big")))
            return None
        return found


class Client:
    """Asks, retransmits, acknowledges, gathers blocks and observes."""

    confirmable: bool | None = None
    retransmits = 4
    backoff = 2
    sends_again_after_ack = False
    acknowledges = True
    heeds_resets = True
    checks_tokens = True
    sends_options = True
    delivers_options = True
    gathers = True
    asks_with_more = False
    mixes = False
    rejects_late_news = True
    registers_again = True
    answers_pings = True
    checks_versions = True
    checks_formats = True
    rejects_errors = True
    checks_ids = True
    gives_up = True

    def __init__(self, events: Events) -> None:
        self._events = events
        self._peer = _Peer(self)
        self._timeout = 2.0
        self._szx = 6
        self._stopped = False

    def open(self, asked: coap.OpenRequest) -> Empty:
        """Make the client."""
        self._peer = _Peer(self, (asked.host, asked.port))
        self._timeout = (asked.ack_timeout_ms or 2000) / 1000
        self._szx = 6 if asked.block1_szx is None else asked.block1_szx
        return Empty()

    def _kind(self, confirmable: bool) -> Kind:
        return "CON" if (confirmable if self.confirmable is None else self.confirmable) else "NON"

    def built(self, asked: coap.RequestRequest) -> Packet:
        """The request as it is sent, with the whole body."""
        options: Options = tuple((option.number, decode(option.value)) for option in asked.options)
        query = tuple((int(Opt.URI_QUERY), part.encode()) for part in asked.query)
        path = tuple((int(Opt.URI_PATH), part.encode()) for part in asked.path)
        made = request(self._kind(asked.confirmable), asked.method, "/x", decode(asked.payload))
        token = made.token if asked.token is None else decode(asked.token)
        return made.with_(options=(*path, *query, *(options if self.sends_options else ())), token=token)

    def changed(self, response: Packet) -> Packet:
        """The response as it is delivered."""
        return response

    def request(self, asked: coap.RequestRequest) -> coap.Response:
        """Send a request, in blocks where it is large, and gather the response."""
        whole = self.built(asked)
        response, size = None, 16 << self._szx
        parts = [whole.payload[start : start + size] for start in range(0, len(whole.payload), size)]
        if len(parts) > 1:
            for number, part in enumerate(parts):
                block = Block(number, number < len(parts) - 1, self._szx)
                sent = whole.with_(mid=_mid(), payload=part, options=(*whole.options, (Opt.BLOCK1, block.value())))
                response = self._exchange(sent)
        else:
            response = self._exchange(whole)
        assert response is not None
        return self._told(self.changed(self._gathered(whole, response)))

    def _gathered(self, whole: Packet, response: Packet) -> Packet:
        body, tag = response.payload, response.first(Opt.ETAG)
        block = response.block(Opt.BLOCK2)
        rest = tuple(option for option in whole.options if option[0] != Opt.BLOCK2)
        while self.gathers and block is not None and block.more:
            wanted = (Opt.BLOCK2, Block(block.number + 1, self.asks_with_more, block.szx).value())
            response = self._exchange(Packet(whole.kind, whole.code, _mid(), whole.token, (*rest, wanted)))
            if response.first(Opt.ETAG) != tag and not self.mixes:
                raise ProbeFailure(ErrorCode.CRATE, "the resource has changed")
            body += response.payload
            block = response.block(Opt.BLOCK2)
        return response.with_(payload=body)

    def _exchange(self, sent: Packet) -> Packet:
        """Send until there is a response."""
        timeout = self._timeout
        acknowledged = False
        for _ in range(1 + (self.retransmits if sent.kind == "CON" else 0)):
            if not acknowledged or self.sends_again_after_ack:
                self._peer.send(sent)
            end = time.monotonic() + timeout
            while (found := self._receive(end - time.monotonic())) is not None:
                if found.code == EMPTY and (found.mid == sent.mid or not self.checks_ids):
                    if found.kind == "RST" and self.heeds_resets:
                        raise ProbeFailure(ErrorCode.CRATE, "reset by the server")
                    acknowledged = found.kind == "ACK"
                    if acknowledged and not self.gives_up:
                        end += 1000.0
                elif found.is_response and self.takes(found, sent):
                    if found.kind == "CON" and self.acknowledges:
                        self._peer.send(found.ack())
                    return found
                elif found.is_response and found.kind == "CON":
                    self._peer.send(found.reset())
            timeout *= self.backoff
        raise ProbeFailure(ErrorCode.TIMEOUT, "nobody answers", definite=False)

    def _receive(self, within: float) -> Packet | None:
        """The next message that is no ping."""
        found = self._peer.receive(within)
        if found is not None and found.kind == "CON" and found.code == EMPTY:
            if self.answers_pings:
                self._peer.send(found.reset())
            return self._receive(within)
        return found

    def takes(self, found: Packet, sent: Packet) -> bool:
        """Whether this is the response."""
        critical = any(number % 2 and number > 60 for number, _ in found.options)
        return not critical and (not self.checks_tokens or found.token == sent.token)

    def _told(self, response: Packet) -> coap.Response:
        shown = response.options if self.delivers_options else ()
        options = [coap.Option(number=number, value=encode(value)) for number, value in shown]
        return coap.Response(code=response.code, options=options, payload=encode(response.payload))

    # -- observing ---------------------------------------------------------------------------------

    def observe(self, asked: coap.ObserveRequest) -> Empty:
        """Register, and listen on a thread."""
        sent = request(self._kind(asked.confirmable), "GET", "/".join(asked.path), options=((Opt.OBSERVE, b""),))
        first = self._exchange(sent)
        self._deliver(asked.path, first)
        threading.Thread(target=self._listen, args=(asked.path, sent, first), daemon=True).start()
        return Empty()

    def _listen(self, path: list[str], sent: Packet, newest: Packet) -> None:
        number = _number(newest)
        while True:
            found = self._receive(_max_age(newest) + _PAUSE)
            if found is None:
                if not self.registers_again:
                    return
                self._peer.send(sent.with_(mid=_mid()))
                continue
            if found.kind == "CON":
                self._peer.send(found.reset() if self._stopped and self.rejects_late_news else found.ack())
            if found.token == sent.token and self.is_new(_number(found), number):
                number, newest = _number(found), found
                self._deliver(path, found)

    def is_new(self, number: int, newest: int) -> bool:
        """Whether a notification with this number is delivered."""
        return number > newest

    def _deliver(self, path: list[str], found: Packet) -> None:
        told = self._told(self.changed(found))
        self._events.add("notification", coap.Notification(path=path, response=told))

    def cancel_observe(self, _asked: coap.CancelObserveRequest) -> Empty:
        """Reject what comes from now on."""
        self._stopped = True
        return Empty()

    def discover(self, _asked: coap.DiscoverRequest) -> coap.DiscoverReply:
        """Find what there is always."""
        self._exchange(request("CON", "GET", "/.well-known/core"))
        return coap.DiscoverReply(links=[coap.Link(href="/a", attributes=[])])


def _mid() -> int:
    return secrets.randbelow(1 << 16)


def _number(notification: Packet) -> int:
    """The number of a notification; one that has none, such as an error, is newer than all."""
    value = notification.first(Opt.OBSERVE)
    return 1 << 24 if value is None else int.from_bytes(value, "big")


def _max_age(response: Packet) -> int:
    value = response.first(Opt.MAX_AGE)
    return _MAX_AGE if value is None else int.from_bytes(value, "big")


def flipped(message: Packet) -> Packet:
    """The same with another last bit; an empty payload gets a byte."""
    payload = message.payload
    return message.with_(payload=payload[:-1] + bytes([payload[-1] ^ 1]) if payload else b"\0")
