"""Lies about what is published."""

from __future__ import annotations

import itertools

from harness.references.mqtt import Received
from harness.wire import mqtt
from harness.wire.messages import decode
from harness.wire.serve import Events
from tests.saboteurs.mqtt.liar import CONFIRMED, Liar, altered, with_payload


class FlipsASentBit(Liar):
    """Publishes with the last bit of the payload flipped."""

    def changed(self, request: mqtt.PublishRequest) -> mqtt.PublishRequest:
        """Flip it."""
        payload = decode(request.payload)
        return with_payload(request, payload[:-1] + bytes([payload[-1] ^ 1]))


class ConfirmsWithoutSending(Liar):
    """Reports a publish as complete and sends nothing."""

    def lie_in_publish(self, request: mqtt.PublishRequest) -> mqtt.Acknowledgement:
        """Send nothing."""
        return CONFIRMED


class SendsTwice(Liar):
    """Publishes each message twice, each time with a packet id of its own, so that QoS 2 does not notice."""

    def lie_in_publish(self, request: mqtt.PublishRequest) -> mqtt.Acknowledgement:
        """Do it once more."""
        super().lie_in_publish(request)
        return super().lie_in_publish(request)


class DropsBeyondItsWindow(Liar):
    """Confirms more publishes than it lets be under way, and drops the rest."""

    def publish_all(self, request: mqtt.PublishAllRequest) -> mqtt.Confirmation:
        """Keep the first ten and the last."""
        few = [*request.payloads[:10], request.payloads[-1]]
        return super().publish_all(request.model_copy(update={"payloads": few}))


class QueuesWithoutLimit(Liar):
    """Takes everything over, and writes it later."""

    def __init__(self, events: Events) -> None:
        super().__init__(events)
        self._unwritten: list[bytes] = []

    def publish_all(self, request: mqtt.PublishAllRequest) -> mqtt.Confirmation:
        """Keep it."""
        self._unwritten += map(decode, request.payloads)
        return mqtt.Confirmation(confirmed=True)


class CountsFromZero(Liar):
    """Takes 0 for a packet id, as who lets 16 bits run over."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Take it early, so that nobody waits long."""
        reply = super().connect(request)
        numbers = itertools.chain(range(1000, 1050), itertools.count(0))
        self.paho._mid_generate = lambda: next(numbers)
        return reply


class UsesTakenPacketIds(Liar):
    """Begins its packet ids anew after ten, whether they are free or not."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Take them in turn."""
        reply = super().connect(request)
        numbers = itertools.cycle(range(1, 11))
        self.paho._mid_generate = lambda: next(numbers)
        return reply


class PublishesElsewhere(Liar):
    """Publishes to a topic below the one that was asked for."""

    def changed(self, request: mqtt.PublishRequest) -> mqtt.PublishRequest:
        """Append a level."""
        return request.model_copy(update={"topic": f"{request.topic}/x"})


class SendsQos1AsQos0(Liar):
    """Publishes at QoS 0 what should go at QoS 1, and reports it as acknowledged."""

    def changed(self, request: mqtt.PublishRequest) -> mqtt.PublishRequest:
        """Lower it."""
        return request.model_copy(update={"qos": 0}) if request.qos == 1 else request


class IgnoresRetain(Liar):
    """Publishes without RETAIN."""

    def changed(self, request: mqtt.PublishRequest) -> mqtt.PublishRequest:
        """Drop the flag."""
        return request.model_copy(update={"retain": False})


class SendsNulForEmpty(Liar):
    """Publishes a zero byte where the payload should be empty."""

    def changed(self, request: mqtt.PublishRequest) -> mqtt.PublishRequest:
        """Fill it."""
        return request if request.payload else with_payload(request, b"\0")


class SendsText(Liar):
    """Publishes payloads as UTF-8 text, with the replacement character for what is none."""

    def changed(self, request: mqtt.PublishRequest) -> mqtt.PublishRequest:
        """Decode and encode."""
        return with_payload(request, decode(request.payload).decode("utf-8", "replace").encode())


class TruncatesLargePayloads(Liar):
    """Keeps the first 64 KiB of a payload, both ways."""

    def changed(self, request: mqtt.PublishRequest) -> mqtt.PublishRequest:
        """Cut."""
        return with_payload(request, decode(request.payload)[:65536])

    def lie_in_delivery(self, message: Received) -> None:
        """Cut."""
        super().lie_in_delivery(altered(message, payload=message.payload[:65536]))


class KnowsOnlyAscii(Liar):
    """Puts question marks into topics for what is not ASCII, both ways."""

    def changed(self, request: mqtt.PublishRequest) -> mqtt.PublishRequest:
        """Replace."""
        return request.model_copy(update={"topic": request.topic.encode("ascii", "replace").decode()})

    def lie_in_delivery(self, message: Received) -> None:
        """Replace."""
        super().lie_in_delivery(altered(message, topic=message.topic.encode("ascii", "replace").decode()))
