"""The `cell` of Kafka scenarios: the crate behind a relay that its listener advertises, kafka-python beside it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness.bench import Bench, Peer
from harness.capture import Relay
from harness.cells.base import Cell
from harness.errors import FeatureUnsupported, Mismatch, RefusedByCrate, ScenarioFault
from harness.model import Crate, Scenario
from harness.probes.talk import ProbeProcess
from harness.references.kafka import KafkaReference, Written
from harness.wire import kafka
from harness.wire.messages import decode, encode

#: Seconds that an operation may take which nothing holds up.
CALL = 15.0
#: Seconds in which a record that nothing holds up has to arrive.
DELIVERY = 15.0
#: Seconds in which a client has to work again after its connection was lost.
RECOVERY = 60.0
#: Seconds that a cell may wait until another one is done with the broker's listeners.
_LISTENER = 300.0


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
        return f"key {_bytes(self.key)}, value {_bytes(self.value)} in partition {place}"

    def agrees_with(self, wanted: Delivered) -> bool:
        """True where nothing that is wanted differs."""
        return (self.key, self.value, self.partition) == (wanted.key, wanted.value, wanted.partition) and all(
            getattr(wanted, name) in (None, getattr(self, name)) for name in ("topic", "offset")
        )


def _bytes(data: bytes | None) -> str:
    if data is None:
        return "null"
    if len(data) <= 16:
        return f"of {len(data)} bytes ({data.hex(' ')})" if data else "of 0 bytes"
    return f"of {len(data)} bytes (SHA-256 {hashlib.sha256(data).hexdigest()[:8]})"


def listed(records: Sequence[Delivered]) -> str:
    """Some of the records, for a report."""
    shown = " · ".join(map(str, records[:4]))
    return (shown + f" · … ({len(records)} records)" if len(records) > 4 else shown) or "nothing"


class KafkaClient:
    """The crate's client: one probe process."""

    def __init__(self, cell: KafkaCell, process: ProbeProcess, name: str) -> None:
        self._cell = cell
        self._process = process
        self.id = f"{cell.token}-{name}"

    def connect(self, within: float = CALL) -> None:
        """Make a client and load the metadata."""
        host, port = self._cell.relay.endpoint
        request = kafka.ConnectRequest(bootstrap=[f"{host}:{port}"], client_id=self.id)
        self._call("connect", request, "the client connects", within)

    def metadata(self) -> dict[str, int]:
        """Topics with their number of partitions."""
        topics: dict[str, int] = self._call("metadata", kafka.MetadataRequest(), "the metadata is loaded")["topics"]
        return topics

    def create_topic(self, topic: str, partitions: int) -> None:
        """Create a topic."""
        self._call("create_topic", kafka.CreateTopicRequest(topic=topic, partitions=partitions), "the topic is created")

    def produce(self, topic: str, *records: Written, within: float = CALL, **options: Any) -> list[dict[str, Any]]:
        """Produce records as one call of the crate; `options` as `ProduceRequest` has them. Returns the placements."""
        request = kafka.ProduceRequest.model_validate({"records": [_record(topic, r) for r in records], **options})
        expected = f"producing {len(records)} record{'s' * (len(records) > 1)} is acknowledged"
        placements: list[dict[str, Any]] = self._call("produce", request, expected, within)["placements"]
        return placements

    def consume(self, *topics: str, start: str | int = "earliest", **options: Any) -> None:
        """Start reading; `options` as `ConsumeRequest` has them."""
        request = kafka.ConsumeRequest.model_validate({"topics": list(topics), "start": str(start), **options})
        self._call("consume", request, f"reading from {start} begins")

    def next_record(self, within: float, expected: str) -> Delivered | None:
        """The next record that the crate delivers; null where none came within `within` seconds."""
        end = time.monotonic() + self._cell.remaining(within, expected)
        event = self._process.take_event(
            lambda event: event["event"] == "record", end - time.monotonic(), expected=expected
        )
        return None if event is None else _delivered(event)

    def commit(self) -> None:
        """Commit what was delivered."""
        self._call("commit", kafka.CommitRequest(), "the commit is acknowledged")

    def committed(self, group: str, topic: str, partition: int = 0) -> int | None:
        """The group's committed offset."""
        request = kafka.CommittedRequest(group=group, topic=topic, partition=partition)
        offset = self._call("committed", request, "the committed offset is told")["offset"]
        return None if offset is None else int(offset)

    def offset(self, topic: str, at: str | int, partition: int = 0) -> int | None:
        """An offset by time, or the earliest or latest."""
        request = kafka.OffsetsRequest(topic=topic, partition=partition, at=str(at))
        offset = self._call("offsets", request, f"the offset for {at} is told")["offset"]
        return None if offset is None else int(offset)

    def stop(self) -> None:
        """Leave the group and stop reading."""
        self._call("stop", kafka.StopRequest(), "reading stops")

    def disconnect(self) -> None:
        """Drop the client."""
        self._call("disconnect", kafka.DisconnectRequest(), "the disconnect completes")

    def _call(self, op: str, request: Any, expected: str, within: float = CALL) -> dict[str, Any]:
        deadline = self._cell.remaining(within, expected)
        return self._process.call(request, op=op, deadline=deadline, expected=expected)


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


class KafkaCell(Cell):
    """One attempt at a Kafka scenario."""

    def __init__(self, bench: Bench, scenario: Scenario, crate: Crate, peer: Peer, folder: Path) -> None:
        self._closing = contextlib.ExitStack()
        probe = _take_listener(bench, peer, self._closing)
        super().__init__(bench, scenario, crate)
        self.peer = peer
        self._folder = folder
        self._argv = bench.probe_command(crate)
        self._started_log = peer.log.position()
        self._clients = 0
        self._topics = 0
        number = int(hashlib.sha256(self.token.encode()).hexdigest(), 16)
        #: In front of the listener that advertises it: whatever the client learns from metadata leads here.
        self.relay = Relay(
            bench.relays,
            ("127.0.0.1", peer.broker.ports[probe]),
            folder / "wire.pcapng",
            client_address=f"127.1.{number % 256}.{number // 256 % 254 + 1}",
            server_port=peer.canonical_port,
            listen=peer.advertised()[probe],
        )
        self._closing.callback(self.relay.close)
        self.reference = self.fresh_reference()

    # -- names and data ----------------------------------------------------------------------------

    def name(self, what: str) -> str:
        """A name for a topic or a group that belongs to this attempt alone."""
        self._topics += 1
        return f"{self.token}-{what}{self._topics}"

    def topic(self, partitions: int = 1, **configs: str) -> str:
        """A new topic, whose partitions have leaders."""
        topic = self.name("topic")
        self.reference.create_topic(topic, partitions, **configs)
        return topic

    def payload(self, size: int = 32) -> bytes:
        """Bytes that the probe cannot know."""
        return os.urandom(size)

    # -- who takes part ----------------------------------------------------------------------------

    def client(self) -> KafkaClient:
        """Another client of the crate, not connected yet."""
        self._clients += 1
        process = self._bench.start_probe(self.crate, self._argv, self.transcript)
        self._closing.callback(process.close, grace=1.0)
        process.hello()
        return KafkaClient(self, process, f"crate{self._clients}")

    def connected(self) -> KafkaClient:
        """Another client of the crate, connected."""
        client = self.client()
        client.connect()
        return client

    def fresh_reference(self) -> KafkaReference:
        """A reference client straight at the broker, which knows of no earlier connection."""
        reference = KafkaReference("127.0.0.1", self.peer.broker.ports["plain"], f"{self.token}-reference")
        self._closing.callback(reference.close)
        return reference

    # -- what can be observed ----------------------------------------------------------------------

    def expect_stored(self, topic: str, wanted: Iterable[Delivered], *, expected: str) -> None:
        """The topic holds exactly these records: those of each partition in this order."""
        found = [
            Delivered(r.key, r.value, r.partition, r.topic, r.offset, r.headers, r.timestamp_ms)
            for r in self.reference.read_all(topic)
        ]
        self._expect_records(found, list(wanted), expected, "the topic holds")

    def expect_delivered(self, client: KafkaClient, wanted: Iterable[Delivered], *, expected: str) -> list[Delivered]:
        """The crate delivers exactly these records, those of each partition in this order; returns them.

        The last record of each partition is the barrier: a record that should not have come would have come before it.
        """
        records = list(wanted)
        found: list[Delivered] = []
        end = time.monotonic() + DELIVERY
        while len(found) < len(records):
            record = client.next_record(max(0.0, self.remaining(end - time.monotonic(), expected)), expected)
            if record is None:
                break
            found.append(record)
        self._expect_records(found, records, expected, "the crate delivered")
        return found

    def _expect_records(self, found: list[Delivered], wanted: list[Delivered], expected: str, what: str) -> None:
        def place(record: Delivered) -> tuple[str, int]:
            return (record.topic or "", record.partition)

        def plan(record: Delivered) -> tuple[str, int]:
            return (record.topic or (found[0].topic if found else "") or "", record.partition)

        got, planned = sorted(found, key=place), sorted(wanted, key=plan)
        right = len(got) == len(planned) and all(a.agrees_with(b) for a, b in zip(got, planned, strict=True))
        if right:
            self.expect(True, expected=f"{expected}: {listed(planned)}", observed="")
            return
        index = next((i for i, (a, b) in enumerate(zip(got, planned, strict=False)) if not a.agrees_with(b)), None)
        detail = f"; the first difference is at number {index + 1}: {got[index]}" if index is not None else ""
        observed = f"{what} {len(got)} of {len(planned)} records{detail}" if len(planned) > 4 else None
        raise Mismatch(observed or f"{what} {listed(got)}", expected=f"{expected}: {listed(planned)}")

    def expect_refused(self, act: Any, *, expected: str) -> None:
        """`act` ends in an error that the crate reports, before the harness gives up on it."""
        try:
            act()
        except RefusedByCrate as error:
            self.remark(f"as expected: {expected}: {error.observed}")
            return
        raise Mismatch("the crate reported success", expected=expected)

    def await_stored(self, topic: str, count: int, *, expected: str) -> None:
        """Wait until the topic's first partition has `count` records: without acks nobody is told."""
        end = time.monotonic() + DELIVERY
        while (found := self.reference.end_offset(topic)) < count:
            if time.monotonic() > end:
                raise Mismatch(f"{found} records {DELIVERY:g} s later", expected=expected)
            time.sleep(0.05)

    def hurt(self, how: str) -> None:
        """Cut the client's connections, or restart or kill the broker; returns once clients can connect again."""
        if how == "cut":
            self.remark(f"cut {self.relay.cut()} connections")
        elif how == "restart":
            self.peer.control.restart()
        else:
            self.peer.control.kill()

    def keep_producing(self, client: KafkaClient, topic: str, record: Written) -> None:
        """Produce, and where that ends in an error again after a second, as an application would, until it works."""
        end = time.monotonic() + RECOVERY
        while True:
            left = end - time.monotonic()
            try:
                client.produce(topic, record, within=max(CALL, left))
                return
            except RefusedByCrate as error:
                if left <= 1.0:
                    raise Mismatch(
                        f"for {RECOVERY:g} s every attempt failed, at last: {error.observed}",
                        expected=f"the client produces again within {RECOVERY:g} s",
                    ) from error
                self.remark("trying again, as an application would")
                time.sleep(1.0)

    def keep_consuming(self, client: KafkaClient, value: bytes | None) -> None:
        """Read on through errors until the record with `value` comes."""
        expected = f"the client reads on within {RECOVERY:g} s"
        end = time.monotonic() + RECOVERY
        trouble = ""
        while (left := end - time.monotonic()) > 0:
            try:
                record = client.next_record(left, expected)
                if record is not None and record.value == value:
                    return
            except RefusedByCrate as error:
                trouble = f"; at last: {error.observed}"
                time.sleep(min(1.0, max(0.0, left)))
        raise Mismatch(f"the record did not come within {RECOVERY:g} s{trouble}", expected=expected)

    def told(self, value: Any, feature: str) -> Any:
        """A part of a record that the crate may not tell.

        Raises:
            FeatureUnsupported: it does not.
        """
        if value is None:
            raise FeatureUnsupported(feature, f"the crate does not tell {feature}")
        return value

    # -- the end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """End the clients, the references and the relay, and write the broker's log down."""
        self._closing.close()
        lines = self.peer.log.since(self._started_log)
        if not self.scenario.own_broker:
            lines = [line for line in lines if self.token in line]
        (self._folder / "broker.log").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _take_listener(bench: Bench, peer: Peer, closing: contextlib.ExitStack) -> str:
    """A listener of the broker that no other attempt uses, until `closing` ends."""
    end = time.monotonic() + _LISTENER
    while time.monotonic() < end:
        for probe in peer.advertised():
            lock = FileLock(bench.folder.path / "leases" / f"listener-{peer.broker.container[:12]}-{probe}.lock")
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=0)
                closing.callback(lock.release)
                return probe
        time.sleep(0.05)
    raise ScenarioFault(f"all {len(peer.advertised())} listeners of the broker were in use for {_LISTENER:g} s")
