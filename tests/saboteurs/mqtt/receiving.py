"""Lies about what is subscribed to and delivered."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import Any

from paho.mqtt.client import PUBACK, PUBREC, PUBREL
from paho.mqtt.enums import MQTTErrorCode

from harness.references.mqtt import Received
from harness.references.mqtt_control import ControlClient
from harness.wire import mqtt
from harness.wire.serve import ProbeFailure
from tests.saboteurs.mqtt.liar import CONFIRMED, Liar, altered

# -- receiving -----------------------------------------------------------------------------------------


class FlipsAReceivedBit(Liar):
    """Delivers with the last bit of the payload flipped."""

    def lie_in_delivery(self, message: Received) -> None:
        """Flip it."""
        payload = message.payload[:-1] + bytes([message.payload[-1] ^ 1])
        super().lie_in_delivery(altered(message, payload=payload))


class AcknowledgesWithoutDelivering(Liar):
    """Acknowledges a message to the broker and does not deliver it."""

    def lie_in_delivery(self, message: Received) -> None:
        """Deliver nothing."""


class ForgetsItsInbox(Liar):
    """Has not handed over what came before its connection was lost, and takes what comes again for known."""

    def deliver(self, message: Received) -> None:
        """Deliver what is new."""
        if self.reference.lost.is_set() and not message.dup:
            super().deliver(message)


class DeliversTwice(Liar):
    """Delivers each message twice, as if QoS 2 did not exist."""

    def lie_in_delivery(self, message: Received) -> None:
        """Do it once more."""
        super().lie_in_delivery(message)
        super().lie_in_delivery(message)


class Reorders(Liar):
    """Delivers every two messages in the wrong order."""

    held: Received | None = None

    def deliver(self, message: Received) -> None:
        """Hold one back."""
        if self.held is None:
            self.held = message
            return
        super().deliver(message)
        super().deliver(self.held)
        self.held = None


class AcknowledgesInPairs(Liar):
    """Sends of every two acknowledgements the second one first."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Hold one back, which is one of three packet types with the flags that it has."""
        reply = super().connect(request)
        send, held = self.paho._send_command_with_mid, list[tuple[int, int, int]]()

        def send_command(command: int, mid: int, dup: int) -> MQTTErrorCode:
            """All go through here, SUBSCRIBE apart."""
            if command not in (PUBACK, PUBREC, PUBREL | 0b0010):
                return MQTTErrorCode(send(command, mid, dup))
            if not held:
                held.append((command, mid, dup))
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            send(command, mid, dup)
            return MQTTErrorCode(send(*held.pop()))

        self.paho._send_command_with_mid = send_command
        return reply


class TakesAllForQos2(Liar):
    """Says that every message came at QoS 2."""

    def deliver(self, message: Received) -> None:
        """Replace what came."""
        ControlClient.deliver(self, altered(message, qos=2))


class TakesAReadForAPacket(Liar):
    """Waits for ever where a read brings less than a packet."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Look before paho reads."""
        reply = super().connect(request)
        read = self.paho._sock_recv

        def sock_recv(size: int) -> bytes:
            """Every packet has at least two bytes."""
            if len(self.paho._sock.recv(2, socket.MSG_PEEK)) < 2:
                threading.Event().wait()
            return bytes(read(size))

        self.paho._sock_recv = sock_recv
        return reply


class TakesOnePacketARead(Liar):
    """Handles the first packet of a read and throws the rest away."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Empty the socket after each packet."""
        reply = super().connect(request)
        handle = self.paho._packet_handle

        def packet_handle() -> Any:
            """Handle one."""
            with contextlib.suppress(BlockingIOError):
                self.paho._sock.recv(65536)
            return handle()

        self.paho._packet_handle = packet_handle
        return reply


class StripsByteOrderMarks(Liar):
    """Takes U+FEFF at the beginning of a topic for a byte order mark."""

    def deliver(self, message: Received) -> None:
        """Strip it."""
        ControlClient.deliver(self, altered(message, topic=message.topic.removeprefix("\ufeff")))


class DropsEmptyMessages(Liar):
    """Does not deliver a message without payload."""

    def lie_in_delivery(self, message: Received) -> None:
        """Drop it."""
        if message.payload:
            super().lie_in_delivery(message)


class ReceivesText(Liar):
    """Delivers payloads as UTF-8 text, with the replacement character for what is none."""

    def lie_in_delivery(self, message: Received) -> None:
        """Decode and encode."""
        payload = message.payload.decode("utf-8", "replace").encode()
        super().lie_in_delivery(altered(message, payload=payload))


class TakesAllForRetained(Liar):
    """Says that every message is a retained one."""

    def deliver(self, message: Received) -> None:
        """Set the flag."""
        ControlClient.deliver(self, altered(message, retain=True))


class WaitsInItsCallback(Liar):
    """Waits in its callback for an acknowledgement that only the callback's own thread would read."""

    def answer(self, echo: mqtt.EchoRequest, message: Received) -> None:
        """Publish and wait."""
        self.reference.publish(echo.to, message.payload, qos=echo.qos)


# -- subscribing ---------------------------------------------------------------------------------------


class SubscribesToTheFirst(Liar):
    """Subscribes to the first of several filters and reports all as subscribed."""

    def subscribe(self, request: mqtt.SubscribeRequest) -> mqtt.Acknowledgement:
        """Leave the rest out."""
        return super().subscribe(mqtt.SubscribeRequest(filters=request.filters[:1]))


class TakesAnySubackForSuccess(Liar):
    """Does not look at SUBACK's return codes."""

    def subscribe(self, request: mqtt.SubscribeRequest) -> mqtt.Acknowledgement:
        """Report success."""
        with contextlib.suppress(ProbeFailure):
            super().subscribe(request)
        return CONFIRMED


class MixesSubscriptionsUp(Liar):
    """Hands a message to the subscription that was made first, under its topic, whichever it belongs to."""

    first = ""

    def subscribe(self, request: mqtt.SubscribeRequest) -> mqtt.Acknowledgement:
        """Remember the first."""
        self.first = self.first or request.filters[0].filter
        return super().subscribe(request)

    def lie_in_delivery(self, message: Received) -> None:
        """Take it for the first's."""
        super().lie_in_delivery(altered(message, topic=self.first))

    def deliver(self, message: Received) -> None:
        """Lie about each one."""
        self.lie_in_delivery(message)


class PlusSpansLevels(Liar):
    """Subscribes to everything below and matches by itself, with a `+` that takes any number of levels."""

    pattern = re.compile("")

    def subscribe(self, request: mqtt.SubscribeRequest) -> mqtt.Acknowledgement:
        """Subscribe to more than was asked for."""
        self.pattern = re.compile(request.filters[0].filter.replace("+", ".+"))
        wide = re.sub(r"\+.*", "#", request.filters[0].filter)
        return super().subscribe(
            mqtt.SubscribeRequest(filters=[request.filters[0].model_copy(update={"filter": wide})])
        )

    def deliver(self, message: Received) -> None:
        """Match by itself."""
        if self.pattern.fullmatch(message.topic):
            ControlClient.deliver(self, message)


class MatchesDollarWithWildcards(Liar):
    """Hands a message to each subscription that it takes for one that matches, with a `+` that matches `$dev` too."""

    patterns: tuple[str, ...] = ()

    def subscribe(self, request: mqtt.SubscribeRequest) -> mqtt.Acknowledgement:
        """Remember the filters."""
        self.patterns += tuple(re.escape(entry.filter).replace(r"\+", "[^/]+") for entry in request.filters)
        return super().subscribe(request)

    def deliver(self, message: Received) -> None:
        """Match by itself."""
        for pattern in self.patterns:
            if re.fullmatch(pattern, message.topic):
                ControlClient.deliver(self, message)


class MissesTheParent(Liar):
    """Matches by itself, with a `#` that needs at least one level."""

    filters: tuple[str, ...] = ()

    def subscribe(self, request: mqtt.SubscribeRequest) -> mqtt.Acknowledgement:
        """Remember the filters."""
        self.filters = tuple(entry.filter.removesuffix("#") for entry in request.filters)
        return super().subscribe(request)

    def deliver(self, message: Received) -> None:
        """Match by itself."""
        if message.topic.startswith(self.filters):
            ControlClient.deliver(self, message)


class PretendsToUnsubscribe(Liar):
    """Reports an unsubscription and sends nothing."""

    def unsubscribe(self, request: mqtt.UnsubscribeRequest) -> mqtt.Acknowledgement:
        """Send nothing."""
        return CONFIRMED


class UnsubscribesLocally(Liar):
    """Sends no UNSUBSCRIBE and only hides what still comes."""

    hidden: tuple[str, ...] = ()

    def unsubscribe(self, request: mqtt.UnsubscribeRequest) -> mqtt.Acknowledgement:
        """Remember what to hide."""
        self.hidden = tuple(request.filters)
        return CONFIRMED

    def deliver(self, message: Received) -> None:
        """Hide it."""
        if message.topic not in self.hidden:
            super().deliver(message)
