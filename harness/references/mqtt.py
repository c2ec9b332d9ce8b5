"""paho-mqtt as reference client for MQTT 3.1.1 and 5.

https://eclipse.dev/paho/files/paho.mqtt.python/html/client.html
"""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from harness.errors import ReferenceFailed
from harness.references import mqtt5 as paho5
from harness.wire import mqtt, mqtt5
from harness.wire.messages import decode

#: Seconds that one step of the reference may take before nothing can be said about the crate.
STEP = 10.0
#: Publishes that `publish_all` leaves incomplete at most: paho refuses one whose packet id, of 65,535, is still in use.
_UNDER_WAY = 20_000


@dataclass(frozen=True)
class Received:
    """A message as paho delivered it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    #: Of MQTT 5 alone.
    properties: mqtt5.DeliveredProperties | None = None


class MqttReference:
    """A connected paho client; every step waits for the broker's acknowledgement."""

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        *,
        keep_alive: int = 15,
        protocol: mqtt.Protocol = "3.1.1",
        clean_session: bool = True,
        username: str | None = None,
        password: str | None = None,
        will: mqtt.Will | None = None,
        tls: ssl.SSLContext | None = None,
        websocket: bool = False,
        reconnect: bool = True,
        properties: mqtt5.ConnectProperties | None = None,
    ) -> None:
        self.client_id = client_id
        self.speaks_5 = protocol == "5"
        self._clean, self._properties = clean_session, properties
        self._address = (host, port, keep_alive)
        self._inbox: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self._connected = threading.Event()
        self._acknowledged: dict[int, Any] = {}
        self._changed = threading.Condition()
        self._connack: ReasonCode | None = None
        self._published: dict[int, int] = {}
        self.session_present: bool | None = None
        #: What CONNACK said; null in 3.1.1.
        self.connack_properties: mqtt5.ConnackProperties | None = None
        self.lost = threading.Event()
        self.on_lost: Any = None
        self.on_back: Any = None
        self.on_received: Any = None
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            # In MQTT 5 it is said in `connect`.
            clean_session=None if self.speaks_5 else clean_session,
            protocol=MQTTProtocolVersion.MQTTv5 if self.speaks_5 else MQTTProtocolVersion.MQTTv311,
            transport="websockets" if websocket else "tcp",
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
            about = paho5.outgoing(will.properties)
            self._client.will_set(will.topic, decode(will.payload), will.qos, will.retain, properties=about)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_suback
        self._client.on_unsubscribe = self._on_unsuback

    # -- callbacks, on paho's thread ---------------------------------------------------------------

    def _on_connect(
        self, _client: paho.Client, _data: Any, flags: paho.ConnectFlags, reason: ReasonCode, properties: Any
    ) -> None:
        again = self._connack is not None
        self._connack = reason
        if self.speaks_5:
            self.connack_properties = paho5.connack(properties)
        self.session_present = flags.session_present
        self._connected.set()
        if again and not reason.is_failure and self.on_back is not None:
            self.on_back()

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, flags: paho.DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        self.lost.set()
        if self.on_lost is not None:
            self.on_lost(str(reason), reason.value if flags.is_disconnect_packet_from_server else None)

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        properties = paho5.delivered(message.properties) if self.speaks_5 and message.properties else None
        received = Received(message.topic, bytes(message.payload), message.qos, message.retain, message.dup, properties)
        self._inbox.put(received)
        if self.on_received is not None:
            self.on_received(received)

    def _on_publish(self, _client: paho.Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        # Before paho lets go of who waits for the message.
        self._published[mid] = reason.value

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
            if self.speaks_5:
                about = paho5.outgoing(self._properties)
                self._client.connect(host, port, keepalive=keep_alive, clean_start=self._clean, properties=about)
            else:
                self._client.connect(host, port, keepalive=keep_alive)
        except OSError as error:
            raise ReferenceFailed(f"the reference client could not connect: {error}") from error
        self._client.loop_start()
        if not self._connected.wait(STEP) or self._connack is None:
            raise ReferenceFailed(f"the reference client got no CONNACK within {STEP:g} s")
        return self._connack

    def subscribe(
        self, *filters: str | mqtt.Subscription, qos: int = 2, properties: mqtt5.SubscribeProperties | None = None
    ) -> list[ReasonCode]:
        """Subscribe with one SUBSCRIBE and wait for SUBACK; returns its codes.

        Args:
            filters: topic filters, for which `qos` holds, or whole subscriptions.
            qos: the highest that is asked for.
            properties: of MQTT 5 alone.
        """
        wanted = [
            mqtt.Subscription.model_validate({"filter": entry, "qos": qos}) if isinstance(entry, str) else entry
            for entry in filters
        ]
        if self.speaks_5:
            about = paho5.outgoing(properties)
            asked = [(entry.filter, paho5.options(entry)) for entry in wanted]
            code, mid = self._client.subscribe(asked, properties=about)
        else:
            levels: list[tuple[str, int]] = [(entry.filter, entry.qos) for entry in wanted]
            code, mid = self._client.subscribe(levels)
        codes: list[ReasonCode] = self._await(code, mid, "SUBACK")
        return codes

    def unsubscribe(self, *filters: str) -> list[ReasonCode]:
        """Unsubscribe with one UNSUBSCRIBE and wait for UNSUBACK; returns its codes, which 3.1.1 does not have."""
        code, mid = self._client.unsubscribe(list(filters))
        codes: list[ReasonCode] = self._await(code, mid, "UNSUBACK")
        return codes

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        properties: mqtt5.PublishProperties | None = None,
    ) -> int:
        """Publish, and wait until PUBACK or PUBCOMP came; at QoS 0 until it is written.

        Returns:
            The reason code, which is 0 in 3.1.1 and at QoS 0.
        """
        info = self._client.publish(topic, payload, qos, retain, properties=paho5.outgoing(properties))
        self._await_completion(info, STEP)
        return self._published.pop(info.mid, 0)

    def hand_over(self, topic: str, payload: bytes, *, qos: int) -> None:
        """Publish without waiting for anything, as callbacks have to."""
        self._client.publish(topic, payload, qos)

    def publish_all(self, topic: str, payloads: Sequence[bytes], *, qos: int, within: float) -> None:
        """Publish in order, waiting only where very many are under way, until all are complete, given seconds."""
        infos: list[paho.MQTTMessageInfo] = []
        end = time.monotonic() + within
        for number, payload in enumerate(payloads):
            if number >= _UNDER_WAY:
                self._await_completion(infos[number - _UNDER_WAY], max(0.0, end - time.monotonic()))
            infos.append(self._client.publish(topic, payload, qos))
        for info in infos[-_UNDER_WAY:]:
            self._await_completion(info, max(0.0, end - time.monotonic()))

    def take(self, timeout: float) -> Received | None:
        """The oldest message that was not taken yet, waiting up to `timeout` seconds."""
        try:
            return self._inbox.get(timeout=timeout) if timeout > 0 else self._inbox.get_nowait()
        except queue.Empty:
            return None

    def disconnect(self, properties: mqtt5.DisconnectProperties | None = None) -> None:
        """Send DISCONNECT and close; `properties` are of MQTT 5 alone."""
        code = None if properties is None else ReasonCode(PacketTypes.DISCONNECT, identifier=properties.reason_code)
        self._client.disconnect(code, paho5.outgoing(properties))
        self._client.loop_stop()

    @staticmethod
    def _await_completion(info: paho.MQTTMessageInfo, within: float) -> None:
        try:
            info.wait_for_publish(within)
            published = info.is_published()
        except (RuntimeError, ValueError) as error:
            raise ReferenceFailed(f"the reference client could not publish: {error}") from error
        if not published:
            raise ReferenceFailed(f"the reference client's publish was not completed within {within:g} s")

    def _await(self, code: MQTTErrorCode, mid: int | None, what: str) -> Any:
        if code is not MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise ReferenceFailed(f"the reference client could not send: {paho.error_string(code)}")
        end = time.monotonic() + STEP
        with self._changed:
            while mid not in self._acknowledged:
                if not self._changed.wait(end - time.monotonic()) and time.monotonic() >= end:
                    raise ReferenceFailed(f"the reference client got no {what} within {STEP:g} s")
            return self._acknowledged.pop(mid)
