"""AMQP over TLS: trusting the authority that the application chose, and nobody else."""

from __future__ import annotations

import pytest

from harness.cells.amqp import AmqpCell
from harness.cells.amqp_client import Delivered
from harness.cells.doors import BROKER_TLS, MUTUAL_TLS, TLS
from harness.certificates import ServerCertificate
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.scenario import scenario

_RABBITMQ = "https://www.rabbitmq.com/docs/ssl"


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.SECURITY,
    spec=[_RABBITMQ, "RFC 8446"],
    needs=[Need.TLS],
    features=["tls"],
)
def test_works_over_tls(cell: AmqpCell) -> None:
    """The client trusts a private authority, connects over TLS, and messages pass in both directions."""
    outward, inward = cell.payload(), cell.payload()
    reference = cell.reference(queue=cell.name("out"))
    name = cell.queue(reference, "in")
    client = cell.connected(door=TLS)
    client.publish(cell.name("out"), outward)
    cell.expect_received(reference, [Delivered(outward)], expected="what the client publishes arrives")
    client.consume(name)
    reference.publish(name, inward)
    cell.expect_delivered(client, [Delivered(inward)], expected="what others publish arrives", ack=True)


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=["RFC 5280, section 6.1", "RFC 6125, section 6", f"{_RABBITMQ}#peer-verification"],
    needs=[Need.TLS],
    features=["tls"],
)
@pytest.mark.parametrize("certificate", ["unknown-ca", "other-host", "expired"])
def test_refuses_a_bad_certificate(cell: AmqpCell, certificate: str) -> None:
    """A server whose certificate is not the trusted authority's, is another host's, or has expired gets no password.

    The same client connects where the certificate is good.
    """
    cell.connected(door=TLS).disconnect()
    client = cell.client()
    cell.expect_untrusted(lambda door: client.connect(door=door), ServerCertificate(certificate))


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=[f"{_RABBITMQ}#peer-verification", "RFC 8446, section 4.4.2"],
    needs=[Need.TLS],
    features=["tls", "client-certificate"],
)
def test_shows_a_client_certificate(cell: AmqpCell) -> None:
    """A server that asks for a client certificate gets the one that the application chose."""
    reader, body = cell.reference(queue=cell.name("inbox")), cell.payload()
    client = cell.connected(door=MUTUAL_TLS, shows_certificate=True)
    client.publish(cell.name("inbox"), body)
    cell.expect_received(reader, [Delivered(body)], expected="what the client publishes arrives")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.INTEROP,
    spec=[_RABBITMQ, "RFC 8446, section 5.1"],
    needs=[Need.TLS],
    features=["tls"],
)
def test_works_over_the_brokers_own_tls(cell: AmqpCell) -> None:
    """Where the broker itself ends TLS, 100 KB pass in both directions, though they take several TLS records of 16 KiB.

    That is Erlang's TLS. Elsewhere TLS ends in the harness's relay; here the relay passes it on unread.
    """
    outward, inward = cell.payload(100_000), cell.payload(100_000)
    reference = cell.reference(queue=cell.name("out"))
    name = cell.queue(reference, "in")
    client = cell.connected(door=BROKER_TLS)
    client.publish(cell.name("out"), outward)
    cell.expect_received(reference, [Delivered(outward)], expected="what the client publishes arrives")
    client.consume(name)
    reference.publish(name, inward)
    cell.expect_delivered(client, [Delivered(inward)], expected="what others publish arrives", ack=True)
