"""The recording relay for UDP: what `harness.capture` is for TCP.

Datagrams are recorded as they come, and a scenario says by number which of them the network loses, repeats, delays or
lets another one overtake. Numbers count what one end sent, from 1, since the relay began.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.capture import RelayLoop
from harness.pcapng import Capture, UdpFlow

#: The largest datagram that IPv4 carries.
_LARGEST = 65_535
#: What the kernel keeps until the relay reads it, in bytes.
_BUFFER = 1 << 20


@dataclass(frozen=True)
class Datagram:
    """One datagram as the relay saw it: `at` is in seconds of the monotonic clock."""

    end: str
    number: int
    at: float
    data: bytes


@dataclass(frozen=True)
class _Fault:
    """What becomes of one datagram: so many copies are sent, after so many seconds, perhaps behind the next one."""

    comment: str
    copies: int = 1
    seconds: float = 0.0
    behind_next: bool = False


class _Session:
    """One client's address and the socket that speaks to the peer for it."""

    def __init__(self, relay: DatagramRelay, client: tuple[str, int], flow: UdpFlow) -> None:
        self.client = client
        self.flow = flow
        self.upstream = relay.new_socket()
        self.upstream.connect(relay.upstream)
        #: What waits until the next datagram of its end has gone.
        self.overtaken: dict[str, list[Callable[[], None]]] = {"a": [], "b": []}


class DatagramRelay:
    """Forwards datagrams between clients and one peer, and records them. `a` is the client's end, `b` the peer's."""

    def __init__(
        self, loop: RelayLoop, upstream: tuple[str, int], capture: Path, *, client_address: str, server_port: int
    ) -> None:
        """Start listening on a port of 127.0.0.1 that the system picks.

        Args:
            loop: where the relay runs.
            upstream: the peer's real address.
            capture: the pcapng file to write.
            client_address: IPv4 address of the client in the capture, so that merged captures stay apart.
            server_port: the protocol's canonical port, for the capture.
        """
        self._loop = loop
        self.upstream = upstream
        self._capture = Capture(capture, f"relay to port {server_port}")
        self._client_address = client_address
        self._server_port = server_port
        self._changed = threading.Condition()
        self._seen: list[Datagram] = []
        self._counts = {"a": 0, "b": 0}
        self._faults: dict[tuple[str, int], _Fault] = {}
        self._sessions: dict[tuple[str, int], _Session] = {}
        self._socket = self.new_socket()
        self._socket.bind(("127.0.0.1", 0))
        self.endpoint: tuple[str, int] = self._socket.getsockname()
        loop.run(self._on_loop(lambda: _on_readable(self._socket, self._from_client)))

    @staticmethod
    def new_socket() -> socket.socket:
        """A socket as the relay uses them."""
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        return made

    # -- what a scenario can do --------------------------------------------------------------------

    def lose(self, end: str, *numbers: int) -> None:
        """Do not pass these datagrams of `end` on."""
        for number in numbers:
            self._plan(end, number, _Fault("lost by the scenario", copies=0))

    def repeat(self, end: str, number: int, copies: int = 2) -> None:
        """Pass this datagram on so many times, one right after the other."""
        self._plan(end, number, _Fault(f"passed on {copies} times by the scenario", copies=copies))

    def delay(self, end: str, number: int, seconds: float) -> None:
        """Hold this datagram back for `seconds`; others may overtake it."""
        self._plan(end, number, _Fault(f"delayed for {seconds:g} s by the scenario", seconds=seconds))

    def overtake(self, end: str, number: int) -> None:
        """Hold this datagram back until the next one of `end` was passed on."""
        self._plan(end, number, _Fault("overtaken by the next one, by the scenario", behind_next=True))

    def send_from_elsewhere(self, data: bytes) -> None:
        """Send the last client a datagram from an address that is not the relay's: nobody that it spoke to."""

        def send() -> None:
            client = next(reversed(self._sessions))
            with self.new_socket() as stranger:
                stranger.bind(("127.0.0.1", 0))
                port = stranger.getsockname()[1]
                flow = UdpFlow(self._capture, (self._client_address, client[1]), ("127.0.0.1", port))
                flow.datagram("b", data, "from another address, by the scenario")
                stranger.sendto(data, client)

        self._loop.run(self._on_loop(send))

    def count(self, end: str) -> int:
        """How many datagrams `end` has sent."""
        with self._changed:
            return self._counts[end]

    def seen(self) -> list[Datagram]:
        """Everything that came so far, lost or not; what the relay repeated is there once."""
        with self._changed:
            return list(self._seen)

    def wait_for(self, check: Callable[[Datagram], bool], timeout: float, since: int = 0) -> Datagram | None:
        """The first datagram that `check` accepts, of those after the first `since`; null where none came in time."""

        def find() -> Datagram | None:
            return next((found for found in self._seen[since:] if check(found)), None)

        with self._changed:
            self._changed.wait_for(lambda: find() is not None, timeout)
            return find()

    def close(self) -> None:
        """End everything and complete the capture; a second time does nothing."""
        if self._socket.fileno() < 0:
            return
        self._loop.run(self._on_loop(self._shut))
        self._capture.close()

    # -- on the loop -------------------------------------------------------------------------------

    @staticmethod
    def _on_loop(act: Callable[[], None]) -> Coroutine[Any, Any, None]:
        async def run() -> None:
            act()

        return run()

    def _plan(self, end: str, number: int, fault: _Fault) -> None:
        with self._changed:
            self._faults[end, number] = fault

    def _from_client(self) -> None:
        data, address = self._socket.recvfrom(_LARGEST)
        client = (str(address[0]), int(address[1]))
        session = self._sessions.get(client)
        if session is None:
            flow = UdpFlow(self._capture, (self._client_address, client[1]), ("127.0.0.1", self._server_port))
            session = self._sessions[client] = _Session(self, client, flow)
            upstream = session.upstream
            _on_readable(upstream, lambda: self._pass(session, "b", upstream.recv(_LARGEST)))
        self._pass(session, "a", data)

    def _pass(self, session: _Session, end: str, data: bytes) -> None:
        fault = self._record(end, data)
        session.flow.datagram(end, data, fault.comment)

        def send() -> None:
            # What cannot be delivered is lost, as in any network: the other end may have gone.
            with contextlib.suppress(OSError):
                if end == "a":
                    session.upstream.send(data)
                else:
                    self._socket.sendto(data, session.client)

        waiting, session.overtaken[end] = session.overtaken[end], []
        if fault.behind_next:
            session.overtaken[end].append(send)
        elif fault.seconds:
            self._loop.later(fault.seconds, send)
        else:
            for _ in range(fault.copies):
                send()
        for late in waiting:
            late()

    def _record(self, end: str, data: bytes) -> _Fault:
        """Count the datagram, and find what is to become of it."""
        with self._changed:
            number = self._counts[end] = self._counts[end] + 1
            self._seen.append(Datagram(end, number, time.monotonic(), data))
            fault = self._faults.pop((end, number), _Fault(""))
            self._changed.notify_all()
        return fault

    def _shut(self) -> None:
        loop = asyncio.get_running_loop()
        for ended in (self._socket, *(session.upstream for session in self._sessions.values())):
            loop.remove_reader(ended)
            ended.close()


def _on_readable(source: socket.socket, read: Callable[[], None]) -> None:
    """Call `read` whenever a datagram came; what the network reports instead, such as a closed port, is passed over."""

    def ready() -> None:
        with contextlib.suppress(ConnectionRefusedError, BlockingIOError):
            read()

    asyncio.get_running_loop().add_reader(source, ready)
