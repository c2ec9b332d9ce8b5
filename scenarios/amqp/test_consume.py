"""Fetching and consuming: pika publishes, the crate reads."""

from __future__ import annotations

import pytest

from harness.cells.amqp import AmqpCell
from harness.cells.amqp_client import Delivered
from harness.cells.peer import DELIVERY
from harness.model import Consequence, Dialect, Level, Requirement
from harness.references.amqp_tables import properties_to_pika
from harness.scenario import scenario
from harness.wire import amqp
from scenarios.amqp.test_publish import MEGABYTE, PROPERTIES

_REFERENCE = "https://www.rabbitmq.com/docs/amqp-0-9-1-reference"


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_REFERENCE}#basic.get", f"{_REFERENCE}#basic.get-ok"],
)
@pytest.mark.parametrize("body", [b"", bytes(range(256)), None], ids=["empty", "every-byte", "1-MB"])
def test_gets_a_message(cell: AmqpCell, body: bytes | None) -> None:
    """basic.get returns the message byte for byte, with its key, and acknowledging it removes it."""
    reference = cell.reference()
    name, data = cell.queue(reference), cell.payload(MEGABYTE) if body is None else body
    reference.publish(name, data)
    client = cell.connected()
    message = cell.expect_message(
        client.get(name), Delivered(data, name, "", redelivered=False), expected="the message that was published"
    )
    client.ack(message)
    cell.expect(client.get(name) is None, expected="an empty queue afterwards", observed="another message")
    client.disconnect()
    cell.await_ready(reference, name, 0, "the acknowledged message does not come back when the client leaves")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_REFERENCE}#basic.consume", f"{_REFERENCE}#basic.deliver"],
)
@pytest.mark.parametrize("body", [b"", bytes(range(256)), None], ids=["empty", "every-byte", "1-MB"])
def test_consumes_a_message(cell: AmqpCell, body: bytes | None) -> None:
    """A consumer is handed the message byte for byte, with its key."""
    reference = cell.reference()
    name, data, last = cell.queue(reference), cell.payload(MEGABYTE) if body is None else body, cell.payload()
    client = cell.connected()
    client.consume(name)
    reference.publish(name, data)
    reference.publish(name, last)
    wanted = [Delivered(item, name, "", redelivered=False) for item in (data, last)]
    cell.expect_delivered(client, wanted, expected="the message and the one after it", ack=True)


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_REFERENCE}#basic.consume"],
)
def test_consumes_what_was_waiting(cell: AmqpCell) -> None:
    """Messages that were in the queue before the consumer came are delivered, in order."""
    reference = cell.reference()
    name, bodies = cell.queue(reference), [cell.payload() for _ in range(20)]
    for body in bodies:
        reference.publish(name, body)
    client = cell.connected()
    client.consume(name)
    cell.expect_delivered(client, [Delivered(body) for body in bodies], expected="all messages in order", ack=True)
    cell.await_ready(reference, name, 0, "no message is left")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[f"{_REFERENCE}#basic.consume", "AMQP 0-9-1, section 4.7"],
    deadline=120.0,
)
def test_consumes_a_thousand_waiting_messages(cell: AmqpCell) -> None:
    """A thousand waiting messages without a prefetch limit reach the consumer once each, in order."""
    reference = cell.reference()
    name, bodies = cell.queue(reference), [cell.payload(64) for _ in range(1000)]
    for body in bodies:
        reference.publish(name, body)
    client = cell.connected()
    client.consume(name)
    cell.expect_delivered(client, [Delivered(body) for body in bodies], expected="all messages in order", ack=True)


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["AMQP 0-9-1, section 4.2.6.1", f"{_REFERENCE}#class.basic"],
)
def test_reads_all_properties(cell: AmqpCell) -> None:
    """All basic properties of a message reach the application."""
    reference = cell.reference()
    name, body = cell.queue(reference), cell.payload()
    reference.publish(name, body, properties=properties_to_pika(amqp.Properties.model_validate(PROPERTIES)))
    cell.expect_message(
        cell.connected().get(name),
        Delivered(body, properties=PROPERTIES),
        expected="the message with its properties",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.DUPLICATE,
    spec=[f"{_REFERENCE}#basic.ack"],
)
def test_acknowledges_deliveries(cell: AmqpCell) -> None:
    """What a consumer acknowledged is gone, and what it did not comes back when it leaves, marked as redelivered."""
    reference = cell.reference()
    name, first, second = cell.queue(reference), cell.payload(), cell.payload()
    reference.publish(name, first)
    reference.publish(name, second)
    client = cell.connected()
    client.consume(name)
    got = cell.expect_delivered(client, [Delivered(first), Delivered(second)], expected="both messages")
    client.ack(got[0])
    client.disconnect()
    cell.await_ready(reference, name, 1, "one message comes back when the client leaves")
    left = reference.get(name)
    cell.expect(
        left is not None and left.body == second and left.redelivered,
        expected="the message that was not acknowledged, marked as redelivered",
        observed="no message" if left is None else f"{left.body.hex()}, redelivered={left.redelivered}",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.DUPLICATE,
    spec=[f"{_REFERENCE}#basic.ack.multiple"],
)
def test_acknowledges_several_at_once(cell: AmqpCell) -> None:
    """An acknowledgement with the flag `multiple` covers all deliveries before it on the channel, and none after."""
    reference = cell.reference()
    name, bodies = cell.queue(reference), [cell.payload() for _ in range(3)]
    for body in bodies:
        reference.publish(name, body)
    client = cell.connected()
    got = [
        cell.expect_message(client.get(name), Delivered(body), expected="the messages, one by one") for body in bodies
    ]
    client.ack(got[1], multiple=True)
    client.disconnect()
    cell.await_ready(reference, name, 1, "the last message alone comes back when the client leaves")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_REFERENCE}#tx.commit", f"{_REFERENCE}#tx.rollback"],
    features=["transactions"],
)
def test_acknowledges_in_a_transaction(cell: AmqpCell) -> None:
    """An acknowledgement counts once its transaction is committed, and not at all where that was rolled back.

    What was not acknowledged comes back when the client leaves.
    """
    reference = cell.reference()
    name, bodies = cell.queue(reference), [cell.payload() for _ in range(3)]
    for body in bodies:
        reference.publish(name, body)
    client = cell.connected()
    client.transaction("select")
    got = [
        cell.expect_message(client.get(name), Delivered(body), expected="the messages, one by one") for body in bodies
    ]
    client.ack(got[0])
    client.transaction("rollback")
    client.ack(got[1])
    client.transaction("commit")
    client.ack(got[2])
    client.disconnect()
    cell.await_ready(reference, name, 2, "all but the second message come back when the client leaves")
    left = [reference.get(name) for _ in range(2)]
    cell.expect(
        [message and message.body for message in left] == [bodies[0], bodies[2]],
        expected="the first and the third message come back",
        observed="others do",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_REFERENCE}#basic.reject"],
)
def test_rejects_and_requeues(cell: AmqpCell) -> None:
    """basic.reject with requeue puts the message back, marked as redelivered; without it the message is gone."""
    reference = cell.reference()
    name, first, second = cell.queue(reference), cell.payload(), cell.payload()
    reference.publish(name, first)
    client = cell.connected()
    message = cell.expect_message(client.get(name), Delivered(first), expected="the message")
    client.ack(message, accept=False, requeue=True)
    cell.await_ready(reference, name, 1, "the requeued message is in the queue again")
    again = cell.expect_message(
        client.get(name), Delivered(first, redelivered=True), expected="the message again, marked as redelivered"
    )
    client.ack(again, accept=False, requeue=False)
    reference.publish(name, second)
    message = cell.expect_message(client.get(name), Delivered(second), expected="the next message, not the rejected")
    client.ack(message)


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=["https://www.rabbitmq.com/docs/nack"],
)
def test_requeues_several_at_once(cell: AmqpCell) -> None:
    """RabbitMQ's basic.nack with the flag `multiple` puts several messages back."""
    reference = cell.reference()
    name, bodies = cell.queue(reference), [cell.payload() for _ in range(3)]
    for body in bodies:
        reference.publish(name, body)
    client = cell.connected()
    got = [
        cell.expect_message(client.get(name), Delivered(body), expected="the messages, one by one") for body in bodies
    ]
    client.ack(got[1], accept=False, multiple=True, requeue=True)
    cell.await_ready(reference, name, 2, "two messages are in the queue again, the third is still held")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=["https://www.rabbitmq.com/docs/dlx"],
)
def test_dead_letters_what_it_rejects(cell: AmqpCell) -> None:
    """A rejected message of a queue with a dead-letter exchange arrives there, and the client reads why.

    The header x-death is an array of tables with long integers and a time stamp.
    """
    reference = cell.reference()
    grave = cell.queue(reference, "grave")
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": grave}
    name, body = cell.queue(reference, arguments=arguments), cell.payload()
    reference.publish(name, body)
    client = cell.connected()
    client.ack(cell.expect_message(client.get(name), Delivered(body), expected="the message"), accept=False)
    cell.await_ready(reference, grave, 1, "the rejected message is in the dead-letter queue")
    message = cell.expect_message(client.get(grave), Delivered(body, grave), expected="the dead letter")
    headers = message.properties.get("headers", {})
    queue = headers.get("x-first-death-queue", {}).get("v")
    death = headers.get("x-death", {}).get("v") or [{}]
    reason = death[0].get("v", {}).get("reason", {}).get("v")
    cell.expect(
        (queue, reason) == (name, "rejected"),
        expected=f"headers that name the queue {name} and the reason 'rejected'",
        observed=f"queue {queue!r}, reason {reason!r}",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[f"{_REFERENCE}#basic.qos", "https://www.rabbitmq.com/docs/consumer-prefetch"],
)
def test_limits_what_it_is_sent(cell: AmqpCell) -> None:
    """With a prefetch limit of 2 the client holds two messages at most, and gets one more for each it acknowledges."""
    reference = cell.reference()
    name, bodies = cell.queue(reference), [cell.payload() for _ in range(5)]
    for body in bodies:
        reference.publish(name, body)
    client = cell.connected()
    client.qos(2)
    client.consume(name)
    got = cell.expect_delivered(client, [Delivered(body) for body in bodies[:2]], expected="the first two messages")
    # The queue delivers all that it may before it answers this declare.
    ready = reference.ready(name)
    cell.expect(ready == 3, expected="three messages are still in the queue", observed=f"{ready} messages are")
    client.ack(got[0])
    cell.expect_delivered(client, [Delivered(bodies[2])], expected="one message more for the acknowledged one")
    ready = reference.ready(name)
    cell.expect(ready == 2, expected="two messages are still in the queue", observed=f"{ready} messages are")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_REFERENCE}#basic.cancel"],
)
def test_stops_consuming(cell: AmqpCell) -> None:
    """After basic.cancel new messages stay in the queue."""
    reference = cell.reference()
    name, first, second = cell.queue(reference), cell.payload(), cell.payload()
    client = cell.connected()
    client.consume(name, consumer=cell.name("consumer"))
    reference.publish(name, first)
    got = cell.expect_delivered(client, [Delivered(first)], expected="the message")
    client.ack(got[0])
    client.cancel(cell.name("consumer"))
    reference.publish(name, second)
    # The publish was confirmed: the queue would have delivered the message by the time it answers this declare.
    ready = reference.ready(name)
    cell.expect(ready == 1, expected="the second message stays in the queue", observed=f"{ready} messages are in it")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[f"{_REFERENCE}#basic.consume", "AMQP 0-9-1, section 2.2.5"],
)
def test_consumes_on_two_channels(cell: AmqpCell) -> None:
    """A channel can be opened and consumed from while another one has messages waiting for the application."""
    reference = cell.reference()
    first, second = cell.queue(reference, "first"), cell.queue(reference, "second")
    bodies, last = [cell.payload() for _ in range(100)], cell.payload()
    for body in bodies:
        reference.publish(first, body)
    reference.publish(second, last)
    client = cell.connected()
    client.consume(first, channel=1, no_ack=True)
    client.consume(second, channel=2, no_ack=True)
    got: set[bytes] = set()
    expected = "all messages of both queues"
    while len(got) < 101:
        message = client.next_delivery(DELIVERY, expected)
        if message is None:
            break
        got.add(message.body)
    cell.expect(got == {*bodies, last}, expected=f"{expected}, 101 in all", observed=f"{len(got)} different messages")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[f"{_REFERENCE}#basic.consume.consumer-tag", f"{_REFERENCE}#class.basic"],
)
def test_consumes_from_two_queues_on_one_channel(cell: AmqpCell) -> None:
    """A second consumer can be added to a channel on which the first one's messages are already coming.

    They may come before consume-ok, because the first queue is full of them.
    """
    reference = cell.reference()
    first, second = cell.queue(reference, "first"), cell.queue(reference, "second")
    bodies, last = [cell.payload() for _ in range(20)], cell.payload()
    for body in bodies:
        reference.publish(first, body)
    client = cell.connected()
    client.consume(first, no_ack=True)
    client.consume(second, no_ack=True)
    cell.expect_delivered(client, list(map(Delivered, bodies)), expected="all messages of the first queue, in order")
    reference.publish(second, last)
    cell.expect_delivered(client, [Delivered(last, second)], expected="the message of the second queue")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["https://www.rabbitmq.com/docs/consumer-cancel"],
)
def test_learns_that_its_queue_was_deleted(cell: AmqpCell) -> None:
    """When a consumer's queue is deleted RabbitMQ cancels the consumer, and the application is told."""
    reference = cell.reference()
    name = cell.queue(reference)
    client = cell.connected()
    client.consume(name, consumer=cell.name("consumer"))
    reference.channel().queue_delete(name)
    client.expect_told("consumer_cancelled", DELIVERY, "the application is told")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["AMQP 0-9-1, section 4.7"],
)
def test_talks_to_itself(cell: AmqpCell) -> None:
    """Two clients of the crate: what one publishes the other consumes, with its properties."""
    reference = cell.reference()
    name, bodies = cell.queue(reference), [cell.payload() for _ in range(5)]
    writer, reader = cell.connected(), cell.connected()
    reader.consume(name)
    for body in bodies:
        writer.publish(name, body, properties=PROPERTIES)
    wanted = [Delivered(body, name, properties=PROPERTIES) for body in bodies]
    cell.expect_delivered(reader, wanted, expected="the messages in order, with their properties", ack=True)
