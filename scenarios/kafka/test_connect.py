"""Finding the cluster: metadata, and an error where there is nobody."""

from __future__ import annotations

from harness.cells.doors import SECOND_ADDRESS
from harness.cells.kafka import KafkaCell
from harness.model import Consequence, Dialect, Level, Requirement
from harness.scenario import scenario

_METADATA = "https://kafka.apache.org/protocol.html#The_Messages_Metadata"


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
