"""The crate's AMQP client in a scenario's hands: one probe process, and messages as scenarios compare them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.cells.doors import PLAIN, Door
from harness.cells.peer import PeerClient, described
from harness.model import Duty
from harness.references.amqp import Received
from harness.references.amqp_tables import properties_from_pika
from harness.wire import amqp
from harness.wire.messages import decode, encode

if TYPE_CHECKING:
    from harness.cells.amqp import AmqpCell

#: Types of whole numbers in field tables: clients may tell them apart by value alone.
_WHOLE = frozenset("bBsuIilL")


@dataclass(frozen=True)
class Delivered:
    """A message as a client got it. What a scenario leaves out is not compared."""

    body: bytes
    routing_key: str | None = None
    exchange: str | None = None
    redelivered: bool | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    tag: str = ""
    consumer: str | None = None

    def __str__(self) -> str:
        parts = [described(self.body)]
        if self.routing_key is not None:
            parts.append(f"with key {self.routing_key!r}")
        if self.redelivered:
            parts.append("redelivered")
        parts += [f"{name} = {_shown(value)}" for name, value in sorted(self.properties.items())]
        return ", ".join(parts)

    def is_same(self, wanted: Delivered) -> bool:
        """True where this is the message `wanted`, whatever its properties."""
        return self.body == wanted.body

    def agrees_with(self, wanted: Delivered) -> bool:
        """True where nothing that is told differs from `wanted`."""
        plain = ("routing_key", "exchange", "redelivered")
        return (
            self.is_same(wanted)
            and all(getattr(wanted, name) in (None, getattr(self, name)) for name in plain)
            and all(_same(self.properties.get(name), value) for name, value in wanted.properties.items())
        )


def _shown(value: Any) -> str:
    """A property or a field table for a sentence."""
    if not isinstance(value, dict):
        return repr(value)
    return "{" + ", ".join(f"{name}: {_entry(entry)}" for name, entry in sorted(value.items())) + "}"


def _entry(entry: dict[str, Any]) -> str:
    return f"{entry['t']} {entry.get('v')!r}"


def _same(got: Any, wanted: Any) -> bool:
    """Equality, with numbers in field tables by value."""
    if isinstance(got, dict) and isinstance(wanted, dict):
        if "t" in wanted and "t" in got:
            return _same_entry(got, wanted)
        return got.keys() == wanted.keys() and all(_same(got[name], wanted[name]) for name in wanted)
    return bool(got == wanted)


def _same_entry(got: dict[str, Any], wanted: dict[str, Any]) -> bool:
    left, right = got.get("v"), wanted.get("v")
    if got["t"] in _WHOLE and wanted["t"] in _WHOLE:
        return int(str(left)) == int(str(right))
    if {got["t"], wanted["t"]} <= {"f", "d"}:
        return bool(left == right)
    if got["t"] != wanted["t"]:
        return False
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_same_entry(a, b) for a, b in zip(left, right, strict=True))
    return _same(left, right)


def from_event(event: Mapping[str, Any]) -> Delivered:
    """A delivery in the contract's form."""
    properties = {name: value for name, value in event["properties"].items() if value is not None}
    return Delivered(
        decode(event["body"]),
        event["routing_key"],
        event["exchange"],
        event.get("redelivered"),
        properties,
        event["tag"],
        event.get("consumer"),
    )


def from_reference(message: Received) -> Delivered:
    """A message that pika got."""
    properties = properties_from_pika(message.properties).model_dump(exclude_none=True)
    return Delivered(
        message.body,
        message.routing_key,
        message.exchange,
        message.redelivered,
        properties,
        str(message.tag),
        message.consumer,
    )


class AmqpClient(PeerClient):
    """The crate's AMQP client. Operations take the fields of WIRE.md by name."""

    _cell: AmqpCell

    def connect(
        self, *, door: Door = PLAIN, shows_certificate: bool = False, within: float = 20.0, **options: Any
    ) -> None:
        """Up to connection.open-ok, within so many seconds; `options` are vhost, username, password, heartbeat_s."""
        address = self._cell.address(door, shows_certificate=shows_certificate)
        request = amqp.ConnectRequest.model_validate({**address, **options})
        self.call("connect", request, "the connection is opened", within=within)

    def declare_queue(self, queue: str = "", *, within: float = 0, **options: Any) -> amqp.DeclareQueueReply:
        """queue.declare; returns what declare-ok said."""
        request = amqp.DeclareQueueRequest.model_validate({"queue": queue, **options})
        ok = self.call("declare_queue", request, "the queue is declared", within=within)
        return amqp.DeclareQueueReply.model_validate(ok)

    def declare_exchange(self, exchange: str, kind: str, **options: Any) -> None:
        """exchange.declare."""
        request = amqp.DeclareExchangeRequest.model_validate({"exchange": exchange, "kind": kind, **options})
        self.call("declare_exchange", request, "the exchange is declared")

    def bind(self, destination: str, source: str, routing_key: str = "", **options: Any) -> None:
        """queue.bind or exchange.bind."""
        fields = {"destination": destination, "source": source, "routing_key": routing_key, **options}
        self.call("bind", amqp.BindRequest.model_validate(fields), "the binding is made")

    def publish(self, routing_key: str, body: bytes, *, within: float = 0, **options: Any) -> bool:
        """basic.publish; returns whether the crate reported the broker's confirm."""
        fields = {"routing_key": routing_key, "body": encode(body), **options}
        ok = self.call("publish", amqp.PublishRequest.model_validate(fields), "the publish completes", within=within)
        return bool(ok["confirmed"])

    def begin_publish(self, routing_key: str, body: bytes) -> Callable[[float], object]:
        """basic.publish; returns at once, with a function that waits for its end, given seconds."""
        request = amqp.PublishRequest.model_validate({"routing_key": routing_key, "body": encode(body)})
        return self.begin("publish", request, "the publish completes")

    def publish_all(self, routing_key: str, bodies: Sequence[bytes], *, within: float = 0) -> Sequence[str]:
        """basic.publish of several messages; returns the outcome of each, once all have one."""
        request = amqp.PublishAllRequest(routing_key=routing_key, bodies=[encode(body) for body in bodies])
        ok = self.call("publish_all", request, "each message has an outcome", within=within)
        return amqp.PublishAllReply.model_validate(ok).outcomes

    def get(self, queue: str, **options: Any) -> Delivered | None:
        """basic.get; null where the queue is empty."""
        request = amqp.GetRequest.model_validate({"queue": queue, **options})
        message = self.call("get", request, "the message is fetched")["message"]
        return None if message is None else from_event(message)

    def consume(self, queue: str, **options: Any) -> None:
        """basic.consume."""
        request = amqp.ConsumeRequest.model_validate({"queue": queue, **options})
        self.call("consume", request, "the consumer is registered")

    def cancel(self, consumer: str, **options: Any) -> None:
        """basic.cancel."""
        self.call("cancel", amqp.CancelRequest(consumer=consumer, **options), "the consumer is cancelled")

    def ack(self, message: Delivered, **options: Any) -> None:
        """basic.ack; basic.reject or basic.nack with accept=False."""
        self.call("ack", amqp.AckRequest(tag=message.tag, **options), "the acknowledgement is sent")

    def qos(self, prefetch_count: int, **options: Any) -> None:
        """basic.qos."""
        request = amqp.QosRequest.model_validate({"prefetch_count": prefetch_count, **options})
        self.call("qos", request, "the prefetch limit is set")

    def confirm(self, **options: Any) -> None:
        """confirm.select."""
        self.call("confirm", amqp.ConfirmRequest(**options), "the channel is in confirm mode")

    def transaction(self, action: str, **options: Any) -> None:
        """tx.select, tx.commit or tx.rollback."""
        request = amqp.TransactionRequest.model_validate({"action": action, **options})
        self.call("transaction", request, f"tx.{action} succeeds")

    def delete(self, what: str, name: str, **options: Any) -> None:
        """queue.delete, queue.purge or exchange.delete."""
        request = amqp.DeleteRequest.model_validate({"what": what, "name": name, **options})
        self.call("delete", request, f"the {what} is deleted")

    def close_channel(self, channel: int = 1) -> None:
        """channel.close."""
        self.call("close_channel", amqp.CloseChannelRequest(channel=channel), "the channel is closed")

    def update_secret(self, secret: str, reason: str) -> None:
        """connection.update-secret."""
        self.call("update_secret", amqp.UpdateSecretRequest(secret=secret, reason=reason), "the secret is updated")

    def disconnect(self, *, within: float = 0, **options: Any) -> None:
        """connection.close."""
        request = amqp.DisconnectRequest(**options)
        self.call("disconnect", request, "the connection is closed in good order", within=within)

    def next_delivery(self, within: float, expected: str) -> Delivered | None:
        """The next message that the crate delivers to a consumer; null where none came within `within` seconds."""
        event = self.next_event("delivery", within, expected)
        return None if event is None else from_event(event)

    def expect_told(self, event: str, within: float, expected: str) -> dict[str, Any]:
        """The crate reports `event` within `within` seconds; returns it."""
        told = self.next_event(event, within, expected)
        self._cell.expect(told is not None, expected=expected, observed=f"nothing within {within:g} s")
        return told or {}

    def idle(self, seconds: float) -> None:
        """Let the client work for `seconds`; what it delivers meanwhile is kept."""
        self._process.take_event(lambda _event: False, seconds, expected="the client stays connected")

    def recover(self, *, consuming: str = "") -> None:
        """Have the client work again after its connection was lost, and return once it does.

        Where crates.toml says that reconnecting is the application's, this is the application: it connects again once a
        second until that works, and then consumes again from the queue `consuming`.
        """
        connects = self.is_left_to_application(Duty.RECONNECT, "connecting again")

        def work() -> None:
            if connects:
                self.connect()
            self.declare_queue(self._cell.name("alive"), durable=True)

        self.until_it_works(work)
        if connects and consuming:
            self.consume(consuming, no_ack=True)
