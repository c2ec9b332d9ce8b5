"""Wrong Kafka clients: the control client with one lie each. A scenario that none of them fails proves nothing.

python -m tests.saboteurs.kafka_clients NAME
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys

from harness.model import Dialect
from harness.references.kafka_control import ControlClient
from harness.wire import kafka
from harness.wire.messages import Empty, ErrorCode, decode, encode
from harness.wire.mqtt import Tls
from harness.wire.serve import Events, ProbeFailure, Server
from tests.saboteurs import kafka_careless, kafka_readers  # noqa: F401 - their clients are found as subclasses
from tests.saboteurs.names import clients_below


def _pretended(request: kafka.ProduceRequest) -> kafka.ProduceReply:
    """Placements for records that nobody sent."""
    placements = [kafka.Placement(topic=r.topic, partition=r.partition or 0, offset=None) for r in request.records]
    return kafka.ProduceReply(placements=placements)


class _Producer(ControlClient):
    """Changes each record before it is sent."""

    def produce(self, request: kafka.ProduceRequest) -> kafka.ProduceReply:
        """Produce changed records."""
        records = [self.changed(record) for record in request.records]
        return super().produce(request.model_copy(update={"records": records}))

    def changed(self, record: kafka.Record) -> kafka.Record:
        """What is sent instead."""
        return record


class FlipsAByte(_Producer):
    """The first byte of a value is another one."""

    def changed(self, record: kafka.Record) -> kafka.Record:
        """Flip it."""
        value = decode(record.value or "")
        flipped = bytes([value[0] ^ 1]) + value[1:] if value else value
        return record.model_copy(update={"value": encode(flipped)})


class NullForEmpty(_Producer):
    """An empty value is sent as null."""

    def changed(self, record: kafka.Record) -> kafka.Record:
        """Take empty for null."""
        return record.model_copy(update={"value": record.value or None})


class EmptyForNull(_Producer):
    """A null value is sent as empty, so that nothing is ever deleted."""

    def changed(self, record: kafka.Record) -> kafka.Record:
        """Take null for empty."""
        return record.model_copy(update={"value": record.value or ""})


class WrongPartition(_Producer):
    """A record goes to the partition before the one that was asked for."""

    def changed(self, record: kafka.Record) -> kafka.Record:
        """Move it."""
        return record.model_copy(update={"partition": max(0, (record.partition or 0) - 1)})


class EmptyKeyForNull(_Producer):
    """A null key is sent as empty."""

    def changed(self, record: kafka.Record) -> kafka.Record:
        """Take null for empty."""
        return record.model_copy(update={"key": record.key or ""})


class SendsText(_Producer):
    """What is no ASCII is not sent."""

    def changed(self, record: kafka.Record) -> kafka.Record:
        """Leave it out."""
        return record.model_copy(update={"value": encode(bytes(b for b in decode(record.value or "") if b < 128))})


class SendsToOneTopic(_Producer):
    """All records go to the topic of the first."""

    _topic = ""

    def changed(self, record: kafka.Record) -> kafka.Record:
        """Send it elsewhere."""
        self._topic = self._topic or record.topic
        return record.model_copy(update={"topic": self._topic})


class IgnoresKeys(_Producer):
    """The partitions take turns, whatever the key."""

    _sent = 0

    def changed(self, record: kafka.Record) -> kafka.Record:
        """Choose a partition of 3."""
        self._sent += 1
        return record.model_copy(update={"partition": self._sent % 3})


class OwnPartitioner(_Producer):
    """Keys are placed by the sum of their bytes."""

    def changed(self, record: kafka.Record) -> kafka.Record:
        """Choose a partition of 7."""
        return record.model_copy(update={"partition": sum(decode(record.key or "")) % 7})


class LosesAHeader(_Producer):
    """A key that occurs twice among the headers is kept once."""

    def changed(self, record: kafka.Record) -> kafka.Record:
        """Make a dictionary of them."""
        return record.model_copy(update={"headers": list({header.key: header for header in record.headers}.values())})


class OwnClock(_Producer):
    """The time that the application gives is ignored."""

    def changed(self, record: kafka.Record) -> kafka.Record:
        """Forget it."""
        return record.model_copy(update={"timestamp_ms": None})


class Duplicates(ControlClient):
    """Each record is sent twice."""

    def produce(self, request: kafka.ProduceRequest) -> kafka.ProduceReply:
        """Send, and send again."""
        super().produce(request)
        return super().produce(request)


class Reverses(ControlClient):
    """The records of a call are sent in the reverse order."""

    def produce(self, request: kafka.ProduceRequest) -> kafka.ProduceReply:
        """Turn them round."""
        return super().produce(request.model_copy(update={"records": request.records[::-1]}))


class DropsCompressed(ControlClient):
    """A compressed batch is reported as sent, and dropped."""

    def produce(self, request: kafka.ProduceRequest) -> kafka.ProduceReply:
        """Drop it."""
        return super().produce(request) if request.compression == "none" else _pretended(request)


class ConfirmsTooEarly(ControlClient):
    """A record is reported as acknowledged whatever the broker says."""

    def produce(self, request: kafka.ProduceRequest) -> kafka.ProduceReply:
        """Swallow the error."""
        try:
            return super().produce(request)
        except ProbeFailure:
            return _pretended(request)


class TellsAWrongOffset(ControlClient):
    """The offset that is told is the one before."""

    def produce(self, request: kafka.ProduceRequest) -> kafka.ProduceReply:
        """Tell another offset."""
        placements = [
            place.model_copy(update={"offset": str(int(place.offset or 1) - 1)})
            for place in super().produce(request).placements
        ]
        return kafka.ProduceReply(placements=placements)


class TriesOneAddress(ControlClient):
    """The first address of a name is the only one."""

    def connect(self, request: kafka.ConnectRequest) -> Empty:
        """Take the first."""
        host, _, port = request.bootstrap[0].partition(":")
        first = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][4][0]
        return super().connect(request.model_copy(update={"bootstrap": [f"{first}:{port}"]}))


class KnowsNoIpv6(ControlClient):
    """Connects to IPv4 addresses alone."""

    def connect(self, request: kafka.ConnectRequest) -> Empty:
        """Refuse the others."""
        if any("[" in address for address in request.bootstrap):
            raise ProbeFailure(ErrorCode.IO, "no such address")
        return super().connect(request)


class TrustsAnyCertificate(ControlClient):
    """Whoever answers is the right one."""

    def context(self, _tls: Tls) -> ssl.SSLContext | None:
        """Check nothing."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


class LogsInWithoutTls(ControlClient):
    """Who logs in does without TLS."""

    def connect(self, request: kafka.ConnectRequest) -> Empty:
        """Forget it."""
        return super().connect(request.model_copy(update={"tls": None} if request.sasl else {}))


class HidesItsCertificate(ControlClient):
    """The client's own certificate is not shown."""

    def context(self, tls: Tls) -> ssl.SSLContext | None:
        """Leave it out."""
        return super().context(tls.model_copy(update={"certificate": None, "key": None}))


class IsNotIdempotent(ControlClient):
    """Records are sent without producer id and sequence number, so that a repeated request stores them twice."""

    def produce(self, request: kafka.ProduceRequest) -> kafka.ProduceReply:
        """Forget that it was asked for."""
        return super().produce(request.model_copy(update={"idempotent": False}))


class PretendsToProduce(ControlClient):
    """Records are reported as sent, and nobody sends them."""

    def produce(self, request: kafka.ProduceRequest) -> kafka.ProduceReply:
        """Send nothing."""
        return _pretended(request)


class ForgetsWhatNobodyAcknowledges(ControlClient):
    """Records that are produced with acks=0 are not sent."""

    def produce(self, request: kafka.ProduceRequest) -> kafka.ProduceReply:
        """Send the others."""
        return _pretended(request) if request.acks == "0" else super().produce(request)


class KeepsItsConnections(ControlClient):
    """Whoever disconnects keeps what the connection took."""

    def __init__(self, events: Events) -> None:
        super().__init__(events)
        self._kept: list[object] = []

    def disconnect(self, _request: kafka.DisconnectRequest) -> Empty:
        """Close nothing."""
        self._kept += [self._producers, self._admin_client]
        self._producers, self._admin_client, self._options = {}, None, None
        return Empty()


class ProducesOnce(ControlClient):
    """From the second call on records are reported as sent, and nobody sends them."""

    calls = 0

    def produce(self, request: kafka.ProduceRequest) -> kafka.ProduceReply:
        """Send the first alone."""
        self.calls += 1
        return super().produce(request) if self.calls == 1 else _pretended(request)


class CountsOnePartition(ControlClient):
    """Every topic has one partition, the new ones too."""

    def metadata(self, request: kafka.MetadataRequest) -> kafka.MetadataReply:
        """Count one."""
        return kafka.MetadataReply(topics=dict.fromkeys(super().metadata(request).topics, 1))

    def create_topic(self, request: kafka.CreateTopicRequest) -> Empty:
        """Make one."""
        return super().create_topic(request.model_copy(update={"partitions": 1}))


class IgnoresErrors(ControlClient):
    """Whatever goes wrong while connecting or starting to read is no error."""

    def connect(self, request: kafka.ConnectRequest) -> Empty:
        """Connect, or do not."""
        with contextlib.suppress(ProbeFailure):
            return super().connect(request)
        return Empty()

    def consume(self, request: kafka.ConsumeRequest) -> Empty:
        """Read, or do not."""
        with contextlib.suppress(ProbeFailure):
            return super().consume(request)
        return Empty()


#: Every wrong client by its name; those of `kafka_careless` and `kafka_readers` among them.
CLIENTS = clients_below(ControlClient)


def main(name: str) -> int:
    """Serve one conversation as the saboteur `name`."""
    events = Events()
    return Server(
        crate="kafka-python",
        version="0.0.0",
        vocabulary=kafka.VOCABULARY,
        dialects=[Dialect.KAFKA],
        client=CLIENTS[name](events),
        events=events,
    ).run()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
