"""Publishing: the crate publishes, pika's consumer reads."""

from __future__ import annotations

import pytest

from harness.cells.amqp import PASSWORD, USERNAME, VHOST, AmqpCell
from harness.cells.amqp_client import Delivered, from_event
from harness.cells.doors import SCRIPTED
from harness.cells.peer import DELIVERY
from harness.model import Consequence, Dialect, Level, Requirement
from harness.peers.amqp import Confirm, Script
from harness.references.amqp_tables import properties_to_pika
from harness.scenario import scenario
from harness.wire import amqp

_REFERENCE = "https://www.rabbitmq.com/docs/amqp-0-9-1-reference"
_CONFIRMS = "https://www.rabbitmq.com/docs/confirms#publisher-confirms"
MEGABYTE = 1_000_000
#: Connections at work at the same time, and messages of each.
_PUBLISHERS, _EACH = 5, 10
#: Requests that wait for who answers them: more than clients keep frames of.
_REQUESTS = 300
#: Seconds that the broker may take to confirm a thousand messages.
_ALL = 20.0

#: Every basic property; delivery mode 2 is persistent.
PROPERTIES = {
    "content_type": "application/json",
    "content_encoding": "identity",
    "delivery_mode": 2,
    "priority": 7,
    "correlation_id": "c-1",
    "reply_to": "answers",
    "expiration": "600000",
    "message_id": "m-1",
    "timestamp": "1700000000",
    "type": "reading",
    "app_id": "iotyet",
}


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_REFERENCE}#basic.publish", "AMQP 0-9-1, section 4.2.6"],
)
@pytest.mark.parametrize(
    "body",
    [b"", bytes(range(256)), None],
    ids=["empty", "every-byte", "1-MB"],
)
def test_publishes_a_body(cell: AmqpCell, body: bytes | None) -> None:
    """What is published arrives byte for byte: an empty body, every byte value, and a megabyte in many frames."""
    reader = cell.reference(queue=cell.name("inbox"))
    data, last = cell.payload(MEGABYTE) if body is None else body, cell.payload()
    client = cell.connected()
    client.publish(cell.name("inbox"), data)
    client.publish(cell.name("inbox"), last)
    wanted = [Delivered(item, cell.name("inbox"), "") for item in (data, last)]
    cell.expect_received(reader, wanted, expected="the message and the one after it arrive")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=["AMQP 0-9-1, section 4.2.6.1", f"{_REFERENCE}#class.basic"],
)
def test_publishes_all_properties(cell: AmqpCell) -> None:
    """All basic properties arrive with the message."""
    reader, body = cell.reference(queue=cell.name("inbox")), cell.payload()
    cell.connected().publish(cell.name("inbox"), body, properties=PROPERTIES)
    cell.expect_received(reader, [Delivered(body, properties=PROPERTIES)], expected="the message with its properties")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.SECURITY,
    spec=["https://www.rabbitmq.com/docs/validated-user-id"],
)
def test_publishes_its_user_id(cell: AmqpCell) -> None:
    """The property user-id, which RabbitMQ checks against the login, arrives."""
    reader, body = cell.reference(vhost=VHOST, queue=cell.name("inbox")), cell.payload()
    client = cell.connected(vhost=VHOST, username=USERNAME, password=PASSWORD)
    client.publish(cell.name("inbox"), body, properties={"user_id": USERNAME})
    cell.expect_received(
        reader, [Delivered(body, properties={"user_id": USERNAME})], expected="the message with its user-id"
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["AMQP 0-9-1, section 4.2.6.2", f"{_REFERENCE}#connection.tune-ok.frame-max"],
)
@pytest.mark.parametrize("difference", [-9, -8, -7, -1, 0, 1], ids=lambda difference: f"frame-max{difference:+d}")
def test_publishes_bodies_around_the_frame_size(cell: AmqpCell, difference: int) -> None:
    """Bodies whose size is about that of the largest frame arrive whole, and so does what follows."""
    reader = cell.reference(queue=cell.name("inbox"))
    data, last = cell.payload(131072 + difference), cell.payload()
    client = cell.connected()
    client.publish(cell.name("inbox"), data)
    client.publish(cell.name("inbox"), last)
    cell.expect_received(reader, [Delivered(data), Delivered(last)], expected="both messages arrive")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["AMQP 0-9-1, section 4.7"],
    deadline=60.0,
)
def test_publishes_a_thousand_messages_in_order(cell: AmqpCell) -> None:
    """A thousand messages of one channel arrive once each, in order."""
    reader = cell.reference(queue=cell.name("inbox"))
    bodies = [cell.payload(64) for _ in range(1000)]
    client = cell.connected()
    for body in bodies:
        client.publish(cell.name("inbox"), body)
    cell.expect_received(reader, [Delivered(body) for body in bodies], expected="all messages in order")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=[_CONFIRMS],
    features=["confirms"],
)
def test_waits_for_the_confirm(cell: AmqpCell) -> None:
    """On a channel in confirm mode a publish completes when the broker has the message, and not before."""
    reference = cell.reference()
    name, body = cell.queue(reference), cell.payload()
    client = cell.connected()
    client.confirm()
    confirmed = client.publish(name, body)
    cell.expect(confirmed, expected="the crate reports the broker's confirm", observed="it reports only the hand-over")
    ready = reference.ready(name)
    cell.expect(ready == 1, expected="the message is in the queue by then", observed=f"{ready} messages")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=[_CONFIRMS],
    features=["confirms"],
)
def test_reports_no_confirm_for_a_full_queue(cell: AmqpCell) -> None:
    """A publish that the broker refuses (basic.nack: the queue is full) does not end as if it were confirmed."""
    reference = cell.reference()
    name = cell.queue(reference, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    client = cell.connected()
    client.confirm()
    client.publish(name, cell.payload())
    cell.expect_refused(
        lambda: client.publish(name, cell.payload()),
        expected="the publish ends in an error, because the broker answered basic.nack",
    )


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_REFERENCE}#basic.publish.mandatory", f"{_REFERENCE}#basic.return"],
    features=["confirms", "returned-messages"],
)
@pytest.mark.parametrize("confirming", [False, True], ids=["plain", "confirm-mode"])
def test_hands_an_unroutable_message_back(cell: AmqpCell, confirming: bool) -> None:
    """A mandatory message that no queue gets comes back to the application, in confirm mode and without."""
    body = cell.payload()
    client = cell.connected()
    if confirming:
        client.confirm()
    client.publish(cell.name("nowhere"), body, mandatory=True)
    event = client.next_event("returned", DELIVERY, "the message comes back")
    observed = "nothing" if event is None else str(from_event(event))
    right = event is not None and from_event(event).body == body
    cell.expect(right, expected="the message comes back", observed=f"{observed} within {DELIVERY:g} s")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_REFERENCE}#class.tx"],
    features=["transactions"],
)
def test_publishes_in_a_transaction(cell: AmqpCell) -> None:
    """What is published in a transaction arrives after commit, and never after rollback."""
    reader = cell.reference(queue=cell.name("inbox"))
    dropped, kept = cell.payload(), cell.payload()
    client = cell.connected()
    client.transaction("select")
    client.publish(cell.name("inbox"), dropped)
    client.transaction("rollback")
    client.publish(cell.name("inbox"), kept)
    client.transaction("commit")
    cell.expect_received(reader, [Delivered(kept)], expected="the committed message alone arrives")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[f"{_REFERENCE}#basic.publish", "AMQP 0-9-1, section 4.7"],
    deadline=90.0,
)
def test_publishes_beside_others(cell: AmqpCell) -> None:
    """Five connections publish ten messages each at the same time: all arrive once, those of each in its order."""
    inbox = cell.name("inbox")
    reader = cell.reference(queue=inbox)
    wanted = [[cell.payload() for _ in range(_EACH)] for _ in range(_PUBLISHERS)]
    clients = [cell.connected() for _ in wanted]
    for bodies in zip(*wanted, strict=True):
        finishing = [client.begin_publish(inbox, body) for client, body in zip(clients, bodies, strict=True)]
        for finish in finishing:
            finish(DELIVERY)
    expected = f"all {_EACH} messages of each of {_PUBLISHERS} connections arrive once, in its order"
    came: list[bytes] = []
    while not all(bodies[-1] in came for bodies in wanted):
        message = reader.take(cell.remaining(DELIVERY, expected))
        if message is None:
            break
        came.append(message.body)
    got = [[body for body in came if body in bodies] for bodies in wanted]
    counts = ", ".join(f"{len(bodies)} ({len(set(bodies))} different)" for bodies in got)
    cell.expect(got == wanted, expected=expected, observed=counts)


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=[_CONFIRMS],
    features=["confirms", "unconfirmed-publishes"],
    deadline=60.0,
)
def test_publishes_on_before_the_confirms(cell: AmqpCell) -> None:
    """A thousand messages, none of which awaits another's confirm, are all confirmed, and in the queue by then."""
    reference = cell.reference()
    name, bodies = cell.queue(reference), [cell.payload(64) for _ in range(1000)]
    client = cell.connected()
    client.confirm()
    outcomes = client.publish_all(name, bodies, within=_ALL)
    confirmed = outcomes.count("confirmed")
    cell.expect(confirmed == len(bodies), expected="each message is confirmed", observed=f"{confirmed} of 1000 are")
    ready = reference.ready(name)
    cell.expect(ready == len(bodies), expected="all messages are in the queue by then", observed=f"{ready} messages")


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=[_CONFIRMS, f"{_REFERENCE}#basic.ack.multiple", "https://www.rabbitmq.com/docs/nack"],
    features=["confirms", "unconfirmed-publishes"],
    scripted=True,
)
@pytest.mark.parametrize(
    ("confirms", "outcomes"),
    [
        ([Confirm(5, multiple=True)], "yyyyy"),
        ([Confirm(5, multiple=True, accepted=False)], "nnnnn"),
        ([Confirm(2, multiple=True), Confirm(4, multiple=True, accepted=False), Confirm(5)], "yynny"),
        ([Confirm(4), Confirm(2, accepted=False), Confirm(5), Confirm(1), Confirm(3)], "ynyyy"),
        ([Confirm(3), Confirm(4, multiple=True, accepted=False), Confirm(5)], "nnyny"),
    ],
    ids=["one-ack", "one-nack", "ack-and-nack", "out-of-order", "one-before-several"],
)
def test_tells_which_messages_a_confirm_is_about(cell: AmqpCell, confirms: list[Confirm], outcomes: str) -> None:
    """Of five messages each has the outcome that its confirm says, whatever the order, and however many one is about.

    A confirm with the flag `multiple` is about all messages up to its tag of which nothing was said yet.
    """
    cell.scripted(Script(confirms=tuple(confirms)))
    client = cell.connected(door=SCRIPTED)
    client.confirm()
    wanted = [{"y": "confirmed", "n": "refused"}[outcome] for outcome in outcomes]
    got = client.publish_all(cell.name("queue"), [cell.payload() for _ in wanted])
    cell.expect(list(got) == wanted, expected=", ".join(wanted), observed=", ".join(got))
    # None of the confirms was taken for an error that ends the channel.
    client.declare_queue(cell.name("queue"))


@scenario(
    Dialect.AMQP_0_9_1,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[f"{_REFERENCE}#basic.consume", f"{_REFERENCE}#basic.publish", "AMQP 0-9-1, section 4.7"],
    deadline=60.0,
)
def test_answers_where_it_consumes(cell: AmqpCell) -> None:
    """300 waiting requests are answered and acknowledged where the crate hands them over, on the consumer's channel.

    More are on their way meanwhile. Each answer arrives once, in order, with the correlation-id of its request.
    """
    reference, reader = cell.reference(), cell.reference(queue=cell.name("answers"))
    name = cell.queue(reference)
    requests = {f"c-{number}": cell.payload() for number in range(_REQUESTS)}
    for correlation, body in requests.items():
        properties = amqp.Properties(reply_to=cell.name("answers"), correlation_id=correlation)
        reference.publish(name, body, properties=properties_to_pika(properties))
    client = cell.connected()
    client.consume(name, answer=True)
    cell.expect_delivered(client, list(map(Delivered, requests.values())), expected="all requests, in order")
    wanted = [Delivered(body, properties={"correlation_id": of}) for of, body in requests.items()]
    cell.expect_received(reader, wanted, expected="all answers, in order")
    client.disconnect()
    cell.await_ready(reference, name, 0, "no request comes back when the client leaves")
