"""Lies about lost connections; clients that die, and one that never answers."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

from paho.mqtt.enums import MQTTErrorCode

from harness.references.mqtt import Received
from harness.references.mqtt_control import ControlClient
from harness.wire import mqtt
from tests.saboteurs.mqtt.liar import CONFIRMED, Liar, panic

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
        self.reference.on_lost = lambda *_: panic("called `Result::unwrap()` on an `Err` value: BrokenPipe")
        return reply


class ForgetsToResubscribe(Liar):
    """Renews no subscription after a reconnect, though nothing says that this is the application's."""


class SwallowsWhileOffline(Liar):
    """Confirms one message that is published while there is no connection, and drops it."""

    swallowed = False

    def publish(self, request: mqtt.PublishRequest) -> mqtt.Acknowledgement:
        """Look whether the connection is gone, which takes a moment to be noticed."""
        if not self.swallowed and self.reference.lost.wait(1.0):
            self.swallowed = True
            return CONFIRMED
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


class KeepsOldSessions(Liar):
    """Goes on with what the last session left unfinished, as paho does."""


class StartsAnew(ControlClient):
    """The witness where paho itself is wrong: forgets what was under way where its session has ended."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Forget before paho sends it again."""
        reply = super().connect(request)
        paho: Any = self._connected()._client
        handle = paho._handle_connack

        def handle_connack() -> Any:
            """The first byte is session present."""
            if not paho._in_packet["packet"][0]:
                paho._out_messages.clear()
            return handle()

        paho._handle_connack = handle_connack
        return reply


class ForgetsWhatItReleased(Liar):
    """Answers no PUBREL on a later connection, where it has forgotten the packet id."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Answer until the connection is lost."""
        reply = super().connect(request)
        answer = self.paho._send_pubcomp
        lost = self.reference.lost
        self.paho._send_pubcomp = lambda number: MQTTErrorCode.MQTT_ERR_SUCCESS if lost.is_set() else answer(number)
        return reply


class ReconnectsInATightLoop(Liar):
    """Tries to connect again without a pause."""

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """Take the pause away."""
        reply = super().connect(request)
        self.paho.reconnect_delay_set(min_delay=0, max_delay=0)
        return reply


# -- dying and silence ---------------------------------------------------------------------------------


class Panics(Liar):
    """Panics in the middle of a publish."""

    def lie_in_publish(self, request: mqtt.PublishRequest) -> mqtt.Acknowledgement:
        """Die as a Rust program does."""
        panic("attempt to subtract with overflow")
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
