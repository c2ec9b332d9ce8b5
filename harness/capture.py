"""The recording relay between a probe and its peer.

A scenario gives its client `relay.endpoint` and nothing else, so that everything the crate sent and got is in one
capture, and the connection can be cut or slowed without the peer's help. One event loop on a thread of its own serves
all relays of a process.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from harness.pcapng import Capture, TcpFlow
from harness.tls import TlsStream

_CHUNK = 256 * 1024
#: Seconds between two looks at how late the loop runs.
_LAG_TICK = 0.1
#: Seconds that a TLS handshake may take.
_HANDSHAKE = 10.0
_Result = TypeVar("_Result")


class RelayLoop:
    """The event loop of all relays in this process, and how late it ran."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        self._worst_lag = 0.0
        self._loop.call_soon_threadsafe(self._tick, None)

    def _tick(self, due: float | None) -> None:
        now = self._loop.time()
        if due is not None:
            self._worst_lag = max(self._worst_lag, now - due)
        self._loop.call_at(now + _LAG_TICK, self._tick, now + _LAG_TICK)

    def take_worst_lag(self) -> float:
        """Seconds by which the loop was late at worst since the last call."""
        worst, self._worst_lag = self._worst_lag, 0.0
        return worst

    def run(self, work: Coroutine[Any, Any, _Result], timeout: float = 10.0) -> _Result:
        """Run a coroutine on the loop and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` on the loop after `seconds`; from the loop itself."""
        self._loop.call_later(seconds, act)

    def stop(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)


class _Connection:
    """One client's connection and its twin to the peer."""

    def __init__(
        self,
        flow: TcpFlow,
        client: asyncio.StreamWriter,
        peer: asyncio.StreamWriter,
        targets: dict[str, asyncio.StreamWriter | TlsStream],
    ) -> None:
        self.flow = flow
        #: Where each end's bytes go.
        self.targets = targets
        self.client = client
        self.peer = peer
        self.over = False
        self.answered = False
        self.finished: set[str] = set()
        #: What each end sent while it was held back.
        self.kept: dict[str, bytearray] = {"a": bytearray(), "b": bytearray()}

    def abort(self, end: str, comment: str = "") -> None:
        """Break both sides off with RST; `end` is the side from which the capture shows it."""
        if self.over:
            return
        self.over = True
        self.flow.reset(end, comment)
        for writer in (self.client, self.peer):
            _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST rather than FIN: linger on, zero seconds (socket(7))."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _bytes_of(chunk: bytes) -> Iterator[bytes]:
    return (chunk[start : start + 1] for start in range(len(chunk)))


async def _handshake(context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> TlsStream:
    stream = TlsStream(context, reader, writer)
    await asyncio.wait_for(stream.handshake(), _HANDSHAKE)
    return stream


class Relay:
    """Forwards TCP connections to one peer and records them."""

    def __init__(
        self,
        loop: RelayLoop,
        upstream: tuple[str, int],
        capture: Path,
        *,
        client_address: str,
        server_port: int,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        tls: ssl.SSLContext | None = None,
        served_by_crate: bool = False,
    ) -> None:
        """Start listening.

        Args:
            loop: where the relay runs.
            upstream: the peer's real address.
            capture: the pcapng file to write.
            client_address: IPv4 address of the client in the capture, so that merged captures stay apart.
            server_port: the protocol's canonical port, for the capture.
            listen: where to listen; port 0 lets the system pick one. Who listens at 127.0.0.1 listens at ::1 too,
                where this machine has that, so that `localhost` leads here whatever it means.
            tls: ends the client's TLS here; the peer and the capture get what was encrypted.
            served_by_crate: for the capture, whether the peer is the crate's and the client somebody else.
        """
        self._loop = loop
        self._upstream = upstream
        self._capture = Capture(
            capture, f"relay to port {server_port}{', served by the crate' if served_by_crate else ''}"
        )
        self._client_address = client_address
        self._server_port = server_port
        self._tls = tls
        #: Why TLS handshakes failed so far.
        self.failed_handshakes: list[str] = []
        self._delay = 0.0
        self._refusing = False
        self._cut_after: int | None = None
        self._cut_part = b""
        self._drip = 0.0
        #: What to alter in what the peer sends, and into what.
        self._alter: tuple[bytes, bytes] | None = None
        self._reads = asyncio.Event()
        self._reads.set()
        self._free = {"a": asyncio.Event(), "b": asyncio.Event()}
        for free in self._free.values():
            free.set()
        self._held = threading.Event()
        self._accepted = 0
        self._served = 0
        self._left = 0
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers = loop.run(self._listen(*listen))
        self.endpoint: tuple[str, int] = self._servers[0].sockets[0].getsockname()[:2]
        #: The addresses at which it listens.
        self.hosts: list[str] = [server.sockets[0].getsockname()[0] for server in self._servers]

    async def _listen(self, host: str, port: int) -> list[asyncio.Server]:
        server = await asyncio.start_server(self._serve, host, port, limit=_CHUNK)
        if host != "127.0.0.1":
            return [server]
        same_port = server.sockets[0].getsockname()[1]
        try:
            return [server, await asyncio.start_server(self._serve, "::1", same_port, limit=_CHUNK)]
        except OSError as error:
            if error.errno == errno.EADDRINUSE and not port:
                server.close()
                return await self._listen(host, port)
            return [server]

    # -- what a scenario can do --------------------------------------------------------------------

    def cut(self) -> int:
        """Break all connections with RST, towards client and peer; returns how many there were."""
        return self._loop.run(self._on_loop(lambda: self._abort_all("cut by the scenario")))

    def delay(self, seconds: float) -> None:
        """Hold every chunk back for `seconds`, in both directions, from now on; order is kept."""
        self._loop.run(self._on_loop(lambda: setattr(self, "_delay", seconds)))

    def stop_reading(self) -> None:
        """Take nothing more, in either direction, until the attempt's end: TCP holds up who sends."""
        self._loop.run(self._on_loop(self._reads.clear))

    def drip(self, pause: float) -> None:
        """Pass every byte on by itself, in both directions, with `pause` seconds after each; 0 ends that."""
        self._loop.run(self._on_loop(lambda: setattr(self, "_drip", pause)))

    def hold(self, ends: str = "a") -> None:
        """Take bytes and pass none on, until `release`: of clients (`a`), of the peer (`b`), or of both (`ab`).

        The end of a connection is held back as well. With both held a connection is half-open for either side.
        """
        self._held.clear()
        self._loop.run(self._on_loop(lambda: self._hold(ends)))

    def await_held(self, timeout: float) -> bool:
        """Wait until something was held back; false where nothing came within `timeout` seconds."""
        return self._held.wait(timeout)

    def holds(self, part: bytes) -> bool:
        """Whether `part` is among what a peer sent and is held back."""
        return self._loop.run(self._on_loop(lambda: any(part in c.kept["b"] for c in self._connections)))

    def release(self, ends: str = "ab") -> None:
        """Pass on again what these ends send; what one of them sent meanwhile is passed on in one piece."""
        self._loop.run(self._on_loop(lambda: self._let_go(ends)))

    def cut_next_answer(self, after: int, containing: bytes = b"") -> None:
        """Break the connection on which the peer next sends `containing`, once `after` bytes of that piece passed."""

        def arm() -> None:
            self._cut_part, self._cut_after = containing, after

        self._loop.run(self._on_loop(arm))

    def alter_next(self, old: bytes, new: bytes) -> None:
        """Where the peer next sends `old`, pass on `new`, once; both have the same length.

        What is on its way in several pieces is not found: `altered` tells.
        """
        if len(old) != len(new):
            raise ValueError(f"{len(old)} bytes cannot become {len(new)}: lengths inside the protocol would be wrong")
        self._loop.run(self._on_loop(lambda: setattr(self, "_alter", (old, new))))

    @property
    def altered(self) -> bool:
        """True once `alter_next` has found what it looks for."""
        return self._alter is None

    def refuse_for(self, seconds: float) -> None:
        """Go on refusing for `seconds` and then serve again; returns at once."""
        self._loop.run(self._on_loop(lambda: self._loop.later(seconds, self._serve_again)))

    def refuse(self, on: bool) -> None:
        """Break every new connection off at once, or serve new connections again."""
        self._loop.run(self._on_loop(lambda: setattr(self, "_refusing", on)))

    @property
    def accepted(self) -> int:
        """Connections that clients have made so far."""
        return self._accepted

    @property
    def left(self) -> int:
        """Connections that clients have ended so far, in good order or not."""
        return self._left

    @property
    def served(self) -> int:
        """Connections so far on which the peer has sent something: those that came to life."""
        return self._served

    def close(self) -> None:
        """End all connections and complete the capture."""
        self._loop.run(self._shut())
        self._capture.close()

    def _serve_again(self) -> None:
        self._refusing = False

    # -- on the loop -------------------------------------------------------------------------------

    async def _on_loop(self, act: Callable[[], _Result]) -> _Result:
        return act()

    def _abort_all(self, comment: str) -> int:
        connections = [connection for connection in self._connections if not connection.over]
        for connection in connections:
            connection.abort("b", comment)
        return len(connections)

    def _hold(self, ends: str) -> None:
        for end in ends:
            self._free[end].clear()

    def _let_go(self, ends: str = "ab") -> None:
        for end in ends:
            for connection in self._connections:
                kept = connection.kept[end]
                if kept and not connection.over:
                    self._count_answer(connection, end)
                    connection.targets[end].write(bytes(kept))
                kept.clear()
            self._free[end].set()

    async def _cut_inside(
        self, connection: _Connection, target: asyncio.StreamWriter | TlsStream, chunk: bytes
    ) -> None:
        """Pass on the beginning of an answer, and break the connection."""
        size, self._cut_after = self._cut_after, None
        self._count_answer(connection, "b")
        connection.flow.data("b", chunk[:size])
        target.write(chunk[:size])
        await target.drain()
        connection.abort("b", "cut by the scenario in the middle of an answer")

    def _count_answer(self, connection: _Connection, end: str) -> None:
        if end == "b" and not connection.answered:
            connection.answered = True
            self._served += 1

    async def _shut(self) -> None:
        for server in self._servers:
            server.close()
        self._abort_all("closed at the end of the attempt")
        self._let_go()
        self._reads.set()
        # Aborted connections end their tasks by themselves; cancelling would make asyncio complain about each.
        await asyncio.wait(self._tasks, timeout=5.0) if self._tasks else None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._accepted += 1
        port = writer.get_extra_info("peername")[1]
        flow = TcpFlow(self._capture, (self._client_address, port), ("127.0.0.1", self._server_port))
        flow.opened()
        if self._refusing:
            flow.reset("b", "refused by the scenario")
            _reset(writer)
            return
        client_reader: asyncio.StreamReader | TlsStream = reader
        client_writer: asyncio.StreamWriter | TlsStream = writer
        if self._tls is not None:
            try:
                client_reader = client_writer = await _handshake(self._tls, reader, writer)
            except OSError as error:
                self.failed_handshakes.append(str(error))
                flow.reset("a", f"the TLS handshake failed: {error}")
                _reset(writer)
                return
        try:
            peer_reader, peer_writer = await asyncio.open_connection(*self._upstream, limit=_CHUNK)
        except OSError as error:
            # asyncio's own words have the port, which is another one in every run.
            flow.reset("b", f"the peer cannot be reached: {os.strerror(error.errno or errno.ECONNREFUSED)}")
            _reset(writer)
            return
        for stream in (writer, peer_writer):
            stream.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(flow, writer, peer_writer, {"a": peer_writer, "b": client_writer})
        self._connections.add(connection)
        try:
            await asyncio.gather(self._pump(connection, "a", client_reader), self._pump(connection, "b", peer_reader))
        finally:
            self._connections.discard(connection)
            for stream in (writer, peer_writer):
                stream.close()

    async def _pump(self, connection: _Connection, end: str, source: asyncio.StreamReader | TlsStream) -> None:
        """Carry one direction until its end."""
        target = connection.targets[end]
        try:
            while chunk := await source.read(_CHUNK):
                if self._delay:
                    await asyncio.sleep(self._delay)
                await self._reads.wait()
                if connection.over:
                    return
                if end == "b" and self._cut_after is not None and self._cut_part in chunk:
                    await self._cut_inside(connection, target, chunk)
                    return
                if end == "b" and self._alter is not None and self._alter[0] in chunk:
                    chunk = chunk.replace(*self._alter, 1)
                    self._alter = None
                    connection.flow.data(end, chunk, "altered by the scenario")
                else:
                    connection.flow.data(end, chunk, "" if self._free[end].is_set() else "held back by the scenario")
                if not self._free[end].is_set():
                    connection.kept[end] += chunk
                    self._held.set()
                    continue
                self._count_answer(connection, end)
                for piece in _bytes_of(chunk) if self._drip else (chunk,):
                    target.write(piece)
                    await target.drain()
                    await asyncio.sleep(self._drip)
            if end == "a" and not connection.over:
                self._left += 1
            await self._free[end].wait()
            if not connection.over:
                connection.flow.finished(end)
                connection.finished.add(end)
                target.write_eof()
                # Over in good order: the end of the attempt must not add a reset.
                connection.over = len(connection.finished) == 2
        except OSError:
            if end == "a" and not connection.over:
                self._left += 1
            connection.abort(end)
