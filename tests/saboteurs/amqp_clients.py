"""Wrong AMQP clients: the control client with one lie each. A scenario that none of them fails proves nothing.

python -m tests.saboteurs.amqp_clients NAME
"""

from __future__ import annotations

import re
import ssl
import sys
from typing import Any

from harness.model import Dialect
from harness.references.amqp_control import ControlClient
from harness.wire import amqp
from harness.wire.messages import Empty, decode, encode
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


#: Every wrong client by its name, CutsTheBody as cuts-the-body.
CLIENTS: dict[str, type[ControlClient]] = {
    re.sub(r"(?<!^)(?=[A-Z])", "-", client.__name__).lower(): client for client in ControlClient.__subclasses__()
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
