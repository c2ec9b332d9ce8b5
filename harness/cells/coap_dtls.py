"""The `cell` of CoAP scenarios, with what they need over DTLS: libcoap as the other side, keys and certificates."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trustme import KeyType

from harness.cells.coap import SECURE_PORT, CoapCell, Service
from harness.cells.coap_client import CoapEndpoint
from harness.cells.peer import DELIVERY, described
from harness.certificates import CLIENT, Certificates, ServerCertificate
from harness.commands import environment
from harness.datagrams import DatagramRelay
from harness.errors import CrateTimeout, Mismatch, ReferenceFailed
from harness.references.coap import NoAnswer, ReferenceClient, Response
from harness.references.libcoap import (
    LibcoapClient,
    LibcoapServer,
    Library,
    client_with_certificate,
    client_with_key,
    with_certificate,
    with_key,
)
from harness.wire import coap
from harness.wire.messages import decode, encode

#: Seconds in which a handshake that cannot succeed has to end; implementations give up after 30.
HANDSHAKE = 40.0
#: Seconds in which a request that was decrypted has reached the application.
_ARRIVAL = 1.0
#: Seconds for an event that has come already.
_AT_HAND = 0.1


@dataclass(frozen=True)
class SecureService:
    """libcoap's server with DTLS behind a relay; `reference` asks the same server without encryption."""

    server: LibcoapServer
    relay: DatagramRelay
    reference: ReferenceClient


class DtlsCell(CoapCell):
    """One attempt at a CoAP scenario, with or without DTLS."""

    # -- keys and certificates ---------------------------------------------------------------------

    def certificates(self) -> Certificates:
        """RFC 7252, section 9.1.3.3, names cipher suites with ECDSA."""
        return self._bench.certificates(KeyType.ECDSA)

    def trusting(self, *, shows_certificate: bool = False) -> coap.Dtls:
        """Settings of a client that trusts the run's authority, and may show a certificate of its own."""
        shown = self._shown(CLIENT) if shows_certificate else {}
        trusted = self.certificates().authority.read_text()
        return coap.Dtls.model_validate({"ca": trusted, "server_name": "localhost", **shown})

    def showing(self, *, asks_client: bool = False) -> coap.Dtls:
        """Settings of a server that shows a good certificate, and may ask clients for one of the run's authority."""
        trusted = {"ca": self.certificates().authority.read_text()} if asks_client else {}
        return coap.Dtls.model_validate(self._shown(ServerCertificate.GOOD) | trusted)

    def _shown(self, name: str) -> dict[str, str]:
        certificate, key = self.certificates().pair(name)
        return {"certificate": certificate.read_text(), "key": key.read_text()}

    def new_key(self) -> coap.Psk:
        """An identity and a key that nobody else has."""
        return coap.Psk(identity=f"probe-{self.token}", key=encode(self.payload(16).hex().encode()))

    # -- the crate's client ------------------------------------------------------------------------

    def serves_with_key(self, psk: coap.Psk) -> SecureService:
        """A server that knows this identity by this key, and every other one by another key."""
        return self._secure(with_key(psk.identity, decode(psk.key).decode(), self._folder))

    def serves_with_certificate(
        self, shown: ServerCertificate = ServerCertificate.GOOD, *, asks_client: bool = False
    ) -> SecureService:
        """A server that shows a certificate, and refuses clients that show none where it is to ask for one."""
        issued = self.certificates()
        return self._secure(with_certificate(*issued.pair(shown), issued.authority if asks_client else None))

    def _secure(self, how: list[str]) -> SecureService:
        log = self._folder / f"{self._new_name('libcoap')}.log"
        server = LibcoapServer(how, log, environment(str(self._bench.mark)))
        self._closing.callback(server.close)
        reference = ReferenceClient(("127.0.0.1", server.port), None)
        self._closing.callback(reference.close)
        return SecureService(server, self._relay_to(server.secure_port, SECURE_PORT), reference)

    def secure_client(self, service: SecureService, dtls: coap.Dtls) -> CoapEndpoint:
        """A client of the crate that has shaken hands with the server."""
        client = CoapEndpoint(self, *self._start_client())
        client.open(service.relay.endpoint, dtls=dtls, within=HANDSHAKE)
        return client

    def expect_exchanged(self, client: CoapEndpoint, service: SecureService) -> None:
        """What the client PUTs over DTLS is what others GET from the server, and the other way round."""
        outward, inward = self.payload(), self.payload()
        put = client.request("PUT", "/outward", payload=outward)
        got = self._ask_plainly(service, "GET", "outward")
        self.expect(
            (put.code, got.payload) == ("2.01", outward),
            expected=f"the server keeps {described(outward)} and answers 2.01",
            observed=f"it keeps {described(got.payload)}, and the client got {put.code}",
        )
        self._ask_plainly(service, "PUT", "inward", inward)
        found = client.request("GET", "/inward")
        self.expect(
            (found.code, found.payload) == ("2.05", inward),
            expected=f"the client gets 2.05 with {described(inward)}",
            observed=f"it got {found}",
        )

    def _ask_plainly(self, service: SecureService, method: str, path: str, payload: bytes = b"") -> Response:
        try:
            return service.reference.request(method, [path], payload=payload)
        except NoAnswer as error:
            raise ReferenceFailed(str(error)) from error

    # -- the crate's server ------------------------------------------------------------------------

    def knowing(self, psk: coap.Psk) -> list[str]:
        """How libcoap's client shows that it has a key."""
        return client_with_key(psk.identity, decode(psk.key).decode())

    def shows(self, certificate: str | None = None) -> list[str]:
        """How libcoap's client trusts the run's authority, and shows the certificate of this name, if any."""
        issued = self.certificates()
        return client_with_certificate(issued.authority, *(issued.pair(certificate) if certificate else ()))

    @contextlib.contextmanager
    def asking(
        self,
        relay: DatagramRelay,
        how: Sequence[str],
        method: str,
        payload: bytes = b"",
        library: Library = Library.OPENSSL,
    ) -> Iterator[LibcoapClient]:
        """libcoap's client shakes hands and sends one request for /store, while the scenario goes on."""
        files = self._folder / self._new_name("libcoap")
        client = LibcoapClient(
            relay.endpoint, how, files, environment(str(self._bench.mark)), method, "store", payload, library
        )
        with contextlib.closing(client):
            yield client

    def ask_securely(
        self,
        service: Service,
        how: Sequence[str],
        method: str,
        payload: bytes = b"",
        library: Library = Library.OPENSSL,
    ) -> Response:
        """A client with a handshake of its own asks the crate's server for /store.

        Raises:
            CrateTimeout: no response came.
        """
        expected = f"the crate's server shakes hands with a client and answers its {method} of /store"
        with self.asking(service.relay, how, method, payload, library) as client:
            try:
                return client.response(self.remaining(DELIVERY, expected))
            except NoAnswer as error:
                raise CrateTimeout(str(error), expected=expected) from error

    def expect_served_securely(self, service: Service, how: Sequence[str], library: Library = Library.OPENSSL) -> None:
        """What one client PUTs is what another one GETs, each after a handshake of its own."""
        body = self.payload()
        put = self.ask_securely(service, how, "PUT", body, library)
        got = self.ask_securely(service, how, "GET", library=library)
        self.expect(
            (put.code[0], got.code, got.payload) == ("2", "2.05", body),
            expected=f"the server takes {described(body)} and gives it back with 2.05",
            observed=f"it answered {put.code}, and {got.code} with {described(got.payload)}",
        )

    def expect_turned_away(self, service: Service, how: Sequence[str], *, expected: str) -> None:
        """A client's handshake does not succeed, and the application behind the server gets no request of it."""
        self._forget_served(service)
        with self.asking(service.relay, how, "PUT", self.payload()) as client:
            try:
                answer = f"the client was answered {client.response(self.remaining(DELIVERY, expected)).code}"
            except NoAnswer as error:
                answer = ""
                self.remark(f"the client got no response: {error}")
        self.expect(not answer, expected=expected, observed=answer)
        served = service.crate.next_served(_ARRIVAL)
        self.expect(served is None, expected=expected, observed=f"the application got {served}")

    def expect_silence_in_the_open(self, service: Service) -> None:
        """A request that is not encrypted gets no response, and the application behind the server does not get it."""
        expected = "a request without DTLS is not answered and not performed"
        self._forget_served(service)
        try:
            client = self.reference_client(service)
            found = client.request("PUT", ["store"], payload=self.payload(), confirmable=False, within=_ARRIVAL)
        except NoAnswer as error:
            self.remark(f"as expected: {error}")
        else:
            raise Mismatch(f"it was answered {found.code}", expected=expected)
        served = service.crate.next_served(_AT_HAND)
        self.expect(served is None, expected=expected, observed=f"the application got {served}")

    def _forget_served(self, service: Service) -> None:
        while service.crate.next_served(_AT_HAND) is not None:
            pass

    def another_way_to(self, service: Service) -> DatagramRelay:
        """A relay of its own to the same server."""
        return self._relay_to(service.relay.upstream[1], SECURE_PORT)

    def expect_answered(self, relay: DatagramRelay) -> None:
        """The server has sent something over this relay."""
        expected = "the server answers the beginning of a handshake"
        found = relay.wait_for(lambda datagram: datagram.end == "b", self.remaining(DELIVERY, expected))
        self.expect(found is not None, expected=expected, observed="nothing came")
