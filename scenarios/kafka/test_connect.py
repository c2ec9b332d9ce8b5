"""Finding the cluster: metadata, and an error where there is nobody."""

from __future__ import annotations

import time

from harness.cells.doors import IPV6, SECOND_ADDRESS
from harness.cells.kafka import KafkaCell
from harness.cells.kafka_client import Delivered
from harness.cells.rounds import CONNECTING, expect_freed
from harness.model import Consequence, Dialect, Level, Requirement
from harness.references.kafka import Written
from harness.scenario import scenario

_METADATA = "https://kafka.apache.org/protocol.html#The_Messages_Metadata"
#: Seconds in which Kafka's own clients tell that nobody answers (default.api.timeout.ms), twice, and ten more.
_ANSWERED = 130.0
#: Seconds between two bytes.
_DRIP = 0.0002
#: Seconds in which the broker has answered every request to fetch that a client may have under way, twice what it
#: waits for records at most (fetch.max.wait.ms): of more requests nobody could tell.
_FETCHED = 1.0
#: Records that a client sends before it leaves.
_PARTING = 20


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_METADATA],
    deadline=45.0,
)
def test_loads_metadata(cell: KafkaCell) -> None:
    """The client knows the topics of the cluster and how many partitions each has."""
    one, three = cell.topic(), cell.topic(partitions=3)
    topics = cell.connected().metadata()
    seen = {topic: topics.get(topic) for topic in (one, three)}
    cell.expect(
        seen == {one: 1, three: 3},
        expected="a topic with 1 partition and one with 3",
        observed=f"{seen[one]} and {seen[three]} partitions",
    )


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["https://kafka.apache.org/documentation/#producerconfigs_bootstrap.servers"],
    deadline=120.0,
)
def test_reports_an_unreachable_cluster(cell: KafkaCell) -> None:
    """Where every connection is refused, connecting ends in an error within a minute."""
    client = cell.client()
    cell.relay().refuse(True)
    cell.expect_refused(lambda: client.connect(within=60.0), expected="connecting ends in an error within 60 s")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["https://kafka.apache.org/documentation/#adminclientconfigs_default.api.timeout.ms"],
    deadline=_ANSWERED + 50.0,
    timer=_ANSWERED,
)
def test_gives_up_on_a_peer_that_never_answers(cell: KafkaCell) -> None:
    """Where connections are accepted and nothing is ever said, connecting ends in an error within 130 seconds.

    Kafka's own clients give a call 60 seconds, and producing 120.
    """
    client = cell.client()
    cell.relay().hold("ab")
    cell.expect_refused(
        lambda: client.connect(within=_ANSWERED),
        expected=f"connecting ends in an error within {_ANSWERED:g} s, as nobody answers",
    )


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["https://kafka.apache.org/protocol.html#protocol_common"],
    deadline=120.0,
)
def test_reads_answers_byte_by_byte(cell: KafkaCell) -> None:
    """Answers that come one byte at a time are put together: those of produce and of fetch.

    Not those of metadata: a busy broker's have thousands of bytes.
    """
    topic, records = cell.topic(), [Written(b"key", cell.payload()) for _ in range(3)]
    stored = [Delivered(r.key, r.value) for r in records]
    client = cell.connected()
    client.produce(topic, records[0])
    client.consume(topic, start="earliest")
    cell.expect_delivered(client, stored[:1], expected="the crate delivers what is there")
    cell.relay().drip(_DRIP)
    for record in records[1:]:
        client.produce(topic, record, within=30.0)
    cell.expect_stored(topic, stored, expected="the topic holds each record once")
    cell.expect_delivered(client, stored[1:], expected="the crate delivers each record once")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[
        "https://kafka.apache.org/protocol.html#protocol_network",
        "https://kafka.apache.org/protocol.html#protocol_common",
    ],
    deadline=60.0,
)
def test_reads_answers_that_come_together(cell: KafkaCell) -> None:
    """Answers that come in one piece, as many as the client waits for, are told apart.

    A client that reads three partitions may wait for up to three answers on one connection.
    """
    topic = cell.topic(partitions=3)
    first, *together = [Written(b"key", cell.payload(), number) for number in (0, 0, 1, 2)]
    cell.reference.produce(topic, [first])
    client = cell.connected()
    client.consume(topic, start="earliest")
    cell.expect_delivered(client, [Delivered(b"key", first.value)], expected="the crate delivers what is there")
    relay = cell.relay()
    relay.hold("b")
    cell.reference.produce(topic, together)
    end = time.monotonic() + _FETCHED
    while not all(relay.holds(record.value or b"") for record in together) and time.monotonic() < end:
        time.sleep(0.05)
    cell.remark(f"held back {sum(relay.holds(record.value or b'') for record in together)} of 3 records")
    relay.release()
    wanted = [Delivered(b"key", record.value, record.partition or 0) for record in together]
    cell.expect_delivered(client, wanted, expected="the crate delivers each record once")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=["https://kafka.apache.org/documentation/#producerconfigs_acks"],
    features=["fewer-acks"],
    deadline=60.0,
)
def test_sends_everything_before_it_disconnects(cell: KafkaCell) -> None:
    """What the crate reported as produced with acks=0 is stored, though it disconnects right after."""
    topic = cell.topic()
    client = cell.connected()
    for _ in range(_PARTING):
        client.produce(topic, Written(b"key", cell.payload()), acks="0")
    client.disconnect()
    cell.await_stored(topic, _PARTING, expected=f"the {_PARTING} records that were reported as produced are stored")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["a long-running device connects many times"],
    deadline=60.0 + CONNECTING,
    timer=CONNECTING,
)
def test_frees_what_a_connection_took(cell: KafkaCell) -> None:
    """After 200 connections the process has hardly more file descriptors, threads and memory than at first.

    One of four connections may leave something behind, because garbage is collected at leisure. A client that takes
    long is judged by the connections that it makes in 30 seconds.
    """
    topic, client = cell.topic(), cell.client()

    def one_round() -> None:
        client.connect()
        client.produce(topic, Written(b"key", b"x"))
        client.disconnect()

    expect_freed(cell, client, one_round)


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.INTEROP,
    spec=["RFC 6540: IPv6 support required"],
    deadline=45.0,
)
def test_works_over_ipv6(cell: KafkaCell) -> None:
    """The client is given an IPv6 address, follows the one that the broker advertises, produces and consumes."""
    topic, record = cell.topic(), Written(b"key", cell.payload())
    stored = [Delivered(b"key", record.value)]
    client = cell.connected(door=IPV6)
    client.produce(topic, record)
    cell.expect_stored(topic, stored, expected="the topic holds the record")
    client.consume(topic, start="earliest")
    cell.expect_delivered(client, stored, expected="the crate delivers the record")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.SHOULD,
    consequence=Consequence.INTEROP,
    spec=[
        "RFC 1123, section 2.3: try the addresses until one succeeds",
        "https://kafka.apache.org/documentation/#producerconfigs_client.dns.lookup",
    ],
    deadline=45.0,
)
def test_tries_every_address(cell: KafkaCell) -> None:
    """A bootstrap address whose name's first address refuses connections is reached by its second one."""
    topic = cell.topic()
    topics = cell.connected(door=SECOND_ADDRESS).metadata()
    cell.expect(topic in topics, expected="the metadata is loaded", observed="it lacks the topic")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.CONVENIENCE,
    spec=["https://kafka.apache.org/protocol.html#The_Messages_CreateTopics"],
    capability="topics",
    features=["create-topic"],
    deadline=45.0,
)
def test_creates_a_topic(cell: KafkaCell) -> None:
    """The client creates a topic with three partitions."""
    topic = cell.name("made")
    client = cell.connected()
    client.create_topic(topic, 3)
    found = cell.fresh_reference().partitions(topic)
    cell.expect(found == 3, expected="a topic with 3 partitions", observed=f"{found} partitions")
