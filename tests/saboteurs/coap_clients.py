"""Wrong CoAP clients, each with one lie. A scenario that none of them fails proves nothing.

python -m tests.saboteurs.coap_clients NAME
"""

from __future__ import annotations

import sys
import threading

from harness.peers.coap import Packet
from harness.references.coap_control import answer
from harness.wire import coap
from harness.wire.messages import Empty
from harness.wire.serve import Events
from tests.saboteurs.coap_honest import Client, flipped
from tests.saboteurs.coap_secure import SECURE, PretendsToEncrypt, TrustsAnyone
from tests.saboteurs.names import clients_below


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


class AsksWithMore(Client):
    """Gives the flag for more blocks back with each request for the next one."""

    asks_with_more = True


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


class NeverRegistersAgain(Client):
    """Waits for notifications for ever, however old the last one is."""

    registers_again = False


class NeverPongs(Client):
    """Leaves pings alone."""

    answers_pings = False


class TakesAnyVersion(Client):
    """Does not look at the version."""

    checks_versions = False


class TakesAnyFormat(Client):
    """Takes a payload marker without a payload for a message."""

    checks_formats = False


class PassesErrorsOver(Client):
    """Leaves messages alone whose format is wrong."""

    rejects_errors = False


class TakesAnyReset(Client):
    """Does not look which message an empty one is about."""

    checks_ids = False


class WaitsForEver(Client):
    """Waits for the response to a request that was acknowledged, and for nothing else."""

    gives_up = False


class MatchesMessageIds(Client):
    """Knows responses by their message id."""

    def takes(self, found: Packet, sent: Packet) -> bool:
        """Take what is in the acknowledgement."""
        return found.mid == sent.mid


class WaitsForTheAcknowledgement(Client):
    """Sends a request once more after its response, where that was none in an acknowledgement."""

    def _exchange(self, sent: Packet) -> Packet:
        found = super()._exchange(sent)
        if found.kind == "CON":
            threading.Timer(self._timeout, self._peer.send, (sent,)).start()
        return found


#: The client that is honest but for discovery has a name of its own.
CLIENTS: dict[str, type[Client | PretendsToEncrypt | TrustsAnyone]] = {
    **SECURE,
    **clients_below(Client),
    "finds-the-same-always": Client,
}


def main(name: str) -> int:
    """Serve one conversation as the saboteur `name`."""
    events = Events()
    return answer(CLIENTS[name](events), events)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
