"""Queues, exchanges and bindings, and what the broker refuses."""

from __future__ import annotations

import pytest

from harness.cells.amqp import AmqpCell
from harness.cells.amqp_client import Delivered
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario

_REFERENCE = "https://www.rabbitmq.com/docs/amqp-0-9-1-reference"


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[f"{_REFERENCE}#queue.declare", f"{_REFERENCE}#queue.declare-ok"],
)
def test_declares_a_queue(cell: AmqpCell) -> None:
    """queue.declare makes the queue, and declare-ok's message count reaches the application."""
    reference = cell.reference()
    name = cell.queue(reference)
    for _ in range(2):
        reference.publish(name, cell.payload())
    reply = cell.connected().declare_queue(name, durable=True)
    cell.expect(
        (reply.queue, reply.messages, reply.consumers) == (name, 2, 0),
        expected=f"queue {name!r} with 2 messages and 0 consumers",
        observed=f"queue {reply.queue!r} with {reply.messages} messages and {reply.consumers} consumers",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[f"{_REFERENCE}#queue.declare.queue"],
)
def test_learns_the_name_that_the_server_chose(cell: AmqpCell) -> None:
    """A queue declared with an empty name gets one from the server, under which messages arrive."""
    client, body = cell.connected(), cell.payload()
    name = client.declare_queue("", exclusive=True).queue
    cell.expect(name.startswith("amq."), expected="a name that the server made, amq.…", observed=f"{name!r}")
    cell.reference().publish(name, body)
    cell.expect_message(client.get(name, no_ack=True), Delivered(body), expected="the message sent to that name")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["AMQP 0-9-1, section 3.1.3", f"{_REFERENCE}#queue.bind"],
)
@pytest.mark.parametrize(
    ("kind", "pattern", "hit", "miss"),
    [
        ("direct", "red", "red", "green"),
        ("fanout", "", "anything", None),
        ("topic", "sensor.*.#", "sensor.kitchen.heat.now", "sensor"),
    ],
    ids=["direct", "fanout", "topic"],
)
def test_routes_through_an_exchange(cell: AmqpCell, kind: str, pattern: str, hit: str, miss: str | None) -> None:
    """The client declares an exchange, binds a queue to it, and what it publishes is routed by the key."""
    reader = cell.reference(queue=cell.name("inbox"))
    first, second, last = cell.payload(), cell.payload(), cell.payload()
    client = cell.connected()
    client.declare_exchange(cell.name("exchange"), kind, auto_delete=True)
    client.bind(cell.name("inbox"), cell.name("exchange"), pattern)
    client.publish(hit, first, exchange=cell.name("exchange"))
    if miss is not None:
        client.publish(miss, second, exchange=cell.name("exchange"))
    client.publish(hit, last, exchange=cell.name("exchange"))
    wanted = [Delivered(body, hit, cell.name("exchange")) for body in (first, last)]
    cell.expect_received(reader, wanted, expected="what matches the binding arrives, and nothing else")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["AMQP 0-9-1, section 3.1.3.4"],
)
def test_routes_by_headers(cell: AmqpCell) -> None:
    """A headers exchange routes by the message's headers: the binding's arguments and the headers agree in type."""
    reader = cell.reference(queue=cell.name("inbox"))
    first, second, last = cell.payload(), cell.payload(), cell.payload()
    client = cell.connected()
    client.declare_exchange(cell.name("exchange"), "headers", auto_delete=True)
    arguments = {"x-match": {"t": "S", "v": "all"}, "room": {"t": "S", "v": "attic"}, "floor": {"t": "I", "v": 3}}
    client.bind(cell.name("inbox"), cell.name("exchange"), arguments=arguments)
    headers = {"room": {"t": "S", "v": "attic"}, "floor": {"t": "I", "v": 3}}
    for body, floor in ((first, 3), (second, 4), (last, 3)):
        properties = {"headers": headers | {"floor": {"t": "I", "v": floor}}}
        client.publish("", body, exchange=cell.name("exchange"), properties=properties)
    cell.expect_received(
        reader, [Delivered(first), Delivered(last)], expected="what has both headers arrives, and nothing else"
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.INTEROP,
    spec=["https://www.rabbitmq.com/docs/e2e"],
)
def test_binds_an_exchange_to_an_exchange(cell: AmqpCell) -> None:
    """RabbitMQ's exchange-to-exchange binding carries messages on."""
    reader, body = cell.reference(queue=cell.name("inbox")), cell.payload()
    client = cell.connected()
    for part in ("outer", "inner"):
        client.declare_exchange(cell.name(part), "fanout", auto_delete=True)
    client.bind(cell.name("inbox"), cell.name("inner"))
    client.bind(cell.name("inner"), cell.name("outer"), destination_kind="exchange")
    client.publish("", body, exchange=cell.name("outer"))
    cell.expect_received(reader, [Delivered(body)], expected="the message passes both exchanges")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.CONVENIENCE,
    spec=[f"{_REFERENCE}#queue.declare.auto-delete"],
)
def test_declares_a_queue_that_deletes_itself(cell: AmqpCell) -> None:
    """A queue that was declared as auto-delete is there until its last consumer leaves, and then it is gone.

    A durable one: RabbitMQ 4.3 refuses queues that are neither durable nor exclusive.
    """
    reference, name = cell.reference(), cell.name("passing")
    cell.connected().declare_queue(name, auto_delete=True, durable=True)
    cell.expect(reference.exists(name), expected="a queue, before a consumer came", observed="there is none")
    reference.consume_once(name)
    cell.expect_soon(
        lambda: "the queue is still there" if reference.exists(name) else "",
        expected="no queue, once its only consumer has left",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[f"{_REFERENCE}#queue.declare.passive"],
)
def test_sees_that_a_queue_exists(cell: AmqpCell) -> None:
    """A passive declare of a queue that exists succeeds and changes nothing."""
    reference = cell.reference()
    name = cell.queue(reference)
    reference.publish(name, cell.payload())
    reply = cell.connected().declare_queue(name, passive=True)
    cell.expect(reply.messages == 1, expected="one message in the queue", observed=f"{reply.messages} messages")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[f"{_REFERENCE}#queue.declare.passive", f"{_REFERENCE}#channel.close"],
)
def test_reports_a_missing_queue(cell: AmqpCell) -> None:
    """A passive declare of a queue that does not exist ends in an error (channel.close with code 404)."""
    client = cell.connected()
    cell.expect_refused(
        lambda: client.declare_queue(cell.name("missing"), passive=True),
        expected="the passive declare ends in an error, because there is no such queue",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_REFERENCE}#basic.get", f"{_REFERENCE}#channel.close"],
)
def test_tells_a_missing_queue_from_an_empty_one(cell: AmqpCell) -> None:
    """basic.get from a queue that does not exist ends in an error; an empty queue is none."""
    client = cell.connected()
    empty = cell.queue(cell.reference())
    cell.expect(client.get(empty) is None, expected="no message in an empty queue", observed="a message")
    cell.expect_refused(
        lambda: client.get(cell.name("missing")),
        expected="basic.get ends in an error, because there is no such queue",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=["AMQP 0-9-1, section 2.2.5", f"{_REFERENCE}#channel.close"],
)
def test_opens_a_new_channel_after_an_error(cell: AmqpCell) -> None:
    """After the server closed a channel the connection is as good as before: a new channel works."""
    reader, body = cell.reference(queue=cell.name("inbox")), cell.payload()
    client = cell.connected()
    cell.expect_refused(
        lambda: client.declare_queue(cell.name("missing"), passive=True),
        expected="the passive declare ends in an error, because there is no such queue",
    )
    client.publish(cell.name("inbox"), body, channel=2)
    cell.expect_received(reader, [Delivered(body)], expected="a message published on a new channel arrives")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[f"{_REFERENCE}#queue.delete", f"{_REFERENCE}#queue.purge"],
    features=["delete"],
)
def test_purges_and_deletes_a_queue(cell: AmqpCell) -> None:
    """queue.purge empties a queue and queue.delete removes it."""
    reference = cell.reference()
    name = cell.queue(reference)
    reference.publish(name, cell.payload())
    client = cell.connected()
    client.delete("messages", name)
    left = reference.ready(name)
    cell.expect(left == 0, expected="an empty queue after the purge", observed=f"{left} messages")
    client.delete("queue", name)
    cell.expect_refused(
        lambda: client.declare_queue(name, passive=True, channel=2), expected="the queue is gone after the delete"
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=["https://www.rabbitmq.com/docs/queues#optional-arguments"],
)
@pytest.mark.parametrize("kind", ["quorum", "stream"])
def test_declares_a_queue_of_another_type(cell: AmqpCell, kind: str) -> None:
    """RabbitMQ's queue types are chosen by an argument of queue.declare, which has to arrive as sent."""
    client, reference = cell.connected(), cell.reference()
    name = cell.name(kind)
    client.declare_queue(name, durable=True, arguments={"x-queue-type": {"t": "S", "v": kind}})
    equal = reference.is_declared_as(name, durable=True, arguments={"x-queue-type": kind})
    reference.channel().queue_delete(name)
    cell.expect(equal, expected=f"a {kind} queue", observed="the broker has the queue with other arguments")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[f"{_REFERENCE}#queue.declare.no-wait", f"{_REFERENCE}#queue.bind.no-wait"],
)
def test_declares_without_waiting(cell: AmqpCell) -> None:
    """With no-wait the client awaits no answer: exchange, queue and binding are made all the same, and route."""
    client, body = cell.connected(), cell.payload()
    exchange, queue = cell.name("exchange"), cell.name("queue")
    client.declare_exchange(exchange, "direct", auto_delete=True, nowait=True)
    client.declare_queue(queue, exclusive=True, nowait=True)
    client.bind(queue, exchange, "key", nowait=True)
    client.publish("key", body, exchange=exchange)
    # The same channel: the message is in the queue before the queue is asked for it.
    message = client.get(queue, no_ack=True)
    cell.expect_message(message, Delivered(body, "key", exchange), expected="the message passes the exchange")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_REFERENCE}#queue.declare.no-wait"],
)
def test_reports_what_it_did_not_wait_for(cell: AmqpCell) -> None:
    """A declare with no-wait that the broker refuses closes the channel: the application is told by its next call."""
    client = cell.connected()

    def declare() -> None:
        client.declare_queue(cell.name("missing"), passive=True, nowait=True)
        client.declare_queue(cell.name("next"), exclusive=True)

    cell.expect_refused(
        declare, expected="one of two declares on the channel ends in an error, because the broker closed it"
    )
