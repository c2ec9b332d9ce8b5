"""Where a partition begins and ends, and what happened when."""

from __future__ import annotations

from harness.cells.kafka import KafkaCell
from harness.model import Consequence, Dialect, Level, Requirement
from harness.references.kafka import Written
from harness.scenario import scenario

_OFFSETS = "https://kafka.apache.org/protocol.html#The_Messages_ListOffsets"


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_OFFSETS],
    deadline=45.0,
)
def test_tells_the_earliest_and_the_latest_offset(cell: KafkaCell) -> None:
    """The client tells where a partition begins and where it ends."""
    topic = cell.topic()
    cell.reference.produce(topic, [Written(b"key", b"value")] * 5)
    client = cell.connected()
    seen = (client.offset(topic, "earliest"), client.offset(topic, "latest"))
    cell.expect(seen == (0, 5), expected="earliest 0, latest 5", observed=f"earliest {seen[0]}, latest {seen[1]}")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=["https://cwiki.apache.org/confluence/display/KAFKA/KIP-79"],
    deadline=45.0,
)
def test_looks_an_offset_up_by_time(cell: KafkaCell) -> None:
    """The client finds the first record from a given time on."""
    topic, moment = cell.topic(), 1_700_000_000_000
    records = [Written(b"key", b"value", timestamp_ms=moment + 1000 * number) for number in range(5)]
    cell.reference.produce(topic, records)
    found = cell.connected().offset(topic, moment + 2500)
    cell.expect(found == 3, expected="offset 3, the first record after that time", observed=f"offset {found}")
