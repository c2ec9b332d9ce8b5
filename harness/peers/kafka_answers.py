"""Requests of Kafka clients, and answers to them in the version of each, by kafka-python's protocol classes.

The classes are made of Kafka's own schemas. By hand are alone what no schema has: the first offset of a batch, which
brokers fill in, and an array whose length is a lie.

https://kafka.apache.org/protocol.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from kafka.protocol.consumer import (
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
)
from kafka.protocol.metadata import (
    ApiVersionsRequest,
    ApiVersionsResponse,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    MetadataRequest,
    MetadataResponse,
)
from kafka.protocol.producer import ProduceRequest, ProduceResponse
from kafka.record import MemoryRecords, MemoryRecordsBuilder

_BATCH = 1 << 20
#: More elements than an answer has bytes.
_BEYOND = 0x7FFFFFFF
_EARLIEST = -2


class Api(IntEnum):
    """The requests that are answered, by their keys."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    API_VERSIONS = 18


#: The classes of each request and the last version that is answered: those of Kafka 1.0, the last release before fetch
#: sessions (KIP-227), and of ApiVersions every one.
_REQUESTS: dict[Api, tuple[Any, int]] = {
    Api.PRODUCE: (ProduceRequest, 5),
    Api.FETCH: (FetchRequest, 6),
    Api.LIST_OFFSETS: (ListOffsetsRequest, 2),
    Api.METADATA: (MetadataRequest, 5),
    Api.OFFSET_COMMIT: (OffsetCommitRequest, 3),
    Api.OFFSET_FETCH: (OffsetFetchRequest, 3),
    Api.FIND_COORDINATOR: (FindCoordinatorRequest, 1),
    Api.API_VERSIONS: (ApiVersionsRequest, ApiVersionsRequest.max_version),
}


class ErrorCode(IntEnum):
    """https://kafka.apache.org/protocol.html#protocol_error_codes, as far as scripts have them."""

    NONE = 0
    UNKNOWN_TOPIC_OR_PARTITION = 3
    LEADER_NOT_AVAILABLE = 5
    NOT_LEADER_OR_FOLLOWER = 6
    NOT_COORDINATOR = 16


@dataclass(frozen=True)
class Request:
    """What a client asks, its body as kafka-python's class for it has it."""

    api: Api
    version: int
    correlation_id: int
    body: Any

    @property
    def wants_answer(self) -> bool:
        """False for records that are produced with acks=0."""
        return bool(self.body.expect_response())


@dataclass(frozen=True)
class Entry:
    """A record as the partition has it."""

    key: bytes | None
    value: bytes | None


@dataclass(frozen=True)
class Answered:
    """What an answer says of one partition."""

    topic: str
    partition: int
    error: int = ErrorCode.NONE
    #: The first offset of what was produced, the one that was looked up or committed, or the end of what there is to
    #: fetch.
    offset: int = -1
    records: bytes = b""


class _Boastful(list[Any]):
    """An array that claims to have more elements than it has."""

    def __len__(self) -> int:
        return _BEYOND


def read_request(frame: bytes) -> Request:
    """A request without its size.

    Raises:
        ValueError: it is none, or of a version that is not answered; a broker then closes the connection.
    """
    try:
        key, version, correlation_id = struct.unpack_from(">hhi", frame)
        kind, last = _REQUESTS[Api(key)]
        if not 0 <= version <= last:
            raise ValueError(f"version {version} of {Api(key).name}")
        body = kind.decode(frame, version=version, header=True)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"no request: {error}") from error
    return Request(Api(key), version, correlation_id, body)


def frame(answer: Any, correlation_id: int, size: int | None = None) -> bytes:
    """An answer with its header and its size, or with another `size` instead."""
    answer.with_header(correlation_id=correlation_id)
    whole = bytes(answer.encode(framed=True, header=True))
    return whole if size is None else struct.pack(">i", size) + whole[4:]


# -- records ---------------------------------------------------------------------------------------


def entries(records: bytes) -> list[Entry]:
    """The records that a client produced, in whichever of the three formats."""
    found: list[Entry] = []
    batches: Any = MemoryRecords(records)
    while (batch := batches.next_batch()) is not None:
        found += [Entry(record.key, record.value) for record in batch]
    return found


def batch(entry: Entry, offset: int, fetch_version: int) -> bytes:
    """One record as a batch of the format that this version of Fetch has (KIP-32, KIP-98)."""
    magic = 2 if fetch_version >= 4 else 1 if fetch_version >= 2 else 0
    builder: Any = MemoryRecordsBuilder(magic, 0, _BATCH, offset=0)
    builder.append(1_700_000_000_000, entry.key, entry.value)
    builder.close()
    # The offset comes first in every format, and no checksum covers it.
    return struct.pack(">q", offset) + bytes(builder.buffer())[8:]


# -- answers ---------------------------------------------------------------------------------------


def versions() -> Any:
    """ApiVersions: which requests are answered."""
    keys = [
        ApiVersionsResponse.ApiVersion(api_key=int(api), min_version=0, max_version=last)
        for api, (_, last) in _REQUESTS.items()
    ]
    return ApiVersionsResponse(api_keys=keys)


def metadata(nodes: Sequence[tuple[str, int]], topic: str, leader: int, error: int, *, boasts: bool = False) -> Any:
    """Metadata: the nodes, counted from 1, and a topic with one partition; -1 is no leader."""
    everyone = list(range(1, len(nodes) + 1))
    kind = MetadataResponse.MetadataResponseTopic
    partition = kind.MetadataResponsePartition(
        error_code=error, partition_index=0, leader_id=leader, replica_nodes=everyone, isr_nodes=everyone
    )
    brokers = [
        MetadataResponse.MetadataResponseBroker(node_id=number, host=host, port=port)
        for number, (host, port) in enumerate(nodes, start=1)
    ]
    topics = [kind(name=topic, partitions=[partition])]
    # A cluster has had an id since Kafka 0.10.1 (KIP-78), and clients may wait for it.
    return MetadataResponse(brokers=brokers, cluster_id="scripted", controller_id=1, topics=_array(topics, boasts))


def produced(answered: Iterable[Answered], *, throttle_ms: int = 0, boasts: bool = False) -> Any:
    """Produce: where records went."""
    kind = ProduceResponse.TopicProduceResponse
    topics = [
        kind(
            name=one.topic,
            partition_responses=[
                kind.PartitionProduceResponse(index=one.partition, error_code=one.error, base_offset=one.offset)
            ],
        )
        for one in answered
    ]
    return ProduceResponse(responses=_array(topics, boasts), throttle_time_ms=throttle_ms)


def fetched(answered: Iterable[Answered], *, boasts: bool = False) -> Any:
    """Fetch: records."""
    kind = FetchResponse.FetchableTopicResponse
    topics = [
        kind(
            topic=one.topic,
            partitions=[
                kind.PartitionData(
                    partition_index=one.partition,
                    error_code=one.error,
                    high_watermark=one.offset,
                    last_stable_offset=one.offset,
                    records=one.records,
                )
            ],
        )
        for one in answered
    ]
    return FetchResponse(responses=_array(topics, boasts))


def looked_up(answered: Iterable[Answered]) -> Any:
    """ListOffsets: an offset, which version 0 has in an array."""
    kind = ListOffsetsResponse.ListOffsetsTopicResponse
    topics = [
        kind(
            name=one.topic,
            partitions=[
                kind.ListOffsetsPartitionResponse(
                    partition_index=one.partition,
                    error_code=one.error,
                    offset=one.offset,
                    old_style_offsets=[one.offset],
                )
            ],
        )
        for one in answered
    ]
    return ListOffsetsResponse(topics=topics)


def coordinator(node: int, address: tuple[str, int]) -> Any:
    """FindCoordinator: the node, and where it is."""
    host, port = address
    return FindCoordinatorResponse(error_code=ErrorCode.NONE, node_id=node, host=host, port=port)


def committed(answered: Iterable[Answered]) -> Any:
    """OffsetCommit: no more than errors."""
    kind = OffsetCommitResponse.OffsetCommitResponseTopic
    topics = [
        kind(
            name=one.topic,
            partitions=[kind.OffsetCommitResponsePartition(partition_index=one.partition, error_code=one.error)],
        )
        for one in answered
    ]
    return OffsetCommitResponse(topics=topics)


def of_group(answered: Iterable[Answered], error: int) -> Any:
    """OffsetFetch: the offsets of a group, and from version 2 on an error for all of them."""
    kind = OffsetFetchResponse.OffsetFetchResponseTopic
    topics = [
        kind(
            name=one.topic,
            partitions=[
                kind.OffsetFetchResponsePartition(
                    partition_index=one.partition, committed_offset=one.offset, metadata="", error_code=one.error
                )
            ],
        )
        for one in answered
    ]
    return OffsetFetchResponse(topics=topics, error_code=error)


def is_earliest(timestamp: int) -> bool:
    """Whether ListOffsets asks for the beginning; else the scripts give the end."""
    return timestamp == _EARLIEST


def _array(elements: list[Any], boasts: bool) -> list[Any]:
    return _Boastful(elements) if boasts else elements
