"""The honest client with places where a lie fits, and what lies are made of."""

from __future__ import annotations

import os
import sys
from typing import Any

from harness.references.mqtt import MqttReference, Received
from harness.references.mqtt_control import ControlClient
from harness.wire import mqtt
from harness.wire.messages import encode
from harness.wire.serve import Events

#: What an honest client replies once it is done.
CONFIRMED = mqtt.Acknowledgement(confirmed=True)


class Liar(ControlClient):
    """The honest client with places where a lie fits. Lies about messages hit every other one, the first included."""

    def __init__(self, events: Events) -> None:
        super().__init__(events)
        self.published = 0
        self.received = 0

    def publish(self, request: mqtt.PublishRequest) -> mqtt.Acknowledgement:
        """Count, and lie about every other one."""
        self.published += 1
        return self.lie_in_publish(request) if self.published % 2 else super().publish(request)

    def lie_in_publish(self, request: mqtt.PublishRequest) -> mqtt.Acknowledgement:
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


def with_payload(request: mqtt.PublishRequest, payload: bytes) -> mqtt.PublishRequest:
    """The request with another payload."""
    return request.model_copy(update={"payload": encode(payload)})


def altered(message: Received, **fields: Any) -> Received:
    """The message with other fields."""
    return Received(**{**message.__dict__, **fields})


def panic(text: str) -> None:
    """Die as a Rust program does that panics."""
    sys.stderr.write(f"\nthread 'main' panicked at src/main.rs:1:1:\n{text}\n")
    sys.stderr.flush()
    os._exit(101)
