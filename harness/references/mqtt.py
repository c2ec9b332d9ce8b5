"""paho-mqtt as reference client for MQTT 3.1.1.

https://eclipse.dev/paho/files/paho.mqtt.python/html/client.html
"""

from __future__ import annotations

import queue
import ssl
import threading
import time
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from harness.errors import ReferenceFailed

#: Seconds that one step of the reference may take before nothing can be said about the crate.
STEP = 10.0


@dataclass(frozen=True)
class Received:
    """A message as paho delivered it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool


class MqttReference:
    """A connected paho client; every step waits for the broker's acknowledgement."""

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        *,
        keep_alive: int = 60,
        clean_session: bool = True,
        username: str | None = None,
        password: str | None = None,
        will: paho.MQTTMessage | None = None,
        tls: ssl.SSLContext | None = None,
        reconnect: bool = True,
    ) -> None:
        self.client_id = client_id
        self._address = (host, port, keep_alive)
        self._inbox: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self._connected = threading.Event()
        self._acknowledged: dict[int, Any] = {}
        self._changed = threading.Condition()
        self._connack: ReasonCode | None = None
        self.session_present: bool | None = None
        self.lost = threading.Event()
        self.on_lost: Any = None
        self.on_back: Any = None
        self.on_received: Any = None
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=clean_session,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=reconnect,
        )
        # Scenarios send what they like as fast as they like; the reference must not be what holds them up.
        self._client.max_inflight_messages_set(0)
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        if username is not None:
            self._client.username_pw_set(username, password)
        if tls is not None:
            self._client.tls_set_context(tls)
        if will is not None:
            self._client.will_set(will.topic, will.payload, will.qos, will.retain)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_suback
        self._client.on_unsubscribe = self._on_unsuback

    # -- callbacks, on paho's thread ---------------------------------------------------------------

    def _on_connect(
        self, _client: paho.Client, _data: Any, flags: paho.ConnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        again = self._connack is not None
        self._connack = reason
        self.session_present = flags.session_present
        self._connected.set()
        if again and not reason.is_failure and self.on_back is not None:
            self.on_back()

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        self.lost.set()
        if self.on_lost is not None:
            self.on_lost(str(reason))

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        received = Received(message.topic, bytes(message.payload), message.qos, message.retain, message.dup)
        self._inbox.put(received)
        if self.on_received is not None:
            self.on_received(received)

    def _on_suback(self, _client: paho.Client, _data: Any, mid: int, codes: list[ReasonCode], _properties: Any) -> None:
        with self._changed:
            self._acknowledged[mid] = codes
            self._changed.notify_all()

    def _on_unsuback(
        self, _client: paho.Client, _data: Any, mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        self._on_suback(_client, _data, mid, codes, _properties)

    # -- steps -------------------------------------------------------------------------------------

    def connect(self) -> ReasonCode:
        """Connect and wait for CONNACK.

        Returns:
            CONNACK's code, which may be a refusal.

        Raises:
            ReferenceFailed: no CONNACK came.
        """
        host, port, keep_alive = self._address
        self._connected.clear()
        try:
            self._client.connect(host, port, keepalive=keep_alive)
        except OSError as error:
            raise ReferenceFailed(f"the reference client could not connect: {error}") from error
        self._client.loop_start()
        if not self._connected.wait(STEP) or self._connack is None:
            raise ReferenceFailed(f"the reference client got no CONNACK within {STEP:g} s")
        return self._connack

    def subscribe(self, *filters: str, qos: int = 2) -> list[ReasonCode]:
        """Subscribe with one SUBSCRIBE and wait for SUBACK; returns its codes."""
        code, mid = self._client.subscribe([(topic, qos) for topic in filters])
        codes: list[ReasonCode] = self._await(code, mid, "SUBACK")
        return codes

    def unsubscribe(self, *filters: str) -> None:
        """Unsubscribe with one UNSUBSCRIBE and wait for UNSUBACK."""
        code, mid = self._client.unsubscribe(list(filters))
        self._await(code, mid, "UNSUBACK")

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Publish, and wait until PUBACK or PUBCOMP came; at QoS 0 until it is written."""
        info = self._client.publish(topic, payload, qos, retain)
        try:
            info.wait_for_publish(STEP)
        except (RuntimeError, ValueError) as error:
            raise ReferenceFailed(f"the reference client could not publish: {error}") from error
        if not info.is_published():
            raise ReferenceFailed(f"the reference client's publish was not completed within {STEP:g} s")

    def take(self, timeout: float) -> Received | None:
        """The oldest message that was not taken yet, waiting up to `timeout` seconds."""
        try:
            return self._inbox.get(timeout=timeout) if timeout > 0 else self._inbox.get_nowait()
        except queue.Empty:
            return None

    def disconnect(self) -> None:
        """Send DISCONNECT and close."""
        self._client.disconnect()
        self._client.loop_stop()

    def _await(self, code: MQTTErrorCode, mid: int | None, what: str) -> Any:
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise ReferenceFailed(f"the reference client could not send: {paho.error_string(code)}")
        end = time.monotonic() + STEP
        with self._changed:
            while mid not in self._acknowledged:
                if not self._changed.wait(end - time.monotonic()) and time.monotonic() >= end:
                    raise ReferenceFailed(f"the reference client got no {what} within {STEP:g} s")
            return self._acknowledged.pop(mid)
