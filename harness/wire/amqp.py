"""Operations and events of AMQP 0-9-1 clients, with RabbitMQ's extensions."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from harness.model import Dialect
from harness.wire.messages import Base64, Empty, Strict
from harness.wire.mqtt import Confirmation, Disconnected, Tls
from harness.wire.operations import Event, Operation, Vocabulary

#: A field table: each value is `{"t": <type letter>, "v": <value>}`; 64-bit integers and decimals are strings.
Table = dict[str, Any]


class ConnectRequest(Strict):
    """Open the connection up to connection.open-ok."""

    host: str
    port: int = Field(ge=1, le=65535)
    vhost: str = "/"
    username: str = "guest"
    password: str = "guest"  # noqa: S105 - RabbitMQ's documented default account
    heartbeat_s: int = Field(default=60, ge=0, description="seconds; 0 disables")
    tls: Tls | None = None


class OnChannel(Strict):
    """Base of what happens on one channel."""

    channel: int = Field(default=1, ge=1, description="number that the harness gives; opened at first use")


class DeclareQueueRequest(OnChannel):
    """queue.declare; replies at declare-ok."""

    queue: str = Field(description="empty: the server names it")
    durable: bool = False
    exclusive: bool = False
    auto_delete: bool = False
    passive: bool = False
    nowait: bool = Field(default=False, description="the broker is asked for no answer: replies at hand-over")
    arguments: Table = Field(default_factory=dict)


class DeclareQueueReply(Strict):
    """queue.declare-ok; with `nowait` the name that was asked for, and 0."""

    queue: str
    messages: int
    consumers: int


class DeclareExchangeRequest(OnChannel):
    """exchange.declare; replies at declare-ok."""

    exchange: str
    kind: str
    durable: bool = False
    auto_delete: bool = False
    passive: bool = False
    nowait: bool = Field(default=False, description="the broker is asked for no answer: replies at hand-over")
    arguments: Table = Field(default_factory=dict)


class BindRequest(OnChannel):
    """queue.bind or exchange.bind; replies at bind-ok."""

    destination: str
    destination_kind: Literal["queue", "exchange"] = "queue"
    source: str
    routing_key: str = ""
    nowait: bool = Field(default=False, description="the broker is asked for no answer: replies at hand-over")
    arguments: Table = Field(default_factory=dict)


class Properties(Strict):
    """Basic properties (0-9-1, section 1.8.3 of the method reference)."""

    content_type: str | None = None
    content_encoding: str | None = None
    headers: Table | None = None
    delivery_mode: int | None = None
    priority: int | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    expiration: str | None = Field(default=None, description="milliseconds, as decimal digits")
    message_id: str | None = None
    timestamp: str | None = Field(default=None, description="seconds since 1970, as decimal digits")
    type: str | None = None
    user_id: str | None = None
    app_id: str | None = None


class PublishRequest(OnChannel):
    """basic.publish; replies at the confirm where the channel is in confirm mode, else at hand-over."""

    exchange: str = ""
    routing_key: str
    body: Base64
    properties: Properties = Properties()
    mandatory: bool = False


class PublishAllRequest(OnChannel):
    """basic.publish of several messages, none awaiting another's confirm; replies once each has its outcome."""

    exchange: str = ""
    routing_key: str
    bodies: list[Base64] = Field(min_length=1)


class PublishAllReply(Strict):
    """What became of each message."""

    outcomes: list[Literal["handed_over", "confirmed", "refused"]] = Field(
        description="in the order of `bodies`; `handed_over` outside of confirm mode, `refused` by basic.nack"
    )


class GetRequest(OnChannel):
    """basic.get; an empty queue is `message: null`."""

    queue: str
    no_ack: bool = False


class Delivery(Strict):
    """A message, by basic.deliver, get-ok or return."""

    channel: int
    tag: str = Field(description="delivery tag, as decimal digits")
    exchange: str
    routing_key: str
    redelivered: bool | None = None
    properties: Properties
    body: Base64
    consumer: str | None = None


class GetReply(Strict):
    """basic.get-ok or get-empty."""

    message: Delivery | None


class ConsumeRequest(OnChannel):
    """basic.consume; replies at consume-ok, deliveries are events."""

    queue: str
    consumer: str = ""
    no_ack: bool = False
    exclusive: bool = False
    answer: bool = Field(
        default=False,
        description="where the crate hands a message over, its callback or its loop as its documentation shows, its "
        "body is published on the same channel to the queue in reply-to with its correlation-id, and it is acked",
    )
    arguments: Table = Field(default_factory=dict)


class CancelRequest(OnChannel):
    """basic.cancel; replies at cancel-ok."""

    consumer: str


class AckRequest(OnChannel):
    """basic.ack, or basic.nack and basic.reject where `accept` is false."""

    tag: str
    multiple: bool = False
    accept: bool = True
    requeue: bool = False


class QosRequest(OnChannel):
    """basic.qos; replies at qos-ok."""

    prefetch_count: int = Field(ge=0)
    global_: bool = Field(default=False, alias="global")


class ConfirmRequest(OnChannel):
    """confirm.select; replies at select-ok."""


class TransactionRequest(OnChannel):
    """tx.select, tx.commit or tx.rollback."""

    action: Literal["select", "commit", "rollback"]


class DeleteRequest(OnChannel):
    """queue.delete, queue.purge or exchange.delete."""

    what: Literal["queue", "exchange", "messages"]
    name: str


class CloseChannelRequest(OnChannel):
    """channel.close; replies at close-ok."""


class UpdateSecretRequest(Strict):
    """connection.update-secret (RabbitMQ); replies at update-secret-ok."""

    secret: str
    reason: str


class DisconnectRequest(Strict):
    """connection.close; replies at close-ok."""

    code: int = 200
    text: str = ""


class Closed(Strict):
    """The server closed a channel."""

    channel: int
    code: int
    text: str


class Blocked(Strict):
    """connection.blocked (RabbitMQ)."""

    reason: str


class Cancelled(Strict):
    """basic.cancel from the server (RabbitMQ)."""

    channel: int
    consumer: str


VOCABULARY = Vocabulary(
    title="AMQP 0-9-1",
    dialects=(Dialect.AMQP_0_9_1,),
    operations=(
        Operation("connect", ConnectRequest),
        Operation("declare_queue", DeclareQueueRequest, DeclareQueueReply),
        Operation("declare_exchange", DeclareExchangeRequest),
        Operation("bind", BindRequest),
        Operation("publish", PublishRequest, Confirmation),
        Operation("publish_all", PublishAllRequest, PublishAllReply),
        Operation("get", GetRequest, GetReply),
        Operation("consume", ConsumeRequest),
        Operation("cancel", CancelRequest),
        Operation("ack", AckRequest),
        Operation("qos", QosRequest),
        Operation("confirm", ConfirmRequest),
        Operation("transaction", TransactionRequest),
        Operation("delete", DeleteRequest),
        Operation("close_channel", CloseChannelRequest),
        Operation("update_secret", UpdateSecretRequest),
        Operation("disconnect", DisconnectRequest),
    ),
    events=(
        Event("delivery", Delivery),
        Event("returned", Delivery),
        Event("channel_closed", Closed),
        Event("consumer_cancelled", Cancelled),
        Event("blocked", Blocked),
        Event("unblocked", Empty),
        Event("disconnected", Disconnected),
    ),
)
