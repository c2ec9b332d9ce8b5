"""Kafka requests as kafka-python writes them, and wrong in one way."""

from __future__ import annotations

import struct
from typing import Any

from kafka.protocol.metadata import MetadataRequest
from kafka.protocol.producer import ProduceRequest
from kafka.protocol.sasl import SaslHandshakeRequest
from kafka.record.memory_records import MemoryRecordsBuilder

from tests.unit.oracle.mutants import Mutant, edited


def _framed(request: Any, version: int) -> bytes:
    request.with_header(correlation_id=1, client_id="test")
    data: bytes = request.encode(version=version, header=True, framed=True)
    return data


def resized(data: bytes) -> bytes:
    """A request whose size fits again."""
    return struct.pack(">i", len(data) - 4) + data[4:]


def _records(magic: int) -> bytes:
    builder = MemoryRecordsBuilder(magic=magic, compression_type=0, batch_size=4096)
    builder.append(timestamp=1, key=b"k", value=b"value", headers=[])
    builder.close()
    return bytes(builder.buffer())


def produce(version: int, records: bytes) -> bytes:
    """A request that carries these records."""
    partition = ProduceRequest.TopicProduceData.PartitionProduceData(index=0, records=records)
    topic = ProduceRequest.TopicProduceData(name="t", partition_data=[partition])
    return _framed(ProduceRequest(transactional_id=None, acks=1, timeout_ms=1000, topic_data=[topic]), version)


_TOPIC = MetadataRequest.MetadataRequestTopic
METADATA = _framed(MetadataRequest(topics=[_TOPIC(name="t")], allow_auto_topic_creation=False), 4)
FLEXIBLE = _framed(MetadataRequest(topics=[_TOPIC(name="t")], allow_auto_topic_creation=False), 9)
_BATCH, _MESSAGE = _records(2), _records(1)
#: SASL tokens follow this one without a header.
SASL = _framed(SaslHandshakeRequest(mechanism="PLAIN"), 0) + b"\0\0\0\4\0u\0p"

MUTANTS: tuple[Mutant, ...] = (
    Mutant("kafka.size", METADATA, edited(METADATA, 0, b"\xff\xff\xff\xff")),
    Mutant("kafka.size", METADATA, edited(METADATA, 0, b"\0\0\0\7")),
    Mutant("kafka.api-key", METADATA, edited(METADATA, 4, b"\3\xe7")),
    Mutant("kafka.header", METADATA, edited(METADATA, 12, b"\x7f\xff")),
    Mutant("kafka.header", METADATA, edited(METADATA, 12, b"\xff\xfe")),
    # The number of topics is one too many.
    Mutant("kafka.body", METADATA, edited(METADATA, 18, b"\0\0\0\2")),
    Mutant("kafka.body", METADATA, resized(METADATA[:-2])),
    Mutant("kafka.left-over", METADATA, resized(METADATA + b"\0")),
    Mutant("kafka.left-over", FLEXIBLE, resized(FLEXIBLE + b"\0")),
    Mutant("kafka.left-over", SASL, SASL + resized(METADATA + b"\0")),
    Mutant("kafka.records", produce(7, _BATCH), produce(7, _BATCH[:-1])),
    Mutant("kafka.records", produce(7, _BATCH), produce(7, _BATCH + b"\0")),
    Mutant("kafka.magic", produce(7, _BATCH), produce(7, _MESSAGE)),
    Mutant("kafka.magic", produce(2, _MESSAGE), produce(2, _BATCH)),
    Mutant("kafka.crc", produce(7, _BATCH), produce(7, edited(_BATCH, -2, b"X"))),
    Mutant("kafka.crc", produce(2, _MESSAGE), produce(2, edited(_MESSAGE, -2, b"X"))),
)
