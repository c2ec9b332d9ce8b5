"""The record formats before version 2, which topics could ask for until Kafka 3.0."""

from __future__ import annotations

import pytest

from harness.cells.kafka import KafkaCell
from harness.cells.kafka_client import Delivered
from harness.model import Consequence, Dialect, Level, Requirement
from harness.references.kafka import Written
from harness.scenario import scenario

_FORMATS = ["https://kafka.apache.org/documentation/#messageset"]
#: What a topic is told (message.format.version) to store each format.
_VERSIONS = {0: "0.9.0", 1: "0.10.0"}


@pytest.mark.parametrize("version", [0, 1])
@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=_FORMATS,
    until="3.0",
    deadline=45.0,
)
def test_consumes_an_old_format(cell: KafkaCell, version: int) -> None:
    """Records that are stored in format 0 or 1, compressed or not, are delivered."""
    topic = cell.topic(configs={"message.format.version": _VERSIONS[version]})
    records = [Written(str(number).encode(), cell.payload()) for number in range(20)]
    # These formats have no producer ids.
    cell.reference.produce(topic, records[:10], idempotent=False)
    cell.reference.produce(topic, records[10:], idempotent=False, compression="gzip")
    client = cell.connected()
    client.consume(topic, start="earliest")
    wanted = [Delivered(r.key, r.value, offset=number) for number, r in enumerate(records)]
    cell.expect_delivered(client, wanted, expected="the crate delivers the 20 records in their order")


@pytest.mark.parametrize("version", [0, 1])
@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=_FORMATS,
    until="3.0",
    deadline=45.0,
)
def test_produces_to_an_old_format(cell: KafkaCell, version: int) -> None:
    """Records for a topic that stores format 0 or 1 are stored unchanged."""
    topic = cell.topic(configs={"message.format.version": _VERSIONS[version]})
    records = [Written(str(number).encode(), cell.payload()) for number in range(5)]
    client = cell.connected()
    client.produce(topic, *records)
    wanted = [Delivered(r.key, r.value, offset=number) for number, r in enumerate(records)]
    cell.expect_stored(topic, wanted, expected="the topic holds the 5 records in their order")
