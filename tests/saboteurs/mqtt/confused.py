"""Lies of clients that a broker's odd packets lead astray."""

from __future__ import annotations

import threading
from typing import Any

from paho.mqtt.enums import MQTTErrorCode

from harness.references.mqtt import Received
from harness.references.mqtt_control import ControlClient
from harness.wire import mqtt
from harness.wire.serve import ProbeFailure
from tests.saboteurs.mqtt.liar import CONFIRMED, Liar


class AnswersPubrelOnce(Liar):
    """Sends no PUBCOMP where it has forgotten the packet id."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Look before paho answers."""
        reply = super().connect(request)
        answer = self.paho._send_pubcomp
        answered: set[int] = set()

        def send_pubcomp(number: int) -> Any:
            """Once for each."""
            if number in answered:
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            answered.add(number)
            return answer(number)

        self.paho._send_pubcomp = send_pubcomp
        return reply


class FallsSilentAtStrayAcknowledgements(Liar):
    """Waits for ever for whom an acknowledgement belongs to."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """It never publishes, so that every one is stray."""
        reply = super().connect(request)
        for handler in ("_handle_pubackcomp", "_handle_pubrec"):
            setattr(self.paho, handler, lambda *_: threading.Event().wait())
        return reply


class LooksAtPubrec(ControlClient):
    """The witness where paho itself is wrong: a PUBREC that refuses ends the handshake, with an error."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Take it as paho takes a PUBACK."""
        reply = super().connect(request)
        paho: Any = self._connected()._client
        handle = paho._handle_pubrec

        def handle_pubrec() -> Any:
            """The third byte is the reason code, where there is one."""
            packet = paho._in_packet["packet"]
            return paho._handle_pubackcomp("PUBACK") if packet[2:3] >= b"\x80" else handle()

        paho._handle_pubrec = handle_pubrec
        return reply


class TakesAnyAnswerForSuccess(LooksAtPubrec):
    """Does not look at the reason code of what answers a publish."""

    def publish(self, request: mqtt.PublishRequest) -> mqtt.Acknowledgement:
        """Report success."""
        try:
            return super().publish(request)
        except ProbeFailure:
            return CONFIRMED


class GetsStuckOnRefusals(LooksAtPubrec):
    """Counts a refused publish as under way for ever, and lets two be."""

    refused = 0

    def publish(self, request: mqtt.PublishRequest) -> mqtt.Acknowledgement:
        """Wait for room that never comes."""
        if self.refused == 2:
            threading.Event().wait()
        try:
            return super().publish(request)
        except ProbeFailure:
            self.refused += 1
            raise


class DeliversHalfPackets(Liar):
    """Delivers what there is of a packet when the connection ends."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Look into paho's buffer."""
        reply = super().connect(request)
        told = self.reference.on_lost

        def on_lost(*why: Any) -> None:
            """Deliver, then tell."""
            self.deliver(Received("half", bytes(self.paho._in_packet["packet"]), 0, False, False))
            told(*why)

        self.reference.on_lost = on_lost
        return reply


class ReadsOnAfterMalformedPackets(Liar):
    """Waits for more where a packet cannot be one."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Hear of no error, and miss no PINGRESP."""
        reply = super().connect(request)
        self.paho._check_keepalive = lambda: None
        read = self.paho._packet_read

        def packet_read() -> Any:
            """Nothing is wrong."""
            code = read()
            return MQTTErrorCode.MQTT_ERR_AGAIN if code is MQTTErrorCode.MQTT_ERR_PROTOCOL else code

        self.paho._packet_read = packet_read
        return reply


class ForgetsPubrel(Liar):
    """Takes a QoS 2 publish for complete once PUBREL is sent."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Forget what is under way when it connects again."""
        reply = super().connect(request)
        self.paho._messages_reconnect_reset_out = self.paho._out_messages.clear
        return reply
