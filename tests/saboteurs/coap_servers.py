"""Wrong CoAP servers, each with one lie. A scenario that none of them fails proves nothing.

`Server` is written message by message, and does what the scenarios ask for as far as the lies need.

python -m tests.saboteurs.coap_servers NAME
"""

from __future__ import annotations

import secrets
import socket
import sys
import threading
import time

from harness.peers.coap import EMPTY, Opt, Options, Packet, uint
from harness.references.coap_control import answer
from harness.wire import coap
from harness.wire.messages import encode
from harness.wire.serve import Events
from tests.saboteurs.coap_clients import flipped


class Server:
    """Keeps bodies, knows duplicates and notifies observers."""

    knows_duplicates = True
    gives_tokens_back = True
    acknowledges = True
    answers_pings = True
    checks_versions = True
    numbers = True
    forgets = True
    notifies = True

    def __init__(self, events: Events) -> None:
        self._events = events

    def serve(self, _asked: coap.ServeRequest) -> coap.ServeReply:
        """Serve on a thread."""
        service = _Service(self, self._events)
        threading.Thread(target=service.run, daemon=True).start()
        return coap.ServeReply(port=service.port)

    def changed(self, response: Packet) -> Packet:
        """The response as it is sent."""
        return response

    def links(self) -> bytes:
        """What /.well-known/core says."""
        return b"</store>"


class _Service:
    """One socket, many clients."""

    def __init__(self, server: Server, events: Events) -> None:
        self._server = server
        self._events = events
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._bodies: dict[str, bytes] = {}
        self._answered: dict[tuple[object, int], Packet] = {}
        self._observers: dict[tuple[object, bytes], int] = {}
        self._parts: dict[object, bytes] = {}

    def run(self) -> None:
        """Serve until the process ends."""
        while True:
            data, client = self._socket.recvfrom(65_535)
            if data and data[0] >> 6 != 1 and not self._server.checks_versions:
                data = bytes([data[0] & 0x3F | 0x40]) + data[1:]
            found = Packet.decode(data)
            if found is not None:
                self._take(found, client)

    def _send(self, message: Packet, client: tuple[str, int]) -> None:
        self._socket.sendto(message.encode(), client)

    def _take(self, found: Packet, client: tuple[str, int]) -> None:
        if found.kind == "RST":
            if self._server.forgets:
                self._observers = {key: value for key, value in self._observers.items() if key[0] != client}
        elif found.code == EMPTY:
            if found.kind == "CON" and self._server.answers_pings:
                self._send(found.reset(), client)
        elif found.is_request:
            known = self._answered.get((client, found.mid))
            if known is None or not self._server.knows_duplicates:
                known = self._server.changed(self._answer(found, client))
                self._answered[client, found.mid] = known
            self._send(known, client)

    def _answer(self, asked: Packet, client: tuple[str, int]) -> Packet:
        code, body, options = self._perform(asked, client)
        token = asked.token if self._server.gives_tokens_back else b"wrong"
        if asked.kind == "CON" and self._server.acknowledges:
            return Packet("ACK", code, asked.mid, token, options, body)
        return Packet("NON", code, secrets.randbelow(1 << 16), token, options, body)

    def _perform(self, asked: Packet, client: tuple[str, int]) -> tuple[str, bytes, Options]:
        if asked.path == "/.well-known/core":
            return "2.05", self._server.links(), ((Opt.CONTENT_FORMAT, uint(40)),)
        method = {"0.01": "GET", "0.02": "POST", "0.03": "PUT", "0.04": "DELETE"}[asked.code]
        query = [value.decode() for value in asked.all(Opt.URI_QUERY)]
        path = asked.path.strip("/").split("/")
        self._events.add("served", coap.Served(method=method, path=path, query=query, payload=encode(asked.payload)))
        if asked.path == "/slow":
            time.sleep(4.0)
        if method == "GET":
            return self._get(asked, client)
        if method == "POST":
            return "2.04", asked.payload, ()
        if method == "PUT":
            self._bodies[asked.path] = asked.payload
        else:
            self._bodies.pop(asked.path, None)
        self._notify(asked.path)
        return ("2.04" if method == "PUT" else "2.02"), b"", ()

    def _get(self, asked: Packet, client: tuple[str, int]) -> tuple[str, bytes, Options]:
        if asked.path not in self._bodies:
            return "4.04", b"", ()
        if asked.first(Opt.OBSERVE) == b"":
            self._observers[client, asked.token] = 1
            return "2.05", self._bodies[asked.path], ((Opt.OBSERVE, uint(1)),)
        if asked.first(Opt.OBSERVE) == uint(1) and self._server.forgets:
            self._observers.pop((client, asked.token), None)
        return "2.05", self._bodies[asked.path], ()

    def _notify(self, path: str) -> None:
        if path != "/obs" or not self._server.notifies:
            return
        for (client, token), number in self._observers.items():
            assert isinstance(client, tuple)
            self._observers[client, token] = number + 1 if self._server.numbers else 1
            code, body = ("2.05", self._bodies[path]) if path in self._bodies else ("4.04", b"")
            options: Options = ((Opt.OBSERVE, uint(self._observers[client, token])),)
            self._send(Packet("CON", code, secrets.randbelow(1 << 16), token, options, body), client)


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


SERVERS: dict[str, type[Server]] = {
    "serves-half": Server,
    "flips-an-answer": FlipsAnAnswer,
    "other-token": OtherToken,
    "runs-duplicates": RunsDuplicates,
    "never-pongs": NeverPongs,
    "never-acknowledges-requests": NeverAcknowledgesRequests,
    "takes-any-version": TakesAnyVersion,
    "numbers-nothing": NumbersNothing,
    "forgets-nobody": ForgetsNobody,
    "notifies-nobody": NotifiesNobody,
}


def main(name: str) -> int:
    """Serve one conversation as the saboteur `name`."""
    events = Events()
    return answer(SERVERS[name](events), events)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
