"""A CoAP server over DTLS: with a key that both sides know, and with certificates."""

from __future__ import annotations

import pytest

from harness.cells.coap_dtls import DtlsCell
from harness.certificates import CLIENT, ServerCertificate
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.references.libcoap import Library
from harness.scenario import scenario
from harness.wire import coap

_SECURITY = "https://www.rfc-editor.org/rfc/rfc7252#section-9.1"
_KEYS = "https://www.rfc-editor.org/rfc/rfc7252#section-9.1.3.1"
_CERTIFICATES = "https://www.rfc-editor.org/rfc/rfc7252#section-9.1.3.3"
_RECORDS = "https://www.rfc-editor.org/rfc/rfc6347#section-4.1.2.7"
_COOKIES = "https://www.rfc-editor.org/rfc/rfc6347#section-4.2.1"
_TIMERS = "https://www.rfc-editor.org/rfc/rfc6347#section-4.2.4"
_ALERTS = "https://www.rfc-editor.org/rfc/rfc5246#section-7.2"
_PADDING = "https://www.rfc-editor.org/rfc/rfc5246#section-6.2.3.2"
_FINISHED = "https://www.rfc-editor.org/rfc/rfc5246#section-7.4.9"
_CLIENTS = "https://www.rfc-editor.org/rfc/rfc5246#section-7.4.6"
_PATHS = "https://www.rfc-editor.org/rfc/rfc5280#section-6.1"


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.INTEROP,
    spec=[_SECURITY, _KEYS],
    needs=[Need.TLS],
    features=["dtls"],
)
@pytest.mark.parametrize("library", ["openssl", "gnutls"])
def test_serves_over_dtls_with_a_key(cell: DtlsCell, library: str) -> None:
    """Clients that have the server's key are served: what one of them PUTs another one GETs."""
    psk = cell.new_key()
    cell.expect_served_securely(cell.serve(coap.Dtls(psk=psk)), cell.knowing(psk), Library(library))


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.INTEROP,
    spec=[_SECURITY, _CERTIFICATES, _PADDING],
    needs=[Need.TLS],
    features=["dtls"],
)
@pytest.mark.parametrize("library", ["openssl", "gnutls"])
def test_serves_over_dtls_with_a_certificate(cell: DtlsCell, library: str) -> None:
    """Clients that trust the authority of the server's certificate are served, whichever cipher suite they prefer."""
    cell.expect_served_securely(cell.serve(cell.showing()), cell.shows(), Library(library))


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_KEYS, _FINISHED],
    needs=[Need.TLS],
    features=["dtls"],
)
def test_refuses_a_client_with_another_key(cell: DtlsCell) -> None:
    """A client that has another key under the same identity gets no response, and its request is not performed.

    A client with the right key is served before.
    """
    psk = cell.new_key()
    service = cell.serve(coap.Dtls(psk=psk))
    cell.ask_securely(service, cell.knowing(psk), "PUT", cell.payload())
    other = psk.model_copy(update={"key": cell.new_key().key})
    cell.expect_turned_away(service, cell.knowing(other), expected="a client with another key is not served")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_CERTIFICATES, _CLIENTS, _PATHS],
    needs=[Need.TLS],
    features=["dtls"],
)
@pytest.mark.parametrize("certificate", ["none", "unknown-ca", "expired"])
def test_refuses_a_client_without_a_good_certificate(cell: DtlsCell, certificate: str) -> None:
    """A server that asks for certificates of an authority serves nobody who shows none, another's or an expired one.

    A client with a good certificate is served before.
    """
    service = cell.serve(cell.showing(asks_client=True))
    cell.ask_securely(service, cell.shows(CLIENT), "PUT", cell.payload())
    how = cell.shows(None if certificate == "none" else ServerCertificate(certificate))
    cell.expect_turned_away(service, how, expected=f"a client with the certificate {certificate!r} is not served")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_SECURITY, _RECORDS],
    needs=[Need.TLS],
    features=["dtls"],
)
def test_serves_nobody_in_the_open(cell: DtlsCell) -> None:
    """A request without DTLS, sent to the port for DTLS, gets no response and is not performed.

    A client with the right key is served before and after.
    """
    psk = cell.new_key()
    service = cell.serve(coap.Dtls(psk=psk))
    body = cell.payload()
    cell.ask_securely(service, cell.knowing(psk), "PUT", body)
    cell.expect_silence_in_the_open(service)
    got = cell.ask_securely(service, cell.knowing(psk), "GET")
    cell.expect(got.payload == body, expected="the server keeps what was PUT over DTLS", observed=f"it gave {got}")


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[_ALERTS, _RECORDS],
    needs=[Need.TLS],
    features=["dtls"],
)
@pytest.mark.parametrize("refused", ["another-key", "no-certificate"])
def test_serves_others_after_a_refused_client(cell: DtlsCell, refused: str) -> None:
    """A handshake that fails ends that client's connection and no other: a stranger cannot end the service."""
    if refused == "another-key":
        psk = cell.new_key()
        dtls, good = coap.Dtls(psk=psk), cell.knowing(psk)
        bad = cell.knowing(psk.model_copy(update={"key": cell.new_key().key}))
    else:
        dtls, good, bad = cell.showing(asks_client=True), cell.shows(CLIENT), cell.shows()
    service = cell.serve(dtls)
    cell.ask_securely(service, good, "PUT", cell.payload())
    cell.expect_turned_away(service, bad, expected="a client whose handshake fails is not served")
    cell.expect_served_securely(service, good)


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.SECURITY,
    spec=[_COOKIES],
    needs=[Need.TLS],
    features=["dtls"],
)
def test_serves_others_while_a_handshake_stalls(cell: DtlsCell) -> None:
    """A client that begins a handshake and falls silent does not keep the server from serving another one."""
    psk = cell.new_key()
    service = cell.serve(coap.Dtls(psk=psk))
    silent = cell.another_way_to(service)
    silent.lose("a", *range(2, 20))
    with cell.asking(silent, cell.knowing(psk), "GET"):
        cell.expect_answered(silent)
        cell.expect_served_securely(service, cell.knowing(psk))


@scenario(
    Dialect.COAP_SERVER,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[_TIMERS],
    needs=[Need.TLS],
    features=["dtls"],
)
@pytest.mark.parametrize(
    ("end", "number"),
    [
        pytest.param("b", 1, id="cookie"),
        pytest.param("a", 2, id="second-hello"),
        pytest.param("b", 2, id="flight-of-the-server"),
        pytest.param("a", 3, id="flight-of-the-client"),
        pytest.param("b", 3, id="end-of-the-handshake"),
    ],
)
def test_shakes_hands_over_a_lossy_link(cell: DtlsCell, end: str, number: int) -> None:
    """A datagram of the handshake that gets lost is sent again, by either side, and the client is served."""
    psk = cell.new_key()
    service = cell.serve(coap.Dtls(psk=psk))
    service.relay.lose(end, number)
    body = cell.payload()
    cell.ask_securely(service, cell.knowing(psk), "PUT", body)
    got = cell.ask_securely(service, cell.knowing(psk), "GET")
    cell.expect(got.payload == body, expected="the server keeps what was PUT", observed=f"it gave {got}")
