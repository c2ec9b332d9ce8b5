"""What the broker refuses once the connection is open: a message, and the connection itself."""

from __future__ import annotations

from harness.cells.amqp import AmqpCell
from harness.cells.amqp_client import AmqpClient, Delivered
from harness.cells.peer import DELIVERY
from harness.errors import RefusedByCrate
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario

_REFERENCE = "https://www.rabbitmq.com/docs/amqp-0-9-1-reference"


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_REFERENCE}#basic.publish", "https://www.rabbitmq.com/docs/validated-user-id"],
)
def test_reports_a_refused_message(cell: AmqpCell) -> None:
    """A message with the user id of somebody else is refused by channel.close with 406, and the application is told.

    basic.publish has no answer: the error may come with it, with the next request on the channel, or as an event.
    Another channel works on.
    """
    reader = cell.reference(queue=cell.name("inbox"))
    client = cell.connected()

    def publish() -> None:
        client.publish(cell.name("inbox"), cell.payload(), properties={"user_id": "somebody-else"})
        client.declare_queue(cell.name("inbox"), passive=True)

    try:
        publish()
    except RefusedByCrate as error:
        cell.remark(f"as expected: {error.observed}")
    else:
        client.expect_told("channel_closed", DELIVERY, "the application is told that its message was refused")
    body = cell.payload()
    client.publish(cell.name("inbox"), body, channel=2)
    cell.expect_received(reader, [Delivered(body)], expected="only the message of another channel arrives")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.HANG,
    spec=[f"{_REFERENCE}#connection.close", f"{_REFERENCE}#constants: connection-forced"],
    own_broker=True,
    deadline=60.0,
)
def test_learns_that_the_broker_closed_the_connection(cell: AmqpCell) -> None:
    """After connection.close from the broker the application's next request ends in an error, instead of waiting."""
    client = cell.connected()
    client.declare_queue(cell.name("before"), exclusive=True)
    _close_connections(cell, cell.token)
    cell.expect_refused(
        lambda: client.declare_queue(cell.name("after"), exclusive=True),
        expected="the request ends in an error, as the broker closed the connection",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.CONVENIENCE,
    spec=[f"{_REFERENCE}#connection.close.reply-text", "https://www.rabbitmq.com/docs/man/rabbitmqctl.8"],
    own_broker=True,
    deadline=60.0,
)
def test_learns_why_the_broker_closed_the_connection(cell: AmqpCell) -> None:
    """The text that the broker gives in connection.close reaches the application, as an event or in an error."""
    client = cell.connected()
    client.declare_queue(cell.name("before"), exclusive=True)
    _close_connections(cell, cell.token)
    told = _told_of_the_end(client, cell.name("after"))
    cell.expect(
        cell.token in told,
        expected=f"the application is told why: {cell.token}",
        observed=told or "it is told nothing",
    )


def _close_connections(cell: AmqpCell, reason: str) -> None:
    """Have the broker close every connection with connection.close, 320 and this reason."""
    position = cell.peer.log.position()
    cell.peer.control.run("rabbitmqctl", "close_all_connections", reason)
    cell.await_log(("closing AMQP connection", "Closing connection"), position, "the broker closes the connection")


def _told_of_the_end(client: AmqpClient, queue: str) -> str:
    """What the client says of the end of its connection: by an event, else in the error of a request."""
    try:
        event = client.next_event("disconnected", DELIVERY, "the application is told of the end")
        if event is not None:
            return str(event["reason"])
        client.declare_queue(queue, exclusive=True)
    except RefusedByCrate as error:
        return error.observed
    return ""
