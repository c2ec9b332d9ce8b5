"""What a group has read: commit, fetch and resume."""

from __future__ import annotations

import time
from collections.abc import Iterable

from harness.cells.kafka import DELIVERY, KafkaCell
from harness.cells.kafka_client import Delivered, KafkaClient
from harness.model import Consequence, Dialect, Level, Requirement
from harness.references.kafka import Written
from harness.scenario import scenario

_COMMIT = "https://kafka.apache.org/protocol.html#The_Messages_OffsetCommit"
_FETCH = "https://kafka.apache.org/protocol.html#The_Messages_OffsetFetch"
_JOIN = "https://kafka.apache.org/protocol.html#The_Messages_JoinGroup"
_NEXT = "https://kafka.apache.org/documentation/#design_consumerposition"
#: Seconds after which the group goes on without a member of which nothing is heard: session.timeout.ms of Kafka's own
#: client (KIP-735), and 15 for the group to notice it and share the partitions anew.
_TAKEN_OVER = 60.0


def _wanted(topic: str, records: list[Written], first: int) -> list[Delivered]:
    return [Delivered(r.key, r.value, topic=topic, offset=first + number) for number, r in enumerate(records)]


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.DUPLICATE,
    spec=[_COMMIT, _NEXT],
    capability="groups",
    features=["commit"],
    deadline=60.0,
)
def test_commits_the_next_offset(cell: KafkaCell) -> None:
    """What is committed after three records is the offset of the fourth."""
    topic, group = cell.topic(), cell.name("group")
    records = [Written(b"key", cell.payload()) for _ in range(3)]
    cell.reference.produce(topic, records)
    client = cell.connected()
    client.consume(topic, start="earliest", group=group)
    cell.expect_delivered(client, _wanted(topic, records, 0), expected="the crate delivers what is there")
    client.commit()
    found = cell.reference.committed(group, topic)
    cell.expect(found == 3, expected="the group's offset is 3", observed=f"it is {found}")


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.DUPLICATE,
    spec=[_FETCH],
    capability="groups",
    features=["committed"],
    deadline=60.0,
)
def test_tells_a_committed_offset(cell: KafkaCell) -> None:
    """The client tells the offset that somebody else committed, and that a new group has none."""
    topic, group = cell.topic(), cell.name("group")
    cell.reference.produce(topic, [Written(b"key", b"value")] * 5)
    cell.reference.commit(group, topic, 4)
    client = cell.connected()
    seen = (client.committed(group, topic), client.committed(cell.name("group"), topic))
    cell.expect(
        seen == (4, None),
        expected="offset 4 for the group, none for a new one",
        observed=f"{seen[0]} for the group, {seen[1]} for a new one",
    )


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_FETCH, _NEXT],
    capability="groups",
    features=["commit"],
    deadline=60.0,
)
def test_resumes_where_another_client_stopped(cell: KafkaCell) -> None:
    """A client of the group goes on after the offset that somebody else committed, and no record is read twice."""
    topic, group = cell.topic(), cell.name("group")
    records = [Written(b"key", cell.payload()) for _ in range(6)]
    cell.reference.produce(topic, records)
    cell.reference.commit(group, topic, 4)
    client = cell.connected()
    client.consume(topic, start="earliest", group=group)
    cell.expect_delivered(client, _wanted(topic, records[4:], 4), expected="the crate delivers from offset 4 on")


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_COMMIT, _FETCH],
    capability="groups",
    features=["commit"],
    deadline=75.0,
)
def test_resumes_where_it_stopped(cell: KafkaCell) -> None:
    """A second client of the crate goes on where the first one committed and stopped."""
    topic, group = cell.topic(), cell.name("group")
    records = [Written(b"key", cell.payload()) for _ in range(6)]
    cell.reference.produce(topic, records[:3])
    first = cell.connected()
    first.consume(topic, start="earliest", group=group)
    cell.expect_delivered(first, _wanted(topic, records[:3], 0), expected="the first client delivers what is there")
    first.commit()
    first.stop()
    cell.reference.produce(topic, records[3:])
    second = cell.connected()
    second.consume(topic, start="earliest", group=group)
    cell.expect_delivered(second, _wanted(topic, records[3:], 3), expected="the second client delivers the rest")


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["https://kafka.apache.org/documentation/#consumerconfigs_enable.auto.commit"],
    capability="groups",
    features=["commit"],
    deadline=75.0,
)
def test_commits_nothing_that_was_not_asked_for(cell: KafkaCell) -> None:
    """What was read but not committed is read again by the next client of the group."""
    topic, group = cell.topic(), cell.name("group")
    records = [Written(b"key", cell.payload()) for _ in range(3)]
    cell.reference.produce(topic, records)
    first = cell.connected()
    first.consume(topic, start="earliest", group=group)
    cell.expect_delivered(first, _wanted(topic, records, 0), expected="the first client delivers what is there")
    first.stop()
    second = cell.connected()
    second.consume(topic, start="earliest", group=group)
    cell.expect_delivered(second, _wanted(topic, records, 0), expected="the second client delivers it again")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.DUPLICATE,
    spec=[_JOIN],
    capability="groups",
    features=["group-membership"],
    deadline=90.0,
)
def test_members_share_the_partitions(cell: KafkaCell) -> None:
    """Of two members of a group each reads partitions of its own, and together they read every record once."""
    topic, group = cell.topic(partitions=4), cell.name("group")
    members = _two_members(cell, topic, group)
    records = [Written(b"key", cell.payload(), number % 4) for number in range(8)]
    cell.reference.produce(topic, records)
    shares = cell.delivered_to(members, len(records), expected="the members deliver the 8 records")
    places = [{record.partition for record in share} for share in shares]
    cell.expect(
        all(places) and not places[0] & places[1] and sum(map(len, shares)) == len(records),
        expected="each member reads partitions of its own, and no record comes twice",
        observed=f"one reads the partitions {sorted(places[0])}, the other {sorted(places[1])}, "
        f"{len(shares[0])} and {len(shares[1])} of 8 records",
    )


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.LOSS,
    spec=[
        _JOIN,
        "https://kafka.apache.org/protocol.html#The_Messages_LeaveGroup",
        "https://cwiki.apache.org/confluence/display/KAFKA/KIP-429",
    ],
    capability="groups",
    features=["group-membership"],
    deadline=120.0,
)
def test_takes_over_from_a_member_that_left(cell: KafkaCell) -> None:
    """When one of two members leaves the group, the other reads all partitions.

    What it has read and not committed may come again: unless members rebalance cooperatively, each gives all its
    partitions up, and begins at the group's offsets in those that it gets.
    """
    topic, group = cell.topic(partitions=2), cell.name("group")
    stays, leaves = _two_members(cell, topic, group)
    leaves.stop()
    records = [Written(b"key", cell.payload(), number % 2) for number in range(4)]
    cell.reference.produce(topic, records)
    _expect_all_read(cell, stays, records, within=2 * DELIVERY)


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=[_JOIN, "https://cwiki.apache.org/confluence/display/KAFKA/KIP-735"],
    capability="groups",
    features=["group-membership"],
    deadline=150.0,
    timer=_TAKEN_OVER,
)
def test_takes_over_from_a_member_that_was_killed(cell: KafkaCell) -> None:
    """When one of two members is killed, the other reads all partitions within 60 seconds.

    The killed one leaves the group without a word, and it takes the session timeout, 45 seconds for Kafka's own client,
    until the group knows. What nobody committed may come again.
    """
    topic, group = cell.topic(partitions=2), cell.name("group")
    stays, dies = _two_members(cell, topic, group)
    before, after = ([Written(b"key", cell.payload(), number) for number in range(2)] for _ in range(2))
    cell.reference.produce(topic, before)
    shares = cell.delivered_to([stays, dies], len(before), expected="the members deliver a record each")
    cell.expect(
        [len(share) for share in shares] == [1, 1],
        expected="each member reads one partition",
        observed=f"one delivered {len(shares[0])} of 2 records, the other {len(shares[1])}",
    )
    dies.die()
    cell.reference.produce(topic, after)
    _expect_all_read(cell, stays, after, within=_TAKEN_OVER)


def _two_members(cell: KafkaCell, topic: str, group: str) -> list[KafkaClient]:
    """Two clients that join the group and read the topic from its beginning."""
    members = [cell.connected(), cell.connected()]
    for member in members:
        member.consume(topic, start="earliest", group=group, join=True)
    return members


def _expect_all_read(cell: KafkaCell, member: KafkaClient, records: Iterable[Written], within: float) -> None:
    """The member that is left delivers each record at least once, in so many seconds; others may come as well."""
    expected = f"the other member delivers the records of both partitions within {within:g} s"
    unread = {record.value for record in records}
    wanted, end = len(unread), time.monotonic() + within
    while unread and (record := member.next_record(max(0.0, end - time.monotonic()), expected)) is not None:
        unread.discard(record.value)
    cell.expect(not unread, expected=expected, observed=f"{len(unread)} of {wanted} records did not come")
