"""Wrong CoAP clients, each with one lie. A scenario that none of them fails proves nothing.

`Client` is written message by message, and does what the scenarios ask for as far as the lies need.

python -m tests.saboteurs.coap_clients NAME
"""

from __future__ import annotations

import secrets
import sys
import threading
import time

from harness.peers.coap import EMPTY, Block, Kind, Opt, Options, Packet, RawPeer, request
from harness.references.coap_control import answer
from harness.wire import coap
from harness.wire.messages import Empty, ErrorCode, decode, encode
from harness.wire.serve import Events, ProbeFailure
from tests.saboteurs.coap_secure import SECURE, PretendsToEncrypt, TrustsAnyone


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
    mixes = False
    rejects_late_news = True

    def __init__(self, events: Events) -> None:
        self._events = events
        self._peer = RawPeer()
        self._timeout = 2.0
        self._szx = 6
        self._stopped = False

    def open(self, asked: coap.OpenRequest) -> Empty:
        """Make the client."""
        self._peer = RawPeer((asked.host, asked.port))
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
            wanted = (Opt.BLOCK2, Block(block.number + 1, False, block.szx).value())
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
            while (found := self._peer.receive(end - time.monotonic())) is not None:
                if found.code == EMPTY and found.mid == sent.mid:
                    if found.kind == "RST" and self.heeds_resets:
                        raise ProbeFailure(ErrorCode.CRATE, "reset by the server")
                    acknowledged = found.kind == "ACK"
                elif found.is_response and self.takes(found, sent):
                    if found.kind == "CON" and self.acknowledges:
                        self._peer.send(found.ack())
                    return found
                elif found.is_response and found.kind == "CON":
                    self._peer.send(found.reset())
            timeout *= self.backoff
        raise ProbeFailure(ErrorCode.TIMEOUT, "nobody answers", definite=False)

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
        self._deliver(asked.path, self._exchange(sent))
        threading.Thread(target=self._listen, args=(asked.path, sent), daemon=True).start()
        return Empty()

    def _listen(self, path: list[str], sent: Packet) -> None:
        newest = -1
        while (found := self._peer.receive(60.0)) is not None:
            if found.kind == "CON":
                self._peer.send(found.reset() if self._stopped and self.rejects_late_news else found.ack())
            number = int.from_bytes(found.first(Opt.OBSERVE) or b"", "big")
            if found.token == sent.token and self.is_new(number, newest):
                newest = number
                self._deliver(path, found)

    def is_new(self, number: int, newest: int) -> bool:
        """Whether a notification with this number is delivered."""
        return number == 0 or number > newest

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


def flipped(message: Packet) -> Packet:
    """The same with another last bit; an empty payload gets a byte."""
    payload = message.payload
    return message.with_(payload=payload[:-1] + bytes([payload[-1] ^ 1]) if payload else b"\0")


class FlipsABit(Client):
    """Delivers another payload."""

    def changed(self, response: Packet) -> Packet:
        """Flip the last bit."""
        return flipped(response)


class FlipsASentBit(Client):
    """Sends another payload."""

    def built(self, asked: coap.RequestRequest) -> Packet:
        """Flip the last bit."""
        made = super().built(asked)
        return flipped(made) if made.payload else made


class JoinsThePath(Client):
    """Sends path and query as one option each."""

    def built(self, asked: coap.RequestRequest) -> Packet:
        """Join them."""
        joined = {"path": ["/".join(asked.path)], "query": ["&".join(asked.query)]}
        return super().built(asked.model_copy(update=joined))


class SaysNon(Client):
    """Asks for no acknowledgement, ever."""

    confirmable = False


class SaysCon(Client):
    """Asks for acknowledgements always."""

    confirmable = True


class OwnToken(Client):
    """Chooses the token itself."""

    def built(self, asked: coap.RequestRequest) -> Packet:
        """Forget the token."""
        return super().built(asked.model_copy(update={"token": None}))


class NoToken(Client):
    """Has no tokens."""

    def built(self, asked: coap.RequestRequest) -> Packet:
        """Leave it out."""
        return super().built(asked).with_(token=b"")


class OneMessageId(Client):
    """Uses one message id for all."""

    def built(self, asked: coap.RequestRequest) -> Packet:
        """Set it."""
        return super().built(asked).with_(mid=7)


class HidesErrors(Client):
    """Delivers every response as a success."""

    def changed(self, response: Packet) -> Packet:
        """Say 2.05."""
        return response.with_(code="2.05")


class TakesAnything(Client):
    """Takes any response, whatever token or options it has."""

    checks_tokens = False

    def takes(self, found: Packet, sent: Packet) -> bool:
        """Take it."""
        return True


class NeverAcknowledges(Client):
    """Leaves confirmable responses unanswered."""

    acknowledges = False


class GoesOnSending(Client):
    """Sends again although the request is acknowledged."""

    sends_again_after_ack = True


class NeverRetransmits(Client):
    """Sends everything once."""

    retransmits = 0


class SendsAtOneRate(Client):
    """Sends again after the same time always."""

    backoff = 1
    retransmits = 12


class IgnoresResets(Client):
    """Sends again although it was reset."""

    heeds_resets = False


class RepeatsNon(Client):
    """Sends every request twice."""

    def _exchange(self, sent: Packet) -> Packet:
        self._peer.send(sent)
        return super()._exchange(sent)


class AcksStrangers(Client):
    """Acknowledges whatever is confirmable."""

    def request(self, asked: coap.RequestRequest) -> coap.Response:
        """Go on listening."""
        told = super().request(asked)
        threading.Thread(target=self._acknowledge_all, daemon=True).start()
        return told

    def _acknowledge_all(self) -> None:
        while (found := self._peer.receive(30.0)) is not None:
            self._peer.send(found.ack())


class HidesOptions(Client):
    """Delivers no options."""

    delivers_options = False


class SendsNoOptions(Client):
    """Sends no options but path and query."""

    sends_options = False


class FirstBlockOnly(Client):
    """Takes the first block for the body."""

    gathers = False


class OwnBlockSize(Client):
    """Sends blocks of 1024 bytes, and goes by no other size."""

    def open(self, asked: coap.OpenRequest) -> Empty:
        """Forget the size."""
        return super().open(asked.model_copy(update={"block1_szx": None}))


class MixesBodies(Client):
    """Puts blocks together whatever their ETag is."""

    mixes = True


class NeverEnds(Client):
    """Goes on acknowledging notifications after the observation ended."""

    rejects_late_news = False


class DeliversOldNews(Client):
    """Delivers notifications as they come."""

    def is_new(self, number: int, newest: int) -> bool:
        """Deliver all."""
        return True


class DeliversTheFirstAlone(Client):
    """Delivers no notification but the first."""

    def is_new(self, number: int, newest: int) -> bool:
        """Deliver none."""
        return False


CLIENTS: dict[str, type[Client | PretendsToEncrypt | TrustsAnyone]] = {
    **SECURE,
    "flips-a-bit": FlipsABit,
    "flips-a-sent-bit": FlipsASentBit,
    "joins-the-path": JoinsThePath,
    "says-non": SaysNon,
    "says-con": SaysCon,
    "own-token": OwnToken,
    "no-token": NoToken,
    "one-message-id": OneMessageId,
    "hides-errors": HidesErrors,
    "takes-anything": TakesAnything,
    "never-acknowledges": NeverAcknowledges,
    "goes-on-sending": GoesOnSending,
    "never-retransmits": NeverRetransmits,
    "sends-at-one-rate": SendsAtOneRate,
    "ignores-resets": IgnoresResets,
    "repeats-non": RepeatsNon,
    "acks-strangers": AcksStrangers,
    "hides-options": HidesOptions,
    "sends-no-options": SendsNoOptions,
    "first-block-only": FirstBlockOnly,
    "own-block-size": OwnBlockSize,
    "mixes-bodies": MixesBodies,
    "never-ends": NeverEnds,
    "delivers-old-news": DeliversOldNews,
    "delivers-the-first-alone": DeliversTheFirstAlone,
    "finds-the-same-always": Client,
}


def main(name: str) -> int:
    """Serve one conversation as the saboteur `name`."""
    events = Events()
    return answer(CLIENTS[name](events), events)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
