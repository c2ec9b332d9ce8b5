"""The relay between real sockets: it carries, records, cuts, slows and refuses, and counts what it did."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.capture import Relay, RelayLoop
from tests.unit.pcapng_reader import Segment, segments, stream

Connect = Callable[[], socket.socket]


class _Echo(socketserver.ThreadingTCPServer):
    """Sends back what it gets, and remembers how each connection ended."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        self.ends: list[str] = []
        self.ended = threading.Condition()
        super().__init__(("127.0.0.1", 0), _EchoHandler)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.socket.getsockname()
        return str(host), int(port)

    def await_end(self) -> str:
        with self.ended:
            assert self.ended.wait_for(lambda: self.ends, 10)
            return self.ends.pop(0)


class _EchoHandler(socketserver.BaseRequestHandler):
    server: _Echo

    def handle(self) -> None:
        end = "end"
        try:
            while data := self.request.recv(65536):
                self.request.sendall(data)
        except ConnectionResetError:
            end = "reset"
        with self.server.ended:
            self.server.ends.append(end)
            self.server.ended.notify_all()


@pytest.fixture
def echo() -> Iterator[_Echo]:
    with _Echo() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def loop() -> Iterator[RelayLoop]:
    made = RelayLoop()
    yield made
    made.stop()


@pytest.fixture
def relay(loop: RelayLoop, echo: _Echo, tmp_path: Path) -> Iterator[Relay]:
    made = Relay(loop, echo.address, tmp_path / "wire.pcapng", client_address="127.0.0.9", server_port=1883)
    yield made
    made.close()


@pytest.fixture
def connect(relay: Relay) -> Iterator[Connect]:
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(socket.create_connection(relay.endpoint, timeout=10))


def _receive(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = sock.recv(65536)
        assert chunk, f"the connection ended after {len(data)} of {size} bytes"
        data += chunk
    return data


def _talk(sock: socket.socket, data: bytes) -> None:
    sock.sendall(data)
    assert _receive(sock, len(data)) == data


def _recorded(relay: Relay, tmp_path: Path) -> tuple[list[Segment], bytes, bytes]:
    """The whole capture, and what the first client and the server said to each other in it."""
    relay.close()
    found = segments(tmp_path / "wire.pcapng")
    client = next(segment.source for segment in found if "ACK" not in segment.flags)
    server = "127.0.0.1:1883"
    return found, stream(found, client, server), stream(found, server, client)


def test_carries_both_directions_and_records_them(relay: Relay, connect: Connect, echo: _Echo, tmp_path: Path) -> None:
    with connect() as client:
        _talk(client, b"hello")
        _talk(client, b"world")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b"", "the end travels through as well"
    assert echo.await_end() == "end"
    found, sent, received = _recorded(relay, tmp_path)
    assert (sent, received) == (b"helloworld", b"helloworld")
    assert found[0].source.startswith("127.0.0.9:")
    assert sum("FIN" in segment.flags for segment in found) == 2
    assert not any(segment.comment == "cut by the scenario" for segment in found)


def test_a_large_message_passes_and_is_segmented_in_the_capture(relay: Relay, connect: Connect, tmp_path: Path) -> None:
    payload = bytes(range(256)) * 4096
    client = connect()
    writer = threading.Thread(target=client.sendall, args=(payload,))
    writer.start()
    assert _receive(client, len(payload)) == payload
    writer.join(10)
    found, sent, received = _recorded(relay, tmp_path)
    assert sent == received == payload
    assert max(len(segment.payload) for segment in found) <= 60_000


def test_a_cut_is_rst_on_both_sides_and_says_so(relay: Relay, connect: Connect, echo: _Echo, tmp_path: Path) -> None:
    first, second = connect(), connect()
    _talk(first, b"1")
    _talk(second, b"2")
    assert relay.cut() == 2
    for client in (first, second):
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert echo.await_end() == "reset"
    assert relay.cut() == 0
    _talk(connect(), b"a new connection works")
    found, _, _ = _recorded(relay, tmp_path)
    assert [segment.comment for segment in found if "RST" in segment.flags][:2] == ["cut by the scenario"] * 2


def test_a_client_that_breaks_off_is_recorded_from_its_side_and_broken_off_upstream(
    relay: Relay, connect: Connect, echo: _Echo, tmp_path: Path
) -> None:
    client = connect()
    _talk(client, b"x")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.close()
    assert echo.await_end() == "reset"
    found, _, _ = _recorded(relay, tmp_path)
    (reset,) = [segment for segment in found if "RST" in segment.flags]
    assert (reset.source.split(":")[0], reset.comment) == ("127.0.0.9", "")


def test_what_is_altered_is_altered_once_and_the_capture_says_so(
    relay: Relay, connect: Connect, tmp_path: Path
) -> None:
    client = connect()
    relay.alter_next(b"good", b"evil")
    _talk(client, b"something else")
    assert not relay.altered
    for answer in (b"so evil", b"so good"):
        client.sendall(b"so good")
        assert _receive(client, 7) == answer
    assert relay.altered
    found, sent, received = _recorded(relay, tmp_path)
    assert (sent, received) == (b"something elseso goodso good", b"something elseso evilso good")
    assert [s.payload for s in found if s.comment == "altered by the scenario"] == [b"so evil"]
    with pytest.raises(ValueError, match="4 bytes cannot become 3"):
        relay.alter_next(b"good", b"bad")


def test_a_delay_holds_back_and_keeps_the_order(relay: Relay, connect: Connect) -> None:
    client = connect()
    _talk(client, b"now")
    relay.delay(0.2)
    started = time.monotonic()
    parts = [b"%d," % number for number in range(20)]
    for part in parts:
        client.sendall(part)
    assert _receive(client, len(b"".join(parts))) == b"".join(parts)
    assert time.monotonic() - started >= 0.4, "0.2 s in each direction"
    relay.delay(0)
    started = time.monotonic()
    _talk(client, b"quick again")
    assert time.monotonic() - started < 0.2


def test_holds_up_who_sends_once_it_stops_reading(relay: Relay, connect: Connect) -> None:
    client = connect()
    _talk(client, b"read")
    relay.stop_reading()
    client.settimeout(0.5)
    with pytest.raises(TimeoutError):
        client.sendall(bytes(64 * 2**20))
    started = time.monotonic()
    relay.close()
    assert time.monotonic() - started < 4.0, "its end waits for nobody"


def test_refuses_new_connections_and_keeps_old_ones(relay: Relay, connect: Connect, tmp_path: Path) -> None:
    old = connect()
    _talk(old, b"before")
    relay.refuse(True)
    with pytest.raises(ConnectionResetError):
        _talk(connect(), b"refused")
    _talk(old, b"still here")
    relay.refuse(False)
    _talk(connect(), b"served again")
    assert (relay.accepted, relay.served) == (3, 2)
    found, _, _ = _recorded(relay, tmp_path)
    assert "refused by the scenario" in [segment.comment for segment in found]


def test_refuses_for_a_while_and_serves_again_by_itself(relay: Relay, connect: Connect) -> None:
    relay.refuse(True)
    relay.refuse_for(0.3)
    end = time.monotonic() + 10
    refused = 0
    while time.monotonic() < end:
        try:
            _talk(connect(), b"x")
            break
        except OSError:
            refused += 1
    assert refused > 0
    assert relay.served == 1


def test_holds_what_clients_send_until_released(relay: Relay, connect: Connect) -> None:
    client = connect()
    _talk(client, b"before")
    relay.hold()
    assert not relay.await_held(0.05), "nothing was sent since"
    client.sendall(b"held")
    assert relay.await_held(10)
    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(10)
    relay.release()
    assert _receive(client, 4) == b"held"
    _talk(client, b"after")


def test_holds_what_the_peer_sends_and_passes_it_on_in_one_piece(
    relay: Relay, connect: Connect, tmp_path: Path
) -> None:
    client = connect()
    relay.hold("b")
    for part in (b"one", b"two", b"three"):
        client.sendall(part)
        time.sleep(0.05)
    assert relay.await_held(10)
    assert relay.served == 0, "the client got no answer yet"
    assert relay.holds(b"one")
    assert not relay.holds(b"four")
    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(10)
    relay.release()
    assert client.recv(100) == b"onetwothree"
    assert not relay.holds(b"one")
    assert relay.served == 1
    _, sent, received = _recorded(relay, tmp_path)
    assert sent == received == b"onetwothree"


def test_releases_one_end_and_goes_on_holding_the_other(relay: Relay, connect: Connect) -> None:
    client = connect()
    relay.hold("ab")
    client.sendall(b"ping")
    assert relay.await_held(10)
    relay.release("a")
    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(10)
    relay.release("b")
    assert _receive(client, 4) == b"ping"


def test_an_end_that_is_held_back_passes_after_the_bytes(relay: Relay, connect: Connect, echo: _Echo) -> None:
    client = connect()
    _talk(client, b"before")
    relay.hold("ab")
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    time.sleep(0.1)
    assert not echo.ends, "for the peer the connection is still there"
    assert relay.left == 1
    relay.release()
    assert _receive(client, 10) == b"last words"
    assert client.recv(1) == b""
    assert echo.await_end() == "end"


def test_drips_byte_by_byte(relay: Relay, connect: Connect) -> None:
    client = connect()
    relay.drip(0.02)
    started = time.monotonic()
    client.sendall(b"drops")
    first = client.recv(100)
    assert len(first) < 5
    assert first + _receive(client, 5 - len(first)) == b"drops"
    assert time.monotonic() - started >= 4 * 0.02, "a pause between two bytes"
    relay.drip(0)
    _talk(client, b"a stream again")


def test_what_is_held_when_the_connection_is_cut_never_arrives(relay: Relay, connect: Connect, echo: _Echo) -> None:
    """A broker that gets what a client sent before the cut would make a loss look like a delivery."""
    client = connect()
    _talk(client, b"before")
    relay.hold()
    client.sendall(b"lost")
    assert relay.await_held(10)
    relay.cut()
    relay.release()
    assert echo.await_end() == "reset"
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_what_is_held_is_in_the_capture_once(relay: Relay, connect: Connect, tmp_path: Path) -> None:
    client = connect()
    relay.hold()
    client.sendall(b"held")
    assert relay.await_held(10)
    relay.release()
    assert _receive(client, 4) == b"held"
    _, sent, received = _recorded(relay, tmp_path)
    assert (sent, received) == (b"held", b"held")


def test_counts_connections_made_and_connections_that_came_to_life(relay: Relay, connect: Connect) -> None:
    silent = connect()
    _talk(connect(), b"alive")
    _talk(connect(), b"alive")
    assert (relay.accepted, relay.served) == (3, 2)
    silent.close()


def test_an_unreachable_peer_breaks_the_client_off_and_says_why(loop: RelayLoop, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        relay = Relay(
            loop, closed.getsockname(), tmp_path / "wire.pcapng", client_address="127.0.0.9", server_port=1883
        )
        # The reset may come before connect itself returns.
        with pytest.raises(ConnectionResetError), socket.create_connection(relay.endpoint, timeout=10) as client:
            client.recv(1)
    found, _, _ = _recorded(relay, tmp_path)
    assert found[-1].comment == f"the peer cannot be reached: {os.strerror(errno.ECONNREFUSED)}"
    assert (relay.accepted, relay.served) == (1, 0)


def test_closing_ends_open_connections_and_stops_listening(relay: Relay, connect: Connect) -> None:
    client = connect()
    _talk(client, b"x")
    relay.hold()
    client.sendall(b"held when it closes")
    assert relay.await_held(10)
    relay.close()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect()


def test_the_loop_says_how_late_it_ran(loop: RelayLoop) -> None:
    async def hog() -> None:
        time.sleep(0.4)

    loop.take_worst_lag()
    loop.run(hog())
    ticked = threading.Event()

    async def wait_for_a_tick() -> None:
        loop.later(0.15, ticked.set)

    loop.run(wait_for_a_tick())
    assert ticked.wait(10)
    assert loop.take_worst_lag() > 0.2
    assert loop.take_worst_lag() < 0.2
