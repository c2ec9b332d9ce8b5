"""What networks do to connections: odd pieces, and other addresses."""

from __future__ import annotations

from harness.cells.amqp import AmqpCell
from harness.cells.amqp_client import Delivered
from harness.cells.doors import IPV6, SECOND_ADDRESS
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario

#: Seconds between two bytes.
_DRIP = 0.001


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["AMQP 0-9-1, section 2.3.5", "AMQP 0-9-1, section 4.2.3"],
    deadline=90.0,
)
def test_reads_frames_byte_by_byte(cell: AmqpCell) -> None:
    """Frames that come one byte at a time are put together: the handshake's, and those of deliveries."""
    reference = cell.reference()
    name = cell.queue(reference)
    bodies = [cell.payload() for _ in range(3)]
    for body in bodies:
        reference.publish(name, body)
    cell.relay().drip(_DRIP)
    client = cell.connected()
    client.consume(name, no_ack=True)
    cell.expect_delivered(client, list(map(Delivered, bodies)), expected="the crate delivers each message once")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["AMQP 0-9-1, section 2.3.5", "AMQP 0-9-1, section 4.2.3"],
)
def test_reads_frames_that_come_together(cell: AmqpCell) -> None:
    """Twenty messages that come in one piece are told apart."""
    reference = cell.reference()
    name, bodies = cell.queue(reference), [cell.payload() for _ in range(20)]
    client = cell.connected()
    client.consume(name, no_ack=True)
    cell.relay().hold("b")
    for body in bodies:
        reference.publish(name, body)
    cell.await_ready(reference, name, 0, "the broker has sent all messages")
    cell.relay().release()
    cell.expect_delivered(client, list(map(Delivered, bodies)), expected="the crate delivers each message once")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.INTEROP,
    spec=["RFC 6540: IPv6 support required"],
)
def test_works_over_ipv6(cell: AmqpCell) -> None:
    """The client connects to an IPv6 address, and messages pass in both directions."""
    outward, inward = cell.payload(), cell.payload()
    reader = cell.reference(queue=cell.name("inbox"))
    name = cell.queue(reader)
    client = cell.connected(door=IPV6)
    client.publish(cell.name("inbox"), outward)
    cell.expect_received(reader, [Delivered(outward)], expected="what the client publishes arrives")
    reader.publish(name, inward)
    cell.expect_message(client.get(name, no_ack=True), Delivered(inward), expected="what others publish arrives")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.INTEROP,
    spec=["RFC 1123, section 2.3: try the addresses until one succeeds"],
)
def test_tries_every_address(cell: AmqpCell) -> None:
    """A host name whose first address refuses connections is reached by its second one."""
    reader = cell.reference()
    name, body = cell.queue(reader), cell.payload()
    reader.publish(name, body)
    client = cell.connected(door=SECOND_ADDRESS)
    cell.expect_message(client.get(name, no_ack=True), Delivered(body), expected="what others publish arrives")
