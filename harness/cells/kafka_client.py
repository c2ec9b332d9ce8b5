"""The crate's Kafka client in a scenario's hands, and records as scenarios compare them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.cells.doors import PLAIN, Door
from harness.cells.peer import PeerCell, PeerClient, described
from harness.commands import kill_tree
from harness.errors import RefusedByCrate
from harness.probes.talk import ProbeProcess
from harness.references.kafka import Written
from harness.wire import kafka
from harness.wire.messages import decode, encode

if TYPE_CHECKING:
    from harness.cells.kafka import KafkaCell

#: Seconds that an operation may take which nothing holds up.
CALL = 15.0
#: Seconds for the beginning of reading in a group: for its first one a broker makes the topic of offsets and loads it.
JOIN = 30.0


@dataclass(frozen=True)
class Delivered:
    """A record as a consumer got it, or is to get it: null where that does not matter, or is not told."""

    key: bytes | None
    value: bytes | None
    partition: int = 0
    topic: str | None = None
    offset: int | None = None
    headers: tuple[tuple[str, bytes | None], ...] | None = None
    timestamp_ms: int | None = None

    def __str__(self) -> str:
        place = f"{self.partition}" + ("" if self.offset is None else f"@{self.offset}")
        return f"key {_of(self.key)}, value {_of(self.value)} in partition {place}"

    def is_same(self, wanted: Delivered) -> bool:
        """True where this is the record `wanted`, wherever it is stored."""
        return (self.key, self.value) == (wanted.key, wanted.value)

    def agrees_with(self, wanted: Delivered) -> bool:
        """True where nothing that is wanted differs."""
        return (self.is_same(wanted) and self.partition == wanted.partition) and all(
            getattr(wanted, name) in (None, getattr(self, name)) for name in ("topic", "offset")
        )


def _of(data: bytes | None) -> str:
    return "null" if data is None else f"of {described(data)}"


class KafkaClient(PeerClient):
    """The crate's Kafka client."""

    _cell: KafkaCell

    def __init__(
        self, cell: PeerCell, process: ProbeProcess, name: str, bootstrap: Callable[[Door], list[str]]
    ) -> None:
        super().__init__(cell, process, name)
        #: The addresses behind a door that the client is given.
        self._bootstrap = bootstrap
        #: What the client was last asked to read, and from where.
        self._reading = kafka.ConsumeRequest(topics=["-"], start="earliest")

    def connect(
        self,
        within: float = CALL,
        *,
        door: Door = PLAIN,
        shows_certificate: bool = False,
        sasl: kafka.Sasl | None = None,
    ) -> None:
        """Make a client and load the metadata."""
        address = self._cell.address(door, shows_certificate=shows_certificate)
        fields = {"bootstrap": self._bootstrap(door), "client_id": self.id, "tls": address.get("tls")}
        fields["sasl"] = sasl and sasl.model_dump()
        request = kafka.ConnectRequest.model_validate(fields)
        self.call("connect", request, "the client connects", within)

    def metadata(self) -> dict[str, int]:
        """Topics with their number of partitions."""
        topics: dict[str, int] = self.call("metadata", kafka.MetadataRequest(), "the metadata is loaded")["topics"]
        return topics

    def create_topic(self, topic: str, partitions: int) -> None:
        """Create a topic."""
        self.call("create_topic", kafka.CreateTopicRequest(topic=topic, partitions=partitions), "the topic is created")

    def produce(self, topic: str, *records: Written, within: float = CALL, **options: Any) -> list[dict[str, Any]]:
        """Produce records as one call of the crate; `options` as `ProduceRequest` has them. Returns the placements."""
        request = kafka.ProduceRequest.model_validate({"records": [_record(topic, r) for r in records], **options})
        expected = f"producing {len(records)} record{'s' * (len(records) > 1)} is acknowledged"
        placements: list[dict[str, Any]] = self.call("produce", request, expected, within)["placements"]
        return placements

    def begin_produce(self, topic: str, record: Written) -> Callable[[float], object]:
        """Produce a record; returns at once, with a function that waits for the end, given seconds."""
        request = kafka.ProduceRequest.model_validate({"records": [_record(topic, record)]})
        return self.begin("produce", request, "producing a record is acknowledged")

    def consume(self, *topics: str, start: str | int = "earliest", within: float = 0, **options: Any) -> None:
        """Start reading; `options` as `ConsumeRequest` has them."""
        self._reading = kafka.ConsumeRequest.model_validate({"topics": list(topics), "start": str(start), **options})
        self.call(
            "consume", self._reading, f"reading from {start} begins", within or (JOIN if "group" in options else 0)
        )

    def consume_on(self) -> None:
        """Start reading anew, one partition after the last record that came of it."""
        self.call("consume", self._reading, f"reading goes on from {self._reading.start}")

    def next_record(self, within: float, expected: str) -> Delivered | None:
        """The next record that the crate delivers; null where none came within `within` seconds."""
        event = self.next_event("record", within, expected)
        return None if event is None else self._taken(event)

    def next_record_or_error(self, within: float, expected: str) -> Delivered | str | None:
        """The next record, or what the crate tells the application is wrong; null where neither came in time."""

        def is_news(event: dict[str, Any]) -> bool:
            return event["event"] in ("record", "disconnected")

        try:
            event = self._process.take_event(is_news, self._cell.remaining(within, expected), expected=expected)
        except RefusedByCrate as error:
            return error.observed
        if event is None:
            return None
        return self._taken(event) if event["event"] == "record" else str(event["reason"])

    def _taken(self, event: dict[str, Any]) -> Delivered:
        self._reading = self._reading.model_copy(update={"start": str(int(event["offset"]) + 1)})
        return _delivered(event)

    def idle_through_errors(self, seconds: float) -> None:
        """Let the client work for `seconds`, whatever it delivers or reports meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if isinstance(self.next_record_or_error(left, "the client works"), str):
                time.sleep(min(0.2, left))  # its next answer would be the same at once

    def commit(self) -> None:
        """Commit what was delivered."""
        self.call("commit", kafka.CommitRequest(), "the commit is acknowledged")

    def committed(self, group: str, topic: str, partition: int = 0) -> int | None:
        """The group's committed offset."""
        request = kafka.CommittedRequest(group=group, topic=topic, partition=partition)
        offset = self.call("committed", request, "the committed offset is told")["offset"]
        return None if offset is None else int(offset)

    def offset(self, topic: str, at: str | int, partition: int = 0) -> int | None:
        """An offset by time, or the earliest or latest."""
        request = kafka.OffsetsRequest(topic=topic, partition=partition, at=str(at))
        offset = self.call("offsets", request, f"the offset for {at} is told")["offset"]
        return None if offset is None else int(offset)

    def stop(self) -> None:
        """Leave the group and stop reading."""
        self.call("stop", kafka.StopRequest(), "reading stops")

    def die(self) -> None:
        """Kill the process (SIGKILL), which then says goodbye to nobody."""
        kill_tree(self._process.pid)
        self._cell.remark("killed the client's process")

    def disconnect(self) -> None:
        """Drop the client."""
        self.call("disconnect", kafka.DisconnectRequest(), "the disconnect completes")


def _record(topic: str, record: Written) -> dict[str, Any]:
    fields: dict[str, Any] = {"topic": topic}
    if record.partition is not None:
        fields["partition"] = record.partition
    if record.key is not None:
        fields["key"] = encode(record.key)
    if record.value is not None:
        fields["value"] = encode(record.value)
    if record.headers:
        fields["headers"] = [{"key": key, "value": encode(value)} for key, value in record.headers]
    if record.timestamp_ms is not None:
        fields["timestamp_ms"] = str(record.timestamp_ms)
    return fields


def _delivered(event: dict[str, Any]) -> Delivered:
    def data(name: str, of: dict[str, Any] = event) -> bytes | None:
        return None if of[name] is None else decode(of[name])

    headers, moment = event.get("headers"), event.get("timestamp_ms")
    return Delivered(
        key=data("key"),
        value=data("value"),
        partition=event["partition"],
        topic=event["topic"],
        offset=int(event["offset"]),
        headers=None if headers is None else tuple((header["key"], data("value", header)) for header in headers),
        timestamp_ms=None if moment is None else int(moment),
    )
