"""pyzmq as reference for ZeroMQ: sockets that play the other side.

https://pyzmq.readthedocs.io/en/v27.1.0/api/zmq.html

pyzmq and the crate zmq both bind libzmq, in releases of their own (4.3.5 and 4.3.4): what they agree on says that the
binding is right, and not that libzmq keeps to ZMTP. `zmtp_raw` has a peer that shares no code with either.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from typing import Any

import zmq
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils.monitor import parse_monitor_message

from harness.errors import ReferenceFailed

#: Seconds that one step of the reference may take before nothing can be said about the crate.
STEP = 10.0

Event = tuple[str, int]


class Context:
    """A libzmq context with its sockets; belongs to one thread."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._authenticator: ThreadAuthenticator | None = None
        self._sockets: list[Socket] = []

    def open(self, kind: str, **options: Any) -> Socket:
        """A socket of this type; options as `set_option` has them.

        Raises:
            zmq.ZMQError: libzmq refuses an option.
        """
        socket = self._context.socket(getattr(zmq, kind))
        for name, value in options.items():
            set_option(socket, name, value)
        self._sockets.append(Socket(socket))
        return self._sockets[-1]

    def drive(self) -> None:
        """Let every socket do what waits for its thread: libzmq attaches new peers only within calls on the socket."""
        for socket in self._sockets:
            if not socket.raw.closed:
                socket.raw.poll(0)

    def authenticate(self, domain: str, passwords: Mapping[str, str]) -> None:
        """Let only these users in, on sockets of this context that are PLAIN servers in this domain (ZAP, RFC 27)."""
        self._authenticator = ThreadAuthenticator(self._context)
        self._authenticator.start()
        self._authenticator.configure_plain(domain, dict(passwords))

    def terminate(self) -> None:
        """End the context, whose sockets are closed, as soon as what they linger for is sent."""
        self._context.term()

    def close(self) -> None:
        """Close every socket at once, whatever was not sent."""
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.destroy(linger=0)


class Socket:
    """A socket whose every wait has a limit."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self.raw = socket
        self._monitor: zmq.Socket[bytes] | None = None

    def bind(self, endpoint: str = "tcp://127.0.0.1:*") -> str:
        """Bind; returns the endpoint in effect.

        Raises:
            ReferenceFailed: libzmq refuses.
        """
        try:
            self.raw.bind(endpoint)
        except zmq.ZMQError as error:
            raise ReferenceFailed(f"the reference could not bind {endpoint}: {error}") from error
        return self.raw.getsockopt_string(zmq.LAST_ENDPOINT)

    def connect(self, endpoint: str) -> None:
        """Connect; returns at once."""
        self.raw.connect(endpoint)

    def subscribe(self, prefix: bytes = b"") -> None:
        """Subscribe to what begins with `prefix`."""
        self.raw.setsockopt(zmq.SUBSCRIBE, prefix)

    def send(self, *frames: bytes, within: float = STEP) -> bool:
        """Send one message; false where nobody took it within `within` seconds.

        A mandatory ROUTER returns false too where nobody has the name that it is to send to.
        """
        if not self.raw.poll(_milliseconds(within), zmq.POLLOUT):
            return False
        try:
            self.raw.send_multipart(frames, zmq.DONTWAIT)
        except zmq.Again:  # whoever was there for the poll is gone
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        return True

    def receive(self, within: float = STEP) -> tuple[bytes, ...] | None:
        """The next message; null where none came within `within` seconds."""
        end = time.monotonic() + within
        while self.raw.poll(_milliseconds(end - time.monotonic()), zmq.POLLIN):
            # A REP or REQ sees that something came, and drops it where it has no empty frame.
            with contextlib.suppress(zmq.Again):
                return tuple(self.raw.recv_multipart(zmq.DONTWAIT))
        return None

    def monitor(self) -> None:
        """Report events from now on."""
        self._monitor = self.raw.get_monitor_socket()

    def next_event(self, within: float) -> Event | None:
        """The next monitor event, by libzmq's name in lower case without ZMQ_EVENT_, and its value."""
        if self._monitor is None or not self._monitor.poll(_milliseconds(within)):
            return None
        event = parse_monitor_message(self._monitor.recv_multipart(zmq.DONTWAIT))
        return str(zmq.Event(event["event"]).name).lower(), event["value"]

    def await_event(self, names: Iterable[str], within: float) -> Event | None:
        """The next event of one of these names; null where none came within `within` seconds."""
        wanted, end = set(names), time.monotonic() + within
        while (event := self.next_event(max(0.0, end - time.monotonic()))) is not None:
            if event[0] in wanted:
                return event
        return None

    def close(self, linger: int | None = 0) -> None:
        """Close; `linger` in milliseconds, null leaves the socket's own."""
        if self._monitor is not None:
            self.raw.disable_monitor()
            self._monitor.close(0)
            self._monitor = None
        self.raw.close(linger)


def set_option(socket: zmq.Socket[bytes], name: str, value: Any) -> None:
    """Set an option by libzmq's name, in lower case and without ZMQ_."""
    option = getattr(zmq, name.upper())
    if isinstance(value, str):
        socket.setsockopt_string(option, value)
    else:
        socket.setsockopt(option, int(value) if isinstance(value, bool) else value)


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))
