"""The ways to a peer that scenarios offer to clients: plain, TLS with good and bad certificates, IPv6, WebSocket."""

from __future__ import annotations

from dataclasses import dataclass

from harness.certificates import ServerCertificate


@dataclass(frozen=True)
class Door:
    """A relay before the peer. TLS ends in the relay, so that captures can be read, or passes through it unread."""

    #: Part of the capture's name.
    name: str
    #: What the client is told to connect to; its certificate has to be good for this name.
    host: str = "127.0.0.1"
    #: The certificate with which the relay ends TLS; null for a door without TLS.
    shown: ServerCertificate | None = None
    #: Whether the relay refuses clients that show no certificate.
    asks_client: bool = False
    #: The addresses of `host`, where only a process that the harness prepares knows the name; empty where anyone does.
    addresses: tuple[str, ...] = ()
    #: Whether MQTT goes over WebSocket.
    websocket: bool = False
    #: Which of the peer's listeners, where it has several kinds for clients; empty for its ordinary one.
    listener: str = ""
    #: Whether that listener itself ends TLS, and the relay passes on what it cannot read.
    passes_through: bool = False


PLAIN = Door("")
IPV6 = Door("ipv6", host="::1")
#: The relay listens at the second address alone; a loopback address at which nobody does refuses at once.
SECOND_ADDRESS = Door("second-address", "two-addresses.test", addresses=("127.0.0.2", "127.0.0.1"))
#: Where a scripted peer answers in the broker's place.
SCRIPTED = Door("scripted")
#: Where a gateway takes MQTT over WebSocket.
WEBSOCKET = Door("websocket", websocket=True)
#: By name and not by address: crates with old versions of webpki know certificates for names alone.
TLS = Door("tls", "localhost", ServerCertificate.GOOD)
SASL = Door("sasl", listener="sasl")
SASL_TLS = Door("sasl-tls", "localhost", ServerCertificate.GOOD, listener="sasl")
MUTUAL_TLS = Door("mutual-tls", "localhost", ServerCertificate.GOOD, asks_client=True)
#: Where the broker's own TLS is the subject.
BROKER_TLS = Door("broker-tls", "localhost", listener="tls", passes_through=True)
#: The same of a broker that takes TLS 1.3 alone, and clients with a certificate alone.
BROKER_MUTUAL_TLS = Door("broker-mutual-tls", "localhost", listener="mutual_tls", passes_through=True)


def flawed(certificate: ServerCertificate) -> Door:
    """TLS with a certificate that has to be refused."""
    return Door(f"tls-{certificate}", "localhost", certificate)
