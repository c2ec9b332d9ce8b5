"""What RabbitMQ adds by arguments: the client has to send them as they were given."""

from __future__ import annotations

from harness.cells.amqp import AmqpCell
from harness.cells.amqp_client import Delivered
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=["https://www.rabbitmq.com/docs/ttl#per-queue-message-ttl", "https://www.rabbitmq.com/docs/dlx"],
)
def test_declares_a_queue_whose_messages_expire(cell: AmqpCell) -> None:
    """Messages of a queue that the client declared with a time to live move to its dead-letter queue at its end."""
    reader, body = cell.reference(queue=cell.name("grave")), cell.payload()
    client = cell.connected()
    arguments = {
        "x-message-ttl": {"t": "I", "v": 50},
        "x-dead-letter-exchange": {"t": "S", "v": ""},
        "x-dead-letter-routing-key": {"t": "S", "v": cell.name("grave")},
    }
    client.declare_queue(cell.name("short"), exclusive=True, arguments=arguments)
    client.publish(cell.name("short"), body)
    cell.expect_received(reader, [Delivered(body)], expected="the expired message")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=["https://www.rabbitmq.com/docs/ttl#per-message-ttl-in-publishers"],
)
def test_publishes_a_message_that_expires(cell: AmqpCell) -> None:
    """A message with the property `expiration` leaves its queue when that time is over."""
    reader, body = cell.reference(queue=cell.name("grave")), cell.payload()
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": cell.name("grave")}
    name = cell.queue(cell.reference(), arguments=arguments)
    cell.connected().publish(name, body, properties={"expiration": "50"})
    cell.expect_received(reader, [Delivered(body)], expected="the expired message")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=["https://www.rabbitmq.com/docs/ae"],
)
def test_declares_an_alternate_exchange(cell: AmqpCell) -> None:
    """What an exchange cannot route goes to the alternate exchange that the client named when it declared it."""
    reader, body = cell.reference(queue=cell.name("inbox")), cell.payload()
    client = cell.connected()
    client.declare_exchange(cell.name("rest"), "fanout", auto_delete=True)
    client.bind(cell.name("inbox"), cell.name("rest"))
    arguments = {"alternate-exchange": {"t": "S", "v": cell.name("rest")}}
    client.declare_exchange(cell.name("main"), "direct", durable=True, arguments=arguments)
    client.publish("nobody", body, exchange=cell.name("main"))
    cell.expect_received(reader, [Delivered(body, "nobody")], expected="the message that nothing else was bound for")
    reader.channel().exchange_delete(cell.name("main"))


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.INTEROP,
    spec=["https://www.rabbitmq.com/docs/priority"],
)
def test_is_served_by_priority(cell: AmqpCell) -> None:
    """A queue with priorities hands the message with the highest one out first."""
    low, high = cell.payload(), cell.payload()
    reference = cell.reference()
    name = cell.queue(reference, arguments={"x-max-priority": 5})
    client = cell.connected()
    client.publish(name, low, properties={"priority": 1})
    client.publish(name, high, properties={"priority": 5})
    cell.await_ready(reference, name, 2, "both messages are in the queue")
    for body in (high, low):
        cell.expect_message(client.get(name, no_ack=True), Delivered(body), expected="the messages by priority")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=["https://www.rabbitmq.com/docs/amqp-0-9-1-reference#queue.declare.exclusive"],
)
def test_reports_that_a_queue_is_taken(cell: AmqpCell) -> None:
    """Declaring a queue that another connection holds exclusively ends in an error (405)."""
    holder, other = cell.connected(), cell.connected()
    holder.declare_queue(cell.name("mine"), exclusive=True)
    cell.expect_refused(
        lambda: other.declare_queue(cell.name("mine"), exclusive=True),
        expected="the declare ends in an error, because another connection holds the queue",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["https://www.rabbitmq.com/docs/oauth2#token-expiration"],
    features=["update-secret"],
)
def test_updates_its_secret(cell: AmqpCell) -> None:
    """connection.update-secret reaches the broker with its reason, and the connection goes on working."""
    reader, body = cell.reference(queue=cell.name("inbox")), cell.payload()
    client = cell.connected()
    position = cell.peer.log.position()
    client.update_secret("another", cell.name("reason"))
    cell.await_log(cell.name("reason"), position, "the broker logs the reason")
    client.publish(cell.name("inbox"), body)
    cell.expect_received(reader, [Delivered(body)], expected="a message published afterwards arrives")
