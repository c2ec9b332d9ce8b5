"""MQTT over TLS: trusting the authority that the application chose, and nobody else."""

from __future__ import annotations

import pytest

from harness.cells.doors import BROKER_MUTUAL_TLS, BROKER_TLS, MUTUAL_TLS, TLS
from harness.cells.mqtt import MqttCell
from harness.cells.mqtt_client import Delivered
from harness.certificates import KeyForm, ServerCertificate
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.scenario import scenario

_SECURITY = "https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html#_Toc398718111"
_AUTHENTICATION = "https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html#_Toc398718116"
_AUTHENTICATION_5 = "section 5.4.1, non-normative: authentication of clients by the server"
#: Seconds in which a client has to report that it is refused; paho, which tries again, gives up after 10 s.
_TOLD = 20.0
_SECURITY_5 = "section 5.4.5, non-normative: privacy of application messages"


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.SHOULD,
    consequence=Consequence.SECURITY,
    spec=[_SECURITY, "RFC 8446"],
    also={Dialect.MQTT_5: [_SECURITY_5, "RFC 8446"]},
    needs=[Need.TLS],
    features=["tls"],
)
def test_works_over_tls(cell: MqttCell) -> None:
    """The client trusts a private authority, connects over TLS, and messages pass in both directions."""
    topic, outward, inward = cell.topic("tls"), cell.payload(), cell.payload()
    reader = cell.reference(cell.topic("out"))
    client = cell.connected(door=TLS)
    client.publish(cell.topic("out"), outward, qos=1)
    cell.expect_received(reader, [Delivered(cell.topic("out"), outward)], expected="what the client publishes arrives")
    client.subscribe(topic, qos=1)
    reader.publish(topic, inward, qos=1)
    cell.expect_delivered(client, [Delivered(topic, inward)], expected="what others publish arrives")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=["RFC 5280, section 6.1", "RFC 6125, section 6"],
    also={Dialect.MQTT_5: ["RFC 5280, section 6.1", "RFC 6125, section 6"]},
    needs=[Need.TLS],
    features=["tls"],
)
@pytest.mark.parametrize("certificate", ["unknown-ca", "other-host", "expired"])
def test_refuses_a_bad_certificate(cell: MqttCell, certificate: str) -> None:
    """A server whose certificate is not the trusted authority's, is another host's, or has expired gets no CONNECT.

    The same client connects where the certificate is good.
    """
    cell.connected(door=TLS).disconnect()
    client = cell.client()
    cell.expect_untrusted(lambda door: client.connect(door=door), ServerCertificate(certificate))


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=[_SECURITY, "RFC 8446, section 4.4.2"],
    also={Dialect.MQTT_5: [_SECURITY_5, "RFC 8446, section 4.4.2"]},
    needs=[Need.TLS],
    features=["tls", "client-certificate"],
)
@pytest.mark.parametrize("key", ["pkcs8", "pkcs1"])
def test_shows_a_client_certificate(cell: MqttCell, key: str) -> None:
    """A server that asks for a client certificate gets the one that the application chose.

    Its private key is written as PKCS#8 or, as OpenSSL used to, as PKCS#1.
    """
    topic, payload = cell.topic("tls"), cell.payload()
    reader = cell.reference(topic)
    client = cell.connected(door=MUTUAL_TLS, shows_certificate=True, key=KeyForm(key))
    client.publish(topic, payload, qos=1)
    cell.expect_received(reader, [Delivered(topic, payload)], expected="what the client publishes arrives")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.INTEROP,
    spec=[_SECURITY, "RFC 8446, section 5.1"],
    also={Dialect.MQTT_5: [_SECURITY_5, "RFC 8446, section 5.1"]},
    needs=[Need.TLS],
    features=["tls"],
)
def test_works_over_the_brokers_own_tls(cell: MqttCell) -> None:
    """Where the broker itself ends TLS, 100 KB pass in both directions, though they take several TLS records of 16 KiB.

    Elsewhere TLS ends in the harness's relay; here the relay passes it on unread.
    """
    topic, outward, inward = cell.topic("tls"), cell.payload(100_000), cell.payload(100_000)
    reader = cell.reference(cell.topic("out"))
    client = cell.connected(door=BROKER_TLS)
    client.publish(cell.topic("out"), outward, qos=1)
    cell.expect_received(reader, [Delivered(cell.topic("out"), outward)], expected="what the client publishes arrives")
    client.subscribe(topic, qos=1)
    reader.publish(topic, inward, qos=1)
    cell.expect_delivered(client, [Delivered(topic, inward)], expected="what others publish arrives")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=[_AUTHENTICATION, "RFC 8446, section 4.4.2"],
    also={Dialect.MQTT_5: [_AUTHENTICATION_5, "RFC 8446, section 4.4.2"]},
    needs=[Need.TLS],
    features=["tls", "client-certificate"],
)
def test_logs_in_with_its_certificate(cell: MqttCell) -> None:
    """A broker that takes TLS 1.3 and a certificate, and neither less, knows the client by the certificate's name.

    The private key is in PKCS#1, which every crate reads.
    """
    position = cell.peer.log.position()
    client = cell.connected(door=BROKER_MUTUAL_TLS, shows_certificate=True, key=KeyForm.PKCS1)
    line = cell.await_log(f" as {client.id} (", position, "the client is connected")
    cell.expect("u'probe'" in line, expected="the broker knows the client as probe", observed=f"it logged: {line}")


@scenario(
    Dialect.MQTT_3_1_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["RFC 8446, sections 4.4.2.4 and 6.2", "https://mosquitto.org/man/mosquitto-conf-5.html"],
    also={
        Dialect.MQTT_5: ["RFC 8446, sections 4.4.2.4 and 6.2", "https://mosquitto.org/man/mosquitto-conf-5.html"],
    },
    needs=[Need.TLS],
    features=["tls"],
    deadline=45.0,
)
def test_reports_that_a_certificate_is_wanted(cell: MqttCell) -> None:
    """Who shows no certificate to a broker that demands one is told: connecting ends in an error.

    In TLS 1.3 the refusal comes after the client's own part of the handshake, where CONNACK is awaited; some clients
    try again for a while before they say so.
    """
    client = cell.client(BROKER_MUTUAL_TLS)
    cell.expect_refused(
        lambda: client.connect(door=BROKER_MUTUAL_TLS, within=_TOLD),
        expected=f"connect ends in an error within {_TOLD:g} s, as the broker demands a certificate",
    )
