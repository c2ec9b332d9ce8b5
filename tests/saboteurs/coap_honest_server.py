"""A CoAP server written message by message, which does what the scenarios ask for as far as `coap_servers` needs it.

It is honest but for blocks and links. What it does differently where one of its attributes is changed is a lie.
"""

from __future__ import annotations

import hashlib
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from harness.peers.coap import EMPTY, Opt, Options, Packet, uint
from harness.wire import coap
from harness.wire.messages import encode
from harness.wire.serve import Events


class Server:
    """Keeps bodies, knows duplicates and notifies observers."""

    knows_duplicates = True
    repeats_answers = True
    gives_tokens_back = True
    acknowledges = True
    acknowledges_all = False
    answers_pings = True
    answers_all = False
    checks_versions = True
    numbers = True
    forgets = True
    notifies = True
    notifies_non = True
    tells_registrations_apart = False
    heeds_conditions = True
    creates = False
    refuses_elective = False
    unknown_method = "4.05"
    missing = "4.04"

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

    def read(self, values: list[str]) -> list[str]:
        """Path or query as the application gets it."""
        return values

    def gathered(self, asked: Packet, _client: tuple[str, int]) -> Packet | None:
        """The whole request; null while blocks of it are missing. No blocks are known here."""
        return asked

    def part(self, _asked: Packet, _client: tuple[str, int], body: bytes) -> tuple[bytes, Options]:
        """What is sent of a response's body, and what says so."""
        return body, ()

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
        self._kept = Kept()
        self._answered: dict[tuple[object, int], Packet] = {}
        self._observers: list[_Observer] = []

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
            self._forget(lambda observer: observer.client == client)
        elif found.code == EMPTY and found.kind == "CON":
            if self._server.answers_pings:
                self._send(found.reset(), client)
        elif found.is_request or self._server.answers_all:
            known = self._answered.get((client, found.mid))
            if known is not None and not self._server.repeats_answers:
                return
            if known is None or not self._server.knows_duplicates:
                known = self._server.changed(self._answer(found, client))
                self._answered[client, found.mid] = known
            self._send(known, client)

    def _forget(self, check: Callable[[_Observer], bool]) -> None:
        if self._server.forgets:
            self._observers = [observer for observer in self._observers if not check(observer)]

    def _answer(self, asked: Packet, client: tuple[str, int]) -> Packet:
        whole = self._server.gathered(asked, client)
        if whole is None:
            options: Options = ((int(Opt.BLOCK1), asked.first(Opt.BLOCK1) or b""),)
            code, body = "2.31", b""
        else:
            code, body, said = self._perform(whole, client)
            body, cut = self._server.part(asked, client, body)
            options = (*said, *cut)
        token = asked.token if self._server.gives_tokens_back else b"wrong"
        if self._server.acknowledges_all or (asked.kind == "CON" and self._server.acknowledges):
            return Packet("ACK", code, asked.mid, token, options, body)
        return Packet("NON", code, secrets.randbelow(1 << 16), token, options, body)

    def _perform(self, asked: Packet, client: tuple[str, int]) -> tuple[str, bytes, Options]:
        if asked.path == "/.well-known/core":
            return "2.05", self._server.links(), ((Opt.CONTENT_FORMAT, uint(40)),)
        method = {"0.01": "GET", "0.02": "POST", "0.03": "PUT", "0.04": "DELETE"}.get(asked.code)
        if method is None:
            return (self._server.unknown_method if asked.is_request else "4.00"), b"", ()
        if self._server.refuses_elective and any(number not in list(Opt) for number, _ in asked.options):
            return "4.02", b"", ()
        path, query = (
            self._server.read([value.decode() for value in asked.all(number)])
            for number in (Opt.URI_PATH, Opt.URI_QUERY)
        )
        self._events.add("served", coap.Served(method=method, path=path, query=query, payload=encode(asked.payload)))
        if asked.path == "/slow":
            time.sleep(4.0)
        if method == "GET":
            return self._get(asked, client)
        if method == "POST" and self._server.creates:
            self._kept.change(asked.with_(options=((Opt.URI_PATH, b"made"),)))
            return "2.01", b"", ((Opt.LOCATION_PATH, b"made"),)
        if method == "POST":
            return "2.04", asked.payload, ()
        if self._server.heeds_conditions and not self._kept.lets(asked):
            return "4.12", b"", ()
        self._kept.change(asked)
        self._notify(asked.path)
        return ("2.04" if method == "PUT" else "2.02"), b"", ()

    def _get(self, asked: Packet, client: tuple[str, int]) -> tuple[str, bytes, Options]:
        code, body, options = self._kept.get(asked, heeds=self._server.heeds_conditions)
        if code == "4.04":
            return self._server.missing, b"", ()
        if asked.first(Opt.OBSERVE) == b"" and (asked.kind == "CON" or self._server.notifies_non):
            if not self._server.tells_registrations_apart:
                self._observers = [
                    seen for seen in self._observers if (seen.client, seen.asked.token) != (client, asked.token)
                ]
            self._observers.append(_Observer(client, asked))
            return code, body, ((Opt.OBSERVE, uint(1)), *options)
        if asked.first(Opt.OBSERVE) == uint(1):
            self._forget(lambda observer: (observer.client, observer.asked.token) == (client, asked.token))
        return code, body, options

    def _notify(self, path: str) -> None:
        for observer in self._observers if path == "/obs" and self._server.notifies else ():
            if self._server.numbers:
                observer.number += 1
            code, body, options = self._kept.get(observer.asked, heeds=self._server.heeds_conditions)
            mid, options = secrets.randbelow(1 << 16), ((Opt.OBSERVE, uint(observer.number)), *options)
            self._send(Packet("CON", code, mid, observer.asked.token, options, body), observer.client)


@dataclass
class _Observer:
    """Who is to be notified, as it asked for that."""

    client: tuple[str, int]
    asked: Packet
    number: int = 1


class Kept:
    """The bodies of resources, with format and ETag."""

    def __init__(self) -> None:
        self._bodies: dict[str, tuple[bytes, bytes]] = {}

    def lets(self, asked: Packet) -> bool:
        """Whether the conditions of a PUT hold."""
        body = self._bodies.get(asked.path)
        wanted = asked.all(Opt.IF_MATCH)
        if wanted and (body is None or _tag(body[0]) not in wanted):
            return False
        return asked.first(Opt.IF_NONE_MATCH) is None or body is None

    def change(self, asked: Packet) -> None:
        """PUT or DELETE."""
        if asked.code == "0.04":
            self._bodies.pop(asked.path, None)
        else:
            self._bodies[asked.path] = (asked.payload, asked.first(Opt.CONTENT_FORMAT) or b"")

    def get(self, asked: Packet, *, heeds: bool) -> tuple[str, bytes, Options]:
        """What answers a GET; without `heeds` whatever its options say."""
        if asked.path not in self._bodies:
            return "4.04", b"", ()
        body, form = self._bodies[asked.path]
        if not heeds:
            return "2.05", body, ()
        if asked.first(Opt.ACCEPT) not in (None, form):
            return "4.06", b"", ()
        if _tag(body) in asked.all(Opt.ETAG):
            return "2.03", b"", ((Opt.ETAG, _tag(body)),)
        return "2.05", body, ((Opt.ETAG, _tag(body)), (Opt.CONTENT_FORMAT, form))


def _tag(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()[:4]
