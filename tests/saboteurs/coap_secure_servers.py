"""Wrong CoAP servers over DTLS: part of `coap_servers`, which runs them. libcoap's server does the cryptography.

Its application tells nothing of what it is asked; the scenarios that pass need no more than its answers.
"""

from __future__ import annotations

import atexit
import os
import secrets
import selectors
import socket
import tempfile
import threading
from pathlib import Path

import trustme

from harness.references.libcoap import LibcoapServer, with_certificate, with_key
from harness.wire import coap
from harness.wire.messages import decode
from harness.wire.serve import Events

Address = tuple[str, int]
#: Content types of DTLS records (RFC 6347, section 4.1), the first byte of each; CoAP's first byte is never one.
_RECORDS = range(20, 64)
_HANDSHAKE = 22
#: Where a record has the type and the number of a handshake message, in the clear until the epoch is 1.
_EPOCH, _MESSAGE = slice(3, 5), slice(13, 19)


class SecureServer:
    """libcoap's server, with somebody at its door who passes datagrams on."""

    def __init__(self, events: Events) -> None:
        self.events = events
        self.clients: list[Address] = []

    def serve(self, asked: coap.ServeRequest) -> coap.ServeReply:
        """Start the server and its door."""
        assert asked.dtls is not None
        folder = Path(tempfile.mkdtemp(prefix="saboteur-"))
        server = LibcoapServer(self.how(asked.dtls, folder), folder / "log", os.environ)
        atexit.register(server.close)
        door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        door.bind(("127.0.0.1", 0))
        threading.Thread(target=self._pass_on, args=(door, server), daemon=True).start()
        return coap.ServeReply(port=door.getsockname()[1])

    def how(self, dtls: coap.Dtls, folder: Path) -> list[str]:
        """The server's arguments."""
        if dtls.psk is not None:
            return with_key(dtls.psk.identity, self.key(dtls.psk), folder)
        certificate, key, authority = folder / "certificate", folder / "key", folder / "authority"
        certificate.write_text(dtls.certificate or "")
        key.write_text(dtls.key or "")
        authority.write_text(dtls.ca or "")
        return with_certificate(certificate, key, authority if dtls.ca else None)

    def key(self, psk: coap.Psk) -> str:
        """The key that it has for a client."""
        return decode(psk.key).decode()

    def lets_in(self, _data: bytes, _client: Address) -> bool:
        """Whether a datagram gets to the server."""
        return True

    def port_for(self, _data: bytes, server: LibcoapServer) -> int:
        """Which of the server's doors it gets to."""
        return server.secure_port

    def _pass_on(self, door: socket.socket, server: LibcoapServer) -> None:
        upstream: dict[tuple[Address, int], socket.socket] = {}
        with selectors.DefaultSelector() as ready:
            ready.register(door, selectors.EVENT_READ)
            while True:
                for chosen, _ in ready.select():
                    if chosen.data is not None:
                        door.sendto(chosen.fileobj.recv(65_535), chosen.data)  # type: ignore[union-attr]
                        continue
                    data, client = door.recvfrom(65_535)
                    if client not in self.clients:
                        self.clients.append(client)
                    if not self.lets_in(data, client):
                        continue
                    port = self.port_for(data, server)
                    if (client, port) not in upstream:
                        made = upstream[client, port] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                        made.connect(("127.0.0.1", port))
                        ready.register(made, selectors.EVENT_READ, client)
                    upstream[client, port].send(data)


class KnowsAnotherKey(SecureServer):
    """Has got the key wrong."""

    def key(self, _psk: coap.Psk) -> str:
        """One that nobody has."""
        return secrets.token_hex(16)


class ShowsItsOwnCertificate(SecureServer):
    """Has made its certificate itself."""

    def how(self, _dtls: coap.Dtls, folder: Path) -> list[str]:
        """Issue one."""
        issued = trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert("localhost", key_type=trustme.KeyType.ECDSA)
        issued.cert_chain_pems[0].write_to_path(folder / "certificate")
        issued.private_key_pem.write_to_path(folder / "key")
        return with_certificate(folder / "certificate", folder / "key", None)


class AsksForNoCertificate(SecureServer):
    """Serves whoever comes."""

    def how(self, dtls: coap.Dtls, folder: Path) -> list[str]:
        """Know no authority."""
        return super().how(dtls.model_copy(update={"ca": None}), folder)


class TellsOfHandshakes(SecureServer):
    """Hands the application a request before anybody has proven who he is."""

    def lets_in(self, _data: bytes, client: Address) -> bool:
        """Tell, once for each client."""
        if self.clients.count(client) == 1:
            self.clients.append(client)
            self.events.add("served", coap.Served(method="PUT", path=["store"], query=[], payload=""))
        return True


class ServesInTheOpen(SecureServer):
    """Takes what is not encrypted too, and is honest else."""

    def port_for(self, data: bytes, server: LibcoapServer) -> int:
        """The plain one for what is no record."""
        return server.secure_port if data[0] in _RECORDS else server.port


class ServesTwoClients(SecureServer):
    """Has had enough after two clients."""

    places = 2

    def lets_in(self, _data: bytes, client: Address) -> bool:
        """The first ones."""
        return client in self.clients[: self.places]


class ServesOneClient(ServesTwoClients):
    """Has no time for another client."""

    places = 1


class HearsEverythingOnce(SecureServer):
    """Passes over what a client says again in a handshake."""

    def __init__(self, events: Events) -> None:
        super().__init__(events)
        self._heard: set[tuple[Address, bytes]] = set()

    def lets_in(self, data: bytes, client: Address) -> bool:
        """What was not heard before, by type and number of the first message."""
        said = (client, data[_MESSAGE])
        again = data[0] == _HANDSHAKE and data[_EPOCH] == b"\0\0" and said in self._heard
        self._heard.add(said)
        return not again
