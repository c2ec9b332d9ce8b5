"""What a consumer sees of transactions that came to nothing."""

from __future__ import annotations

from harness.cells.kafka import KafkaCell
from harness.cells.kafka_client import Delivered
from harness.model import Consequence, Dialect, Level, Requirement
from harness.references.kafka import Written
from harness.scenario import scenario

_TRANSACTIONS = "https://cwiki.apache.org/confluence/display/KAFKA/KIP-98"
_LEVEL = "https://kafka.apache.org/documentation/#consumerconfigs_isolation.level"


def _aborted_and_committed(cell: KafkaCell) -> tuple[str, list[Delivered], list[Delivered]]:
    """A topic with three records of an aborted transaction and three of a committed one; a marker ends each."""
    topic = cell.topic()
    aborted, committed = ([Written(str(n).encode(), cell.payload()) for n in range(3)] for _ in range(2))
    cell.reference.produce_in_transaction(topic, aborted, commit=False)
    cell.reference.produce_in_transaction(topic, committed)
    first, second = (
        [Delivered(r.key, r.value, topic=topic, offset=start + number) for number, r in enumerate(records)]
        for start, records in ((0, aborted), (4, committed))
    )
    return topic, first, second


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=[_TRANSACTIONS, _LEVEL],
    capability="transactions",
    features=["read-committed"],
    deadline=45.0,
)
def test_reads_committed_records_alone(cell: KafkaCell) -> None:
    """A client that asks for committed records gets nothing of an aborted transaction."""
    topic, _, committed = _aborted_and_committed(cell)
    client = cell.connected()
    client.consume(topic, start="earliest", isolation="read_committed")
    cell.expect_delivered(client, committed, expected="the crate delivers the committed records alone")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.LOSS,
    spec=[_TRANSACTIONS, _LEVEL],
    capability="transactions",
    features=["read-uncommitted"],
    deadline=45.0,
)
def test_reads_aborted_records_where_it_is_asked_to(cell: KafkaCell) -> None:
    """A client that asks for uncommitted records gets those of an aborted transaction too, and never its marker."""
    topic, aborted, committed = _aborted_and_committed(cell)
    client = cell.connected()
    client.consume(topic, start="earliest", isolation="read_uncommitted")
    cell.expect_delivered(client, aborted + committed, expected="the crate delivers the records of both transactions")
