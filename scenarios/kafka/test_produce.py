"""Records from the crate: what is acknowledged is stored, once, unchanged and where it belongs."""

from __future__ import annotations

from typing import Any

import pytest

from harness.cells.kafka import KafkaCell
from harness.cells.kafka_client import CALL, Delivered
from harness.model import Consequence, Dialect, Level, Requirement
from harness.references.kafka import Written, java_partition, values
from harness.scenario import scenario

_PRODUCE = "https://kafka.apache.org/protocol.html#The_Messages_Produce"
_RECORDS = "https://kafka.apache.org/documentation/#recordbatch"
#: Clients that produce at the same time, and records of each.
_PRODUCERS = 5
_produces = scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_PRODUCE],
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
_placed = scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.INTEROP,
    spec=["https://kafka.apache.org/documentation/#producerconfigs_partitioner.class"],
    features=["partitioner"],
    deadline=45.0,
)


def _stores(cell: KafkaCell, *records: Written, expected: str, **options: Any) -> str:
    """The crate produces `records` and a marker; the topic, which is returned, then holds exactly these."""
    topic = cell.topic()
    marker = Written(b"marker", cell.payload())
    client = cell.connected()
    client.produce(topic, *records, **options)
    client.produce(topic, marker, **options)
    stored = [Delivered(r.key, r.value, offset=number) for number, r in enumerate([*records, marker])]
    cell.expect_stored(topic, stored, expected=expected)
    return topic


@_produces
def test_produces(cell: KafkaCell) -> None:
    """What all in-sync replicas acknowledged is stored, once and unchanged."""
    _stores(cell, Written(b"key", cell.payload()), expected="the topic holds each record once", acks="all")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_PRODUCE],
    deadline=120.0,
)
def test_produces_beside_others(cell: KafkaCell) -> None:
    """Five clients produce five records each to one partition at the same time: all are stored once, in order."""
    topic = cell.topic()
    wanted = [[cell.payload() for _ in range(_PRODUCERS)] for _ in range(_PRODUCERS)]
    clients = [cell.connected() for _ in wanted]
    for row in zip(*wanted, strict=True):
        finishing = [
            client.begin_produce(topic, Written(b"key", value)) for client, value in zip(clients, row, strict=True)
        ]
        for finish in finishing:
            finish(CALL)
    stored = values(cell.reference.read_all(topic))
    got = [[value for value in stored if value in own] for own in wanted]
    counts = ", ".join(f"{len(own)} ({len(set(own))} different)" for own in got)
    expected = f"{_PRODUCERS} records of each of {_PRODUCERS} clients are stored once, in its order"
    cell.expect(got == wanted, expected=expected, observed=counts)


@pytest.mark.parametrize("acks", ["0", "1"], ids=lambda acks: f"acks{acks}")
@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_PRODUCE],
    features=["fewer-acks"],
    deadline=45.0,
)
def test_produces_with_fewer_acks(cell: KafkaCell, acks: str) -> None:
    """Records are stored also where the leader alone, or nobody, acknowledges them.

    A last record with acks from all, through the same client, shows when the broker is done with the others.
    """
    topic = cell.topic()
    record, marker = Written(b"key", cell.payload()), Written(b"marker", cell.payload())
    client = cell.connected()
    client.produce(topic, record, acks=acks)
    cell.await_stored(topic, 1, expected=f"the record that was produced with acks={acks} is stored")
    client.produce(topic, marker, acks="all")
    stored = [Delivered(r.key, r.value) for r in (record, marker)]
    cell.expect_stored(topic, stored, expected="the topic holds each record once")


@_produces
def test_produces_to_the_partition_that_is_asked_for(cell: KafkaCell) -> None:
    """A record that names its partition is stored there."""
    topic = cell.topic(partitions=3)
    records = [Written(b"key", cell.payload(), partition) for partition in (2, 0, 1, 2)]
    client = cell.connected()
    client.produce(topic, *records)
    stored = [Delivered(r.key, r.value, r.partition or 0) for r in records]
    cell.expect_stored(topic, stored, expected="each partition holds its records")


@_produces
def test_produces_to_several_topics(cell: KafkaCell) -> None:
    """One client produces to several topics, and nothing ends up in the wrong one."""
    one, other = cell.topic(), cell.topic()
    first, second = Written(b"key", cell.payload()), Written(b"key", cell.payload())
    client = cell.connected()
    client.produce(one, first)
    client.produce(other, second)
    cell.expect_stored(one, [Delivered(b"key", first.value)], expected="the first topic holds its record")
    cell.expect_stored(other, [Delivered(b"key", second.value)], expected="the second topic holds its record")


@_unchanged
def test_produces_a_null_key(cell: KafkaCell) -> None:
    """A record without key is stored with the key null."""
    _stores(cell, Written(None, cell.payload()), expected="the topic holds the record with a null key")


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["https://kafka.apache.org/documentation/#compaction"],
    deadline=45.0,
)
def test_produces_a_null_value(cell: KafkaCell) -> None:
    """A record without value, which deletes its key from a compacted topic, is stored with the value null."""
    _stores(cell, Written(b"key", None), expected="the topic holds the record with a null value")


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_RECORDS],
    deadline=45.0,
)
def test_produces_an_empty_value(cell: KafkaCell) -> None:
    """An empty value is stored as empty; as null it would delete its key from a compacted topic."""
    _stores(cell, Written(b"key", b""), expected="the topic holds the record with a value of 0 bytes")


@_unchanged
def test_produces_every_byte(cell: KafkaCell) -> None:
    """Keys and values may contain every byte value."""
    every = bytes(range(256))
    _stores(cell, Written(every + cell.payload(), every[::-1]), expected="the topic holds the very bytes")


@pytest.mark.parametrize("count", [100, 10_000])
@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_PRODUCE, _RECORDS],
    deadline=60.0,
)
def test_produces_a_batch(cell: KafkaCell, count: int) -> None:
    """Many records of one call are stored once each, in their order."""
    records = [Written(str(number).encode(), cell.payload(16)) for number in range(count)]
    _stores(cell, *records, expected=f"the topic holds the {count} records in their order")


@pytest.mark.parametrize("compression", ["gzip", "snappy"])
@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=[_RECORDS],
    deadline=45.0,
)
def test_produces_compressed(cell: KafkaCell, compression: str) -> None:
    """A compressed batch is stored so that others can read it."""
    records = [Written(str(number).encode(), cell.payload(16) * 8) for number in range(20)]
    _stores(cell, *records, expected="the topic holds the 20 records in their order", compression=compression)


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=[_RECORDS],
    features=["lz4"],
    deadline=45.0,
)
def test_produces_compressed_with_lz4(cell: KafkaCell) -> None:
    """A batch compressed with lz4 is stored so that others can read it."""
    records = [Written(str(number).encode(), cell.payload(16) * 8) for number in range(20)]
    _stores(cell, *records, expected="the topic holds the 20 records in their order", compression="lz4")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=["https://cwiki.apache.org/confluence/display/KAFKA/KIP-110"],
    features=["zstd"],
    since="2.1",
    deadline=45.0,
)
def test_produces_compressed_with_zstd(cell: KafkaCell) -> None:
    """A batch compressed with zstd is stored so that others can read it."""
    records = [Written(str(number).encode(), cell.payload(16) * 8) for number in range(20)]
    _stores(cell, *records, expected="the topic holds the 20 records in their order", compression="zstd")


@_produces
def test_produces_100_kb(cell: KafkaCell) -> None:
    """A value of 100 KB is stored."""
    _stores(cell, Written(b"key", cell.payload(100_000)), expected="the topic holds all 100000 bytes")


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["https://kafka.apache.org/protocol.html#protocol_error_codes: MESSAGE_TOO_LARGE"],
    deadline=45.0,
)
def test_surfaces_an_oversized_record(cell: KafkaCell) -> None:
    """A record beyond the broker's limit ends in an error, and the client goes on working."""
    topic = cell.topic()
    record = Written(b"key", cell.payload())
    client = cell.connected()
    cell.expect_refused(
        lambda: client.produce(topic, Written(b"key", cell.payload(2_000_000))),
        expected="producing 2 MB, where the broker takes 1 MB, ends in an error",
    )
    client.produce(topic, record)
    cell.expect_stored(topic, [Delivered(b"key", record.value)], expected="the topic holds the next record alone")


@scenario(
    Dialect.KAFKA,
    level=Level.CORE,
    requirement=Requirement.MUST,
    consequence=Consequence.LOSS,
    spec=["https://kafka.apache.org/protocol.html#protocol_error_codes: UNKNOWN_TOPIC_OR_PARTITION"],
    deadline=75.0,
)
def test_surfaces_an_unknown_topic(cell: KafkaCell) -> None:
    """Producing to a topic that is not there ends in an error within 30 seconds, and the client goes on working."""
    topic, missing = cell.topic(), cell.name("missing")
    record = Written(b"key", cell.payload())
    client = cell.connected()
    cell.expect_refused(
        lambda: client.produce(missing, Written(b"key", cell.payload()), within=30.0),
        expected="producing to a topic that is not there ends in an error",
    )
    client.produce(topic, record)
    cell.expect_stored(topic, [Delivered(b"key", record.value)], expected="the topic holds the next record")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MUST,
    consequence=Consequence.INTEROP,
    spec=[_PRODUCE],
    deadline=45.0,
)
def test_tells_where_a_record_went(cell: KafkaCell) -> None:
    """The partition and the offset that the client reports are those at which the record is stored."""
    topic = cell.topic(partitions=2)
    cell.reference.produce(topic, [Written(b"key", b"before", 1)])
    client = cell.connected()
    placement = client.produce(topic, Written(b"key", cell.payload(), 1))[0]
    seen = (placement["partition"], placement["offset"])
    cell.expect(
        seen in ((1, "1"), (1, None)),
        expected="partition 1, offset 1",
        observed=f"partition {seen[0]}, offset {seen[1]}",
    )


@_placed
def test_places_equal_keys_together(cell: KafkaCell) -> None:
    """Records with one key end up in one partition, and keys spread over the partitions."""
    topic = cell.topic(partitions=4)
    client = cell.connected()
    for number in range(32):
        client.produce(topic, Written(f"{cell.token}{number % 16}".encode(), b"value"))
    places: dict[bytes | None, set[int]] = {}
    for record in cell.reference.read_all(topic):
        places.setdefault(record.key, set()).add(record.partition)
    used = set().union(*places.values())
    cell.expect(
        len(places) == 16 and all(len(found) == 1 for found in places.values()) and len(used) > 1,
        expected="16 keys, each in one partition, in more than one partition together",
        observed=f"{len(places)} keys, {sum(len(f) > 1 for f in places.values())} split, {len(used)} partitions used",
    )


@_placed
def test_places_keys_as_java_does(cell: KafkaCell) -> None:
    """A key ends up in the partition that Kafka's own client would choose, so that clients can be mixed."""
    topic = cell.topic(partitions=7)
    client = cell.connected()
    keys = [f"{cell.token}{number}".encode() for number in range(16)]
    for key in keys:
        client.produce(topic, Written(key, b"value"))
    found = {record.key: record.partition for record in cell.reference.read_all(topic)}
    same = sum(found.get(key) == java_partition(key, 7) for key in keys)
    cell.expect(same == len(keys), expected="16 of 16 keys where Java's client puts them", observed=f"{same} of 16")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=["https://cwiki.apache.org/confluence/display/KAFKA/KIP-82"],
    features=["headers"],
    deadline=45.0,
)
def test_produces_headers(cell: KafkaCell) -> None:
    """Headers are stored in their order, with a repeated key twice."""
    topic = cell.topic()
    headers = (("trace", b"\x00\xff"), ("kind", b""), ("trace", cell.payload(8)))
    client = cell.connected()
    client.produce(topic, Written(b"key", b"value", headers=headers))
    found = [record.headers for record in cell.reference.read_all(topic)]
    cell.expect(found == [headers], expected=f"one record with {headers}", observed=str(found))


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.INTEROP,
    spec=["https://cwiki.apache.org/confluence/display/KAFKA/KIP-32"],
    features=["timestamps"],
    deadline=45.0,
)
def test_produces_timestamps(cell: KafkaCell) -> None:
    """A record keeps the time that its producer gives it."""
    topic, moment = cell.topic(), 1_700_000_000_123
    client = cell.connected()
    client.produce(topic, Written(b"key", b"value", timestamp_ms=moment))
    found = [record.timestamp_ms for record in cell.reference.read_all(topic)]
    cell.expect(found == [moment], expected=f"one record with the time {moment}", observed=str(found))


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.DUPLICATE,
    spec=["https://cwiki.apache.org/confluence/display/KAFKA/KIP-98"],
    capability="transactions",
    features=["idempotence"],
    deadline=45.0,
)
def test_produces_idempotently(cell: KafkaCell) -> None:
    """With idempotence switched on, records are stored with a producer id and a sequence number, and once each."""
    records = [Written(str(number).encode(), cell.payload()) for number in range(20)]
    topic = _stores(cell, *records, expected="the topic holds each record once", idempotent=True)
    batches = cell.stored_batches(topic)
    cell.expect(
        bool(batches) and all(batch.producer_id >= 0 and batch.first_sequence >= 0 for batch in batches),
        expected="each stored batch has a producer id and a sequence number",
        observed=", ".join(map(str, batches)) or "no batch",
    )


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.MAY,
    consequence=Consequence.DUPLICATE,
    spec=["https://cwiki.apache.org/confluence/display/KAFKA/KIP-98"],
    capability="transactions",
    features=["transactions"],
    deadline=60.0,
)
def test_produces_in_a_transaction(cell: KafkaCell) -> None:
    """Records of a transaction are stored, and a marker behind them says that it was committed."""
    topic = cell.topic()
    records = [Written(str(number).encode(), cell.payload()) for number in range(3)]
    client = cell.connected()
    client.produce(topic, *records, transactional_id=cell.name("transaction"))
    stored = [Delivered(r.key, r.value, offset=number) for number, r in enumerate(records)]
    cell.expect_stored(topic, stored, expected="the topic holds the 3 records in their order")
    # The coordinator answers before it has written the markers.
    cell.await_stored(topic, 4, expected="a marker at offset 3, so that the next offset is 4")
