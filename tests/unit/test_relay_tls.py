"""TLS that ends in the relay: what passes, what is refused, and what is said of it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.capture import Relay, RelayLoop
from harness.certificates import CLIENT, Certificates, ServerCertificate
from tests.unit.pcapng_reader import segments


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def loop() -> Iterator[RelayLoop]:
    loop = RelayLoop()
    yield loop
    loop.stop()


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A plain server that sends back what it gets, in capitals, to the end."""

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                connection.sendall(data.upper())

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()


def _relay(
    loop: RelayLoop,
    echo: tuple[str, int],
    tmp_path: Path,
    certificates: Certificates,
    shown: ServerCertificate,
    *,
    asks_client: bool = False,
) -> Relay:
    return Relay(
        loop,
        echo,
        tmp_path / "wire.pcapng",
        client_address="127.1.2.3",
        server_port=1883,
        tls=certificates.server_context(shown, asks_client=asks_client),
    )


def _connect(relay: Relay, certificates: Certificates, *, shows: bool = False) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(certificates.authority))
    if shows:
        context.load_cert_chain(*certificates.pair(CLIENT))
    plain = socket.create_connection(("localhost", relay.endpoint[1]), timeout=10)
    return context.wrap_socket(plain, server_hostname="localhost")


def test_decrypts_for_the_peer_and_for_the_capture(
    loop: RelayLoop, echo: tuple[str, int], tmp_path: Path, certificates: Certificates
) -> None:
    relay = _relay(loop, echo, tmp_path, certificates, ServerCertificate.GOOD)
    sent = b"a line that can be read " * 20_000
    with _connect(relay, certificates) as client:
        threading.Thread(target=client.sendall, args=(sent,)).start()
        got = b""
        while len(got) < len(sent):
            got += client.recv(65536)
    relay.close()
    assert got == sent.upper()
    assert (relay.served, relay.failed_handshakes) == (1, [])
    assert any(b"a line that can be read" in segment.payload for segment in segments(tmp_path / "wire.pcapng"))


def test_the_end_of_the_peer_is_the_end_for_the_client(
    loop: RelayLoop, tmp_path: Path, certificates: Certificates
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        relay = _relay(loop, server.getsockname(), tmp_path, certificates, ServerCertificate.GOOD)
        with _connect(relay, certificates) as client:
            peer, _ = server.accept()
            peer.sendall(b"bye")
            peer.close()
            assert client.recv(10) == b"bye"
            assert client.recv(10) == b""
        relay.close()


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        (ServerCertificate.UNKNOWN_CA, "unable to get local issuer certificate|self-signed"),
        (ServerCertificate.OTHER_HOST, "Hostname mismatch"),
        (ServerCertificate.EXPIRED, "has expired"),
    ],
)
def test_a_bad_certificate_is_bad_for_one_reason_alone(
    loop: RelayLoop,
    echo: tuple[str, int],
    tmp_path: Path,
    certificates: Certificates,
    shown: ServerCertificate,
    why: str,
) -> None:
    relay = _relay(loop, echo, tmp_path, certificates, shown)
    with pytest.raises(ssl.SSLCertVerificationError, match=why):
        _connect(relay, certificates)
    relay.close()
    assert (relay.accepted, relay.served, len(relay.failed_handshakes)) == (1, 0, 1)
    assert "alert" in relay.failed_handshakes[0].lower()
    comments = [segment.comment for segment in segments(tmp_path / "wire.pcapng") if segment.comment]
    assert comments == [f"the TLS handshake failed: {relay.failed_handshakes[0]}"]


def test_asks_for_a_client_certificate(
    loop: RelayLoop, echo: tuple[str, int], tmp_path: Path, certificates: Certificates
) -> None:
    relay = _relay(loop, echo, tmp_path, certificates, ServerCertificate.GOOD, asks_client=True)
    with _connect(relay, certificates, shows=True) as client:
        client.sendall(b"known")
        assert client.recv(10) == b"KNOWN"
    # In TLS 1.3 the client learns of the refusal after its own part of the handshake.
    with contextlib.suppress(OSError), _connect(relay, certificates) as client:
        client.sendall(b"unknown")
        assert client.recv(10) == b""
    relay.close()
    assert (relay.accepted, relay.served, len(relay.failed_handshakes)) == (2, 1, 1)


def test_what_is_no_tls_is_refused(
    loop: RelayLoop, echo: tuple[str, int], tmp_path: Path, certificates: Certificates
) -> None:
    relay = _relay(loop, echo, tmp_path, certificates, ServerCertificate.GOOD)
    with socket.create_connection(relay.endpoint, timeout=10) as client:
        client.sendall(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x0a\x00\x05plain" + bytes(50))
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(10)[:1] in (b"", b"\x15")  # an alert, or the end
    relay.close()
    assert (relay.accepted, relay.served, len(relay.failed_handshakes)) == (1, 0, 1)
