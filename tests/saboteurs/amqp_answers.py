"""AMQP clients that lie about what they publish at once, about confirms and answers: part of `amqp_clients`."""

from __future__ import annotations

from collections.abc import Collection

from pika import BasicProperties

from harness.references.amqp import Received
from harness.references.amqp_control import ControlClient
from harness.wire import amqp
from harness.wire.messages import Empty, decode, encode
from harness.wire.mqtt import Confirmation


class ConfirmsBeforeTheBrokerDid(ControlClient):
    """Says that a publish is confirmed, and has sent nothing."""

    def publish(self, request: amqp.PublishRequest) -> Confirmation:
        """Send nothing."""
        return Confirmation(confirmed=True)

    def publish_all(self, request: amqp.PublishAllRequest) -> amqp.PublishAllReply:
        """Send nothing."""
        return amqp.PublishAllReply(outcomes=["confirmed"] * len(request.bodies))


class AwaitsEachConfirmAlone(ControlClient):
    """Takes a confirm of several messages for one of the last."""

    def settled(self, tag: int, *, multiple: bool, waiting: Collection[int]) -> Collection[int]:
        """Ignore the flag."""
        return super().settled(tag, multiple=False, waiting=waiting)


class TakesConfirmsInOrder(ControlClient):
    """Takes each confirm for that of the oldest message."""

    def settled(self, tag: int, *, multiple: bool, waiting: Collection[int]) -> Collection[int]:
        """Ignore the tag, and the flag where it is alone."""
        return super().settled(tag, multiple=True, waiting=waiting) if multiple else [min(waiting)]


class ForgetsWhoAsked(ControlClient):
    """Answers without the request's correlation-id."""

    def answer(self, request: Received) -> None:
        """Leave it out."""
        channel = self._connected().channel(request.channel)
        channel.basic_publish("", request.properties.reply_to or "", request.body, BasicProperties())
        channel.basic_ack(request.tag)


class AnswersAndKeeps(ControlClient):
    """Answers requests, and does not acknowledge them."""

    def answer(self, request: Received) -> None:
        """Publish alone."""
        body, to = encode(request.body), request.properties.reply_to or ""
        properties = amqp.Properties(correlation_id=request.properties.correlation_id)
        self.publish(amqp.PublishRequest(channel=request.channel, routing_key=to, body=body, properties=properties))


class QueuesWithoutLimit(ControlClient):
    """Takes everything over, and writes it later."""

    def __init__(self) -> None:
        super().__init__()
        self._unwritten: list[bytes] = []

    def publish_all(self, request: amqp.PublishAllRequest) -> amqp.PublishAllReply:
        """Keep it."""
        self._unwritten += map(decode, request.bodies)
        return amqp.PublishAllReply(outcomes=["handed_over"] * len(request.bodies))


class CommitsAtOnce(ControlClient):
    """Has no transactions."""

    def transaction(self, request: amqp.TransactionRequest) -> Empty:
        """Send nothing."""
        return Empty()
