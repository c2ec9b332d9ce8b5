"""The control probe for MQTT 3.1.1 and 5: the reference client behind the wire contract.

python -m harness.references.mqtt_control
"""

from __future__ import annotations

import ssl
from importlib.metadata import version

from paho.mqtt.reasoncodes import ReasonCode

from harness.errors import ReferenceFailed
from harness.model import Dialect
from harness.references.mqtt import MqttReference, Received
from harness.references.tls import client_context
from harness.wire import mqtt
from harness.wire.messages import Empty, ErrorCode, decode, encode
from harness.wire.serve import Events, ProbeFailure, Server

#: The lowest reason code that is a failure (MQTT 5, section 2.4).
_FAILURE = 0x80
#: Seconds that a long sequence of publishes may take.
_ALL = 60.0


class ControlClient:
    """One method per operation of the MQTT vocabulary."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._client: MqttReference | None = None
        self._echo: mqtt.EchoRequest | None = None

    def connect(self, request: mqtt.ConnectRequest) -> mqtt.ConnectReply:
        """CONNECT, up to CONNACK."""
        client = MqttReference(
            request.host,
            request.port,
            request.client_id,
            keep_alive=request.keep_alive_s,
            protocol=request.protocol,
            clean_session=request.clean_session,
            username=request.username,
            password=request.password,
            will=request.will,
            tls=self.trust(request.tls),
            websocket=request.websocket,
            properties=request.properties,
        )
        client.on_received = self.receive
        client.on_lost = lambda reason, code: self._events.add(
            "disconnected", mqtt.Disconnected(reason=reason, reason_code=code)
        )
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
        return mqtt.ConnectReply(session_present=client.session_present, properties=client.connack_properties)

    def trust(self, tls: mqtt.Tls | None) -> ssl.SSLContext | None:
        """Whom the client believes, and what it shows."""
        return client_context(tls)

    def receive(self, message: Received) -> None:
        """Called on paho's thread for each message."""
        self.deliver(message)
        if self._echo is not None and message.topic == self._echo.topic:
            self.answer(self._echo, message)

    def deliver(self, message: Received) -> None:
        """Hand the message to the application."""
        self._events.add("message", as_event(message))

    def answer(self, echo: mqtt.EchoRequest, message: Received) -> None:
        """Publish from paho's callback, which may not wait for the end."""
        self._connected().hand_over(echo.to, message.payload, qos=echo.qos)

    def echo(self, request: mqtt.EchoRequest) -> Empty:
        """From now on."""
        self._echo = request
        return Empty()

    def publish(self, request: mqtt.PublishRequest) -> mqtt.Acknowledgement:
        """PUBLISH, up to PUBACK or PUBCOMP."""
        payload = decode(request.payload)
        try:
            code = self._connected().publish(
                request.topic, payload, qos=request.qos, retain=request.retain, properties=request.properties
            )
        except ReferenceFailed as error:
            raise ProbeFailure(ErrorCode.TIMEOUT, str(error), definite=False) from error
        if code >= _FAILURE:
            raise ProbeFailure(ErrorCode.REFUSED, f"PUBACK or PUBREC: {code:#04x}")
        return self._acknowledgement([code] if request.qos else None)

    def publish_all(self, request: mqtt.PublishAllRequest) -> mqtt.Confirmation:
        """PUBLISH after PUBLISH, up to the last PUBACK or PUBCOMP."""
        payloads = [decode(payload) for payload in request.payloads]
        try:
            self._connected().publish_all(request.topic, payloads, qos=request.qos, within=_ALL)
        except ReferenceFailed as error:
            raise ProbeFailure(ErrorCode.TIMEOUT, str(error), definite=False) from error
        return mqtt.Confirmation(confirmed=True)

    def subscribe(self, request: mqtt.SubscribeRequest) -> mqtt.Acknowledgement:
        """SUBSCRIBE, up to SUBACK."""
        try:
            codes = self._connected().subscribe(*request.filters, properties=request.properties)
        except ReferenceFailed as error:
            raise ProbeFailure(ErrorCode.IO, str(error), definite=False) from error
        return self._look_at(codes, "SUBACK")

    def unsubscribe(self, request: mqtt.UnsubscribeRequest) -> mqtt.Acknowledgement:
        """UNSUBSCRIBE, up to UNSUBACK."""
        try:
            codes = self._connected().unsubscribe(*request.filters)
        except ReferenceFailed as error:
            raise ProbeFailure(ErrorCode.IO, str(error), definite=False) from error
        return self._look_at(codes, "UNSUBACK")

    def disconnect(self, request: mqtt.DisconnectRequest) -> Empty:
        """DISCONNECT and close."""
        client = self._connected()
        client.on_lost = None
        client.disconnect(request.properties)
        self._client = None
        return Empty()

    def _look_at(self, codes: list[ReasonCode], packet: str) -> mqtt.Acknowledgement:
        if any(code.is_failure for code in codes):
            raise ProbeFailure(ErrorCode.REFUSED, f"{packet}: {', '.join(map(str, codes))}")
        return self._acknowledgement([code.value for code in codes])

    def _acknowledgement(self, codes: list[int] | None) -> mqtt.Acknowledgement:
        return mqtt.Acknowledgement(confirmed=True, reason_codes=codes if self._connected().speaks_5 else None)

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
            "properties": message.properties,
        }
    )


def main() -> int:
    """Serve one conversation."""
    events = Events()
    return Server(
        crate="paho-mqtt",
        version=version("paho-mqtt"),
        vocabulary=mqtt.VOCABULARY,
        dialects=[Dialect.MQTT_3_1_1, Dialect.MQTT_5],
        client=ControlClient(events),
        events=events,
    ).run()


if __name__ == "__main__":
    raise SystemExit(main())
