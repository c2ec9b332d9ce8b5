"""CoAP over DTLS: with a key that both sides know, and with certificates."""

from __future__ import annotations

import pytest

from harness.cells.coap_dtls import HANDSHAKE, DtlsCell
from harness.certificates import ServerCertificate
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.scenario import scenario
from harness.wire import coap

_SECURITY = "https://www.rfc-editor.org/rfc/rfc7252#section-9.1"
_KEYS = "https://www.rfc-editor.org/rfc/rfc7252#section-9.1.3.1"
_CERTIFICATES = "https://www.rfc-editor.org/rfc/rfc7252#section-9.1.3.3"
_TIMERS = "https://www.rfc-editor.org/rfc/rfc6347#section-4.2.4"
_FINISHED = "RFC 5246, section 7.4.9"
_WHOSE = ["RFC 5280, section 6.1", "RFC 6125, section 6"]


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.SECURITY,
    spec=[_SECURITY, _KEYS],
    needs=[Need.TLS],
    features=["dtls"],
)
def test_works_over_dtls_with_a_key(cell: DtlsCell) -> None:
    """With the server's key under its own identity, the client's requests and their responses pass encrypted."""
    psk = cell.new_key()
    service = cell.serves_with_key(psk)
    cell.expect_exchanged(cell.secure_client(service, coap.Dtls(psk=psk)), service)


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_KEYS, _FINISHED],
    needs=[Need.TLS],
    features=["dtls"],
    deadline=60.0,
    timer=HANDSHAKE,
)
def test_refuses_another_key(cell: DtlsCell) -> None:
    """Where the server has another key than the client, the client reports an error and sends no request.

    The same client shakes hands with a server that has its key.
    """
    psk = cell.new_key()
    dtls = coap.Dtls(psk=psk)
    cell.secure_client(cell.serves_with_key(psk), dtls)
    other = cell.serves_with_key(cell.new_key())
    cell.expect_refused(
        lambda: cell.secure_client(other, dtls).request("PUT", "/outward", payload=cell.payload()),
        expected="the handshake ends in an error",
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.SECURITY,
    spec=[_SECURITY, _CERTIFICATES],
    needs=[Need.TLS],
    features=["dtls"],
)
def test_works_over_dtls_with_certificates(cell: DtlsCell) -> None:
    """The client trusts a private authority, and its requests and their responses pass encrypted."""
    service = cell.serves_with_certificate()
    cell.expect_exchanged(cell.secure_client(service, cell.trusting()), service)


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_CERTIFICATES, *_WHOSE],
    needs=[Need.TLS],
    features=["dtls"],
    deadline=60.0,
    timer=HANDSHAKE,
)
@pytest.mark.parametrize("certificate", ["unknown-ca", "other-host", "expired"])
def test_refuses_a_bad_certificate_over_dtls(cell: DtlsCell, certificate: str) -> None:
    """A server whose certificate is not the trusted authority's, is another host's, or has expired gets no request.

    The same client shakes hands where the certificate is good.
    """
    cell.secure_client(cell.serves_with_certificate(), cell.trusting())
    service = cell.serves_with_certificate(ServerCertificate(certificate))
    cell.expect_refused(
        lambda: cell.secure_client(service, cell.trusting()).request("PUT", "/outward", payload=cell.payload()),
        expected="the handshake ends in an error",
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=[_CERTIFICATES, "RFC 5246, section 7.4.6"],
    needs=[Need.TLS],
    features=["dtls"],
    deadline=60.0,
    timer=HANDSHAKE,
)
def test_shows_a_client_certificate_over_dtls(cell: DtlsCell) -> None:
    """A server that asks for a client certificate gets the one that the application chose, and serves no other client.

    The server refuses a client of the same crate that shows none.
    """
    service = cell.serves_with_certificate(asks_client=True)
    cell.expect_exchanged(cell.secure_client(service, cell.trusting(shows_certificate=True)), service)
    cell.expect_refused(
        lambda: cell.secure_client(service, cell.trusting()).request("GET", "/outward"),
        expected="a client that shows no certificate is refused",
    )


@scenario(
    Dialect.COAP_CLIENT,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[_TIMERS],
    needs=[Need.TLS],
    features=["dtls"],
    deadline=60.0,
    timer=HANDSHAKE,
)
@pytest.mark.parametrize(
    ("end", "number"),
    [
        pytest.param("a", 1, id="first-hello"),
        pytest.param("b", 1, id="cookie"),
        pytest.param("b", 2, id="flight-of-the-server"),
        pytest.param("a", 3, id="flight-of-the-client"),
        pytest.param("b", 3, id="end-of-the-handshake"),
    ],
)
def test_shakes_hands_over_a_lossy_link(cell: DtlsCell, end: str, number: int) -> None:
    """A datagram of the handshake that gets lost is sent again, by either side, and requests are answered."""
    psk = cell.new_key()
    service = cell.serves_with_key(psk)
    service.relay.lose(end, number)
    cell.expect_exchanged(cell.secure_client(service, coap.Dtls(psk=psk)), service)
