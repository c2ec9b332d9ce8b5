"""AMQP clients that lie about connections, channels, queues, exchanges and bindings: part of `amqp_clients`."""

from __future__ import annotations

import os
import socket
import ssl
import time
from typing import Any

from pika.connection import Connection

from harness.references.amqp_control import ControlClient
from harness.wire import amqp
from harness.wire.messages import Empty, ErrorCode
from harness.wire.mqtt import Confirmation, Tls
from harness.wire.serve import ProbeFailure


class TakesRefusalForSuccess(ControlClient):
    """Does not notice that it was refused."""

    def connect(self, request: amqp.ConnectRequest) -> Empty:
        """Swallow the error."""
        try:
            return super().connect(request)
        except ProbeFailure:
            return Empty()


class TakesItsTime(ControlClient):
    """Tells of a refusal half a minute later."""

    def connect(self, request: amqp.ConnectRequest) -> Empty:
        """Wait before telling."""
        try:
            return super().connect(request)
        except ProbeFailure:
            time.sleep(30.0)
            raise


class IgnoresTheLimits(ControlClient):
    """Answers connection.tune with limits of its own."""

    def connect(self, request: amqp.ConnectRequest) -> Empty:
        """Ask for more than there is."""
        pika: Any = Connection
        negotiate = pika._negotiate_integer_value
        pika._negotiate_integer_value = staticmethod(lambda _own, _server: 50_000)
        try:
            return super().connect(request)
        finally:
            pika._negotiate_integer_value = staticmethod(negotiate)


class HasOneChannel(ControlClient):
    """Uses the first channel for everything."""

    def declare_queue(self, request: amqp.DeclareQueueRequest) -> amqp.DeclareQueueReply:
        """Declare there."""
        return super().declare_queue(request.model_copy(update={"channel": 1}))


class BindsEverything(ControlClient):
    """Binds with the key that matches everything."""

    def bind(self, request: amqp.BindRequest) -> Empty:
        """Bind to more."""
        return super().bind(request.model_copy(update={"routing_key": "#"}))


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


class KeepsItsConnections(ControlClient):
    """Leaves every connection open, and forgets it."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[object] = []

    def disconnect(self, request: amqp.DisconnectRequest) -> Empty:
        """Send nothing."""
        self._kept.append(self._client)
        self._client = None
        return Empty()


class KeepsEveryAttempt(ControlClient):
    """Opens a file for each attempt to connect and never closes it."""

    def connect(self, request: amqp.ConnectRequest) -> Empty:
        """Open one."""
        os.open(os.devnull, os.O_RDONLY)
        return super().connect(request)


class NeverFlushes(ControlClient):
    """Sends one message when the next one comes."""

    _waiting: amqp.PublishRequest | None = None

    def publish(self, request: amqp.PublishRequest) -> Confirmation:
        """Publish the one before."""
        before, self._waiting = self._waiting, request
        return Confirmation(confirmed=False) if before is None else super().publish(before)


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


class DropsWhatNobodyAnswers(ControlClient):
    """Declares nothing where no answer is asked for."""

    def declare_queue(self, request: amqp.DeclareQueueRequest) -> amqp.DeclareQueueReply:
        """Send nothing."""
        if request.nowait:
            return amqp.DeclareQueueReply(queue=request.queue, messages=0, consumers=0)
        return super().declare_queue(request)


class KnowsNoIpv6(ControlClient):
    """Connects to IPv4 addresses alone."""

    def connect(self, request: amqp.ConnectRequest) -> Empty:
        """Refuse the others."""
        if ":" in request.host:
            raise ProbeFailure(ErrorCode.IO, "no such address")
        return super().connect(request)


class TriesOneAddress(ControlClient):
    """Connects to the first address of a name alone."""

    def connect(self, request: amqp.ConnectRequest) -> Empty:
        """Take the first."""
        first = socket.getaddrinfo(request.host, request.port, type=socket.SOCK_STREAM)[0][4][0]
        return super().connect(request.model_copy(update={"host": first}))


class StumblesOverNotices(ControlClient):
    """Cannot close a connection that was blocked."""

    _was_blocked = False

    def add(self, name: str, fields: Any) -> None:
        """Listen."""
        super().add(name, fields)
        self._was_blocked = self._was_blocked or name == "blocked"

    def disconnect(self, request: amqp.DisconnectRequest) -> Empty:
        """Take the notice for the answer."""
        if self._was_blocked:
            raise ProbeFailure(ErrorCode.PROTOCOL, "connection.blocked where close-ok should be")
        return super().disconnect(request)


class StaysWhileItIsBlocked(ControlClient):
    """Has no time limit for leaving a broker that reads nothing."""

    _is_blocked = False

    def add(self, name: str, fields: Any) -> None:
        """Listen."""
        super().add(name, fields)
        self._is_blocked = self._is_blocked or name == "blocked"

    def disconnect(self, request: amqp.DisconnectRequest) -> Empty:
        """Wait for the end of the alarm."""
        if self._is_blocked:
            time.sleep(600.0)
        return super().disconnect(request)


class KeepsItsSecret(ControlClient):
    """Says that the secret is updated, and tells nobody."""

    def update_secret(self, request: amqp.UpdateSecretRequest) -> Empty:
        """Send nothing."""
        return Empty()
