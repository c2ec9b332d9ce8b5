"""Wrong CoAP servers, each with one lie. A scenario that none of them fails proves nothing.

python -m tests.saboteurs.coap_servers NAME
"""

from __future__ import annotations

import sys

from harness.peers.coap import Block, Opt, Options, Packet
from harness.references.coap_control import answer
from harness.wire.serve import Events
from tests.saboteurs.coap_honest import flipped
from tests.saboteurs.coap_honest_server import Server
from tests.saboteurs.coap_secure_servers import SecureServer
from tests.saboteurs.names import clients_below


class FlipsAnAnswer(Server):
    """Answers with another payload."""

    def changed(self, response: Packet) -> Packet:
        """Flip the last bit."""
        return flipped(response)


class OtherToken(Server):
    """Answers with a token of its own."""

    gives_tokens_back = False


class RunsDuplicates(Server):
    """Takes every copy for a request."""

    knows_duplicates = False


class NeverPongs(Server):
    """Leaves pings alone."""

    answers_pings = False


class NeverAcknowledgesRequests(Server):
    """Answers in messages that acknowledge nothing."""

    acknowledges = False


class TakesAnyVersion(Server):
    """Does not look at the version."""

    checks_versions = False


class NumbersNothing(Server):
    """All notifications have one number."""

    numbers = False


class ForgetsNobody(Server):
    """Goes on notifying who has had enough."""

    forgets = False


class NotifiesNobody(Server):
    """Tells nobody of changes."""

    notifies = False


class AcknowledgesAll(Server):
    """Answers in acknowledgements, also what asks for none."""

    acknowledges_all = True


class AnswersOnce(Server):
    """Leaves copies of a request alone."""

    repeats_answers = False


class AnswersAnything(Server):
    """Takes responses and empty messages for requests."""

    answers_all = True


class IgnoresNon(Server):
    """Lets nobody observe by messages that are not acknowledged."""

    notifies_non = False


class CountsRegistrations(Server):
    """Takes a second registration with the same token for that of another observer."""

    tells_registrations_apart = True


class Creates(Server):
    """Takes what is POSTed for a new resource, and says where it is."""

    creates = True


class IgnoresConditions(Server):
    """Passes over what a request says about representations."""

    heeds_conditions = False


class RefusesElective(Server):
    """Refuses every option that it does not know."""

    refuses_elective = True


class MissesUnknownMethods(Server):
    """Says of an unknown method that the resource is not there."""

    unknown_method = "4.04"


class HasEverything(Server):
    """Has a resource at every path."""

    missing = "2.05"


class JoinsPaths(Server):
    """Reads path and query as one text each."""

    def read(self, values: list[str]) -> list[str]:
        """Join them."""
        return ["/".join(values)]


class _Blockwise(Server):
    """Takes and gives bodies in blocks, without ETags."""

    heeds_conditions = False
    starts_over = True
    tells_clients_apart = True
    remembers = False

    def __init__(self, events: Events) -> None:
        super().__init__(events)
        self._parts: dict[tuple[str, int], dict[int, bytes]] = {}
        self._given: dict[tuple[str, int], bytes] = {}

    def gathered(self, asked: Packet, client: tuple[str, int]) -> Packet | None:
        """Put the blocks together by their numbers."""
        block = asked.block(Opt.BLOCK1)
        if block is None:
            return asked
        client = client if self.tells_clients_apart else ("", 0)
        if block.number == 0 and self.starts_over:
            self._parts[client] = {}
        parts = self._parts.setdefault(client, {})
        parts[block.number] = asked.payload
        return None if block.more else asked.with_(payload=b"".join(parts[number] for number in sorted(parts)))

    def part(self, asked: Packet, client: tuple[str, int], body: bytes) -> tuple[bytes, Options]:
        """Cut the block that is asked for."""
        wanted = asked.block(Opt.BLOCK2)
        if asked.code != "0.01" or wanted is None:
            return body, ()
        body = self._given.setdefault(client, body) if self.remembers else body
        start, size = self.start(wanted), 16 << wanted.szx
        given = Block(wanted.number, start + size < len(body), wanted.szx)
        return body[start : start + size], ((int(Opt.BLOCK2), given.value()),)

    def start(self, wanted: Block) -> int:
        """Where in the body a block begins."""
        return wanted.number * (16 << wanted.szx)


class MixesBodies(_Blockwise):
    """Cuts each block from what there is by then."""


class GivesTheOldBody(_Blockwise):
    """Gives who was given a block once no other body any more."""

    remembers = True


class NeverStartsOver(_Blockwise):
    """Puts the blocks of two bodies together."""

    starts_over = False


class KnowsOneClient(_Blockwise):
    """Takes every block for one client's."""

    tells_clients_apart = False


class CountsInItsOwnSize(_Blockwise):
    """Takes a block's number for that of a large one."""

    def start(self, wanted: Block) -> int:
        """In blocks of 1024 bytes."""
        return wanted.number * 1024


#: The server that lies about nothing but blocks, links and retransmission has a name of its own.
SERVERS: dict[str, type[Server | SecureServer]] = {
    **clients_below(Server),
    **clients_below(SecureServer),
    "serves-half": Server,
}


def main(name: str) -> int:
    """Serve one conversation as the saboteur `name`."""
    events = Events()
    return answer(SERVERS[name](events), events)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
