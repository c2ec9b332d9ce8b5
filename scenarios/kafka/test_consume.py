"""Records for the crate: each is delivered once, unchanged and in its partition's order."""

from __future__ import annotations

import time

import pytest

from harness.cells.kafka import KafkaCell
from harness.cells.kafka_client import Delivered
from harness.model import Consequence, Dialect, Level, Requirement
from harness.references.kafka import Written
from harness.scenario import scenario

_FETCH = "https://kafka.apache.org/protocol.html#The_Messages_Fetch"
_OFFSETS = "https://kafka.apache.org/protocol.html#The_Messages_ListOffsets"
_RECORDS = "https://kafka.apache.org/documentation/#recordbatch"
_consumes = scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_FETCH],
    deadline=45.0,
)
_unchanged = scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_RECORDS],
    deadline=45.0,
)
_tombstone = scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["https://kafka.apache.org/documentation/#compaction"],
    deadline=45.0,
)


def _delivers(cell: KafkaCell, *records: Written, expected: str, compression: str = "none", **options: int) -> None:
    """The reference produces `records` and a marker; the crate delivers exactly these from the beginning."""
    topic = cell.topic()
    marker = Written(b"marker", cell.payload())
    cell.reference.produce(topic, records, compression=compression)
    cell.reference.produce(topic, [marker], compression=compression)
    client = cell.connected()
    client.consume(topic, start="earliest", **options)
    wanted = [Delivered(r.key, r.value, topic=topic, offset=number) for number, r in enumerate([*records, marker])]
    cell.expect_delivered(client, wanted, expected=expected)


def _numbered(cell: KafkaCell, count: int, size: int = 16) -> list[Written]:
    return [Written(str(number).encode(), cell.payload(size)) for number in range(count)]


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_FETCH, _OFFSETS],
    deadline=45.0,
)
def test_consumes_from_the_earliest(cell: KafkaCell) -> None:
    """Reading from the earliest offset delivers what was there before, then what comes, with the right offsets."""
    topic = cell.topic()
    before, after = _numbered(cell, 3), _numbered(cell, 2)
    cell.reference.produce(topic, before)
    client = cell.connected()
    client.consume(topic, start="earliest")
    wanted = [Delivered(r.key, r.value, topic=topic, offset=number) for number, r in enumerate([*before, *after])]
    cell.expect_delivered(client, wanted[:3], expected="the crate delivers what was there")
    cell.reference.produce(topic, after)
    cell.expect_delivered(client, wanted[3:], expected="the crate delivers what comes")


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_FETCH, _OFFSETS],
    deadline=45.0,
)
def test_consumes_from_the_latest(cell: KafkaCell) -> None:
    """Reading from the latest offset delivers what comes afterwards, and nothing from before."""
    topic = cell.topic()
    cell.reference.produce(topic, _numbered(cell, 3))
    client = cell.connected()
    client.consume(topic, start="latest")
    after = _numbered(cell, 2)
    cell.reference.produce(topic, after)
    wanted = [Delivered(r.key, r.value, topic=topic, offset=3 + number) for number, r in enumerate(after)]
    cell.expect_delivered(client, wanted, expected="the crate delivers what comes afterwards alone")


@pytest.mark.parametrize("compression", ["none", "gzip"])
@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.DUPLICATE,
    spec=[_FETCH],
    deadline=45.0,
)
def test_consumes_from_an_offset(cell: KafkaCell, compression: str) -> None:
    """Reading from an offset in the middle of a batch delivers from there on, though the broker sends whole batches."""
    topic = cell.topic()
    records = _numbered(cell, 10)
    cell.reference.produce(topic, records, compression=compression)
    client = cell.connected()
    client.consume(topic, start=6, partition=0)
    wanted = [Delivered(r.key, r.value, offset=6 + number) for number, r in enumerate(records[6:])]
    cell.expect_delivered(client, wanted, expected="the crate delivers from offset 6 on")


@_consumes
def test_consumes_several_partitions(cell: KafkaCell) -> None:
    """Reading a topic delivers the records of all its partitions, each partition's in order."""
    topic = cell.topic(partitions=3)
    records = [Written(b"key", cell.payload(), number % 3) for number in range(12)]
    cell.reference.produce(topic, records)
    client = cell.connected()
    client.consume(topic, start="earliest")
    wanted = [Delivered(r.key, r.value, r.partition or 0, topic) for r in records]
    cell.expect_delivered(client, wanted, expected="the crate delivers the records of the 3 partitions")


@_consumes
def test_consumes_one_of_several_partitions(cell: KafkaCell) -> None:
    """Reading one partition delivers its records and no others."""
    topic = cell.topic(partitions=3)
    records = [Written(b"key", cell.payload(), number % 3) for number in range(9)]
    cell.reference.produce(topic, records)
    client = cell.connected()
    client.consume(topic, start="earliest", partition=1)
    wanted = [Delivered(r.key, r.value, 1, topic) for r in records if r.partition == 1]
    cell.expect_delivered(client, wanted, expected="the crate delivers the records of partition 1")


@_consumes
def test_consumes_several_topics(cell: KafkaCell) -> None:
    """One client reads several topics, and tells which record is of which."""
    one, other = cell.topic(), cell.topic()
    first, second = _numbered(cell, 3), _numbered(cell, 3)
    cell.reference.produce(one, first)
    cell.reference.produce(other, second)
    client = cell.connected()
    client.consume(one, other, start="earliest")
    wanted = [Delivered(r.key, r.value, topic=one) for r in first]
    wanted += [Delivered(r.key, r.value, topic=other) for r in second]
    cell.expect_delivered(client, wanted, expected="the crate delivers the records of both topics")


@_unchanged
def test_consumes_a_null_key(cell: KafkaCell) -> None:
    """A record without key is delivered with none."""
    _delivers(cell, Written(None, cell.payload()), expected="the crate delivers the record with a null key")


@_tombstone
def test_consumes_a_null_value(cell: KafkaCell) -> None:
    """A record without value, which says that its key was deleted, is delivered with none."""
    _delivers(cell, Written(b"key", None), expected="the crate delivers the record with a null value")


@_tombstone
def test_consumes_an_empty_value(cell: KafkaCell) -> None:
    """An empty value is delivered as empty; who takes it for null believes that its key was deleted."""
    _delivers(cell, Written(b"key", b""), expected="the crate delivers the record with a value of 0 bytes")


@_unchanged
def test_consumes_every_byte(cell: KafkaCell) -> None:
    """Keys and values with every byte value are delivered unchanged."""
    every = bytes(range(256))
    _delivers(cell, Written(every[::-1], every + cell.payload()), expected="the crate delivers the very bytes")


@pytest.mark.parametrize("count", [100, 10_000])
@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_FETCH],
    deadline=60.0,
)
def test_consumes_a_batch(cell: KafkaCell, count: int) -> None:
    """Many records are delivered once each, in their order, to a client that is told to fetch up to 1 MiB."""
    expected = f"the crate delivers the {count} records in their order"
    _delivers(cell, *_numbered(cell, count), expected=expected, fetch_max_bytes=1024 * 1024)


@pytest.mark.parametrize("compression", ["gzip", "snappy"])
@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_RECORDS],
    deadline=45.0,
)
def test_consumes_compressed(cell: KafkaCell, compression: str) -> None:
    """A compressed batch is delivered record by record."""
    expected = "the crate delivers the 20 records in their order"
    _delivers(cell, *_numbered(cell, 20), expected=expected, compression=compression)


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.LOSS,
    spec=[_RECORDS],
    deadline=45.0,
)
def test_consumes_compressed_with_lz4(cell: KafkaCell) -> None:
    """A batch that its producer compressed with lz4 is delivered record by record."""
    expected = "the crate delivers the 20 records in their order"
    _delivers(cell, *_numbered(cell, 20), expected=expected, compression="lz4")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.LOSS,
    spec=["https://cwiki.apache.org/confluence/display/KAFKA/KIP-110"],
    since="2.1",
    deadline=45.0,
)
def test_consumes_compressed_with_zstd(cell: KafkaCell) -> None:
    """A batch that its producer compressed with zstd is delivered record by record."""
    expected = "the crate delivers the 20 records in their order"
    _delivers(cell, *_numbered(cell, 20), expected=expected, compression="zstd")


@_consumes
def test_consumes_100_kb(cell: KafkaCell) -> None:
    """A value of 100 KB is delivered to a client that is told to fetch up to 1 MiB."""
    record = Written(b"key", cell.payload(100_000))
    _delivers(cell, record, expected="the crate delivers all 100000 bytes", fetch_max_bytes=1024 * 1024)


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["https://kafka.apache.org/documentation/#consumerconfigs_max.partition.fetch.bytes"],
    deadline=45.0,
)
def test_consumes_100_kb_by_default(cell: KafkaCell) -> None:
    """A value of 100 KB is delivered without any option; Kafka's own client takes up to 1 MiB."""
    record = Written(b"key", cell.payload(100_000))
    _delivers(cell, record, expected="the crate delivers all 100000 bytes")


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_FETCH],
    deadline=60.0,
)
def test_talks_to_itself(cell: KafkaCell) -> None:
    """Two clients of the crate exchange records: mistakes that cancel out elsewhere show here, and the reverse."""
    topic = cell.topic()
    records = _numbered(cell, 10)
    reader = cell.connected()
    reader.consume(topic, start="earliest")
    cell.connected().produce(topic, *records)
    wanted = [Delivered(r.key, r.value, topic=topic, offset=number) for number, r in enumerate(records)]
    cell.expect_delivered(reader, wanted, expected="the other client delivers each record once")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["https://kafka.apache.org/documentation/#controlbatch"],
    deadline=45.0,
)
def test_passes_over_gaps_in_offsets(cell: KafkaCell) -> None:
    """Offsets that hold no record, such as those of transaction markers, are passed over."""
    topic = cell.topic()
    records = _numbered(cell, 3)
    for record in records:
        cell.reference.produce_in_transaction(topic, [record])
    client = cell.connected()
    client.consume(topic, start="earliest")
    wanted = [Delivered(r.key, r.value, topic=topic, offset=2 * number) for number, r in enumerate(records)]
    cell.expect_delivered(client, wanted, expected="the crate delivers the records at offsets 0, 2 and 4")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["https://kafka.apache.org/documentation/#compaction"],
    deadline=120.0,
    timer=60.0,
)
def test_consumes_a_compacted_topic(cell: KafkaCell) -> None:
    """Of a compacted topic the records that are left are delivered, with the offsets that they always had."""
    topic = cell.topic(configs={"cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0"})
    # An hour lies between the batches and the last record, so that it begins a segment, which is never compacted.
    now = int(time.time() * 1000)
    batches = [["one", "two"], ["one", "two", "three", "one", "three"]]
    for keys in batches:
        old = [Written(key.encode(), cell.payload(), timestamp_ms=now - 3_600_000) for key in keys]
        cell.reference.produce(topic, old)
    last = Written(b"last", cell.payload(), timestamp_ms=now)
    cell.reference.produce(topic, [last])
    cell.await_compacted(topic, [3, 5, 6, 7])
    client = cell.connected()
    client.consume(topic, start="earliest")
    wanted = {3: old[1], 5: old[3], 6: old[4], 7: last}
    left = [Delivered(record.key, record.value, topic=topic, offset=offset) for offset, record in wanted.items()]
    cell.expect_delivered(client, left, expected="the crate delivers the records at offsets 3, 5, 6 and 7")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=["https://cwiki.apache.org/confluence/display/KAFKA/KIP-82"],
    features=["headers"],
    # 0.11 leaves Fetch requests of clients that know no headers unanswered where records have some.
    since="1.0",
    deadline=45.0,
)
def test_consumes_headers(cell: KafkaCell) -> None:
    """Headers are delivered in their order, with a repeated key twice."""
    topic = cell.topic()
    headers = (("trace", b"\x00\xff"), ("kind", b""), ("trace", cell.payload(8)))
    record = Written(b"key", cell.payload(), headers=headers)
    cell.reference.produce(topic, [record])
    client = cell.connected()
    client.consume(topic, start="earliest")
    found = cell.expect_delivered(client, [Delivered(b"key", record.value)], expected="the crate delivers the record")
    told = cell.told(found[0].headers, "headers")
    cell.expect(told == headers, expected=str(headers), observed=str(told))


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=["https://cwiki.apache.org/confluence/display/KAFKA/KIP-32"],
    features=["timestamps"],
    deadline=45.0,
)
def test_consumes_timestamps(cell: KafkaCell) -> None:
    """A record is delivered with the time that its producer gave it."""
    topic, moment = cell.topic(), 1_700_000_000_123
    record = Written(b"key", cell.payload(), timestamp_ms=moment)
    cell.reference.produce(topic, [record])
    client = cell.connected()
    client.consume(topic, start="earliest")
    found = cell.expect_delivered(client, [Delivered(b"key", record.value)], expected="the crate delivers the record")
    told = cell.told(found[0].timestamp_ms, "timestamps")
    cell.expect(told == moment, expected=f"the time {moment}", observed=f"the time {told}")
