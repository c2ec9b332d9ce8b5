"""The control probe for MQTT 3.1.1: the reference client behind the wire contract.

python -m harness.references.mqtt_control
"""

from __future__ import annotations

import ssl
from importlib.metadata import version

import paho.mqtt.client as paho

from harness.errors import ReferenceFailed
from harness.model import Dialect
from harness.references.mqtt import MqttReference, Received
from harness.references.tls import client_context
from harness.wire import mqtt
from harness.wire.messages import Empty, ErrorCode, decode, encode
from harness.wire.serve import Events, ProbeFailure, Server


class ControlClient:
    """One method per operation of the MQTT vocabulary."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._client: MqttReference | None = None

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """CONNECT, up to CONNACK."""
        client = MqttReference(
            request.host,
            request.port,
            request.client_id,
            keep_alive=request.keep_alive_s,
            clean_session=request.clean_session,
            username=request.username,
            password=request.password,
            will=_will(request.will),
            tls=self.trust(request.tls),
        )
        client.on_received = self.deliver
        client.on_lost = lambda reason: self._events.add("disconnected", mqtt.Disconnected(reason=reason))
        client.on_back = lambda: self._events.add("reconnected", Empty())
        try:
            code = client.connect()
        except ReferenceFailed as error:
            raise ProbeFailure(ErrorCode.IO, str(error)) from error
        if code.is_failure:
            client.on_lost = None
            client.disconnect()
            raise ProbeFailure(ErrorCode.REFUSED, f"CONNACK: {code}")
        self._client = client
        return mqtt.ConnectReply(session_present=client.session_present)

    def trust(self, tls: mqtt.Tls | None) -> ssl.SSLContext | None:
        """Whom the client believes, and what it shows."""
        return client_context(tls)

    def deliver(self, message: Received) -> None:
        """Called on paho's thread for each message."""
        self._events.add("message", as_event(message))

    def publish(self, request: mqtt.PublishRequest) -> mqtt.Confirmation:
        """PUBLISH, up to PUBACK or PUBCOMP."""
        payload = decode(request.payload)
        try:
            self._connected().publish(request.topic, payload, qos=request.qos, retain=request.retain)
        except ReferenceFailed as error:
            raise ProbeFailure(ErrorCode.TIMEOUT, str(error), definite=False) from error
        return mqtt.Confirmation(confirmed=True)

    def subscribe(self, request: mqtt.SubscribeRequest) -> mqtt.Confirmation:
        """SUBSCRIBE, up to SUBACK."""
        qos = {subscription.qos for subscription in request.filters}
        if len(qos) != 1:
            raise ProbeFailure(ErrorCode.NOT_WRITTEN, "filters of different QoS in one SUBSCRIBE", feature="mixed-qos")
        try:
            codes = self._connected().subscribe(*[entry.filter for entry in request.filters], qos=qos.pop())
        except ReferenceFailed as error:
            raise ProbeFailure(ErrorCode.IO, str(error), definite=False) from error
        if any(code.is_failure for code in codes):
            raise ProbeFailure(ErrorCode.REFUSED, f"SUBACK: {', '.join(map(str, codes))}")
        return mqtt.Confirmation(confirmed=True)

    def unsubscribe(self, request: mqtt.UnsubscribeRequest) -> mqtt.Confirmation:
        """UNSUBSCRIBE, up to UNSUBACK."""
        try:
            self._connected().unsubscribe(*request.filters)
        except ReferenceFailed as error:
            raise ProbeFailure(ErrorCode.IO, str(error), definite=False) from error
        return mqtt.Confirmation(confirmed=True)

    def disconnect(self, _request: mqtt.DisconnectRequest) -> Empty:
        """DISCONNECT and close."""
        client = self._connected()
        client.on_lost = None
        client.disconnect()
        self._client = None
        return Empty()

    def _connected(self) -> MqttReference:
        if self._client is None:
            raise ProbeFailure(ErrorCode.STATE, "not connected")
        return self._client


def as_event(message: Received) -> mqtt.Message:
    """A received message in the contract's form."""
    return mqtt.Message.model_validate(
        {
            "topic": message.topic,
            "payload": encode(message.payload),
            "qos": message.qos,
            "retain": message.retain,
            "dup": message.dup,
        }
    )


def _will(will: mqtt.Will | None) -> paho.MQTTMessage | None:
    if will is None:
        return None
    message = paho.MQTTMessage(topic=will.topic.encode())
    message.payload, message.qos, message.retain = decode(will.payload), will.qos, will.retain
    return message


def main() -> int:
    """Serve one conversation."""
    events = Events()
    return Server(
        crate="paho-mqtt",
        version=version("paho-mqtt"),
        vocabulary=mqtt.VOCABULARY,
        dialects=[Dialect.MQTT_3_1_1],
        client=ControlClient(events),
        events=events,
    ).run()


if __name__ == "__main__":
    raise SystemExit(main())
