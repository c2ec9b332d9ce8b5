"""When the cluster does not do as the client expects: answers that break off, topics that are not there."""

from __future__ import annotations

import time

import pytest

from harness.cells.kafka import KafkaCell
from harness.cells.kafka_client import Delivered
from harness.cells.peer import DELIVERY, RECOVERY
from harness.errors import RefusedByCrate, ScenarioFault
from harness.model import Consequence, Dialect, Level, Need, Requirement
from harness.references.kafka import Written, values
from harness.scenario import scenario

#: Seconds in which Kafka's own producer tells whether a record was sent (delivery.timeout.ms), and ten more.
_TOLD = 130.0
#: Where a topic begins whose first records were deleted.
_FIRST_LEFT = 3
_ERRORS = "https://kafka.apache.org/protocol.html#protocol_error_codes"


@scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=["https://kafka.apache.org/protocol.html#protocol_common"],
    deadline=75.0,
)
def test_survives_an_answer_that_breaks_off(cell: KafkaCell) -> None:
    """Where the connection ends in the middle of an answer, producing ends in an error, or in success that is true."""
    topic = cell.topic()
    before, record = Written(b"key", cell.payload()), Written(b"key", cell.payload())
    client = cell.connected()
    client.produce(topic, before)
    cell.relay().cut_next_answer(after=5)
    try:
        client.produce(topic, record, within=30.0)
    except RefusedByCrate as error:
        cell.remark(f"an error, as it may be: {error.observed}")
        return
    found = values(cell.reference.read_all(topic))
    cell.expect(
        record.value in found,
        expected="what is reported as stored is stored",
        observed=f"the topic holds {len(found)} records, and not this one",
    )


_intact = scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=[
        "https://kafka.apache.org/documentation/#recordbatch",
        "https://kafka.apache.org/documentation/#consumerconfigs_check.crcs",
    ],
    deadline=45.0,
)


@_intact
def test_delivers_no_corrupt_record(cell: KafkaCell) -> None:
    """Where a record is damaged on its way, the client reports an error or fetches it again, and never delivers it.

    One bit of the value differs from what the checksum of its batch was made of.
    """
    _damages(cell, cell.payload(), "none")


@pytest.mark.parametrize("compression", ["gzip", "snappy"])
@_intact
def test_delivers_no_corrupt_compressed_record(cell: KafkaCell, compression: str) -> None:
    """The same of a compressed batch, of which one bit of the compressed data differs.

    Compression leaves random bytes as they are, which makes the place; what follows them makes it worth while.
    """
    _damages(cell, cell.payload(17_000) + bytes(8_000), compression)


def _damages(cell: KafkaCell, value: bytes, compression: str) -> None:
    """The relay flips one bit at the beginning of a record's value; the record comes whole, or an error does."""
    topic = cell.topic()
    before, record = Written(b"key", cell.payload()), Written(b"key", value)
    client = cell.connected()
    client.consume(topic, start="earliest")
    cell.reference.produce(topic, [before])
    cell.expect_delivered(client, [Delivered(before.key, before.value)], expected="what is whole comes first")
    relay, expected = cell.relay(), "the record as it was sent, or an error"
    relay.alter_next(value[:32], bytes([value[0] ^ 1]) + value[1:32])
    cell.reference.produce(topic, [record], compression=compression)
    found = client.next_record_or_error(DELIVERY, expected)
    if not relay.altered:
        raise ScenarioFault(f"the record never passed the relay in one piece; {found}")
    if isinstance(found, str):
        cell.remark(f"an error, as it may be: {found}")
        return
    cell.expect(
        found is not None and found.value == value,
        expected=expected,
        observed=f"nothing came within {DELIVERY:g} s" if found is None else f"it delivered {found}",
    )


@scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.MUST,
    consequence=Consequence.HANG,
    spec=[f"{_ERRORS}: UNKNOWN_TOPIC_OR_PARTITION"],
    deadline=75.0,
)
def test_reports_an_unknown_topic_to_a_reader(cell: KafkaCell) -> None:
    """Reading a topic that is not there ends in an error within 30 seconds."""
    missing = cell.name("missing")
    client = cell.connected()

    def read() -> None:
        client.consume(missing, start="earliest", within=30.0)
        client.next_record(30.0, "reading a topic that is not there ends in an error")

    cell.expect_refused(read, expected="reading a topic that is not there ends in an error")


@scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[f"{_ERRORS}: UNKNOWN_TOPIC_OR_PARTITION", "https://cwiki.apache.org/confluence/display/KAFKA/KIP-516"],
    deadline=150.0,
    timer=60.0,
)
def test_produces_to_a_topic_that_was_made_again(cell: KafkaCell) -> None:
    """After its topic was deleted and created again, the client produces again within 60 seconds."""
    topic = cell.topic()
    client = cell.connected()
    client.produce(topic, Written(b"key", cell.payload()))
    cell.make_again(topic)
    record = Written(b"key", cell.payload())
    cell.keep_producing(client, topic, record)
    found = values(cell.fresh_reference().read_all(topic))
    cell.expect(record.value in found, expected="the new topic holds the record", observed=f"{len(found)} others")


@scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[
        f"{_ERRORS}: OFFSET_OUT_OF_RANGE",
        "https://cwiki.apache.org/confluence/display/KAFKA/KIP-320",
        "https://cwiki.apache.org/confluence/display/KAFKA/KIP-516",
    ],
    deadline=150.0,
    timer=RECOVERY,
)
def test_notices_that_the_topic_it_reads_was_made_again(cell: KafkaCell) -> None:
    """After the topic that it reads was deleted and created again, the client reads on, or tells of an error.

    Its position is beyond the new topic's end. Whether to read from the beginning then is the application's choice; to
    wait there without a word loses what is produced. Where topics have no ids a client may take this for a log that was
    truncated and go on at its end, so that a second record, still before its old position, is produced after half of
    the time.
    """
    topic = cell.topic()
    before = [Written(b"key", cell.payload()) for _ in range(3)]
    cell.reference.produce(topic, before)
    client = cell.connected()
    client.consume(topic, start="earliest")
    cell.expect_delivered(
        client, [Delivered(r.key, r.value) for r in before], expected="the crate delivers what is there"
    )
    cell.make_again(topic)
    expected = f"a record of the new topic, or an error, within {RECOVERY:g} s"
    after, reference = [Written(b"key", cell.payload()) for _ in range(2)], cell.fresh_reference()
    for record in after:
        reference.produce(topic, [record])
        found = client.next_record_or_error(RECOVERY / len(after), expected)
        if found is not None:
            break
    if isinstance(found, str):
        cell.remark(f"an error, as it may be: {found}")
        return
    cell.expect(
        found is not None and found.value in [record.value for record in after],
        expected=expected,
        observed="nothing" if found is None else f"it delivered {found}",
    )


@scenario(
    Dialect.KAFKA,
    level=Level.ROBUSTNESS,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.LOSS,
    spec=["https://kafka.apache.org/protocol.html#protocol_common"],
    needs=[Need.RECONNECT],
    deadline=150.0,
    timer=RECOVERY,
)
def test_reads_on_after_an_answer_that_breaks_off(cell: KafkaCell) -> None:
    """Where the connection ends in the middle of the answer with a record, the client fetches the record again."""
    topic = cell.topic()
    before, record = Written(b"key", cell.payload()), Written(b"key", cell.payload(2000))
    cell.reference.produce(topic, [before])
    client = cell.connected()
    client.consume(topic, start="earliest")
    cell.expect_delivered(client, [Delivered(before.key, before.value)], expected="the crate delivers what is there")
    relay = cell.relay()
    connections = relay.left
    relay.cut_next_answer(after=60, containing=(record.value or b"")[:32])
    cell.reference.produce(topic, [record])
    cell.keep_consuming(client, record.value)
    cell.remark(f"{relay.left - connections} connections ended on the way")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["https://cwiki.apache.org/confluence/display/KAFKA/KIP-74"],
    deadline=45.0,
)
def test_consumes_a_record_beyond_its_fetch_limit(cell: KafkaCell) -> None:
    """A client that is told to fetch 1000 bytes makes progress, though a record is larger."""
    topic = cell.topic()
    records = [Written(b"key", cell.payload(5000)), Written(b"key", cell.payload())]
    cell.reference.produce(topic, records[:1])
    cell.reference.produce(topic, records[1:])
    client = cell.connected()
    client.consume(topic, start="earliest", fetch_max_bytes=1000)
    wanted = [Delivered(r.key, r.value, offset=number) for number, r in enumerate(records)]
    cell.expect_delivered(client, wanted, expected="the crate delivers the large record and the next one")


@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=["https://kafka.apache.org/documentation/#producerconfigs_delivery.timeout.ms"],
    deadline=_TOLD + 60.0,
    timer=_TOLD,
)
def test_notices_a_silent_broker(cell: KafkaCell) -> None:
    """On a connection that has gone dead without a sign, producing ends in an error within 130 seconds.

    The relay holds everything back in both directions, as a half-open connection does, and new connections too.
    """
    topic = cell.topic()
    client = cell.connected()
    client.produce(topic, Written(b"key", cell.payload()))
    cell.relay().hold("ab")
    cell.expect_refused(
        lambda: client.produce(topic, Written(b"key", cell.payload()), within=_TOLD),
        expected=f"producing ends in an error within {_TOLD:g} s, as nobody answers",
    )


@pytest.mark.parametrize("start", [1, 100], ids=["before-the-first", "beyond-the-last"])
@scenario(
    Dialect.KAFKA,
    level=Level.EXTENDED,
    requirement=Requirement.PRACTICE,
    consequence=Consequence.HANG,
    spec=[
        f"{_ERRORS}: OFFSET_OUT_OF_RANGE",
        "https://kafka.apache.org/documentation/#consumerconfigs_auto.offset.reset",
    ],
    deadline=60.0,
)
def test_goes_on_where_its_offset_is_gone(cell: KafkaCell, start: int) -> None:
    """Who reads from an offset that the broker does not have is told of an error, or reads what the broker has.

    That is who was away for longer than records are kept, or since before the topic lost some. Where a client begins
    instead is its own matter, and may be the next record: one is produced each second.
    """
    topic, expected = cell.topic(), "an error, or a record that the broker has"
    records = [Written(b"key", cell.payload()) for _ in range(5)]
    cell.reference.produce(topic, records)
    cell.reference.delete_before(topic, _FIRST_LEFT)
    client = cell.connected()
    client.consume(topic, start="earliest")
    left = [Delivered(record.key, record.value) for record in records[_FIRST_LEFT:]]
    cell.expect_delivered(client, left, expected="the crate delivers what is left")
    try:
        client.consume(topic, start=start)
    except RefusedByCrate as error:
        cell.remark(f"an error, as it may be: {error.observed}")
        return
    found, end = None, time.monotonic() + DELIVERY
    while found is None and time.monotonic() < end:
        cell.reference.produce(topic, [Written(b"key", cell.payload())])
        found = client.next_record_or_error(1.0, expected)
    cell.expect(found is not None, expected=expected, observed=f"neither came within {DELIVERY:g} s")
    cell.remark(f"it told {found}")
