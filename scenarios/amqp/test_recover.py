"""Silence, cuts and restarts: staying connected, noticing the end, and working again."""

from __future__ import annotations

import pytest

from harness.cells.amqp import AmqpCell
from harness.cells.amqp_client import AmqpClient, Delivered
from harness.cells.peer import RECOVERY
from harness.errors import CrateTimeout, Mismatch, RefusedByCrate
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.references.amqp import AmqpReference
from harness.scenario import scenario

#: Seconds between heartbeats, where a scenario asks for them.
_HEARTBEAT = 3
#: Seconds of silence. RabbitMQ looks once an interval, and gives up when it saw nothing new twice in a row: after four
#: intervals at most.
_SILENCE = 4.5 * _HEARTBEAT
#: Seconds after which a connection that went dead has to be noticed: two intervals, of which pika takes each five
#: seconds longer, and five for a busy machine.
_NOTICED = 2.0 * (_HEARTBEAT + 5.0) + 5.0

_HEARTBEATS = "AMQP 0-9-1, section 4.2.7"
_CONSUMERS = "https://www.rabbitmq.com/docs/consumers#connection-recovery"
_PRACTICE = "https://www.rabbitmq.com/docs/heartbeats"


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.SHOULD,
    consequence=Consequence.LOSS,
    spec=[_HEARTBEATS, _PRACTICE],
    deadline=60.0,
    timer=_SILENCE,
)
def test_stays_connected_while_idle(cell: AmqpCell) -> None:
    """A client that has nothing to say keeps its connection and its consumer.

    It sends heartbeats, or agrees with the broker on none.
    """
    reference = cell.reference()
    name, body = cell.queue(reference), cell.payload()
    client = cell.connected(heartbeat_s=_HEARTBEAT)
    client.consume(name)
    client.idle(_SILENCE)
    cell.expect(
        cell.relay().accepted == 1,
        expected=f"one connection over {_SILENCE:g} s of silence",
        observed=f"the crate made {cell.relay().accepted} connections",
    )
    reference.publish(name, body)
    cell.expect_delivered(client, [Delivered(body, redelivered=False)], expected="the idle client still gets messages")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_PRACTICE],
    deadline=60.0,
)
def test_notices_a_cut(cell: AmqpCell) -> None:
    """After its connection was cut, the client's next request ends in an error, or works on a new connection."""
    client = cell.connected()
    client.declare_queue(cell.name("before"), exclusive=True)
    cell.relay().cut()
    expected = "an error, or a new connection"
    try:
        client.declare_queue(cell.name("after"), exclusive=True)
    except RefusedByCrate as error:
        cell.expect(error.code != "timeout", expected=expected, observed=error.observed)
        return
    connections = cell.relay().accepted
    cell.expect(connections > 1, expected=expected, observed="success, without a new connection")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_HEARTBEATS, _PRACTICE],
    deadline=60.0,
    timer=_NOTICED,
)
def test_notices_a_silent_broker(cell: AmqpCell) -> None:
    """A request on a connection that has gone dead without a sign ends in an error, instead of waiting for ever.

    The relay holds everything back in both directions, as a half-open connection does. Heartbeats are asked
    for; twice their interval and fifteen seconds pass at most.
    """
    client = cell.connected(heartbeat_s=_HEARTBEAT)
    client.declare_queue(cell.name("before"), exclusive=True)
    cell.relay().delay(2 * _NOTICED)
    expected = f"the request ends in an error within {_NOTICED:g} s"
    try:
        client.declare_queue(cell.name("after"), exclusive=True, within=_NOTICED)
    except RefusedByCrate as error:
        cell.remark(f"as expected: {error.observed}")
        return
    except CrateTimeout as error:
        raise CrateTimeout("the crate went on waiting for an answer", expected=expected) from error
    raise Mismatch("the crate reported success", expected=expected)


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_PRACTICE],
    needs=[Need.RECONNECT],
    deadline=150.0,
    timer=RECOVERY,
)
def test_publishes_again_after_a_cut(cell: AmqpCell) -> None:
    """After its connection was cut, the client, or the application that was told, publishes again within 60 seconds."""
    reader, body = cell.reference(queue=cell.name("inbox")), cell.payload()
    client = cell.connected()
    client.declare_queue(cell.name("before"), exclusive=True)
    cell.relay().cut()
    client.recover()
    client.publish(cell.name("inbox"), body)
    cell.expect_received(reader, [Delivered(body)], expected="a message published after the cut arrives")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_PRACTICE],
    needs=[Need.RECONNECT],
    own_broker=True,
    deadline=240.0,
    timer=RECOVERY,
)
@pytest.mark.parametrize("how", ["restart", "kill"])
def test_publishes_again_after_a_broker_failure(cell: AmqpCell, how: str) -> None:
    """After a restart or a crash of the broker, the client, or its application, publishes again within 60 seconds."""
    body = cell.payload()
    client = cell.connected()
    client.declare_queue(cell.name("before"), exclusive=True)
    cell.peer.control.kill() if how == "kill" else cell.peer.control.restart()
    client.recover()
    reader = cell.reference(queue=cell.name("inbox"))
    client.publish(cell.name("inbox"), body)
    cell.expect_received(reader, [Delivered(body)], expected="a message published after the restart arrives")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_HEARTBEATS, _PRACTICE],
    deadline=60.0,
    timer=_NOTICED,
)
def test_notices_a_silent_broker_while_it_consumes(cell: AmqpCell) -> None:
    """A consumer that waits on a connection that has gone dead without a sign is told of it, or connects again.

    It sends nothing that an error could answer: without heartbeats it waits for ever.
    """
    reference = cell.reference()
    name, body = cell.queue(reference), cell.payload()
    client = cell.connected(heartbeat_s=_HEARTBEAT)
    client.consume(name, no_ack=True)
    reference.publish(name, body)
    cell.expect_delivered(client, [Delivered(body)], expected="the consumer works")
    cell.relay().delay(2 * _NOTICED)
    expected = f"the application is told within {_NOTICED:g} s, or the client connects again"
    try:
        told = client.next_event("disconnected", _NOTICED, expected) is not None
    except RefusedByCrate as error:
        cell.remark(f"as expected: {error.observed}")
        return
    cell.expect(told or cell.relay().accepted > 1, expected=expected, observed="neither")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_PRACTICE, _CONSUMERS],
    needs=[Need.RECONNECT],
    deadline=150.0,
    timer=RECOVERY,
)
def test_consumes_again_after_a_cut(cell: AmqpCell) -> None:
    """After its connection was cut, the client, or the application that was told, consumes again within 60 seconds."""
    reference = cell.reference()
    name = cell.queue(reference)
    client = _consuming(cell, reference, name)
    cell.relay().cut()
    client.recover(consuming=name)
    _consumes_on(cell, client, name)


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_PRACTICE, _CONSUMERS],
    needs=[Need.RECONNECT],
    own_broker=True,
    deadline=240.0,
    timer=RECOVERY,
)
@pytest.mark.parametrize("how", ["restart", "kill"])
def test_consumes_again_after_a_broker_failure(cell: AmqpCell, how: str) -> None:
    """After a restart or a crash of the broker, the client, or its application, consumes again within 60 seconds."""
    reference = cell.reference()
    name = cell.queue(reference)
    client = _consuming(cell, reference, name)
    reference.close()
    cell.peer.control.kill() if how == "kill" else cell.peer.control.restart()
    # RabbitMQ may forget a queue that was declared moments before a crash.
    cell.queue(cell.reference())
    client.recover(consuming=name)
    _consumes_on(cell, client, name)


def _consuming(cell: AmqpCell, reference: AmqpReference, name: str) -> AmqpClient:
    """A client whose consumer has delivered a message."""
    body = cell.payload()
    client = cell.connected()
    client.consume(name, no_ack=True)
    reference.publish(name, body)
    cell.expect_delivered(client, [Delivered(body)], expected="the consumer works")
    return client


def _consumes_on(cell: AmqpCell, client: AmqpClient, name: str) -> None:
    """What is published now is delivered, once."""
    bodies = [cell.payload() for _ in range(2)]
    reference = cell.reference()
    for body in bodies:
        reference.publish(name, body)
    cell.expect_delivered(client, list(map(Delivered, bodies)), expected="what is published afterwards is delivered")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=["https://www.rabbitmq.com/docs/reliability", "AMQP 0-9-1, section 1.2.1: persistent"],
    needs=[Need.RECONNECT],
    own_broker=True,
    deadline=240.0,
    timer=RECOVERY,
)
def test_keeps_persistent_messages_over_a_broker_restart(cell: AmqpCell) -> None:
    """A persistent message in a durable queue outlives a broker restart, and is read after the client is back.

    No crash: RabbitMQ may forget a queue that was declared moments before one.
    """
    body = cell.payload()
    client = cell.connected()
    client.declare_queue(cell.name("store"), durable=True)
    client.publish(cell.name("store"), body, properties={"delivery_mode": 2})
    reference = cell.reference()
    cell.await_ready(reference, cell.name("store"), 1, "the message is in the queue")
    reference.close()
    cell.peer.control.restart()
    client.recover()
    cell.expect_message(client.get(cell.name("store")), Delivered(body), expected="the persistent message")
