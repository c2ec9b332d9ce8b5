"""The UDP relay between real sockets: it carries, records, loses, repeats, delays and reorders what it is told to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.capture import RelayLoop
from harness.datagrams import DatagramRelay
from tests.unit.pcapng_reader import datagrams


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """A socket that sends back what it gets."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))

        def echo() -> None:
            while (found := made.recvfrom(65_535))[0]:
                made.sendto(*found)

        thread = threading.Thread(target=echo, daemon=True)
        thread.start()
        yield made
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", made.getsockname())
        thread.join(5)


@pytest.fixture
def loop() -> Iterator[RelayLoop]:
    made = RelayLoop()
    yield made
    made.stop()


@pytest.fixture
def relay(loop: RelayLoop, peer: socket.socket, tmp_path: Path) -> Iterator[DatagramRelay]:
    made = DatagramRelay(
        loop, peer.getsockname(), tmp_path / "wire.pcapng", client_address="127.0.0.9", server_port=5683
    )
    yield made
    made.close()


@pytest.fixture
def client(relay: DatagramRelay) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.settimeout(5)
        made.connect(relay.endpoint)
        yield made


def _told(client: socket.socket, *sent: bytes) -> list[bytes]:
    """What comes back until the marker does."""
    for data in (*sent, b"marker"):
        client.send(data)
    got = []
    while (data := client.recv(65_535)) != b"marker":
        got.append(data)
    return got


def test_carries_both_ways_and_records(relay: DatagramRelay, client: socket.socket, tmp_path: Path) -> None:
    large = bytes(60_000)
    assert _told(client, b"one", large) == [b"one", large]
    port = client.getsockname()[1]
    relay.close()
    seen = [(found.source, found.target, found.payload) for found in datagrams(tmp_path / "wire.pcapng")]
    there, back = (f"127.0.0.9:{port}", "127.0.0.1:5683"), ("127.0.0.1:5683", f"127.0.0.9:{port}")
    for payload in (b"one", large, b"marker"):
        assert (*there, payload) in seen
        assert (*back, payload) in seen
    assert len(seen) == 6


@pytest.mark.parametrize("end", ["a", "b"])
def test_loses_by_number(relay: DatagramRelay, client: socket.socket, end: str, tmp_path: Path) -> None:
    relay.lose(end, 1, 3)
    assert _told(client, b"one", b"two", b"three", b"four") == [b"two", b"four"]
    assert [found.data for found in relay.seen() if found.end == "a"] == [b"one", b"two", b"three", b"four", b"marker"]
    relay.close()
    comments = [found.comment for found in datagrams(tmp_path / "wire.pcapng") if found.payload == b"one"]
    assert comments[-1] == "lost by the scenario"


def test_repeats(relay: DatagramRelay, client: socket.socket) -> None:
    relay.repeat("b", 1, copies=3)
    assert _told(client, b"one", b"two") == [b"one", b"one", b"one", b"two"]
    assert relay.count("b") == 3


def test_lets_the_next_one_overtake(relay: DatagramRelay, client: socket.socket) -> None:
    relay.overtake("a", 1)
    assert _told(client, b"one", b"two", b"three") == [b"two", b"one", b"three"]


def test_delays_one_and_no_other(relay: DatagramRelay, client: socket.socket) -> None:
    relay.delay("a", 1, 0.3)
    started = time.monotonic()
    assert _told(client, b"one", b"two") == [b"two"]
    assert client.recv(100) == b"one"
    assert time.monotonic() - started >= 0.3


def test_keeps_clients_apart(relay: DatagramRelay, client: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.settimeout(5)
        other.connect(relay.endpoint)
        assert _told(client, b"mine") == [b"mine"]
        assert _told(other, b"theirs") == [b"theirs"]


def test_sends_from_another_address(relay: DatagramRelay, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(b"one", relay.endpoint)
        assert client.recvfrom(100) == (b"one", relay.endpoint)
        relay.send_from_elsewhere(b"forged")
        data, source = client.recvfrom(100)
    assert data == b"forged"
    assert source != relay.endpoint
    relay.close()
    assert datagrams(tmp_path / "wire.pcapng")[-1].comment == "from another address, by the scenario"


def test_waits_for_what_was_asked(relay: DatagramRelay, client: socket.socket) -> None:
    assert relay.wait_for(lambda found: True, 0.05) is None
    client.send(b"one")
    found = relay.wait_for(lambda found: found.end == "b", 5)
    assert found is not None
    assert (found.data, found.number) == (b"one", 1)
    assert relay.wait_for(lambda found: found.end == "a", 0.05, since=len(relay.seen())) is None


def test_a_peer_that_is_not_there_does_no_harm(loop: RelayLoop, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        upstream = gone.getsockname()
    relay = DatagramRelay(loop, upstream, tmp_path / "w.pcapng", client_address="127.0.0.9", server_port=5683)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for number in (1, 2):
            client.sendto(b"anybody", relay.endpoint)
            assert relay.wait_for(lambda found, number=number: found.number == number, 5) is not None  # type: ignore[misc]
    relay.close()
