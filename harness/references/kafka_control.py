"""The control probe for Kafka: the reference client behind the wire contract.

python -m harness.references.kafka_control
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka import errors as kafka_errors
from kafka.structs import TopicPartition

from harness.model import Dialect
from harness.references.kafka import REQUEST_LIMIT, Read, as_read
from harness.references.tls import client_context
from harness.wire import kafka
from harness.wire.messages import Empty, ErrorCode, Setting, decode, encode
from harness.wire.mqtt import Disconnected, Tls
from harness.wire.serve import Events, ProbeFailure, Server

#: Milliseconds that one poll of the consumer takes where nothing comes.
_POLL = 100
#: Milliseconds that a request for what is not there may block.
_BLOCK = 5000
#: Milliseconds in which the cluster has to be found.
_BOOTSTRAP = 10_000

_ACKS: dict[str, int | str] = {"0": 0, "1": 1, "all": "all"}


class ControlClient:
    """One method per operation of the Kafka vocabulary."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._options: dict[str, Any] | None = None
        self._producers: dict[tuple[Any, ...], Any] = {}
        self._reader: _Reader | None = None
        self._admin_client: Any = None

    def connect(self, request: kafka.ConnectRequest) -> Empty:
        """Make an admin client, which loads the metadata."""
        self._options = {"bootstrap_servers": request.bootstrap, "client_id": request.client_id}
        if request.tls is not None:
            self._options |= {"security_protocol": "SSL", "ssl_context": self.context(request.tls)}
        if request.sasl is not None:
            self._options |= {
                "security_protocol": "SASL_PLAINTEXT" if request.tls is None else "SASL_SSL",
                "sasl_mechanism": request.sasl.mechanism,
                "sasl_plain_username": request.sasl.username,
                "sasl_plain_password": request.sasl.password,
            }
        with _failures():
            self._admin_client = KafkaAdminClient(**self._options, bootstrap_timeout_ms=_BOOTSTRAP)
        return Empty()

    def metadata(self, _request: kafka.MetadataRequest) -> kafka.MetadataReply:
        """Every topic with its partitions."""
        with _failures():
            found = self._admin().describe_topics()
        return kafka.MetadataReply(topics={_name(topic): len(topic["partitions"]) for topic in found})

    def create_topic(self, request: kafka.CreateTopicRequest) -> Empty:
        """CreateTopics, up to a leader for each partition."""
        wanted = {"num_partitions": request.partitions, "replication_factor": request.replication}
        with _failures():
            self._admin().create_topics({request.topic: wanted}, wait_for_metadata=True)
        return Empty()

    def produce(self, request: kafka.ProduceRequest) -> kafka.ProduceReply:
        """Send all records, up to the broker's acknowledgement of the last."""
        producer = self._producer(request)
        transactional = request.transactional_id is not None
        with _failures(definite=False):
            if transactional:
                producer.begin_transaction()
            futures = [self._send(producer, record) for record in request.records]
            producer.flush()
            if transactional:
                producer.commit_transaction()
            sent = [future.get(timeout=60) for future in futures]
        return kafka.ProduceReply(
            placements=[
                kafka.Placement(topic=meta.topic, partition=meta.partition, offset=_digits(meta.offset))
                for meta in sent
            ]
        )

    def consume(self, request: kafka.ConsumeRequest) -> Empty:
        """Start reading on a thread."""
        self._stop()
        with _failures():
            self._reader = _Reader(self._connected(), request, self._deliver, self._lost)
        return Empty()

    def commit(self, _request: kafka.CommitRequest) -> Empty:
        """Commit the position, which is that of the record after the last one delivered."""
        if self._reader is None:
            raise ProbeFailure(ErrorCode.STATE, "nothing is consumed")
        with _failures(definite=False):
            self._reader.run(lambda consumer: consumer.commit())
        return Empty()

    def committed(self, request: kafka.CommittedRequest) -> kafka.OffsetReply:
        """OffsetFetch."""
        place = TopicPartition(request.topic, request.partition)
        with _failures(), _closing(self._consumer(group_id=request.group, enable_auto_commit=False)) as consumer:
            offset = consumer.committed(place)
        return kafka.OffsetReply(offset=None if offset is None else str(offset))

    def offsets(self, request: kafka.OffsetsRequest) -> kafka.OffsetReply:
        """ListOffsets."""
        place = TopicPartition(request.topic, request.partition)
        with _failures(), _closing(self._consumer(group_id=None)) as consumer:
            if request.at == "earliest":
                return kafka.OffsetReply(offset=str(consumer.beginning_offsets([place])[place]))
            if request.at == "latest":
                return kafka.OffsetReply(offset=str(consumer.end_offsets([place])[place]))
            found = consumer.offsets_for_times({place: int(request.at)})[place]
        return kafka.OffsetReply(offset=None if found is None else str(found.offset))

    def stop(self, _request: kafka.StopRequest) -> Empty:
        """Leave the group and stop reading."""
        self._stop()
        return Empty()

    def disconnect(self, _request: kafka.DisconnectRequest) -> Empty:
        """Close everything."""
        self._stop()
        with _failures():
            for producer in self._producers.values():
                producer.close(5)
            self._admin().close()
        self._producers, self._admin_client, self._options = {}, None, None
        return Empty()

    def context(self, tls: Tls) -> ssl.SSLContext | None:
        """Whom the client trusts."""
        return client_context(tls)

    def deliver(self, record: Read) -> None:
        """Called on the reader's thread for each record."""
        self._events.add("record", as_event(record))

    # -- parts -------------------------------------------------------------------------------------

    def _deliver(self, record: Any) -> None:
        self.deliver(as_read(record))

    def _lost(self, error: Exception) -> None:
        self._events.add("disconnected", Disconnected(reason=f"{type(error).__name__}: {error}"))

    def _send(self, producer: Any, record: kafka.Record) -> Any:
        return producer.send(
            record.topic,
            value=None if record.value is None else decode(record.value),
            key=None if record.key is None else decode(record.key),
            headers=[(header.key, decode(header.value or "")) for header in record.headers],
            partition=record.partition,
            timestamp_ms=None if record.timestamp_ms is None else int(record.timestamp_ms),
        )

    def _producer(self, request: kafka.ProduceRequest) -> Any:
        wanted = (request.acks, request.compression, request.idempotent, request.transactional_id)
        if wanted not in self._producers:
            options: dict[str, Any] = {"enable_idempotence": request.idempotent}
            if request.transactional_id is not None:
                options = {"transactional_id": request.transactional_id}
            with _failures():
                producer = KafkaProducer(
                    **self._connected(),
                    acks=_ACKS[request.acks],
                    compression_type=None if request.compression == "none" else request.compression,
                    max_request_size=REQUEST_LIMIT,
                    max_block_ms=_BLOCK,
                    **options,
                )
                if request.transactional_id is not None:
                    producer.init_transactions()
            self._producers[wanted] = producer
        return self._producers[wanted]

    def _consumer(self, **options: Any) -> Any:
        return KafkaConsumer(**self._connected(), **options)

    def _connected(self) -> dict[str, Any]:
        if self._options is None:
            raise ProbeFailure(ErrorCode.STATE, "not connected")
        return self._options

    def _admin(self) -> Any:
        self._connected()
        return self._admin_client

    def _stop(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class _Reader:
    """A consumer on a thread of its own, which no other thread may touch; work for it is queued."""

    def __init__(
        self,
        connection: dict[str, Any],
        request: kafka.ConsumeRequest,
        deliver: Callable[[Any], None],
        lost: Callable[[Exception], None],
    ) -> None:
        self._deliver, self._lost = deliver, lost
        self._over = False
        self._thread = ThreadPoolExecutor(max_workers=1)
        options = {} if request.fetch_max_bytes is None else {"max_partition_fetch_bytes": request.fetch_max_bytes}
        self._consumer = KafkaConsumer(
            **connection,
            group_id=request.group,
            enable_auto_commit=False,
            isolation_level=request.isolation or "read_uncommitted",
            auto_offset_reset="latest" if request.start == "latest" else "earliest",
            fetch_max_wait_ms=_POLL,
            **options,
        )
        try:
            self.run(lambda consumer: self._position(consumer, request))
        except Exception:
            self.close()
            raise
        self._thread.submit(self._poll)

    def run(self, act: Callable[[Any], Any]) -> Any:
        """Do something with the consumer, between two polls."""
        return self._thread.submit(act, self._consumer).result()

    def close(self) -> None:
        """End the thread and the consumer, which leaves its group."""
        self._over = True
        self._thread.submit(self._consumer.close).result()
        self._thread.shutdown()

    def _position(self, consumer: Any, request: kafka.ConsumeRequest) -> None:
        """Choose partitions and where to start, and wait until that is settled."""
        if request.group is not None and request.partition is None:
            consumer.subscribe(request.topics)
            while not consumer.assignment():
                self._take(consumer)
        else:
            places = []
            for topic in request.topics:
                known = consumer.partitions_for_topic(topic)
                if not known:
                    raise kafka_errors.UnknownTopicOrPartitionError(topic)
                wanted = known if request.partition is None else {request.partition}
                places += [TopicPartition(topic, number) for number in sorted(wanted)]
            consumer.assign(places)
            if request.start not in ("earliest", "latest"):
                for place in places:
                    consumer.seek(place, int(request.start))
        for place in consumer.assignment():
            consumer.position(place)

    def _take(self, consumer: Any) -> None:
        for records in consumer.poll(timeout_ms=_POLL).values():
            for record in records:
                self._deliver(record)

    def _poll(self) -> None:
        try:
            self._take(self._consumer)
        except Exception as error:  # whatever it is, the application would see it
            self._lost(error)
        if not self._over:
            self._thread.submit(self._poll)


def as_event(record: Read) -> kafka.Consumed:
    """A record in the contract's form."""
    return kafka.Consumed(
        topic=record.topic,
        partition=record.partition,
        offset=str(record.offset),
        key=None if record.key is None else encode(record.key),
        value=None if record.value is None else encode(record.value),
        headers=[
            kafka.Header(key=key, value=None if value is None else encode(value)) for key, value in record.headers
        ],
        timestamp_ms=None if record.timestamp_ms is None else str(record.timestamp_ms),
    )


def _digits(offset: int | None) -> str | None:
    return None if offset is None or offset < 0 else str(offset)


def _name(topic: dict[str, Any]) -> str:
    return str(topic["name"])


@contextlib.contextmanager
def _closing(consumer: Any) -> Iterator[Any]:
    try:
        yield consumer
    finally:
        consumer.close()


@contextlib.contextmanager
def _failures(*, definite: bool = True) -> Iterator[None]:
    """kafka-python's errors as the contract has them."""
    try:
        yield
    except kafka_errors.KafkaTimeoutError as error:
        raise ProbeFailure(ErrorCode.TIMEOUT, f"{type(error).__name__}: {error}", definite=definite) from error
    except kafka_errors.BrokerResponseError as error:
        raise ProbeFailure(ErrorCode.REFUSED, f"{type(error).__name__}: {error}") from error
    except (kafka_errors.KafkaError, OSError) as error:
        raise ProbeFailure(ErrorCode.IO, f"{type(error).__name__}: {error}", definite=definite) from error


def main() -> int:
    """Serve one conversation."""
    events = Events()
    return Server(
        crate="kafka-python",
        version=version("kafka-python"),
        vocabulary=kafka.VOCABULARY,
        dialects=[Dialect.KAFKA],
        client=ControlClient(events),
        events=events,
        settings=[
            Setting(
                name="bootstrap_timeout_ms",
                value=str(_BOOTSTRAP),
                default="30000",
                source="https://kafka-python.readthedocs.io/en/master/apidoc/KafkaAdminClient.html",
            ),
            Setting(
                name="max_request_size",
                value=str(REQUEST_LIMIT),
                default="1048576",
                source="https://kafka-python.readthedocs.io/en/master/apidoc/KafkaProducer.html",
            ),
        ],
    ).run()


if __name__ == "__main__":
    raise SystemExit(main())
