"""Kafka over TLS: trusting the authority that the application chose, and nobody else."""

from __future__ import annotations

import pytest

from harness.cells.doors import BROKER_TLS, MUTUAL_TLS, TLS
from harness.cells.kafka import KafkaCell
from harness.cells.kafka_client import Delivered
from harness.certificates import ServerCertificate
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.references.kafka import Written
from harness.scenario import scenario

_SECURITY = "https://kafka.apache.org/documentation/#security_ssl"


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.SECURITY,
    spec=[_SECURITY, "RFC 8446"],
    capability="tls",
    needs=[Need.TLS],
    features=["tls"],
    deadline=45.0,
)
def test_works_over_tls(cell: KafkaCell) -> None:
    """The client trusts a private authority, connects over TLS, produces a record and consumes it."""
    topic, record = cell.topic(), Written(b"key", cell.payload())
    client = cell.connected(door=TLS)
    client.produce(topic, record)
    cell.expect_stored(topic, [Delivered(b"key", record.value)], expected="the topic holds the record")
    client.consume(topic, start="earliest")
    cell.expect_delivered(client, [Delivered(b"key", record.value)], expected="the crate delivers the record")


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_SECURITY, "RFC 8446, section 5.1"],
    capability="tls",
    needs=[Need.TLS],
    features=["tls"],
    deadline=45.0,
)
def test_produces_100_kb_over_tls(cell: KafkaCell) -> None:
    """A value of 100 KB is stored, though it takes several TLS records of 16 KiB."""
    topic, record = cell.topic(), Written(b"key", cell.payload(100_000))
    client = cell.connected(door=TLS)
    client.produce(topic, record)
    cell.expect_stored(topic, [Delivered(b"key", record.value)], expected="the topic holds all 100000 bytes")


@pytest.mark.parametrize("certificate", ["unknown-ca", "other-host", "expired"])
@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=["RFC 5280, section 6.1", "RFC 6125, section 6"],
    capability="tls",
    needs=[Need.TLS],
    features=["tls"],
    deadline=75.0,
)
def test_refuses_a_bad_certificate(cell: KafkaCell, certificate: str) -> None:
    """A server whose certificate is not the trusted authority's, is another host's, or has expired gets no request.

    The same client connects where the certificate is good.
    """
    cell.connected(door=TLS).disconnect()
    client = cell.client()
    cell.expect_untrusted(lambda door: client.connect(door=door), ServerCertificate(certificate))


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=[_SECURITY, "RFC 8446, section 4.4.2"],
    capability="tls",
    needs=[Need.TLS],
    features=["tls", "client-certificate"],
    deadline=45.0,
)
def test_shows_a_client_certificate(cell: KafkaCell) -> None:
    """A server that asks for a client certificate gets the one that the application chose."""
    topic, record = cell.topic(), Written(b"key", cell.payload())
    client = cell.connected(door=MUTUAL_TLS, shows_certificate=True)
    client.produce(topic, record)
    cell.expect_stored(topic, [Delivered(b"key", record.value)], expected="the topic holds the record")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.INTEROP,
    spec=[_SECURITY, "RFC 8446, section 5.1"],
    capability="tls",
    needs=[Need.TLS],
    features=["tls"],
    since="3.9",
    deadline=45.0,
)
def test_works_over_the_brokers_own_tls(cell: KafkaCell) -> None:
    """Where the broker itself ends TLS, the client produces a record and reads one of two TLS records (30 KB).

    That is Java's TLS. Elsewhere TLS ends in the harness's relay; here the relay passes it on unread.
    """
    topic, record, long = cell.topic(), Written(b"key", cell.payload()), Written(b"key", cell.payload(30_000))
    client = cell.connected(door=BROKER_TLS)
    client.produce(topic, record)
    cell.expect_stored(topic, [Delivered(b"key", record.value)], expected="the topic holds the record")
    cell.reference.produce(topic, [long])
    client.consume(topic, start="earliest")
    both = [Delivered(b"key", record.value), Delivered(b"key", long.value)]
    cell.expect_delivered(client, both, expected="the crate delivers both records")
