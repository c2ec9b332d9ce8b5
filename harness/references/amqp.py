"""pika as reference client for AMQP 0-9-1.

https://pika.readthedocs.io/en/stable/modules/adapters/blocking.html
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker

from harness.errors import ReferenceFailed

#: Seconds that one step of the reference may take before nothing can be said about the crate.
STEP = 10.0
#: Reply code of channel.close where something does not exist.
NOT_FOUND = 404
#: Reply code of channel.close where something exists, but otherwise than it was declared.
PRECONDITION_FAILED = 406


@dataclass(frozen=True)
class Received:
    """A message as pika delivered it; `returned` is true where it came back by basic.return."""

    channel: int
    exchange: str
    routing_key: str
    body: bytes
    properties: pika.BasicProperties
    tag: int
    redelivered: bool
    consumer: str | None = None
    returned: bool = False


class AmqpReference:
    """A pika connection. It works only while a method runs, so it asks for no heartbeats unless told otherwise."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        vhost: str = "/",
        username: str = "guest",
        password: str = "guest",  # noqa: S107 - RabbitMQ's documented default account
        heartbeat: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._parameters = pika.ConnectionParameters(
            host=host,
            port=port,
            virtual_host=vhost,
            credentials=pika.PlainCredentials(username, password),
            heartbeat=heartbeat,
            # The stub does not know that null is the default.
            ssl_options=None if tls is None else pika.SSLOptions(tls, host),  # type: ignore[arg-type]
            socket_timeout=STEP,
            stack_timeout=STEP,
            blocked_connection_timeout=STEP,
        )
        self._connection: pika.BlockingConnection | None = None
        self._channels: dict[int, BlockingChannel] = {}
        self._inbox: deque[Received] = deque()
        self._confirming: set[int] = set()
        #: Called with channel and consumer, with the reason, and with nothing.
        self.on_cancelled: Callable[..., None] | None = None
        self.on_blocked: Callable[..., None] | None = None
        self.on_unblocked: Callable[..., None] | None = None
        self._stirred = False

    def connect(self) -> None:
        """Open the connection, up to connection.open-ok. Raises pika's own errors, which the control reports."""
        self._connection = pika.BlockingConnection(self._parameters)
        told: Any = self._connection  # the stub is of another version
        told.add_on_connection_blocked_callback(lambda _, frame: self._stir(self.on_blocked, frame.method.reason))
        told.add_on_connection_unblocked_callback(lambda *_: self._stir(self.on_unblocked))

    @property
    def connection(self) -> pika.BlockingConnection:
        """The open connection."""
        if self._connection is None:
            raise ReferenceFailed("the reference client is not connected")
        return self._connection

    def channel(self, number: int = 1) -> BlockingChannel:
        """The channel of this number, opened at first use; where the server closed it, pika raises at its next use."""
        channel = self._channels.get(number)
        if channel is None:
            self._confirming.discard(number)
            channel = self._channels[number] = self.connection.channel(channel_number=number)
            channel.add_on_cancel_callback(lambda frame: self._cancelled(number, frame))
            channel.add_on_return_callback(self._on_return)  # type: ignore[arg-type]  # the stub is of another version
        return channel

    def drop_channel(self, number: int) -> None:
        """channel.close, where it is open; its number is free again."""
        channel = self._channels.pop(number)
        if channel.is_open:
            channel.close()

    def confirm(self, number: int = 1) -> None:
        """confirm.select: from now on `publish` waits for the broker's confirm."""
        self.channel(number).confirm_delivery()
        self._confirming.add(number)

    def is_confirming(self, number: int) -> bool:
        """True where the channel is in confirm mode."""
        return number in self._confirming

    # -- steps, which raise ReferenceFailed --------------------------------------------------------

    def declare(self, queue: str, **options: Any) -> int:
        """queue.declare; returns how many messages are ready."""
        with _step(f"declare the queue {queue}"):
            return int(self.channel().queue_declare(queue, **options).method.message_count or 0)

    def ready(self, queue: str) -> int:
        """How many messages of `queue` were delivered to nobody yet, by a passive declare."""
        return self.declare(queue, passive=True)

    def exists(self, queue: str) -> bool:
        """Whether there is a queue of this name, by a passive declare on a channel of its own."""
        with _step(f"look for the queue {queue}"):
            return self._is_answered(NOT_FOUND, queue, passive=True)

    def is_declared_as(self, queue: str, **options: Any) -> bool:
        """Whether an equal declaration succeeds; another one is refused with 406, on a channel of its own."""
        with _step(f"declare the queue {queue} again"):
            return self._is_answered(PRECONDITION_FAILED, queue, **options)

    def _is_answered(self, refusal: int, queue: str, **options: Any) -> bool:
        """queue.declare on a channel of its own; false where the server closes that one with the code `refusal`."""
        try:
            self.channel(3).queue_declare(queue, **options)
        except ChannelClosedByBroker as error:
            if error.reply_code != refusal:
                raise
            return False
        finally:
            self.drop_channel(3)
        return True

    def consume_once(self, queue: str) -> None:
        """basic.consume, and basic.cancel at once: the consumer came and left."""
        with _step(f"consume from {queue} and leave"):
            channel = self.channel()
            channel.basic_cancel(channel.basic_consume(queue, lambda *_delivery: None))

    def declare_exchange(self, exchange: str, kind: str, **options: Any) -> None:
        """exchange.declare."""
        with _step(f"declare the exchange {exchange}"):
            self.channel().exchange_declare(exchange, kind, **options)  # type: ignore[arg-type]  # pika takes any name

    def bind(self, queue: str, exchange: str, key: str = "", **options: Any) -> None:
        """queue.bind."""
        with _step(f"bind {queue} to {exchange}"):
            self.channel().queue_bind(queue, exchange, key, **options)

    def publish(
        self, key: str, body: bytes, *, exchange: str = "", properties: pika.BasicProperties | None = None
    ) -> None:
        """basic.publish, up to the broker's confirm: the message is in its queues then."""
        with _step(f"publish to {exchange or key}"):
            # A channel of its own, so that confirms do not change what the first channel is asked.
            if not self.is_confirming(2):
                self.confirm(2)
            self.channel(2).basic_publish(exchange, key, body, properties, mandatory=False)

    def get(self, queue: str, *, auto_ack: bool = True) -> Received | None:
        """basic.get; null where the queue is empty."""
        with _step(f"get from {queue}"):
            method, properties, body = self.channel().basic_get(queue, auto_ack=auto_ack)
        return got_by_get(1, method, properties, body)

    def consume(self, queue: str, *, auto_ack: bool = True) -> None:
        """basic.consume; what comes is for `take`."""
        with _step(f"consume from {queue}"):
            self.begin_consuming(1, queue, auto_ack=auto_ack)

    def take(self, timeout: float) -> Received | None:
        """The oldest delivery that was not taken yet, waiting up to `timeout` seconds."""
        with _step("wait for a delivery"):
            return self.drive(timeout)

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        """basic.ack, followed by a round trip on the same channel, so that the broker has processed it."""
        with _step("acknowledge"):
            self.channel().basic_ack(tag, multiple)
            self.channel().basic_qos(prefetch_count=0)

    def close(self) -> None:
        """Close the connection in good order, where there is one."""
        with contextlib.suppress(AMQPError, OSError, ReferenceFailed):
            self.connection.close()

    # -- what the control needs beside them --------------------------------------------------------

    def begin_consuming(
        self,
        number: int,
        queue: str,
        *,
        auto_ack: bool,
        on_delivery: Callable[[Received], None] | None = None,
        **options: Any,
    ) -> None:
        """basic.consume on a channel, up to consume-ok; `on_delivery` is called in pika's callback."""
        channel = self.channel(number)

        def deliver(_channel: Any, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
            received = Received(
                number,
                method.exchange,
                method.routing_key,
                body,
                properties,
                method.delivery_tag,
                method.redelivered,
                method.consumer_tag,
            )
            if on_delivery is not None:
                on_delivery(received)
            self._inbox.append(received)

        channel.basic_consume(queue, deliver, auto_ack=auto_ack, **options)

    def drive(self, timeout: float) -> Received | None:
        """`take` with pika's own errors; also returns null once something else happened."""
        end = time.monotonic() + timeout
        self._stirred = False
        while not self._inbox and not self._stirred:
            left = max(0.0, end - time.monotonic())
            self.connection.process_data_events(time_limit=left)  # type: ignore[arg-type]  # the stub says int
            if time.monotonic() >= end:
                break
        return self._inbox.popleft() if self._inbox else None

    def _cancelled(self, number: int, frame: Any) -> None:
        self._stir(self.on_cancelled, number, frame.method.consumer_tag)

    def _stir(self, act: Callable[..., None] | None, *news: Any) -> None:
        """Something happened that is no delivery."""
        self._stirred = True
        if act is not None:
            act(*news)

    def _on_return(self, channel: Any, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
        self.came_back(channel.channel_number, method, properties, body)

    def came_back(self, number: int, method: Any, properties: Any, body: Any) -> None:
        """Keep a message that the broker returned."""
        self._inbox.append(
            Received(
                number,
                method.exchange,
                method.routing_key,
                body,
                properties,
                0,
                redelivered=False,
                returned=True,
            )
        )


def got_by_get(channel: int, method: Any, properties: Any, body: Any) -> Received | None:
    """What pika's basic_get returns, which is all null where the queue is empty."""
    if method is None:
        return None
    return Received(
        channel, method.exchange, method.routing_key, body, properties, method.delivery_tag, method.redelivered
    )


@contextlib.contextmanager
def _step(what: str) -> Iterator[None]:
    """pika's errors as ours."""
    try:
        yield
    except (AMQPError, OSError) as error:
        raise ReferenceFailed(f"the reference client could not {what}: {error!r}") from error
