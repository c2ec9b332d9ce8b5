"""The control probe for AMQP 0-9-1: the reference client behind the wire contract.

python -m harness.references.amqp_control
"""

from __future__ import annotations

import contextlib
import ssl
from collections import Counter
from collections.abc import Collection, Iterator
from importlib.metadata import version
from typing import Any

from pika import BasicProperties
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import (
    AMQPConnectionError,
    AMQPError,
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    NackError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    UnroutableError,
)

from harness.errors import ReferenceFailed
from harness.model import Dialect
from harness.references.amqp import AmqpReference, Received, got_by_get
from harness.references.amqp_confirms import awaiting_confirms
from harness.references.amqp_tables import properties_from_pika, properties_to_pika, to_pika
from harness.references.tls import client_context
from harness.wire import amqp
from harness.wire.messages import Empty, ErrorCode, decode, encode
from harness.wire.mqtt import Confirmation, Disconnected, Tls
from harness.wire.serve import Events, ProbeFailure, Server

#: Seconds in which all confirms of `publish_all` have come.
_ALL = 15.0
_REFUSALS = (
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    NackError,
)


class ControlClient(Events):
    """One method per operation; also the source of events, because pika works only while it is driven."""

    def __init__(self) -> None:
        super().__init__()
        self._client: AmqpReference | None = None
        #: Messages of each channel since confirm.select: the tag of the last one.
        self._published: Counter[int] = Counter()

    def take(self, timeout: float) -> dict[str, Any] | None:
        """The oldest event, driving pika up to `timeout` seconds."""
        kept = super().take(0)
        if kept is not None or self._client is None:
            return kept if kept is not None else super().take(timeout)
        try:
            received = self._client.drive(max(0.0, timeout))
        except (AMQPError, OSError) as error:
            self._client = None
            self.add("disconnected", Disconnected(reason=repr(error)))
            return super().take(0)
        if received is not None:
            self.add("returned" if received.returned else "delivery", as_event(received))
        return super().take(0)

    def connect(self, request: amqp.ConnectRequest) -> Empty:
        """Up to connection.open-ok."""
        client = AmqpReference(
            request.host,
            request.port,
            vhost=request.vhost,
            username=request.username,
            password=request.password,
            heartbeat=request.heartbeat_s,
            tls=self.trusted(request.tls),
        )
        client.on_cancelled = lambda channel, tag: self.add(
            "consumer_cancelled", amqp.Cancelled(channel=channel, consumer=tag)
        )
        client.on_blocked = lambda reason: self.add("blocked", amqp.Blocked(reason=reason))
        client.on_unblocked = lambda: self.add("unblocked", Empty())
        with _answers():
            client.connect()
        self._client = client
        return Empty()

    def trusted(self, tls: Tls | None) -> ssl.SSLContext | None:
        """What the connection's TLS trusts and shows; null for a connection without."""
        return client_context(tls)

    def declare_queue(self, request: amqp.DeclareQueueRequest) -> amqp.DeclareQueueReply:
        """queue.declare."""
        with self._on(request) as channel:
            answer = channel.queue_declare(
                request.queue,
                passive=request.passive,
                durable=request.durable,
                exclusive=request.exclusive,
                auto_delete=request.auto_delete,
                arguments=to_pika(request.arguments),
            )
        if request.nowait:
            return amqp.DeclareQueueReply(queue=request.queue, messages=0, consumers=0)
        method = answer.method
        return amqp.DeclareQueueReply(
            queue=method.queue, messages=method.message_count, consumers=method.consumer_count
        )

    def declare_exchange(self, request: amqp.DeclareExchangeRequest) -> Empty:
        """exchange.declare."""
        with self._on(request) as channel:
            channel.exchange_declare(
                request.exchange,
                request.kind,
                passive=request.passive,
                durable=request.durable,
                auto_delete=request.auto_delete,
                arguments=to_pika(request.arguments),
            )
        return Empty()

    def bind(self, request: amqp.BindRequest) -> Empty:
        """queue.bind or exchange.bind."""
        with self._on(request) as channel:
            bind = channel.queue_bind if request.destination_kind == "queue" else channel.exchange_bind
            bind(request.destination, request.source, request.routing_key, arguments=to_pika(request.arguments))
        return Empty()

    def publish(self, request: amqp.PublishRequest) -> Confirmation:
        """basic.publish; in confirm mode up to the confirm."""
        client = self._connected()
        with _answers():
            channel = client.channel(request.channel)
            self._published[request.channel] += 1
            try:
                channel.basic_publish(
                    request.exchange,
                    request.routing_key,
                    decode(request.body),
                    properties_to_pika(request.properties),
                    mandatory=request.mandatory,
                )
            except UnroutableError as error:  # confirmed all the same; pika tells of the return this way
                for message in error.messages:
                    client.came_back(request.channel, message.method, message.properties, message.body)
        return Confirmation(confirmed=client.is_confirming(request.channel))

    def publish_all(self, request: amqp.PublishAllRequest) -> amqp.PublishAllReply:
        """basic.publish after basic.publish; in confirm mode up to the last confirm."""
        client, bodies = self._connected(), [decode(body) for body in request.bodies]
        with _answers():
            channel = client.channel(request.channel)
            if not client.is_confirming(request.channel):
                for body in bodies:
                    channel.basic_publish(request.exchange, request.routing_key, body)
                return amqp.PublishAllReply(outcomes=["handed_over"] * len(bodies))
            first = self._published[request.channel] + 1
            self._published[request.channel] += len(bodies)
            with awaiting_confirms(channel, first, len(bodies), self.settled) as batch:
                for body in bodies:
                    batch.publish(request.exchange, request.routing_key, body)
                if not batch.await_all(client.connection, _ALL):
                    raise ProbeFailure(ErrorCode.TIMEOUT, f"confirms are missing after {_ALL:g} s", definite=False)
        return amqp.PublishAllReply(outcomes=["confirmed" if accepted else "refused" for accepted in batch.told()])

    def settled(self, tag: int, *, multiple: bool, waiting: Collection[int]) -> Collection[int]:
        """Which of the messages that wait a confirm is about (basic.ack.multiple)."""
        return [each for each in waiting if each == tag or (multiple and each < tag)]

    def get(self, request: amqp.GetRequest) -> amqp.GetReply:
        """basic.get."""
        with _answers():
            channel = self._connected().channel(request.channel)
            method, properties, body = channel.basic_get(request.queue, auto_ack=request.no_ack)
        received = got_by_get(request.channel, method, properties, body)
        return amqp.GetReply(message=None if received is None else as_event(received))

    def consume(self, request: amqp.ConsumeRequest) -> Empty:
        """basic.consume."""
        with _answers():
            self._connected().begin_consuming(
                request.channel,
                request.queue,
                auto_ack=request.no_ack,
                on_delivery=self.answer if request.answer else None,
                exclusive=request.exclusive,
                consumer_tag=request.consumer or None,
                arguments=to_pika(request.arguments),
            )
        return Empty()

    def answer(self, request: Received) -> None:
        """Publish what answers a request, and acknowledge it, inside the callback that has it."""
        channel = self._connected().channel(request.channel)
        properties = BasicProperties(correlation_id=request.properties.correlation_id)
        channel.basic_publish("", request.properties.reply_to or "", request.body, properties)
        channel.basic_ack(request.tag)

    def cancel(self, request: amqp.CancelRequest) -> Empty:
        """basic.cancel."""
        with _answers():
            self._connected().channel(request.channel).basic_cancel(request.consumer)
        return Empty()

    def ack(self, request: amqp.AckRequest) -> Empty:
        """basic.ack, basic.nack or basic.reject."""
        with _answers():
            channel = self._connected().channel(request.channel)
            tag = int(request.tag)
            if request.accept:
                channel.basic_ack(tag, request.multiple)
            elif request.multiple:
                channel.basic_nack(tag, request.multiple, request.requeue)
            else:
                channel.basic_reject(tag, request.requeue)
        return Empty()

    def qos(self, request: amqp.QosRequest) -> Empty:
        """basic.qos."""
        with _answers():
            self._connected().channel(request.channel).basic_qos(
                prefetch_count=request.prefetch_count, global_qos=request.global_
            )
        return Empty()

    def confirm(self, request: amqp.ConfirmRequest) -> Empty:
        """confirm.select."""
        with _answers():
            self._connected().confirm(request.channel)
        self._published[request.channel] = 0
        return Empty()

    def transaction(self, request: amqp.TransactionRequest) -> Empty:
        """tx.select, tx.commit, tx.rollback."""
        with _answers():
            channel = self._connected().channel(request.channel)
            {"select": channel.tx_select, "commit": channel.tx_commit, "rollback": channel.tx_rollback}[
                request.action
            ]()
        return Empty()

    def delete(self, request: amqp.DeleteRequest) -> Empty:
        """queue.delete, exchange.delete or queue.purge."""
        with _answers():
            channel = self._connected().channel(request.channel)
            acts: dict[str, Any] = {
                "queue": channel.queue_delete,
                "exchange": channel.exchange_delete,
                "messages": channel.queue_purge,
            }
            acts[request.what](request.name)
        return Empty()

    def close_channel(self, request: amqp.CloseChannelRequest) -> Empty:
        """channel.close."""
        with _answers():
            self._connected().drop_channel(request.channel)
        return Empty()

    def update_secret(self, request: amqp.UpdateSecretRequest) -> Empty:
        """connection.update-secret."""
        with _answers():
            # The stub is of an older version.
            self._connected().connection.update_secret(request.secret, request.reason)  # type: ignore[attr-defined]
        return Empty()

    def disconnect(self, request: amqp.DisconnectRequest) -> Empty:
        """connection.close."""
        client = self._connected()
        with _answers():
            client.connection.close(request.code, request.text)
        self._client = None
        return Empty()

    @contextlib.contextmanager
    def _on(self, request: amqp.DeclareQueueRequest | amqp.DeclareExchangeRequest | amqp.BindRequest) -> Iterator[Any]:
        """The channel of a request, with pika's errors as error replies.

        pika's blocking channel always waits. The channel below it sets no-wait where it is given no callback.
        """
        with _answers():
            client = self._connected()
            channel: Any = client.channel(request.channel)
            if not request.nowait:
                yield channel
                return
            yield channel._impl
            # What was handed over is written.
            client.connection.process_data_events(time_limit=0)

    def _connected(self) -> AmqpReference:
        if self._client is None:
            raise ProbeFailure(ErrorCode.IO, "there is no connection")
        return self._client


def as_event(received: Received) -> amqp.Delivery:
    """A received message in the contract's form."""
    return amqp.Delivery(
        channel=received.channel,
        tag=str(received.tag),
        exchange=received.exchange,
        routing_key=received.routing_key,
        redelivered=received.redelivered,
        properties=properties_from_pika(received.properties),
        body=encode(received.body),
        consumer=received.consumer,
    )


@contextlib.contextmanager
def _answers() -> Iterator[None]:
    """pika's errors as error replies."""
    try:
        yield
    except _REFUSALS as error:
        raise ProbeFailure(ErrorCode.REFUSED, repr(error)) from error
    except (AMQPConnectionError, AMQPConnectorException, OSError) as error:
        raise ProbeFailure(ErrorCode.IO, repr(error), definite=False) from error
    except (AMQPError, ReferenceFailed) as error:
        raise ProbeFailure(ErrorCode.CRATE, repr(error), definite=False) from error


def main() -> int:
    """Serve one conversation."""
    client = ControlClient()
    return Server(
        crate="pika",
        version=version("pika"),
        vocabulary=amqp.VOCABULARY,
        dialects=[Dialect.AMQP_0_9_1],
        client=client,
        events=client,
    ).run()


if __name__ == "__main__":
    raise SystemExit(main())
