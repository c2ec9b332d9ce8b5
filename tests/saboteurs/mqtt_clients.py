"""Wrong MQTT clients: the control client with one lie each. A scenario that none of them fails proves nothing.

python -m tests.saboteurs.mqtt_clients NAME
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import ssl
import sys
import threading
import time
from typing import Any

from harness.model import Dialect
from harness.references.mqtt import MqttReference, Received
from harness.references.mqtt_control import ControlClient
from harness.wire import mqtt
from harness.wire.messages import Empty, ErrorCode, decode, encode
from harness.wire.serve import Events, ProbeFailure, Server

_CONFIRMED = mqtt.Confirmation(confirmed=True)


class Liar(ControlClient):
    """The honest client with places where a lie fits. Lies about messages hit every other one, the first included."""

    def __init__(self, events: Events) -> None:
        super().__init__(events)
        self.published = 0
        self.received = 0

    def publish(self, request: mqtt.PublishRequest) -> mqtt.Confirmation:
        """Count, and lie about every other one."""
        self.published += 1
        return self.lie_in_publish(request) if self.published % 2 else super().publish(request)

    def lie_in_publish(self, request: mqtt.PublishRequest) -> mqtt.Confirmation:
        """Publish a changed message."""
        return super().publish(self.changed(request))

    def changed(self, request: mqtt.PublishRequest) -> mqtt.PublishRequest:
        """What is published instead."""
        return request

    def deliver(self, message: Received) -> None:
        """Count, and lie about every other one."""
        self.received += 1
        if self.received % 2:
            self.lie_in_delivery(message)
        else:
            super().deliver(message)

    def lie_in_delivery(self, message: Received) -> None:
        """Deliver the truth."""
        super().deliver(message)

    @property
    def reference(self) -> MqttReference:
        """The connected client."""
        return self._connected()

    @property
    def paho(self) -> Any:
        """The library's client, for settings that the reference does not have."""
        return self._connected()._client


def _with_payload(request: mqtt.PublishRequest, payload: bytes) -> mqtt.PublishRequest:
    return request.model_copy(update={"payload": encode(payload)})


def _altered(message: Received, **fields: Any) -> Received:
    return Received(**{**message.__dict__, **fields})


# -- connecting and leaving ----------------------------------------------------------------------------


class IgnoresKeepAlive(Liar):
    """Connects with a keep-alive of 60 s, whatever the application chose."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Replace the option."""
        return super().connect(request.model_copy(update={"keep_alive_s": 60}))


class TakesRefusalForSuccess(Liar):
    """Does not look at CONNACK's return code."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Report success."""
        try:
            return super().connect(request)
        except ProbeFailure:
            return mqtt.ConnectReply(session_present=False)


class ForgetsCredentials(Liar):
    """Sends no user name, so that a broker which lets anyone in takes it for anyone."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Drop both."""
        return super().connect(request.model_copy(update={"username": None, "password": None}))


class LeavesWithoutDisconnect(Liar):
    """Closes the socket where it should send DISCONNECT first."""

    def disconnect(self, _request: mqtt.DisconnectRequest) -> Empty:
        """Close the socket."""
        self.reference.on_lost = None
        self.paho.loop_stop()
        self.paho._sock_close()
        self._client = None
        return Empty()


class SharesOneClientId(Liar):
    """Uses one client id for all its connections, so that they throw each other out."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Keep what all clients of the attempt have in common."""
        return super().connect(request.model_copy(update={"client_id": request.client_id.split("-")[0]}))


class ForgetsTheWill(Liar):
    """Connects without the will that it was given."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Drop it."""
        return super().connect(request.model_copy(update={"will": None}))


class AlwaysClean(Liar):
    """Starts a clean session even where the application asked for a lasting one."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Replace the option."""
        return super().connect(request.model_copy(update={"clean_session": True}))


class AlwaysCleanAndLies(AlwaysClean):
    """Starts a clean session and says that the old one is present."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Replace what CONNACK said."""
        super().connect(request)
        return mqtt.ConnectReply(session_present=True)


class NeverClean(Liar):
    """Goes on with the old session even where the application asked for a clean one."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Replace the option."""
        return super().connect(request.model_copy(update={"clean_session": False}))


class MakesUpAClientId(Liar):
    """Sends a client id of its own where the application left it to the broker."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Fill it in."""
        return super().connect(request.model_copy(update={"client_id": request.client_id or "made-up"}))


class KnowsOnlyIpv4(Liar):
    """Takes an address apart at its first colon."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Leave nothing of an IPv6 address."""
        if ":" in request.host:
            raise ProbeFailure(ErrorCode.IO, "invalid port number")
        return super().connect(request)


class KeepsEveryConnection(Liar):
    """Opens a file for each connection and never closes it."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Open one."""
        os.open(os.devnull, os.O_RDONLY)
        return super().connect(request)


class NeverPings(Liar):
    """Announces a keep-alive and then sends no PINGREQ."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Turn paho's own timer off after CONNECT carried the value."""
        reply = super().connect(request)
        self.paho._keepalive = 0
        return reply


# -- TLS -----------------------------------------------------------------------------------------------


class TrustsAnyCertificate(Liar):
    """Verifies nothing, as with the options that tutorials turn off."""

    def trust(self, tls: mqtt.Tls | None) -> ssl.SSLContext | None:
        """Turn them off."""
        context = super().trust(tls)
        if context is not None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


class IgnoresTheHostName(Liar):
    """Takes any host's certificate of an authority that it trusts."""

    def trust(self, tls: mqtt.Tls | None) -> ssl.SSLContext | None:
        """Compare no names."""
        context = super().trust(tls)
        if context is not None:
            context.check_hostname = False
        return context


class IgnoresExpiry(Liar):
    """Takes certificates whose time is over."""

    #: X509_V_FLAG_NO_CHECK_TIME of OpenSSL, for which Python has no name.
    _NO_CHECK_TIME = 0x200000

    def trust(self, tls: mqtt.Tls | None) -> ssl.SSLContext | None:
        """Compare no dates."""
        context = super().trust(tls)
        if context is not None:
            context.verify_flags |= self._NO_CHECK_TIME
        return context


class SpeaksPlain(Liar):
    """Speaks plain TCP where TLS was asked for."""

    def trust(self, tls: mqtt.Tls | None) -> ssl.SSLContext | None:
        """Encrypt nothing."""
        return None


class ShowsNoCertificate(Liar):
    """Keeps the client certificate that it was given to itself."""

    def trust(self, tls: mqtt.Tls | None) -> ssl.SSLContext | None:
        """Leave it out."""
        return super().trust(tls and mqtt.Tls(ca=tls.ca))


# -- publishing ----------------------------------------------------------------------------------------


class FlipsASentBit(Liar):
    """Publishes with the last bit of the payload flipped."""

    def changed(self, request: mqtt.PublishRequest) -> mqtt.PublishRequest:
        """Flip it."""
        payload = decode(request.payload)
        return _with_payload(request, payload[:-1] + bytes([payload[-1] ^ 1]))


class ConfirmsWithoutSending(Liar):
    """Reports a publish as complete and sends nothing."""

    def lie_in_publish(self, request: mqtt.PublishRequest) -> mqtt.Confirmation:
        """Send nothing."""
        return _CONFIRMED


class SendsTwice(Liar):
    """Publishes each message twice, each time with a packet id of its own, so that QoS 2 does not notice."""

    def lie_in_publish(self, request: mqtt.PublishRequest) -> mqtt.Confirmation:
        """Do it once more."""
        super().lie_in_publish(request)
        return super().lie_in_publish(request)


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
        return request if request.payload else _with_payload(request, b"\0")


class SendsText(Liar):
    """Publishes payloads as UTF-8 text, with the replacement character for what is none."""

    def changed(self, request: mqtt.PublishRequest) -> mqtt.PublishRequest:
        """Decode and encode."""
        return _with_payload(request, decode(request.payload).decode("utf-8", "replace").encode())


class TruncatesLargePayloads(Liar):
    """Keeps the first 64 KiB of a payload, both ways."""

    def changed(self, request: mqtt.PublishRequest) -> mqtt.PublishRequest:
        """Cut."""
        return _with_payload(request, decode(request.payload)[:65536])

    def lie_in_delivery(self, message: Received) -> None:
        """Cut."""
        super().lie_in_delivery(_altered(message, payload=message.payload[:65536]))


class KnowsOnlyAscii(Liar):
    """Puts question marks into topics for what is not ASCII, both ways."""

    def changed(self, request: mqtt.PublishRequest) -> mqtt.PublishRequest:
        """Replace."""
        return request.model_copy(update={"topic": request.topic.encode("ascii", "replace").decode()})

    def lie_in_delivery(self, message: Received) -> None:
        """Replace."""
        super().lie_in_delivery(_altered(message, topic=message.topic.encode("ascii", "replace").decode()))


# -- receiving -----------------------------------------------------------------------------------------


class FlipsAReceivedBit(Liar):
    """Delivers with the last bit of the payload flipped."""

    def lie_in_delivery(self, message: Received) -> None:
        """Flip it."""
        payload = message.payload[:-1] + bytes([message.payload[-1] ^ 1])
        super().lie_in_delivery(_altered(message, payload=payload))


class AcknowledgesWithoutDelivering(Liar):
    """Acknowledges a message to the broker and does not deliver it."""

    def lie_in_delivery(self, message: Received) -> None:
        """Deliver nothing."""


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


class TakesAllForQos2(Liar):
    """Says that every message came at QoS 2."""

    def deliver(self, message: Received) -> None:
        """Replace what came."""
        ControlClient.deliver(self, _altered(message, qos=2))


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
        super().lie_in_delivery(_altered(message, payload=payload))


class TakesAllForRetained(Liar):
    """Says that every message is a retained one."""

    def deliver(self, message: Received) -> None:
        """Set the flag."""
        ControlClient.deliver(self, _altered(message, retain=True))


# -- subscribing ---------------------------------------------------------------------------------------


class SubscribesToTheFirst(Liar):
    """Subscribes to the first of several filters and reports all as subscribed."""

    def subscribe(self, request: mqtt.SubscribeRequest) -> mqtt.Confirmation:
        """Leave the rest out."""
        return super().subscribe(mqtt.SubscribeRequest(filters=request.filters[:1]))


class TakesAnySubackForSuccess(Liar):
    """Does not look at SUBACK's return codes."""

    def subscribe(self, request: mqtt.SubscribeRequest) -> mqtt.Confirmation:
        """Report success."""
        with contextlib.suppress(ProbeFailure):
            super().subscribe(request)
        return _CONFIRMED


class MixesSubscriptionsUp(Liar):
    """Hands a message to the subscription that was made first, under its topic, whichever it belongs to."""

    first = ""

    def subscribe(self, request: mqtt.SubscribeRequest) -> mqtt.Confirmation:
        """Remember the first."""
        self.first = self.first or request.filters[0].filter
        return super().subscribe(request)

    def lie_in_delivery(self, message: Received) -> None:
        """Take it for the first's."""
        super().lie_in_delivery(_altered(message, topic=self.first))

    def deliver(self, message: Received) -> None:
        """Lie about each one."""
        self.lie_in_delivery(message)


class PlusSpansLevels(Liar):
    """Subscribes to everything below and matches by itself, with a `+` that takes any number of levels."""

    pattern = re.compile("")

    def subscribe(self, request: mqtt.SubscribeRequest) -> mqtt.Confirmation:
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


class MissesTheParent(Liar):
    """Matches by itself, with a `#` that needs at least one level."""

    filters: tuple[str, ...] = ()

    def subscribe(self, request: mqtt.SubscribeRequest) -> mqtt.Confirmation:
        """Remember the filters."""
        self.filters = tuple(entry.filter.removesuffix("#") for entry in request.filters)
        return super().subscribe(request)

    def deliver(self, message: Received) -> None:
        """Match by itself."""
        if message.topic.startswith(self.filters):
            ControlClient.deliver(self, message)


class PretendsToUnsubscribe(Liar):
    """Reports an unsubscription and sends nothing."""

    def unsubscribe(self, request: mqtt.UnsubscribeRequest) -> mqtt.Confirmation:
        """Send nothing."""
        return _CONFIRMED


class UnsubscribesLocally(Liar):
    """Sends no UNSUBSCRIBE and only hides what still comes."""

    hidden: tuple[str, ...] = ()

    def unsubscribe(self, request: mqtt.UnsubscribeRequest) -> mqtt.Confirmation:
        """Remember what to hide."""
        self.hidden = tuple(request.filters)
        return _CONFIRMED

    def deliver(self, message: Received) -> None:
        """Hide it."""
        if message.topic not in self.hidden:
            super().deliver(message)


# -- after a loss --------------------------------------------------------------------------------------


class StaysAway(Liar):
    """Does not connect again after its connection was lost."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Turn reconnecting off."""
        reply = super().connect(request)
        self.paho._reconnect_on_failure = False
        return reply


class ComesBackOnce(Liar):
    """Connects again after the first loss and not after the second."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Turn reconnecting off once it worked."""
        reply = super().connect(request)
        self.reference.on_back = lambda: setattr(self.paho, "_reconnect_on_failure", False)
        return reply


class PanicsOnLoss(Liar):
    """Panics when its connection is lost."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Lay the mine."""
        reply = super().connect(request)
        self.reference.on_lost = lambda _reason: _panic("called `Result::unwrap()` on an `Err` value: BrokenPipe")
        return reply


class ForgetsToResubscribe(Liar):
    """Renews no subscription after a reconnect, though nothing says that this is the application's."""


class SwallowsWhileOffline(Liar):
    """Confirms one message that is published while there is no connection, and drops it."""

    swallowed = False

    def publish(self, request: mqtt.PublishRequest) -> mqtt.Confirmation:
        """Look whether the connection is gone, which takes a moment to be noticed."""
        if not self.swallowed and self.reference.lost.wait(1.0):
            self.swallowed = True
            return _CONFIRMED
        return super().publish(request)


class ForgetsDup(Liar):
    """Sends a PUBLISH again as if it were the first time."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Clear the flag where paho sets it."""
        reply = super().connect(request)
        send = self.paho._send_publish

        def send_publish(*args: Any, **options: Any) -> Any:
            """Its sixth argument is DUP."""
            return send(*args[:5], False, *args[6:], **options)

        self.paho._send_publish = send_publish
        return reply


class ReconnectsInATightLoop(Liar):
    """Tries to connect again without a pause."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Take the pause away."""
        reply = super().connect(request)
        self.paho.reconnect_delay_set(min_delay=0, max_delay=0)
        return reply


# -- dying and silence ---------------------------------------------------------------------------------


def _panic(text: str) -> None:
    sys.stderr.write(f"\nthread 'main' panicked at src/main.rs:1:1:\n{text}\n")
    sys.stderr.flush()
    os._exit(101)


class Panics(Liar):
    """Panics in the middle of a publish."""

    def lie_in_publish(self, request: mqtt.PublishRequest) -> mqtt.Confirmation:
        """Die as a Rust program does."""
        _panic("attempt to subtract with overflow")
        return super().lie_in_publish(request)


class OverwritesMemory(Liar):
    """Is killed by SIGSEGV in the middle of a delivery."""

    def lie_in_delivery(self, message: Received) -> None:
        """Die as a program with unsound code does."""
        os.kill(os.getpid(), signal.SIGSEGV)


class NeverAnswers(Liar):
    """Waits for CONNACK for ever."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Hang."""
        threading.Event().wait()
        return super().connect(request)


# -- the conversation: what is wrong with the probe and not with the crate ----------------------------


class LacksTheWill(Liar):
    """Says that the crate has no will, which crates.toml does not know."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Reply unsupported."""
        if request.will is not None:
            raise ProbeFailure(ErrorCode.UNSUPPORTED, "no will in this crate", feature="will")
        return super().connect(request)


class ClaimsUnsubscribe(Liar):
    """Claims `unsubscribe` and has not written it."""

    def unsubscribe(self, request: mqtt.UnsubscribeRequest) -> mqtt.Confirmation:
        """Reply not_written."""
        raise ProbeFailure(ErrorCode.NOT_WRITTEN, "to be done")


class Conversation(Server):
    """The honest server with places where a lie fits."""


class PrintsALog(Conversation):
    """Logs to standard output."""

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Print first."""
        self._sink.write(f"performing {command['op']}\n")
        return super().answer(command)


class FloodsStandardOutput(Conversation):
    """Writes events without end, which nobody asked for."""

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Never answer anything but hello."""
        while command["op"] != "hello":
            self._sink.write('{"event":"reconnected"}\n' * 1000)
        return super().answer(command)


class AnswersUnknownIds(Conversation):
    """Answers commands that were not asked."""

    def write(self, message: dict[str, Any]) -> None:
        """Count up."""
        super().write({**message, "re": message["re"] + 1} if "re" in message else message)


class TakesAnyOperation(Conversation):
    """Says ok to every operation."""

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Never refuse one."""
        if self._vocabulary.operation(command["op"]) is None:
            return {"re": command["id"], "ok": {}}
        return super().answer(command)


class IgnoresUnknownFields(Conversation):
    """Takes no notice of fields that it does not know."""

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Say ok where one is unknown."""
        number = command["id"]
        reply = super().answer(command)
        unknown = reply.get("error", {}).get("code") == "unknown" and "operation" not in reply["error"]["text"]
        return {"re": number, "ok": {}} if unknown else reply


class InventsAnOperation(Conversation):
    """Claims an operation that the contract does not have."""

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Add it to hello."""
        reply = super().answer(command)
        return {**reply, "ops": [*reply["ops"], "teleport"]} if "ops" in reply else reply


class WritesAWrongEvent(Conversation):
    """Writes messages without their payload."""

    def write(self, message: dict[str, Any]) -> None:
        """Leave it out."""
        super().write({key: value for key, value in message.items() if key != "payload"})


class StaysAfterTheEnd(Conversation):
    """Goes on after its standard input ended."""

    def run(self) -> int:
        """Never return."""
        super().run()
        while True:
            time.sleep(60)


class DiesAtHello(Conversation):
    """Cannot start, as where a shared library is missing."""

    def run(self) -> int:
        """Exit at once."""
        sys.stderr.write("error while loading shared libraries: libpaho.so: cannot open shared object file\n")
        return 127


CLIENTS: dict[str, type[ControlClient]] = {
    "ignores-keep-alive": IgnoresKeepAlive,
    "takes-refusal-for-success": TakesRefusalForSuccess,
    "forgets-credentials": ForgetsCredentials,
    "leaves-without-disconnect": LeavesWithoutDisconnect,
    "shares-one-client-id": SharesOneClientId,
    "forgets-the-will": ForgetsTheWill,
    "always-clean": AlwaysClean,
    "always-clean-and-lies": AlwaysCleanAndLies,
    "never-clean": NeverClean,
    "makes-up-a-client-id": MakesUpAClientId,
    "knows-only-ipv4": KnowsOnlyIpv4,
    "keeps-every-connection": KeepsEveryConnection,
    "never-pings": NeverPings,
    "trusts-any-certificate": TrustsAnyCertificate,
    "ignores-the-host-name": IgnoresTheHostName,
    "ignores-expiry": IgnoresExpiry,
    "speaks-plain": SpeaksPlain,
    "shows-no-certificate": ShowsNoCertificate,
    "flips-a-sent-bit": FlipsASentBit,
    "confirms-without-sending": ConfirmsWithoutSending,
    "sends-twice": SendsTwice,
    "publishes-elsewhere": PublishesElsewhere,
    "sends-qos1-as-qos0": SendsQos1AsQos0,
    "ignores-retain": IgnoresRetain,
    "sends-nul-for-empty": SendsNulForEmpty,
    "sends-text": SendsText,
    "truncates-large-payloads": TruncatesLargePayloads,
    "knows-only-ascii": KnowsOnlyAscii,
    "flips-a-received-bit": FlipsAReceivedBit,
    "acknowledges-without-delivering": AcknowledgesWithoutDelivering,
    "delivers-twice": DeliversTwice,
    "reorders": Reorders,
    "takes-all-for-qos2": TakesAllForQos2,
    "takes-a-read-for-a-packet": TakesAReadForAPacket,
    "takes-one-packet-a-read": TakesOnePacketARead,
    "drops-empty-messages": DropsEmptyMessages,
    "receives-text": ReceivesText,
    "takes-all-for-retained": TakesAllForRetained,
    "subscribes-to-the-first": SubscribesToTheFirst,
    "takes-any-suback-for-success": TakesAnySubackForSuccess,
    "mixes-subscriptions-up": MixesSubscriptionsUp,
    "plus-spans-levels": PlusSpansLevels,
    "misses-the-parent": MissesTheParent,
    "pretends-to-unsubscribe": PretendsToUnsubscribe,
    "unsubscribes-locally": UnsubscribesLocally,
    "stays-away": StaysAway,
    "comes-back-once": ComesBackOnce,
    "panics-on-loss": PanicsOnLoss,
    "forgets-to-resubscribe": ForgetsToResubscribe,
    "swallows-while-offline": SwallowsWhileOffline,
    "forgets-dup": ForgetsDup,
    "reconnects-in-a-tight-loop": ReconnectsInATightLoop,
    "panics": Panics,
    "overwrites-memory": OverwritesMemory,
    "never-answers": NeverAnswers,
    "lacks-the-will": LacksTheWill,
    "claims-unsubscribe": ClaimsUnsubscribe,
}

CONVERSATIONS: dict[str, type[Server]] = {
    "prints-a-log": PrintsALog,
    "floods-standard-output": FloodsStandardOutput,
    "answers-unknown-ids": AnswersUnknownIds,
    "takes-any-operation": TakesAnyOperation,
    "ignores-unknown-fields": IgnoresUnknownFields,
    "invents-an-operation": InventsAnOperation,
    "writes-a-wrong-event": WritesAWrongEvent,
    "stays-after-the-end": StaysAfterTheEnd,
    "dies-at-hello": DiesAtHello,
}


def main(name: str) -> int:
    """Serve one conversation as the saboteur `name`."""
    events = Events()
    server = CONVERSATIONS.get(name, Server)
    client = CLIENTS.get(name, ControlClient)
    if (server, client) == (Server, ControlClient):
        raise SystemExit(f"there is no saboteur {name!r}")
    return server(
        crate="paho-mqtt",
        version="0.0.0",
        vocabulary=mqtt.VOCABULARY,
        dialects=[Dialect.MQTT_3_1_1],
        client=client(events),
        events=events,
    ).run()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
