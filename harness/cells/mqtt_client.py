"""The crate's MQTT client in a scenario's hands, and messages as scenarios compare them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.cells.doors import PLAIN, Door
from harness.cells.peer import RECOVERY, PeerClient, described
from harness.certificates import KeyForm
from harness.errors import Mismatch, RefusedByCrate
from harness.model import Duty
from harness.peers.mqtt_packets import PacketType
from harness.probes.talk import ProbeProcess
from harness.wire import mqtt, mqtt5
from harness.wire.messages import decode, encode

if TYPE_CHECKING:
    from harness.cells.mqtt import MqttCell

#: Keep-alive of every connection, in seconds: the shortest that all crates accept.
KEEP_ALIVE = 5
#: Seconds for which the server keeps a lasting session in MQTT 5, where a session ends with its connection unless the
#: client says otherwise. In 3.1.1 it has no end.
_KEPT = 600


@dataclass(frozen=True)
class Delivered:
    """A message as a subscriber got it; null where the client does not tell."""

    topic: str
    payload: bytes
    qos: int | None = None
    retain: bool | None = None
    #: Of MQTT 5 alone. Of a wanted message only what is set counts.
    properties: mqtt5.DeliveredProperties | None = None

    def __str__(self) -> str:
        parts = [f"{described(self.payload)} on {self.topic}"]
        if self.qos is not None:
            parts.append(f"QoS {self.qos}")
        if self.retain:
            parts.append("retained")
        told = self.properties.model_dump(mode="json", exclude_defaults=True) if self.properties else {}
        if told:
            parts.append(json.dumps(told, ensure_ascii=False))
        return ", ".join(parts)

    def is_same(self, wanted: Delivered) -> bool:
        """True where this is the message `wanted`, at whatever QoS."""
        return (self.topic, self.payload) == (wanted.topic, wanted.payload)

    def agrees_with(self, wanted: Delivered) -> bool:
        """True where nothing that is told differs from `wanted`."""
        return (
            self.is_same(wanted)
            and (wanted.qos is None or self.qos in (None, wanted.qos))
            and (wanted.retain is None or self.retain in (None, wanted.retain))
            and (wanted.properties is None or self.has(wanted.properties))
        )

    def has(self, wanted: mqtt5.DeliveredProperties) -> bool:
        """True where every property that is set in `wanted` came with the message."""
        return self.properties is not None and all(
            getattr(self.properties, name) == getattr(wanted, name) for name in wanted.model_fields_set
        )


class MqttClient(PeerClient):
    """The crate's MQTT client."""

    _cell: MqttCell

    def __init__(self, cell: MqttCell, process: ProbeProcess, name: str) -> None:
        super().__init__(cell, process, name)
        #: Messages that came while the scenario waited for something else.
        self.kept: list[Delivered] = []
        #: What the last CONNACK said beyond 3.1.1.
        self.connack = mqtt5.ConnackProperties()
        #: The reason codes of the last acknowledgement; null in 3.1.1 and where the crate does not tell.
        self.codes: list[int] | None = None

    def connect(
        self,
        *,
        clean_session: bool = True,
        username: str | None = None,
        password: str | None = None,
        will: mqtt.Will | None = None,
        door: Door = PLAIN,
        shows_certificate: bool = False,
        key: KeyForm = KeyForm.PKCS8,
        keep_alive: int = KEEP_ALIVE,
        properties: mqtt5.ConnectProperties | None = None,
        within: float = 0,
    ) -> bool | None:
        """CONNECT, up to CONNACK; returns session present, null where the crate does not tell.

        In MQTT 5 `clean_session` is Clean Start, and without it and without `properties` the session outlives its
        connection.
        """
        request = self._cell.address(door, shows_certificate=shows_certificate, key=key)
        request |= {"client_id": self.id, "keep_alive_s": keep_alive, "clean_session": clean_session}
        if self._cell.speaks_5:
            if properties is None and not clean_session:
                properties = mqtt5.ConnectProperties(session_expiry_s=_KEPT)
            request |= {"protocol": "5", "properties": properties}
        if username is not None:
            request |= {"username": username, "password": password}
        if will is not None:
            request["will"] = will
        ok = self.call("connect", mqtt.ConnectRequest.model_validate(request), "CONNECT is accepted", within)
        reply = mqtt.ConnectReply.model_validate(ok)
        self.connack = reply.properties or mqtt5.ConnackProperties()
        return reply.session_present

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 0,
        retain: bool = False,
        properties: mqtt5.PublishProperties | None = None,
        within: float = 0,
    ) -> bool:
        """Publish; returns whether the crate reported completion."""
        fields = {"topic": topic, "payload": encode(payload), "qos": qos, "retain": retain}
        if properties is not None:
            fields["properties"] = properties
        request = mqtt.PublishRequest.model_validate(fields)
        ok = self.call("publish", request, f"the publish at QoS {qos} completes", within)
        return self._acknowledged(ok)

    def begin_publish_all(self, topic: str, payloads: Sequence[bytes], *, qos: int) -> Callable[[float], bool]:
        """Hand publishes over in order, and return at once; the result is as `begin_publish` has it."""
        fields = {"topic": topic, "payloads": [encode(payload) for payload in payloads], "qos": qos}
        self._process.begin(mqtt.PublishAllRequest.model_validate(fields), op="publish_all")
        return self._finish("publish_all", f"all {len(payloads)} publishes at QoS {qos} complete, or end in an error")

    def echo(self, topic: str, to: str, *, qos: int) -> None:
        """From now on publish what comes under `topic` to `to`, where the crate hands messages over."""
        request = mqtt.EchoRequest.model_validate({"topic": topic, "to": to, "qos": qos})
        self.call("echo", request, "the client is ready to publish what it receives")

    def subscribe(
        self,
        *filters: str,
        qos: int = 0,
        options: mqtt5.SubscriptionOptions | None = None,
        properties: mqtt5.SubscribeProperties | None = None,
    ) -> bool:
        """Subscribe with one SUBSCRIBE; returns once the broker sent SUBACK, with whether the crate reported that."""
        position = self._cell.peer.log.position()
        asked = {"qos": qos} if options is None else {"qos": qos, "options": options}
        request = _subscription(filters, asked, {} if properties is None else {"properties": properties})
        ok = self.call("subscribe", request, f"the subscription to {', '.join(filters)} is acknowledged")
        if not self._acknowledged(ok):
            # The crate does not tell; the broker does, and a message published after SUBACK must be delivered.
            self._cell.await_acknowledged(self, PacketType.SUBSCRIBE, position)
        return bool(ok["confirmed"])

    def begin_subscribe(self, *filters: str, qos: int) -> Callable[[float], bool]:
        """Ask for a subscription and return at once; the result is as `begin_publish` has it."""
        self._process.begin(_subscription(filters, {"qos": qos}, {}), op="subscribe")
        return self._finish("subscribe", f"the subscription to {', '.join(filters)} is acknowledged")

    def unsubscribe(self, *filters: str) -> None:
        """Unsubscribe with one UNSUBSCRIBE; returns once the broker sent UNSUBACK."""
        position = self._cell.peer.log.position()
        request = mqtt.UnsubscribeRequest(filters=list(filters))
        ok = self.call("unsubscribe", request, "the unsubscription is acknowledged")
        if not self._acknowledged(ok):
            self._cell.await_acknowledged(self, PacketType.UNSUBSCRIBE, position)

    def _acknowledged(self, ok: dict[str, Any]) -> bool:
        reply = mqtt.Acknowledgement.model_validate(ok)
        self.codes = reply.reason_codes
        return reply.confirmed

    def disconnect(self, properties: mqtt5.DisconnectProperties | None = None) -> None:
        """DISCONNECT and close."""
        request = mqtt.DisconnectRequest() if properties is None else mqtt.DisconnectRequest(properties=properties)
        self.call("disconnect", request, "the disconnect completes")

    def next_message(self, within: float, expected: str) -> Delivered | None:
        """The next message that the crate delivers; null where none came within `within` seconds."""
        if self.kept:
            return self.kept.pop(0)
        event = self.next_event("message", within, expected)
        if event is None:
            return None
        message = mqtt.Message.model_validate({name: value for name, value in event.items() if name != "event"})
        payload = decode(message.payload)
        return Delivered(message.topic, payload, message.qos, message.retain, message.properties)

    def idle(self, seconds: float) -> list[Delivered]:
        """Let the client work for `seconds`; returns what it delivered meanwhile."""
        delivered, self.kept = self.kept, []
        end = time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0:
                message = self.next_message(left, "the client stays connected")
                if message is not None:
                    delivered.append(message)
        except RefusedByCrate:
            self.kept = delivered  # what came before the error did come
            raise
        return delivered

    def idle_through_errors(self, seconds: float) -> None:
        """Let the client work for `seconds`, whatever it reports meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self.kept = self.idle(left)
            except RefusedByCrate as error:
                self._cell.remark(f"the client reported: {error.observed}")
                time.sleep(min(0.2, left))  # its next answer would be the same at once

    def begin_publish(self, topic: str, payload: bytes, *, qos: int) -> Callable[[float], bool]:
        """Hand a publish over and return at once.

        Returns:
            A function that waits for its end, given seconds, and returns whether the crate reported completion.
        """
        fields = {"topic": topic, "payload": encode(payload), "qos": qos}
        self._process.begin(mqtt.PublishRequest.model_validate(fields), op="publish")
        return self._finish("publish", f"the publish at QoS {qos} completes, or ends in an error")

    def _finish(self, op: str, expected: str) -> Callable[[float], bool]:
        def finish(within: float) -> bool:
            deadline = self._cell.remaining(within, expected)
            return bool(self._process.finish(op=op, deadline=deadline, expected=expected)["confirmed"])

        return finish

    def await_notice(self, within: float, door: Door = PLAIN) -> str:
        """How the client showed that it knows of its broken connection; empty where it did not, given seconds."""
        relay = self._cell.relay(door)
        accepted, left = relay.accepted, relay.left
        end = time.monotonic() + within
        while (remaining := end - time.monotonic()) > 0:
            try:
                event = self.next_event("disconnected", min(1.0, remaining), "the client notices the broken connection")
            except RefusedByCrate as error:
                return error.observed
            if event is not None:
                return f"it reported: {event['reason']}"
            if relay.left > left or relay.accepted > accepted:
                return "it gave the connection up"
        return ""

    def recover(self, connections: int, *, clean_session: bool = True, door: Door = PLAIN) -> None:
        """Wait until the client is connected again after its connection was lost, for the `connections`-th time.

        Where crates.toml says that reconnecting is the application's, this is the application, and asks for a clean
        session or not.
        """
        if self.is_left_to_application(Duty.RECONNECT, "connecting again"):
            self.until_it_works(lambda: self.connect(clean_session=clean_session, door=door))
            return
        relay = self._cell.relay(door)
        expected = f"the client is connected again within {RECOVERY:g} s"
        end = time.monotonic() + RECOVERY
        while relay.served < connections:
            left = self._cell.remaining(end - time.monotonic(), expected)
            if left <= 0:
                attempts = relay.accepted - (connections - 1)
                observed = f"{attempts} attempts in {RECOVERY:g} s, none of which the broker answered"
                raise Mismatch(observed, expected=expected)
            # Blocking clients reconnect only while they are driven.
            self.idle_through_errors(min(1.0, left))

    def resubscribe(self, *filters: str, qos: int) -> None:
        """Subscribe again, where crates.toml says that this is the application's after a reconnect."""
        if self.is_left_to_application(Duty.RESUBSCRIBE, "subscribing again"):
            self.subscribe(*filters, qos=qos)


def _subscription(filters: Sequence[str], asked: dict[str, Any], about: dict[str, Any]) -> mqtt.SubscribeRequest:
    entries = [mqtt.Subscription.model_validate({"filter": text, **asked}) for text in filters]
    return mqtt.SubscribeRequest.model_validate({"filters": entries, **about})
