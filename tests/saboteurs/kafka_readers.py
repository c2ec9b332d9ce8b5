"""Wrong Kafka clients that read: part of `kafka_clients`, which runs them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, ClassVar

from kafka import KafkaConsumer
from kafka.structs import OffsetAndMetadata

from harness.references.kafka import Read
from harness.references.kafka_control import ControlClient
from harness.wire import kafka
from harness.wire.messages import Empty


class _Reads(ControlClient):
    """Reads otherwise than it was told."""

    #: What the request says instead.
    instead: ClassVar[dict[str, Any]] = {}

    def consume(self, request: kafka.ConsumeRequest) -> Empty:
        """Read that."""
        return super().consume(request.model_copy(update=self.instead))


class ForgetsTheGroup(_Reads):
    """A group's committed offset is not looked at, and no group is joined."""

    instead: ClassVar[dict[str, Any]] = {"group": None}


class StartsEarly(_Reads):
    """Reading starts at the beginning, wherever it was to start."""

    instead: ClassVar[dict[str, Any]] = {"start": "earliest"}


class StartsLate(_Reads):
    """What was there before is not read."""

    instead: ClassVar[dict[str, Any]] = {"start": "latest"}


class ReadsOnePartition(_Reads):
    """Of a topic with several partitions the first alone is read."""

    instead: ClassVar[dict[str, Any]] = {"partition": 0}


class ReadsEveryPartition(_Reads):
    """Partitions that nobody asked for are read too."""

    instead: ClassVar[dict[str, Any]] = {"partition": None}


class ReadsUncommitted(_Reads):
    """The isolation level is ignored."""

    instead: ClassVar[dict[str, Any]] = {"isolation": "read_uncommitted"}


class ReadsCommitted(_Reads):
    """The isolation level is ignored, and what was not committed is never read."""

    instead: ClassVar[dict[str, Any]] = {"isolation": "read_committed"}


class InsistsOnItsOffset(ControlClient):
    """Where the record that it asked for does not come, nothing else is delivered."""

    _wanted: int | None = None

    def consume(self, request: kafka.ConsumeRequest) -> Empty:
        """Take it to be there."""
        self._wanted = int(request.start) if request.start.isdecimal() else None
        return super().consume(request)

    def deliver(self, record: Read) -> None:
        """Wait for it."""
        if self._wanted in (None, record.offset):
            self._wanted = None
            super().deliver(record)


class ReadsOneTopic(ControlClient):
    """Of several topics the first alone is read."""

    def consume(self, request: kafka.ConsumeRequest) -> Empty:
        """Forget the others."""
        return super().consume(request.model_copy(update={"topics": request.topics[:1]}))


class CommitsTheLast(ControlClient):
    """What is committed is the offset of the last record, and not of the next."""

    def commit(self, _request: kafka.CommitRequest) -> Empty:
        """Commit one too few."""
        if self._reader is not None:
            self._reader.run(
                lambda consumer: consumer.commit(
                    {p: OffsetAndMetadata(consumer.position(p) - 1, "", -1) for p in consumer.assignment()}
                )
            )
        return Empty()


class ChecksNoChecksums(ControlClient):
    """What was damaged on its way is delivered."""

    def consume(self, request: kafka.ConsumeRequest) -> Empty:
        """Look at no checksum."""
        KafkaConsumer.DEFAULT_CONFIG["check_crcs"] = False
        return super().consume(request)


class DeliversEmptyForNull(ControlClient):
    """A null key or value is delivered as empty."""

    def deliver(self, record: Read) -> None:
        """Deliver something."""
        super().deliver(replace(record, key=record.key or b"", value=record.value or b""))


class LosesWhatComesTogether(ControlClient):
    """A record that comes within half a second of another one is lost."""

    _last = -1.0

    def deliver(self, record: Read) -> None:
        """Deliver it where it comes alone."""
        before, self._last = self._last, time.monotonic()
        if before < 0 or self._last - before > 0.5:
            super().deliver(record)


class KeepsToOnePartition(ControlClient):
    """Only the partition of the first record is read, whatever the group gives the member later."""

    _partition: int | None = None

    def deliver(self, record: Read) -> None:
        """Leave the others out."""
        self._partition = record.partition if self._partition is None else self._partition
        if record.partition == self._partition:
            super().deliver(record)


class NeverLeaves(ControlClient):
    """A member that stops reading stays in its group."""

    def stop(self, _request: kafka.StopRequest) -> Empty:
        """Stay."""
        return Empty()


class DeliversOnce(ControlClient):
    """After the first record nothing is delivered any more."""

    delivered = False

    def deliver(self, record: Read) -> None:
        """Deliver the first alone."""
        if not self.delivered:
            self.delivered = True
            super().deliver(record)


class DeliversThree(ControlClient):
    """After the third record nothing is delivered any more."""

    delivered = 0

    def deliver(self, record: Read) -> None:
        """Deliver the first three alone."""
        self.delivered += 1
        if self.delivered <= 3:
            super().deliver(record)


class CommitsUnasked(ControlClient):
    """Whoever stops reading has committed what was read."""

    def stop(self, request: kafka.StopRequest) -> Empty:
        """Commit before."""
        super().commit(kafka.CommitRequest())
        return super().stop(request)


class DeliversNullForEmpty(ControlClient):
    """An empty value is delivered as null."""

    def deliver(self, record: Read) -> None:
        """Deliver nothing."""
        super().deliver(replace(record, value=record.value or None))


class CutsDeliveries(ControlClient):
    """The last byte of a value is not delivered."""

    def deliver(self, record: Read) -> None:
        """Cut it off."""
        super().deliver(replace(record, value=record.value and record.value[:-1]))


class DeliversText(ControlClient):
    """What is no ASCII is not delivered."""

    def deliver(self, record: Read) -> None:
        """Leave it out."""
        value = bytes(byte for byte in record.value or b"" if byte < 128)
        super().deliver(replace(record, value=value))


class SwapsDeliveries(ControlClient):
    """The second record is delivered before the first."""

    _first: Read | None = None
    _done = False

    def deliver(self, record: Read) -> None:
        """Keep the first one back."""
        if self._done:
            super().deliver(record)
        elif self._first is None:
            self._first = record
        else:
            self._done = True
            super().deliver(record)
            super().deliver(self._first)


class DeliversNoHeaders(ControlClient):
    """Headers are not delivered."""

    def deliver(self, record: Read) -> None:
        """Leave them out."""
        super().deliver(replace(record, headers=()))


class TellsTheOffsetAsTime(ControlClient):
    """The time of a record is made up."""

    def deliver(self, record: Read) -> None:
        """Tell another one."""
        super().deliver(replace(record, timestamp_ms=record.offset))


class LooksBehind(ControlClient):
    """Of every offset that is asked for the one before is told."""

    def offsets(self, request: kafka.OffsetsRequest) -> kafka.OffsetReply:
        """Tell another one."""
        return _one_before(super().offsets(request))

    def committed(self, request: kafka.CommittedRequest) -> kafka.OffsetReply:
        """Tell another one."""
        return _one_before(super().committed(request))


def _one_before(reply: kafka.OffsetReply) -> kafka.OffsetReply:
    return kafka.OffsetReply(offset=None if reply.offset is None else str(int(reply.offset) - 1))
