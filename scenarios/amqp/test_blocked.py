"""A broker that is low on memory and takes no more messages: connection.blocked, and one that stops reading."""

from __future__ import annotations

from harness.cells.amqp import AmqpCell
from harness.cells.amqp_client import AmqpClient, Delivered
from harness.cells.peer import DELIVERY
from harness.cells.pressure import PATIENCE, expect_held_up
from harness.errors import RefusedByCrate
from harness.model import Consequence, Dialect, Level, Requirement
from harness.references.amqp import AmqpReference
from harness.scenario import scenario

_BLOCKED = "https://www.rabbitmq.com/docs/connection-blocked"
_ALARMS = "https://www.rabbitmq.com/docs/alarms"
#: Seconds in which a client that tells of the broker's notice has done so. Nothing is judged by it.
_NOTICE = 2.0
#: Seconds in which a client has left a broker that reads nothing: a heartbeat's 30, twice.
_LEFT = 60.0
#: Seconds that a publish may take which the alarm holds up until it is over.
_HELD_UP = 30.0


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_BLOCKED],
    own_broker=True,
    deadline=60.0,
)
def test_learns_that_it_is_blocked(cell: AmqpCell) -> None:
    """The application is told that the broker takes no more messages, and when it does again.

    The broker says so to who announces the capability connection.blocked, once it publishes under the alarm.
    """
    name = cell.queue(cell.reference())
    client = cell.connected()
    cell.raise_memory_alarm()
    client.publish(name, cell.payload())
    client.expect_told("blocked", DELIVERY, "the application is told that it is blocked")
    cell.clear_memory_alarm()
    client.expect_told("unblocked", DELIVERY, "the application is told that it is blocked no more")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=[_ALARMS, _BLOCKED],
    own_broker=True,
    deadline=90.0,
)
def test_publishes_on_after_it_was_blocked(cell: AmqpCell) -> None:
    """What is published while the broker takes no messages arrives once it does again, and so does what comes after."""
    reader = cell.reference(queue=cell.name("inbox"))
    _publish_through_an_alarm(cell, cell.connected(), reader)


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_BLOCKED],
    own_broker=True,
    deadline=90.0,
)
def test_leaves_after_it_was_blocked(cell: AmqpCell) -> None:
    """A client that was blocked for a while, and is no more, closes its connection in good order."""
    client = cell.connected()
    _publish_through_an_alarm(cell, client, cell.reference(queue=cell.name("inbox")))
    client.disconnect(code=200, text="done")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[_BLOCKED],
    own_broker=True,
    deadline=_LEFT + 60.0,
    timer=_LEFT,
)
def test_ends_while_it_is_blocked(cell: AmqpCell) -> None:
    """Closing a connection that is blocked ends within a minute, in success or in an error.

    The broker reads nothing from a blocked connection, so that close-ok comes once the alarm is over.
    """
    client = cell.connected()
    client.declare_queue(cell.name("inbox"), exclusive=True)
    cell.raise_memory_alarm()
    client.publish(cell.name("inbox"), cell.payload())
    client.next_event("blocked", _NOTICE, "the broker's notice is read, where the crate reads it")
    try:
        client.disconnect(code=200, text="done", within=_LEFT)
    except RefusedByCrate as error:
        cell.remark(f"an error, as it may be: {error.observed}")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["https://www.rabbitmq.com/docs/flow-control", "a device has little memory"],
    deadline=90.0,
    timer=PATIENCE,
)
def test_keeps_little_for_a_broker_that_stops_reading(cell: AmqpCell) -> None:
    """Who publishes 100 MB to a broker that reads nothing is held up or told, and the process grows by 64 MiB at most.

    A broker that cannot keep pace reads more slowly, so that TCP holds the client up; a client without a limit of its
    own hides that from the application until no memory is left. A limit may be one of messages, so these are small.
    """
    name = cell.queue(cell.reference())
    client = cell.connected()
    expect_held_up(cell, client, cell.relay(), lambda bodies: client.publish_all(name, bodies, within=PATIENCE))


def _publish_through_an_alarm(cell: AmqpCell, client: AmqpClient, reader: AmqpReference) -> None:
    """Publish twice during an alarm and once after it; everything arrives."""
    bodies = [cell.payload() for _ in range(3)]
    cell.raise_memory_alarm()
    # The broker blocks a connection once a message from it begins.
    client.publish(cell.name("inbox"), bodies[0])
    client.next_event("blocked", _NOTICE, "the broker's notice is read, where the crate reads it")
    with cell.meanwhile(cell.clear_memory_alarm):
        client.publish(cell.name("inbox"), bodies[1], within=_HELD_UP)
    client.publish(cell.name("inbox"), bodies[2], within=_HELD_UP)
    cell.expect_received(reader, list(map(Delivered, bodies)), expected="all messages arrive after the alarm")
