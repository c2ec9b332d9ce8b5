"""Lies about what MQTT 5 adds."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from paho.mqtt.properties import Properties

from harness.references.mqtt import Received
from harness.references.mqtt5 import outgoing
from harness.references.mqtt_control import ControlClient
from harness.wire import mqtt, mqtt5
from harness.wire.messages import ErrorCode, decode
from harness.wire.serve import Events, ProbeFailure
from tests.saboteurs.mqtt.liar import CONFIRMED, Liar, altered

# -- what travels with messages ------------------------------------------------------------------------


class PublishesWithoutProperties(Liar):
    """Publishes without properties."""

    def changed(self, request: mqtt.PublishRequest) -> mqtt.PublishRequest:
        """Drop them."""
        return request.model_copy(update={"properties": None})


class SortsUserProperties(Liar):
    """Publishes user properties in alphabetical order."""

    def changed(self, request: mqtt.PublishRequest) -> mqtt.PublishRequest:
        """Sort them."""
        properties = request.properties or mqtt5.PublishProperties()
        pairs = sorted(properties.user_properties, key=lambda pair: pair.name)
        return request.model_copy(update={"properties": properties.model_copy(update={"user_properties": pairs})})


class KeepsOneValueAName(Liar):
    """Delivers user properties as a map, where a name that comes again replaces the first."""

    def lie_in_delivery(self, message: Received) -> None:
        """Make it a map and back."""
        properties = message.properties or mqtt5.DeliveredProperties()
        pairs = list({pair.name: pair for pair in properties.user_properties}.values())
        super().lie_in_delivery(altered(message, properties=properties.model_copy(update={"user_properties": pairs})))


class DeliversWithoutProperties(Liar):
    """Delivers messages without their properties."""

    def deliver(self, message: Received) -> None:
        """Drop them from each."""
        ControlClient.deliver(self, altered(message, properties=None))


class NumbersAliasesAnew(Liar):
    """Gives every publish an alias of its own."""

    def publish(self, request: mqtt.PublishRequest) -> mqtt.Acknowledgement:
        """Count up."""
        self.published += 1
        alias = mqtt5.PublishProperties(topic_alias=self.published)
        return ControlClient.publish(self, request.model_copy(update={"properties": alias}))


# -- connecting and leaving ----------------------------------------------------------------------------


def _connecting_with(request: mqtt.ConnectRequest, **fields: Any) -> mqtt.ConnectRequest:
    """The request with other properties."""
    properties = request.properties or mqtt5.ConnectProperties()
    return request.model_copy(update={"properties": properties.model_copy(update=fields)})


class KeepsEverySession(Liar):
    """Asks the server to keep its session for an hour, whatever the application chose."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Replace it."""
        return super().connect(_connecting_with(request, session_expiry_s=3600))


class TakesAnySize(Liar):
    """Does not tell the server how large a packet it takes."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Leave it out."""
        return super().connect(_connecting_with(request, maximum_packet_size=None))


class TakesAnyNumber(Liar):
    """Does not tell the server how many messages it has under way at once."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Leave it out."""
        return super().connect(_connecting_with(request, receive_maximum=None))


class ForgetsPropertiesOfItsWill(Liar):
    """Connects with a will that has no properties."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Drop them."""
        will = request.will and request.will.model_copy(update={"properties": None})
        return super().connect(request.model_copy(update={"will": will}))


class KeepsConnackToItself(Liar):
    """Does not tell what CONNACK said."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Leave it out."""
        return super().connect(request).model_copy(update={"properties": None})


class InsistsOnItsKeepAlive(Liar):
    """Pings as often as the application chose, whatever the server said."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Undo what paho did."""
        reply = super().connect(request)
        self.paho._keepalive = request.keep_alive_s
        return reply


class LeavesWithoutProperties(Liar):
    """Sends DISCONNECT without reason code and properties."""

    def disconnect(self, request: mqtt.DisconnectRequest) -> Any:
        """Drop them."""
        return super().disconnect(request.model_copy(update={"properties": None}))


class HidesReasonCodes(Liar):
    """Tells no reason codes."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Drop that of the server's DISCONNECT."""
        reply = super().connect(request)
        told = self.reference.on_lost
        self.reference.on_lost = lambda reason, _code: told(reason, None)
        return reply

    def publish(self, request: mqtt.PublishRequest) -> mqtt.Acknowledgement:
        """Drop those of PUBACK."""
        return super().publish(request).model_copy(update={"reason_codes": None})

    def unsubscribe(self, request: mqtt.UnsubscribeRequest) -> mqtt.Acknowledgement:
        """Drop those of UNSUBACK."""
        return super().unsubscribe(request).model_copy(update={"reason_codes": None})


# -- subscribing ---------------------------------------------------------------------------------------


def _subscribing_with(request: mqtt.SubscribeRequest, **fields: Any) -> mqtt.SubscribeRequest:
    """The request with other fields in each of its filters."""
    return request.model_copy(update={"filters": [entry.model_copy(update=fields) for entry in request.filters]})


class IgnoresSubscriptionOptions(Liar):
    """Subscribes as 3.1.1 did."""

    def subscribe(self, request: mqtt.SubscribeRequest) -> mqtt.Acknowledgement:
        """Drop the options."""
        return super().subscribe(_subscribing_with(request, options=None))


class WantsNothingRetained(Liar):
    """Subscribes without retained messages, whatever the application chose."""

    def subscribe(self, request: mqtt.SubscribeRequest) -> mqtt.Acknowledgement:
        """Ask for none."""
        return super().subscribe(_subscribing_with(request, options=mqtt5.SubscriptionOptions(retain_handling=2)))


class LeavesItsGroup(Liar):
    """Subscribes alone to what it should share."""

    def subscribe(self, request: mqtt.SubscribeRequest) -> mqtt.Acknowledgement:
        """Take the group's name away."""
        entry = request.filters[0]
        own = entry.filter.split("/", 2)[2] if entry.filter.startswith("$share/") else entry.filter
        return super().subscribe(_subscribing_with(request, filter=own))


# -- what the server takes -----------------------------------------------------------------------------


class ExceedsTheLimits(Liar):
    """Sends whatever the application asks for, as paho does, and does not wait for who confirms a single message."""

    def publish(self, request: mqtt.PublishRequest) -> mqtt.Acknowledgement:
        """Look at nothing, and do not wait for an answer that does not come."""
        payload, about = decode(request.payload), outgoing(request.properties)
        self.paho.publish(request.topic, payload, request.qos, request.retain, properties=about)
        return mqtt.Acknowledgement(confirmed=False)


class KeepsToTheLimits(ControlClient):
    """The witness where paho itself is wrong: it refuses what the server does not take."""

    limits = mqtt5.ConnackProperties()

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Remember what CONNACK said."""
        reply = super().connect(request)
        self.limits = reply.properties or self.limits
        return reply

    def publish(self, request: mqtt.PublishRequest) -> mqtt.Acknowledgement:
        """Look first."""
        size = len(decode(request.payload)) + len(request.topic)
        if self.limits.maximum_packet_size is not None and size > self.limits.maximum_packet_size:
            raise ProbeFailure(ErrorCode.CRATE, f"{size} bytes are more than the server takes")
        if request.qos and self.limits.maximum_qos == 0:
            raise ProbeFailure(ErrorCode.CRATE, "the server takes QoS 0 alone")
        if request.retain and self.limits.retain_available is False:
            raise ProbeFailure(ErrorCode.CRATE, "the server retains nothing")
        alias = request.properties.topic_alias if request.properties else None
        if alias is not None and alias > (self.limits.topic_alias_maximum or 0):
            raise ProbeFailure(ErrorCode.CRATE, f"the server takes no alias {alias}")
        return super().publish(request)

    def publish_all(self, request: mqtt.PublishAllRequest) -> mqtt.Confirmation:
        """As many at once as the server takes."""
        confirmation: mqtt.Confirmation = CONFIRMED
        at_once = self.limits.receive_maximum or len(request.payloads)
        for start in range(0, len(request.payloads), at_once):
            some = request.payloads[start : start + at_once]
            confirmation = super().publish_all(request.model_copy(update={"payloads": some}))
        return confirmation


class TakesAnyReceiveMaximum(Liar):
    """Connects whatever CONNACK's properties are."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Do not let paho read them."""
        with patch.object(Properties, "unpack", lambda properties, data: (properties, 1 + data[0])):
            return super().connect(request)


class IgnoresAliases(Liar):
    """Delivers a message with an alias under the topic that stands in it, as paho does: under none."""


class ResolvesAliases(ControlClient):
    """The witness where paho itself is wrong: it remembers what aliases stand for."""

    def __init__(self, events: Events) -> None:
        super().__init__(events)
        self._topics: dict[int, str] = {}

    def deliver(self, message: Received) -> None:
        """Look the topic up, or remember it."""
        alias = message.properties.topic_alias if message.properties else None
        if alias is not None:
            self._topics[alias] = message.topic or self._topics[alias]
            message = altered(message, topic=self._topics[alias])
        super().deliver(message)
