"""Connecting, being refused, and leaving."""

from __future__ import annotations

from harness.cells.amqp import PASSWORD, USERNAME, VHOST, AmqpCell
from harness.cells.amqp_client import Delivered
from harness.cells.doors import SCRIPTED
from harness.cells.rounds import CONNECTING, expect_freed
from harness.model import Consequence, Dialect, Level, Requirement
from harness.peers.amqp import Script
from harness.scenario import scenario

_REFERENCE = "https://www.rabbitmq.com/docs/amqp-0-9-1-reference"
#: Seconds in which a refusal ends in an error: RabbitMQ closes the connection 3 s after a wrong password.
_REFUSED = 10.0


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["AMQP 0-9-1, section 2.2.4", f"{_REFERENCE}#connection.open"],
)
def test_connects(cell: AmqpCell) -> None:
    """The client opens a connection and a channel, and the broker answers on it."""
    client = cell.connected()
    name = client.declare_queue(cell.name("hello"), exclusive=True).queue
    cell.expect(name == cell.name("hello"), expected="declare-ok names the queue", observed=f"it names {name!r}")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[f"{_REFERENCE}#connection.open.virtual-host"],
)
def test_opens_a_virtual_host_by_name(cell: AmqpCell) -> None:
    """With user name, password and virtual host the client works there, and not in the default one."""
    reader = cell.reference(vhost=VHOST, queue=cell.name("inbox"))
    client = cell.connected(vhost=VHOST, username=USERNAME, password=PASSWORD)
    body = cell.payload()
    client.publish(cell.name("inbox"), body)
    cell.expect_received(reader, [Delivered(body)], expected="the message arrives in the virtual host")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=["AMQP 0-9-1, section 2.2.4", "https://www.rabbitmq.com/docs/auth-notification"],
)
def test_reports_a_wrong_password(cell: AmqpCell) -> None:
    """A refused login ends in an error within 10 seconds.

    RabbitMQ closes the TCP connection, and sends connection.close before only to clients that announce
    authentication_failure_close.
    """
    client = cell.client()
    cell.expect_refused(
        lambda: client.connect(username=USERNAME, password="guess", vhost=VHOST, within=_REFUSED),  # noqa: S106
        expected="connect ends in an error, because the broker refused the password",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.SECURITY,
    spec=[f"{_REFERENCE}#connection.open.virtual-host"],
)
def test_reports_a_forbidden_virtual_host(cell: AmqpCell) -> None:
    """A virtual host that the account may not use ends in an error within 10 seconds."""
    client = cell.client()
    cell.expect_refused(
        lambda: client.connect(username=USERNAME, password=PASSWORD, vhost="/", within=_REFUSED),
        expected="connect ends in an error, because the account may not use this virtual host",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[f"{_REFERENCE}#connection.open.virtual-host"],
)
def test_reports_an_unknown_virtual_host(cell: AmqpCell) -> None:
    """A virtual host that does not exist ends in an error within 10 seconds."""
    client = cell.client()
    cell.expect_refused(
        lambda: client.connect(vhost=cell.name("nowhere"), within=_REFUSED),
        expected="connect ends in an error, because there is no such virtual host",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.SHOULD,
    consequence=Consequence.INTEROP,
    spec=[f"{_REFERENCE}#connection.close", "AMQP 0-9-1, section 2.2.4"],
    own_broker=True,
)
def test_closes_with_a_handshake(cell: AmqpCell) -> None:
    """Leaving sends connection.close with a code and a text, and awaits close-ok, before the socket is closed.

    RabbitMQ logs connections that just end as a warning. The client's process ends too, before the log is read.
    """
    client = cell.connected()
    position = cell.peer.log.position()
    client.disconnect(code=200, text="done")
    client.close()
    line = cell.await_log("closing AMQP connection", position, "the broker logs the end of the connection")
    cell.expect("[warning]" not in line, expected="an end in good order", observed=line)
    early = [text for text in cell.peer.log.since(position) if "unexpectedly closed" in text]
    cell.expect(not early, expected="an end in good order", observed="; ".join(early))


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["AMQP 0-9-1, section 2.2.5", f"{_REFERENCE}#class.channel"],
)
def test_works_on_several_channels(cell: AmqpCell) -> None:
    """Channels of one connection work side by side, and closing one leaves the others open."""
    reader = cell.reference(queue=cell.name("inbox"))
    bodies = [cell.payload() for _ in range(3)]
    client = cell.connected()
    client.publish(cell.name("inbox"), bodies[0], channel=1)
    cell.expect_received(reader, [Delivered(bodies[0])], expected="the message of channel 1 arrives")
    client.publish(cell.name("inbox"), bodies[1], channel=2)
    cell.expect_received(reader, [Delivered(bodies[1])], expected="the message of channel 2 arrives")
    client.close_channel(1)
    client.publish(cell.name("inbox"), bodies[2], channel=2)
    cell.expect_received(reader, [Delivered(bodies[2])], expected="channel 2 outlives channel 1")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.CONVENIENCE,
    spec=["AMQP 0-9-1, section 2.2.4"],
    own_broker=True,
)
def test_lets_go_of_its_connection(cell: AmqpCell) -> None:
    """After close-ok the client closes the socket, while the application's process goes on."""
    client = cell.connected()
    position = cell.peer.log.position()
    client.disconnect(code=200, text="done")
    cell.await_log("closing AMQP connection", position, "the socket is closed after close-ok")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=["AMQP 0-9-1, section 2.2.4: the close handshake", f"{_REFERENCE}#connection.close"],
)
def test_sends_everything_before_it_disconnects(cell: AmqpCell) -> None:
    """What the crate reported as published arrives, though it closes the connection right after."""
    inbox = cell.name("inbox")
    reader = cell.reference(queue=inbox)
    bodies = [cell.payload() for _ in range(50)]
    client = cell.connected()
    for body in bodies:
        client.publish(inbox, body)
    client.disconnect(code=200, text="done")
    cell.expect_received(reader, list(map(Delivered, bodies)), expected="what was reported as published arrives")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["a long-running device connects many times"],
    deadline=60.0 + CONNECTING,
    timer=CONNECTING,
)
def test_frees_what_a_connection_took(cell: AmqpCell) -> None:
    """After 200 connections the process has hardly more file descriptors, threads and memory than at first.

    One of four connections may leave something behind, because garbage is collected at leisure. A client that takes
    long is judged by the connections that it makes in 30 seconds.
    """
    client, inbox = cell.client(), cell.queue(cell.reference())

    def one_round() -> None:
        client.connect()
        client.publish(inbox, b"x")
        client.disconnect(code=200, text="done")

    expect_freed(cell, client, one_round)


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["a long-running device tries many times while its broker is away"],
    scripted=True,
    deadline=60.0 + CONNECTING,
    timer=CONNECTING,
)
def test_frees_what_a_failed_attempt_took(cell: AmqpCell) -> None:
    """After 200 attempts at which nobody listened the process has hardly more descriptors and memory than at first.

    One of four attempts may leave something behind, because garbage is collected at leisure. A client that takes long
    is judged by the attempts that it makes in 30 seconds.
    """
    client = cell.client(SCRIPTED)
    cell.scripted(Script())  # which is gone before anybody comes
    cell.relay(SCRIPTED).close()

    def one_round() -> None:
        expected = "connecting ends in an error, as nobody listens"
        cell.expect_refused(lambda: client.connect(door=SCRIPTED), expected=expected)

    expect_freed(cell, client, one_round, "attempts")
