"""Operations and events of Kafka clients."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.model import Dialect
from harness.wire.messages import Base64, Empty, Strict
from harness.wire.mqtt import Disconnected, Tls
from harness.wire.operations import Event, Operation, Vocabulary

Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]


class Sasl(Strict):
    """Authenticate after the connection is made."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    username: str
    password: str


class ConnectRequest(Strict):
    """Make a client and load the cluster's metadata."""

    bootstrap: list[str] = Field(min_length=1, description="host:port")
    client_id: str
    tls: Tls | None = None
    sasl: Sasl | None = None


class MetadataRequest(Strict):
    """The cluster as the client sees it."""


class MetadataReply(Strict):
    """Topics with their number of partitions."""

    topics: dict[str, int]


class Header(Strict):
    """A record header."""

    key: str
    value: Base64 | None


class Record(Strict):
    """A record to produce."""

    topic: str
    partition: int | None = Field(default=None, description="null: the crate's partitioner chooses")
    key: Base64 | None = None
    value: Base64 | None = None
    headers: list[Header] = Field(default_factory=list)
    timestamp_ms: str | None = Field(default=None, description="milliseconds since 1970, as decimal digits")


class ProduceRequest(Strict):
    """Produce records as one call of the crate; replies when the broker acknowledged them all as `acks` asks."""

    records: list[Record] = Field(min_length=1)
    acks: Literal["0", "1", "all"] = "all"
    compression: Compression = "none"
    idempotent: bool = False
    transactional_id: str | None = None


class Placement(Strict):
    """Where a record went."""

    topic: str
    partition: int
    offset: str | None = Field(description="decimal digits; null where the crate does not tell")


class ProduceReply(Strict):
    """One placement for each record, in order."""

    placements: list[Placement]


class ConsumeRequest(Strict):
    """Start reading; records are events."""

    topics: list[str] = Field(min_length=1)
    partition: int | None = Field(default=None, description="null: all partitions")
    start: str = Field(description="`earliest`, `latest`, or an offset as decimal digits")
    group: str | None = None
    join: bool = Field(default=False, description="be a member of the group, which the broker gives partitions to")
    isolation: Literal["read_uncommitted", "read_committed"] | None = Field(
        default=None, description="null: what the crate does unless it is told"
    )
    fetch_max_bytes: int | None = Field(default=None, description="bytes")


class Consumed(Strict):
    """A record was delivered to the application."""

    topic: str
    partition: int
    offset: str
    key: Base64 | None
    value: Base64 | None
    headers: list[Header] | None = Field(default=None, description="null where the crate does not tell")
    timestamp_ms: str | None = None


class CommitRequest(Strict):
    """Commit what was delivered so far."""


class CommittedRequest(Strict):
    """Fetch a group's committed offset."""

    group: str
    topic: str
    partition: int


class OffsetReply(Strict):
    """An offset, as decimal digits; null where there is none."""

    offset: str | None


class OffsetsRequest(Strict):
    """Look an offset up by time."""

    topic: str
    partition: int
    at: str = Field(description="`earliest`, `latest`, or milliseconds since 1970 as decimal digits")


class CreateTopicRequest(Strict):
    """Create a topic."""

    topic: str
    partitions: int = 1
    replication: int = 1


class StopRequest(Strict):
    """Leave the group and stop reading."""


class DisconnectRequest(Strict):
    """Drop the client after everything that was reported as sent is flushed."""


VOCABULARY = Vocabulary(
    title="Kafka",
    dialects=(Dialect.KAFKA,),
    operations=(
        Operation("connect", ConnectRequest),
        Operation("metadata", MetadataRequest, MetadataReply),
        Operation("create_topic", CreateTopicRequest),
        Operation("produce", ProduceRequest, ProduceReply),
        Operation("consume", ConsumeRequest),
        Operation("commit", CommitRequest),
        Operation("committed", CommittedRequest, OffsetReply),
        Operation("offsets", OffsetsRequest, OffsetReply),
        Operation("stop", StopRequest),
        Operation("disconnect", DisconnectRequest, Empty),
    ),
    events=(Event("record", Consumed), Event("disconnected", Disconnected)),
)
