"""Wrong AMQP clients: the control client with one lie each. A scenario that none of them fails proves nothing.

python -m tests.saboteurs.amqp_clients NAME
"""

from __future__ import annotations

import sys
import time
from typing import Any, ClassVar

from harness.model import Dialect
from harness.references.amqp_control import ControlClient
from harness.wire import amqp
from harness.wire.messages import Empty, decode, encode
from harness.wire.mqtt import Confirmation
from harness.wire.serve import ProbeFailure, Server
from tests.saboteurs import amqp_answers, amqp_connections  # noqa: F401 - their clients are found as subclasses
from tests.saboteurs.names import clients_below


class CutsTheBody(ControlClient):
    """Loses the last byte of what it publishes."""

    def publish(self, request: amqp.PublishRequest) -> Confirmation:
        """Publish less."""
        return super().publish(request.model_copy(update={"body": encode(decode(request.body)[:-1])}))


class SendsNulForEmpty(ControlClient):
    """Cannot publish nothing."""

    def publish(self, request: amqp.PublishRequest) -> Confirmation:
        """Publish a byte."""
        return super().publish(request.model_copy(update={"body": encode(decode(request.body) or b"\0")}))


class LosesHeaders(ControlClient):
    """Publishes no headers."""

    def publish(self, request: amqp.PublishRequest) -> Confirmation:
        """Publish without."""
        properties = request.properties.model_copy(update={"headers": None})
        return super().publish(request.model_copy(update={"properties": properties}))


class LosesAProperty(ControlClient):
    """Publishes no correlation-id."""

    def publish(self, request: amqp.PublishRequest) -> Confirmation:
        """Publish without."""
        properties = request.properties.model_copy(update={"correlation_id": None})
        return super().publish(request.model_copy(update={"properties": properties}))


class SendsTwice(ControlClient):
    """Publishes everything twice."""

    def publish(self, request: amqp.PublishRequest) -> Confirmation:
        """Publish once more."""
        super().publish(request)
        return super().publish(request)


class AcksTheWrongTag(ControlClient):
    """Acknowledges the delivery after the one that was meant."""

    def ack(self, request: amqp.AckRequest) -> Empty:
        """Acknowledge another one."""
        return super().ack(request.model_copy(update={"tag": str(int(request.tag) + 1)}))


class NeverAcks(ControlClient):
    """Keeps its acknowledgements to itself."""

    def ack(self, request: amqp.AckRequest) -> Empty:
        """Send nothing."""
        return Empty()


class ForgetsMultiple(ControlClient):
    """Acknowledges one delivery where several were meant."""

    def ack(self, request: amqp.AckRequest) -> Empty:
        """Acknowledge one."""
        return super().ack(request.model_copy(update={"multiple": False}))


class RejectsInsteadOfRequeueing(ControlClient):
    """Throws away what should go back to the queue."""

    def ack(self, request: amqp.AckRequest) -> Empty:
        """Reject for good."""
        return super().ack(request.model_copy(update={"requeue": False}))


class RequeuesInsteadOfRejecting(ControlClient):
    """Puts back what should be thrown away."""

    def ack(self, request: amqp.AckRequest) -> Empty:
        """Requeue."""
        return super().ack(request.model_copy(update={"requeue": not request.accept}))


class IgnoresPrefetch(ControlClient):
    """Takes a prefetch limit and does not pass it on."""

    def qos(self, request: amqp.QosRequest) -> Empty:
        """Send nothing."""
        return Empty()


class PretendsToCancel(ControlClient):
    """Goes on consuming after a cancel."""

    def cancel(self, request: amqp.CancelRequest) -> Empty:
        """Send nothing."""
        return Empty()


class NeverRedelivered(ControlClient):
    """Says of no message that it was delivered before."""

    def get(self, request: amqp.GetRequest) -> amqp.GetReply:
        """Clear the flag."""
        message = super().get(request).message
        return amqp.GetReply(message=message and message.model_copy(update={"redelivered": False}))


class DeliversTwice(ControlClient):
    """Hands every delivery to the application twice."""

    def add(self, name: str, fields: Any) -> None:
        """Once more."""
        super().add(name, fields)
        if name == "delivery":
            super().add(name, fields)


class TakesMissingForEmpty(ControlClient):
    """Cannot tell a queue that is not there from one without messages."""

    def get(self, request: amqp.GetRequest) -> amqp.GetReply:
        """Swallow the error."""
        try:
            return super().get(request)
        except ProbeFailure:
            return amqp.GetReply(message=None)


class _DropsEvents(ControlClient):
    """Base of what drops events: one that was dropped does not end a wait."""

    def take(self, timeout: float) -> dict[str, Any] | None:
        """Look on until the time is over."""
        end = time.monotonic() + timeout
        while (event := super().take(max(0.0, end - time.monotonic()))) is None and time.monotonic() < end:
            pass
        return event


class _ChangesMessages(_DropsEvents):
    """Base of what tampers with messages on their way to the application."""

    def changed(self, message: amqp.Delivery) -> amqp.Delivery | None:
        """What becomes of a message; null where it is dropped."""
        raise NotImplementedError

    def add(self, name: str, fields: Any) -> None:
        """Tamper with deliveries."""
        if name == "delivery":
            fields = self.changed(fields)
        if fields is not None:
            super().add(name, fields)

    def get(self, request: amqp.GetRequest) -> amqp.GetReply:
        """Tamper with what was fetched."""
        message = super().get(request).message
        return amqp.GetReply(message=message and self.changed(message))


class LosesTheLastByte(_ChangesMessages):
    """Delivers a byte less."""

    def changed(self, message: amqp.Delivery) -> amqp.Delivery | None:
        """Cut the body."""
        return message.model_copy(update={"body": encode(decode(message.body)[:-1])})


class ReadsNoHeaders(_ChangesMessages):
    """Delivers messages without their headers."""

    def changed(self, message: amqp.Delivery) -> amqp.Delivery | None:
        """Drop them."""
        properties = message.properties.model_copy(update={"headers": None})
        return message.model_copy(update={"properties": properties})


class ReadsNoTimestamp(_ChangesMessages):
    """Delivers messages without their timestamp."""

    def changed(self, message: amqp.Delivery) -> amqp.Delivery | None:
        """Drop it."""
        properties = message.properties.model_copy(update={"timestamp": None})
        return message.model_copy(update={"properties": properties})


class DropsATenth(_ChangesMessages):
    """Loses every tenth message."""

    _count = 0

    def changed(self, message: amqp.Delivery) -> amqp.Delivery | None:
        """Drop some."""
        self._count += 1
        return message if self._count % 10 else None


class SwapsDeliveries(_ChangesMessages):
    """Delivers the second message before the first."""

    _kept: amqp.Delivery | None = None
    _done = False

    def changed(self, message: amqp.Delivery) -> amqp.Delivery | None:
        """Keep the first one back."""
        if self._done:
            return message
        if self._kept is None:
            self._kept = message
            return None
        self._done = True
        self.add("delivery", message)
        return self._kept


class KeepsToItself(_DropsEvents):
    """Tells the application neither of returned messages, nor of cancelled consumers, nor of being blocked."""

    def add(self, name: str, fields: Any) -> None:
        """Tell of deliveries alone."""
        if name not in ("returned", "consumer_cancelled", "blocked"):
            super().add(name, fields)


class HidesTheEnd(_DropsEvents):
    """Does not tell the application that its connection is gone."""

    def add(self, name: str, fields: Any) -> None:
        """Tell of everything else."""
        if name != "disconnected":
            super().add(name, fields)


class ConsumesOnce(ControlClient):
    """Has consumers on its first connection alone."""

    _connections = 0

    def connect(self, request: amqp.ConnectRequest) -> Empty:
        """Count."""
        self._connections += 1
        return super().connect(request)

    def consume(self, request: amqp.ConsumeRequest) -> Empty:
        """Consume, or do not."""
        return super().consume(request) if self._connections == 1 else Empty()


class HasOneConsumer(ControlClient):
    """Forgets a channel's first consumer over the second."""

    _tag = ""

    def consume(self, request: amqp.ConsumeRequest) -> Empty:
        """Take the first one's messages from the application."""
        if self._tag:
            super().cancel(amqp.CancelRequest(consumer=self._tag))
            while super().take(0.1) is not None:
                pass
        self._tag = "first"
        return super().consume(request.model_copy(update={"consumer": request.consumer or self._tag}))


class DropsWhileBlocked(ControlClient):
    """Drops what the application publishes while the broker takes nothing."""

    _is_blocked = False

    def add(self, name: str, fields: Any) -> None:
        """Listen."""
        super().add(name, fields)
        if name in ("blocked", "unblocked"):
            self._is_blocked = name == "blocked"

    def publish(self, request: amqp.PublishRequest) -> Confirmation:
        """Publish, or do not."""
        return Confirmation(confirmed=False) if self._is_blocked else super().publish(request)


class _ChangesProperties(ControlClient):
    """Base of what publishes with other properties."""

    lost: ClassVar[dict[str, Any]]

    def publish(self, request: amqp.PublishRequest) -> Confirmation:
        """Publish with those."""
        properties = request.properties.model_copy(update=self.lost)
        return super().publish(request.model_copy(update={"properties": properties}))


class LosesExpiration(_ChangesProperties):
    """Publishes messages that stay."""

    lost: ClassVar[dict[str, Any]] = {"expiration": None}


class LosesPriority(_ChangesProperties):
    """Publishes messages that are all alike."""

    lost: ClassVar[dict[str, Any]] = {"priority": None}


class LosesTheUserId(_ChangesProperties):
    """Publishes messages that nobody sent."""

    lost: ClassVar[dict[str, Any]] = {"user_id": None}


class PublishesTransient(_ChangesProperties):
    """Publishes messages that a restart loses."""

    lost: ClassVar[dict[str, Any]] = {"delivery_mode": 1}


#: Every wrong client by its name; those of the two other modules among them.
CLIENTS = clients_below(ControlClient)


def main() -> int:
    """Serve one conversation as the client that the argument names."""
    client = CLIENTS[sys.argv[1]]()
    return Server(
        crate="pika",
        version="1.4.4",
        vocabulary=amqp.VOCABULARY,
        dialects=[Dialect.AMQP_0_9_1],
        client=client,
        events=client,
    ).run()


if __name__ == "__main__":
    raise SystemExit(main())
