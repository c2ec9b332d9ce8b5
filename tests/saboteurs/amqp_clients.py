"""Wrong AMQP clients: the control client with one lie each. A scenario that none of them fails proves nothing.

python -m tests.saboteurs.amqp_clients NAME
"""

from __future__ import annotations

import re
import ssl
import sys
import time
from collections.abc import Iterator
from typing import Any, ClassVar

from harness.model import Dialect
from harness.references.amqp_control import ControlClient
from harness.wire import amqp
from harness.wire.messages import Empty, ErrorCode, decode, encode
from harness.wire.mqtt import Confirmation, Tls
from harness.wire.serve import ProbeFailure, Server


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


class ConfirmsBeforeTheBrokerDid(ControlClient):
    """Says that a publish is confirmed, and has sent nothing."""

    def publish(self, request: amqp.PublishRequest) -> Confirmation:
        """Send nothing."""
        return Confirmation(confirmed=True)


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


class TakesRefusalForSuccess(ControlClient):
    """Does not notice that it was refused."""

    def connect(self, request: amqp.ConnectRequest) -> Empty:
        """Swallow the error."""
        try:
            return super().connect(request)
        except ProbeFailure:
            return Empty()


class BindsEverything(ControlClient):
    """Binds with the key that matches everything."""

    def bind(self, request: amqp.BindRequest) -> Empty:
        """Bind to more."""
        return super().bind(request.model_copy(update={"routing_key": "#"}))


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


class TrustsAnyCertificate(ControlClient):
    """Speaks TLS with whoever answers."""

    def trusted(self, tls: Tls | None) -> ssl.SSLContext | None:
        """Check nothing."""
        context = super().trusted(tls)
        if context is not None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class IgnoresTheHostName(ControlClient):
    """Takes a certificate of the trusted authority from whoever shows one."""

    def trusted(self, tls: Tls | None) -> ssl.SSLContext | None:
        """Do not compare the names."""
        context = super().trusted(tls)
        if context is not None:
            context.check_hostname = False
        return context


class ShowsNoCertificate(ControlClient):
    """Has no certificate to show."""

    def trusted(self, tls: Tls | None) -> ssl.SSLContext | None:
        """Leave it out."""
        return super().trusted(tls and tls.model_copy(update={"certificate": None, "key": None}))


class SpeaksNoTls(ControlClient):
    """Connects without TLS where it was asked for."""

    def trusted(self, tls: Tls | None) -> ssl.SSLContext | None:
        """Speak plainly."""
        return None


class TakesErrorsForSuccess(ControlClient):
    """Does not notice that a declare failed."""

    def declare_queue(self, request: amqp.DeclareQueueRequest) -> amqp.DeclareQueueReply:
        """Swallow the error."""
        try:
            return super().declare_queue(request)
        except ProbeFailure:
            return amqp.DeclareQueueReply(queue=request.queue, messages=0, consumers=0)


class MisnamesQueues(ControlClient):
    """Makes a name up for what it declared."""

    def declare_queue(self, request: amqp.DeclareQueueRequest) -> amqp.DeclareQueueReply:
        """Tell another name."""
        return super().declare_queue(request).model_copy(update={"queue": "mine"})


class CountsNoMessages(ControlClient):
    """Does not read the count of declare-ok."""

    def declare_queue(self, request: amqp.DeclareQueueRequest) -> amqp.DeclareQueueReply:
        """Tell 0."""
        return super().declare_queue(request).model_copy(update={"messages": 0})


class SendsNoArguments(ControlClient):
    """Declares and binds without arguments."""

    def declare_queue(self, request: amqp.DeclareQueueRequest) -> amqp.DeclareQueueReply:
        """Leave them out."""
        return super().declare_queue(request.model_copy(update={"arguments": {}}))

    def declare_exchange(self, request: amqp.DeclareExchangeRequest) -> Empty:
        """Leave them out."""
        return super().declare_exchange(request.model_copy(update={"arguments": {}}))

    def bind(self, request: amqp.BindRequest) -> Empty:
        """Leave them out."""
        return super().bind(request.model_copy(update={"arguments": {}}))


class ForgetsAutoDelete(ControlClient):
    """Declares queues that stay."""

    def declare_queue(self, request: amqp.DeclareQueueRequest) -> amqp.DeclareQueueReply:
        """Leave the flag out."""
        return super().declare_queue(request.model_copy(update={"auto_delete": False}))


class SharesExclusiveQueues(ControlClient):
    """Declares queues that all may use."""

    def declare_queue(self, request: amqp.DeclareQueueRequest) -> amqp.DeclareQueueReply:
        """Leave the flag out."""
        return super().declare_queue(request.model_copy(update={"exclusive": False, "durable": True}))


class BindsQueuesAlone(ControlClient):
    """Cannot bind an exchange to an exchange."""

    def bind(self, request: amqp.BindRequest) -> Empty:
        """Send nothing."""
        return super().bind(request) if request.destination_kind == "queue" else Empty()


class PretendsToDelete(ControlClient):
    """Neither deletes nor purges."""

    def delete(self, request: amqp.DeleteRequest) -> Empty:
        """Send nothing."""
        return Empty()


class TakesMissingForEmpty(ControlClient):
    """Cannot tell a queue that is not there from one without messages."""

    def get(self, request: amqp.GetRequest) -> amqp.GetReply:
        """Swallow the error."""
        try:
            return super().get(request)
        except ProbeFailure:
            return amqp.GetReply(message=None)


class ClosesTooMuch(ControlClient):
    """Closes the connection where a channel is to be closed."""

    def close_channel(self, request: amqp.CloseChannelRequest) -> Empty:
        """Close everything."""
        return super().disconnect(amqp.DisconnectRequest())


class LosesTheConnectionWithAChannel(ControlClient):
    """Ends the connection when the server closes a channel."""

    def declare_queue(self, request: amqp.DeclareQueueRequest) -> amqp.DeclareQueueReply:
        """End it."""
        try:
            return super().declare_queue(request)
        except ProbeFailure:
            super().disconnect(amqp.DisconnectRequest())
            raise


class IgnoresTheVirtualHost(ControlClient):
    """Works in the default virtual host, as guest."""

    def connect(self, request: amqp.ConnectRequest) -> Empty:
        """Connect elsewhere."""
        elsewhere = {"vhost": "/", "username": "guest", "password": "guest"}
        return super().connect(request.model_copy(update=elsewhere))


class NeverComesBack(ControlClient):
    """Connects once."""

    _came = False

    def connect(self, request: amqp.ConnectRequest) -> Empty:
        """Refuse the second time."""
        if self._came:
            raise ProbeFailure(ErrorCode.IO, "once is enough")
        self._came = True
        return super().connect(request)


class WaitsForEver(ControlClient):
    """Has no time limit for the handshake."""

    def connect(self, request: amqp.ConnectRequest) -> Empty:
        """Go on waiting."""
        try:
            return super().connect(request)
        except ProbeFailure:
            time.sleep(600.0)
            raise


class LeavesWithoutClosing(ControlClient):
    """Says that the connection is closed, and does nothing."""

    def disconnect(self, request: amqp.DisconnectRequest) -> Empty:
        """Send nothing."""
        return Empty()


class SleepsWhileItWaits(ControlClient):
    """Sends no heartbeats, because it does nothing between its deliveries."""

    def take(self, timeout: float) -> dict[str, Any] | None:
        """Sleep, and look afterwards."""
        time.sleep(max(0.0, timeout))
        return super().take(0)


class IgnoresFrameMax(ControlClient):
    """Splits bodies as it likes."""

    def connect(self, request: amqp.ConnectRequest) -> Empty:
        """Forget the limit."""
        answer = super().connect(request)
        self._connected().connection._impl._body_max_length = 100_000  # type: ignore[attr-defined]
        return answer


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
    """Tells the application neither of returned messages nor of cancelled consumers."""

    def add(self, name: str, fields: Any) -> None:
        """Tell of deliveries alone."""
        if name not in ("returned", "consumer_cancelled"):
            super().add(name, fields)


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


class CommitsAtOnce(ControlClient):
    """Has no transactions."""

    def transaction(self, request: amqp.TransactionRequest) -> Empty:
        """Send nothing."""
        return Empty()


def _all(base: type[ControlClient]) -> Iterator[type[ControlClient]]:
    """Every client below `base` that lies; those with an underscore only help."""
    for client in base.__subclasses__():
        if not client.__name__.startswith("_"):
            yield client
        yield from _all(client)


#: Every wrong client by its name, CutsTheBody as cuts-the-body.
CLIENTS: dict[str, type[ControlClient]] = {
    re.sub(r"(?<!^)(?=[A-Z])", "-", client.__name__).lower(): client for client in _all(ControlClient)
}


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
