"""kafka-python as reference client for Kafka.

https://kafka-python.readthedocs.io/
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import UserScramCredentialUpsertion
from kafka.errors import (
    InvalidReplicationFactorError,
    KafkaError,
    TopicAlreadyExistsError,
    UnknownBrokerIdError,
)
from kafka.partitioner import murmur2
from kafka.protocol.admin import ElectionType
from kafka.structs import OffsetAndMetadata, TopicPartition

from harness.errors import ReferenceFailed
from harness.references.logs import kept_log, silence

#: Seconds that one step of the reference may take before nothing can be said about the crate.
STEP = 20.0
#: Bytes of a request that the client does not hold back: the broker has to be the one who refuses.
REQUEST_LIMIT = 64 * 1024 * 1024
#: The library's name among Python's loggers.
_LOGGER = "kafka"

silence(_LOGGER)


@dataclass(frozen=True)
class Written:
    """A record to produce."""

    key: bytes | None = None
    value: bytes | None = None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int | None = None


@dataclass(frozen=True)
class Read:
    """A record as kafka-python delivered it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    #: Null where the record is stored in format 0, which has none.
    timestamp_ms: int | None


def as_read(record: Any) -> Read:
    """kafka-python's record in our form."""
    headers = tuple((key, value) for key, value in record.headers or ())
    return Read(record.topic, record.partition, record.offset, record.key, record.value, headers, record.timestamp)


class KafkaReference:
    """Clients of one broker, made at first use; every step waits for the broker's answer."""

    def __init__(self, brokers: Sequence[str], client_id: str) -> None:
        self._options = {"bootstrap_servers": list(brokers), "client_id": client_id}
        self._closing = contextlib.ExitStack()
        self._admin_client: Any = None
        self._reader_client: Any = None
        self._producers: dict[tuple[str, bool], Any] = {}

    def log_to(self, write: Callable[[str], None]) -> None:
        """Hand what the library warns of to `write`, until `close`; all references of the process share its log."""
        self._closing.enter_context(kept_log(_LOGGER, write))

    def close(self) -> None:
        """Close every client."""
        self._closing.close()

    # -- topics ------------------------------------------------------------------------------------

    def create_topic(
        self, topic: str, partitions: int = 1, configs: Mapping[str, str] | None = None, replicas: int = 1
    ) -> None:
        """Create a topic and wait until the leader of each partition answers as such.

        Metadata names leaders a moment before the brokers know that they are.
        """
        wanted = {"num_partitions": partitions, "replication_factor": replicas, "configs": dict(configs or {})}
        with _step(f"create the topic {topic}"):
            self._create(topic, wanted)
            self._reader().end_offsets([TopicPartition(topic, number) for number in range(partitions)])

    def _create(self, topic: str, wanted: dict[str, Any]) -> None:
        """Create it, once a topic of that name is gone and a cluster knows all its brokers: both take their time."""
        end = time.monotonic() + STEP
        while True:
            try:
                self._admin().create_topics({topic: wanted}, wait_for_metadata=True)
                return
            except (TopicAlreadyExistsError, InvalidReplicationFactorError, UnknownBrokerIdError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def await_topics(self, topics: Mapping[str, int], within: float) -> None:
        """Wait until the leader of each partition answers; a broker that started answers before it knows its topics.

        Args:
            topics: number of partitions by topic.
            within: seconds.

        Raises:
            ReferenceFailed: they do not.
        """
        places = [TopicPartition(topic, number) for topic, count in topics.items() for number in range(count)]
        end = time.monotonic() + within
        while True:
            try:
                with _step(f"find the leaders of {', '.join(topics)} again"):
                    self._reader().end_offsets(places)
                    return
            except ReferenceFailed:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def leader(self, topic: str) -> tuple[int, int]:
        """The broker that leads the topic's first partition, -1 where there is none now; and how many are in sync."""
        with _step(f"ask for the leader of {topic}"):
            partitions: list[dict[str, Any]] = self._admin().describe_topics([topic])[0]["partitions"]
            first = next(found for found in partitions if found["partition_index"] == 0)
            return int(first["leader_id"]), len(first["isr_nodes"])

    def prefer_leader(self, topic: str, brokers: Sequence[int]) -> None:
        """Put the first partition's replicas in this order, and have the first of them elected (KIP-455, KIP-460)."""
        with _step(f"move the leader of {topic}"):
            place = TopicPartition(topic, 0)
            refused = self._admin().alter_partition_reassignments({place: list(brokers)}).get(place)
            if refused is not None:
                raise ReferenceFailed(f"the broker refused to reassign {topic}: {refused}")
            self._admin().elect_leaders(ElectionType.PREFERRED, {topic: [0]})

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has; 0 where it is not there."""
        with _step(f"ask for the partitions of {topic}"):
            return len(self._reader().partitions_for_topic(topic) or ())

    def delete_topic(self, topic: str) -> None:
        """Delete a topic."""
        with _step(f"delete the topic {topic}"):
            self._admin().delete_topics([topic])

    # -- users -------------------------------------------------------------------------------------

    def create_user(self, name: str, password: str, mechanism: str) -> None:
        """Give a user a password for SCRAM (KIP-554), and wait until the broker knows it."""
        with _step(f"create the user {name}"):
            wanted = UserScramCredentialUpsertion(name, mechanism, password)
            failed = self._admin().alter_user_scram_credentials([wanted])[name]
            if failed:
                raise ReferenceFailed(f"the broker refused to create the user {name}: {failed}")
            end = time.monotonic() + STEP
            while not self._admin().describe_user_scram_credentials([name]).get(name, {}).get("credential_infos"):
                if time.monotonic() > end:
                    raise ReferenceFailed(f"the broker did not learn of the user {name} within {STEP:g} s")
                time.sleep(0.05)

    # -- records -----------------------------------------------------------------------------------

    def produce(
        self, topic: str, records: Sequence[Written], *, compression: str = "none", idempotent: bool = True
    ) -> list[int]:
        """Produce records with acks from all, those of a partition in one batch where they fit; returns offsets."""
        with _step(f"produce to {topic}"):
            producer = self._producer(compression, idempotent)
            futures = [
                producer.send(
                    topic,
                    value=record.value,
                    key=record.key,
                    headers=list(record.headers),
                    partition=record.partition,
                    timestamp_ms=record.timestamp_ms,
                )
                for record in records
            ]
            producer.flush(STEP)
            return [future.get(timeout=STEP).offset for future in futures]

    def produce_in_transaction(self, topic: str, records: Sequence[Written], *, commit: bool = True) -> None:
        """Produce records in a transaction of their own, which ends committed or aborted."""
        with _step(f"produce to {topic} in a transaction"):
            name = f"{topic}-{secrets.token_hex(4)}"
            producer = KafkaProducer(**self._options, transactional_id=name, max_block_ms=int(STEP * 1000))
            try:
                producer.init_transactions()
                producer.begin_transaction()
                futures = [producer.send(topic, value=record.value, key=record.key) for record in records]
                for future in futures:
                    future.get(timeout=STEP)
                if commit:
                    producer.commit_transaction()
                else:
                    producer.abort_transaction()
            finally:
                producer.close(1.0)

    def delete_before(self, topic: str, offset: int) -> None:
        """Delete what the first partition has before `offset`, as a broker does that keeps it no longer (KIP-107)."""
        with _step(f"delete records of {topic}"):
            self._admin().delete_records({TopicPartition(topic, 0): offset})

    def read_all(self, topic: str) -> list[Read]:
        """Every record that the topic has now, in the order of partitions and offsets."""
        with _step(f"read {topic}"):
            reader = self._reader()
            partitions = [TopicPartition(topic, number) for number in sorted(reader.partitions_for_topic(topic) or ())]
            reader.assign(partitions)
            reader.seek_to_beginning(*partitions)
            ends = reader.end_offsets(partitions)
            found: list[Read] = []
            deadline = time.monotonic() + STEP
            # The position reaches the end offset also where the last offsets hold no record.
            while any(reader.position(partition) < ends[partition] for partition in partitions):
                if time.monotonic() > deadline:
                    raise ReferenceFailed(f"the reference client did not reach the end of {topic} within {STEP:g} s")
                for records in reader.poll(timeout_ms=200).values():
                    found += [as_read(record) for record in records]
            return sorted(found, key=lambda record: (record.partition, record.offset))

    def end_offset(self, topic: str, partition: int = 0) -> int:
        """The offset that the partition's next record gets."""
        with _step(f"ask for the end of {topic}"):
            place = TopicPartition(topic, partition)
            return int(self._reader().end_offsets([place])[place])

    # -- groups ------------------------------------------------------------------------------------

    def committed(self, group: str, topic: str, partition: int = 0) -> int | None:
        """The group's committed offset; null where there is none."""
        with _step(f"ask for the offset of {group}"), self._member(group) as member:
            offset = member.committed(TopicPartition(topic, partition))
            return None if offset is None else int(offset)

    def commit(self, group: str, topic: str, offset: int, partition: int = 0) -> None:
        """Commit an offset for the group."""
        with _step(f"commit for {group}"), self._member(group) as member:
            place = TopicPartition(topic, partition)
            member.assign([place])
            member.commit({place: OffsetAndMetadata(offset, "", -1)})

    # -- clients -----------------------------------------------------------------------------------

    def _admin(self) -> Any:
        if self._admin_client is None:
            self._admin_client = KafkaAdminClient(**self._options)
            self._closing.callback(self._admin_client.close)
        return self._admin_client

    def _reader(self) -> Any:
        if self._reader_client is None:
            self._reader_client = KafkaConsumer(**self._options, group_id=None, fetch_max_wait_ms=50)
            self._closing.callback(self._reader_client.close)
        return self._reader_client

    def _producer(self, compression: str, idempotent: bool) -> Any:
        wanted = (compression, idempotent)
        if wanted not in self._producers:
            producer = KafkaProducer(
                **self._options,
                acks="all",
                enable_idempotence=idempotent,
                compression_type=None if compression == "none" else compression,
                # What is sent together stays together, so that a compressed batch holds several records.
                linger_ms=50,
                batch_size=1024 * 1024,
                max_request_size=REQUEST_LIMIT,
                max_block_ms=int(STEP * 1000),
            )
            self._producers[wanted] = producer
            self._closing.callback(producer.close, 1.0)
        return self._producers[wanted]

    @contextlib.contextmanager
    def _member(self, group: str) -> Iterator[Any]:
        """A consumer that may ask and commit for the group without joining it."""
        member = KafkaConsumer(**self._options, group_id=group, enable_auto_commit=False)
        try:
            yield member
        finally:
            member.close()


@contextlib.contextmanager
def _step(what: str) -> Iterator[None]:
    try:
        yield
    except (KafkaError, OSError, ValueError) as error:
        raise ReferenceFailed(f"the reference client could not {what}: {type(error).__name__}: {error}") from error


def values(records: Iterable[Read]) -> list[bytes | None]:
    """The records' values."""
    return [record.value for record in records]


def java_partition(key: bytes, partitions: int) -> int:
    """Where Kafka's own client puts a key: murmur2, its sign dropped, modulo the number of partitions."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
