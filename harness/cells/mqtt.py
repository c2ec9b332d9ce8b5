"""The `cell` of MQTT scenarios: the crate's client behind a relay, paho-mqtt beside it, the broker's log."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.bench import Bench, Peer
from harness.capture import Relay
from harness.cells.base import Cell
from harness.errors import BrokerFailed, CrateTimeout, Mismatch, RefusedByCrate
from harness.model import Crate, Duty, Scenario
from harness.probes.talk import ProbeProcess
from harness.references.mqtt import MqttReference
from harness.wire import mqtt
from harness.wire.messages import CALL_DEADLINE, decode, encode

#: Keep-alive of every connection, in seconds: the shortest that all crates accept.
KEEP_ALIVE = 5
#: Seconds in which a message that nothing holds up has to arrive.
DELIVERY = 10.0
#: Seconds in which a client has to work again after its connection was lost.
RECOVERY = 60.0
#: Seconds in which the broker has to log what a client's packet made it do.
_LOGGED = 10.0

USERNAME, PASSWORD = "probe", "open-sesame"


@dataclass(frozen=True)
class Delivered:
    """A message as a subscriber got it; null where the client does not tell."""

    topic: str
    payload: bytes
    qos: int | None = None
    retain: bool | None = None

    def __str__(self) -> str:
        parts = [f"{_payload(self.payload)} on {self.topic}"]
        if self.qos is not None:
            parts.append(f"QoS {self.qos}")
        if self.retain:
            parts.append("retained")
        return ", ".join(parts)

    def agrees_with(self, wanted: Delivered) -> bool:
        """True where nothing that is told differs from `wanted`."""
        return (
            (self.topic, self.payload) == (wanted.topic, wanted.payload)
            and (wanted.qos is None or self.qos in (None, wanted.qos))
            and (wanted.retain is None or self.retain in (None, wanted.retain))
        )


def _payload(data: bytes) -> str:
    if len(data) <= 16:
        return f"{len(data)} bytes ({data.hex(' ')})" if data else "an empty payload"
    return f"{len(data)} bytes (SHA-256 {hashlib.sha256(data).hexdigest()[:8]})"


class MqttClient:
    """The crate's client: one probe process."""

    def __init__(self, cell: MqttCell, process: ProbeProcess, name: str) -> None:
        self._cell = cell
        self._process = process
        self.id = f"{cell.token}-{name}"
        #: Messages that came while the scenario waited for something else.
        self.kept: list[Delivered] = []

    def connect(
        self,
        *,
        clean_session: bool = True,
        username: str | None = None,
        password: str | None = None,
        will: mqtt.Will | None = None,
        listener: str = "plain",
    ) -> bool | None:
        """CONNECT, up to CONNACK; returns session present, null where the crate does not tell."""
        host, port = self._cell.endpoint(listener)
        request: dict[str, Any] = {"host": host, "port": port, "client_id": self.id, "keep_alive_s": KEEP_ALIVE}
        request["clean_session"] = clean_session
        if username is not None:
            request |= {"username": username, "password": password}
        if will is not None:
            request["will"] = will
        ok = self._call("connect", mqtt.ConnectRequest.model_validate(request), "CONNECT is accepted")
        present: bool | None = ok["session_present"]
        return present

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False, within: float = 0) -> bool:
        """Publish; returns whether the crate reported completion."""
        request = mqtt.PublishRequest.model_validate(
            {"topic": topic, "payload": encode(payload), "qos": qos, "retain": retain}
        )
        ok = self._call("publish", request, f"the publish at QoS {qos} completes", within)
        return bool(ok["confirmed"])

    def subscribe(self, *filters: str, qos: int = 0) -> None:
        """Subscribe with one SUBSCRIBE; returns once the broker sent SUBACK."""
        position = self._cell.peer.log.position()
        entries = [mqtt.Subscription.model_validate({"filter": text, "qos": qos}) for text in filters]
        request = mqtt.SubscribeRequest(filters=entries)
        ok = self._call("subscribe", request, f"the subscription to {', '.join(filters)} is acknowledged")
        if not ok["confirmed"]:
            # The crate does not tell; the broker does, and a message published after SUBACK must be delivered.
            self._cell.await_log(f"Sending SUBACK to {self.id}", position, "the crate sends SUBSCRIBE")

    def unsubscribe(self, *filters: str) -> None:
        """Unsubscribe with one UNSUBSCRIBE; returns once the broker sent UNSUBACK."""
        position = self._cell.peer.log.position()
        request = mqtt.UnsubscribeRequest(filters=list(filters))
        ok = self._call("unsubscribe", request, "the unsubscription is acknowledged")
        if not ok["confirmed"]:
            self._cell.await_log(f"Sending UNSUBACK to {self.id}", position, "the crate sends UNSUBSCRIBE")

    def disconnect(self) -> None:
        """DISCONNECT and close."""
        self._call("disconnect", mqtt.DisconnectRequest(), "the disconnect completes")

    def next_message(self, within: float, expected: str) -> Delivered | None:
        """The next message that the crate delivers; null where none came within `within` seconds."""
        if self.kept:
            return self.kept.pop(0)
        end = time.monotonic() + self._cell.remaining(within, expected)
        event = self._process.take_event(
            lambda event: event["event"] == "message", end - time.monotonic(), expected=expected
        )
        if event is None:
            return None
        return Delivered(event["topic"], decode(event["payload"]), event.get("qos"), event.get("retain"))

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
        expected = f"the publish at QoS {qos} completes, or ends in an error"

        def finish(within: float) -> bool:
            deadline = self._cell.remaining(within, expected)
            return bool(self._process.finish(op="publish", deadline=deadline, expected=expected)["confirmed"])

        return finish

    def recover(self, connections: int, listener: str = "plain") -> None:
        """Wait until the client is connected again after its connection was lost, for the `connections`-th time.

        Where crates.toml says that reconnecting is the application's, this is the application.
        """
        relay = self._cell.relay(listener)
        expected = f"the client is connected again within {RECOVERY:g} s"
        end = time.monotonic() + RECOVERY
        duty = self._cell.crate.leaves(Duty.RECONNECT)
        if duty is not None:
            self._cell.remark(f"connecting again, which is the application's: {duty.reason} ({duty.source})")
            self._connect_until(end)
            return
        while relay.served < connections:
            left = self._cell.remaining(end - time.monotonic(), expected)
            if left <= 0:
                attempts = relay.accepted - (connections - 1)
                observed = f"{attempts} attempts in {RECOVERY:g} s, none of which the broker answered"
                raise Mismatch(observed, expected=expected)
            # Blocking clients reconnect only while they are driven.
            self.idle_through_errors(min(1.0, left))

    def _connect_until(self, end: float) -> None:
        """Connect as an application would that was told of the loss: once a second until it works."""
        while True:
            try:
                self.connect()
                return
            except RefusedByCrate:
                if time.monotonic() > end:
                    raise
                time.sleep(1.0)

    def resubscribe(self, *filters: str, qos: int) -> None:
        """Subscribe again, where crates.toml says that this is the application's after a reconnect."""
        duty = self._cell.crate.leaves(Duty.RESUBSCRIBE)
        if duty is not None:
            self._cell.remark(f"subscribing again, which is the application's: {duty.reason} ({duty.source})")
            self.subscribe(*filters, qos=qos)

    def close(self) -> None:
        """End the client's process."""
        self._process.close(grace=1.0)

    def _call(self, op: str, request: Any, expected: str, within: float = 0) -> dict[str, Any]:
        deadline = self._cell.remaining(within or CALL_DEADLINE * 2, expected)
        return self._process.call(request, op=op, deadline=deadline, expected=expected)


class MqttCell(Cell):
    """One attempt at an MQTT scenario."""

    def __init__(self, bench: Bench, scenario: Scenario, crate: Crate, peer: Peer, folder: Path) -> None:
        super().__init__(bench, scenario, crate)
        self.peer = peer
        self._folder = folder
        self._argv = bench.probe_command(crate)
        self._relays: dict[str, Relay] = {}
        self._closing = contextlib.ExitStack()
        self._started_log = peer.log.position()
        self._clients = 0

    # -- names and data ----------------------------------------------------------------------------

    def topic(self, *levels: str) -> str:
        """A topic that belongs to this attempt alone."""
        return "/".join((self.token, *levels))

    def payload(self, size: int = 32) -> bytes:
        """Bytes that the probe cannot know."""
        return os.urandom(size)

    # -- who takes part ----------------------------------------------------------------------------

    def endpoint(self, listener: str = "plain") -> tuple[str, int]:
        """Where the crate's client connects to: the relay."""
        return self.relay(listener).endpoint

    def relay(self, listener: str = "plain") -> Relay:
        """The relay in front of a listener of the broker; records from its first use on."""
        if listener not in self._relays:
            number = int(hashlib.sha256(self.token.encode()).hexdigest(), 16)
            self._relays[listener] = Relay(
                self._bench.relays,
                ("127.0.0.1", self.peer.broker.ports[listener]),
                self._folder / f"wire{'' if listener == 'plain' else f'-{listener}'}.pcapng",
                client_address=f"127.1.{number % 256}.{number // 256 % 254 + 1}",
                server_port=self.peer.canonical_port,
            )
        return self._relays[listener]

    def client(self) -> MqttClient:
        """Another client of the crate, not connected yet."""
        self._clients += 1
        process = self._bench.start_probe(self.crate, self._argv, self.transcript)
        self._closing.push(process)
        process.hello()
        return MqttClient(self, process, f"crate{self._clients}")

    def connected(self, **options: Any) -> MqttClient:
        """Another client of the crate, connected; `options` as `MqttClient.connect` has them."""
        client = self.client()
        client.connect(**options)
        return client

    def reference(self, *filters: str, name: str = "reference", **options: Any) -> MqttReference:
        """A connected paho-mqtt client with these subscriptions, straight at the broker."""
        self._clients += 1
        port = self.peer.broker.ports["plain"]
        reference = MqttReference("127.0.0.1", port, f"{self.token}-{name}{self._clients}", **options)
        self._closing.callback(reference.disconnect)
        reference.connect()
        if filters:
            reference.subscribe(*filters)
        return reference

    # -- what can be observed ----------------------------------------------------------------------

    def expect_received(self, reference: MqttReference, wanted: Iterable[Delivered], *, expected: str) -> None:
        """The reference gets exactly these messages, in this order; the last one is the barrier."""
        self._expect_sequence(list(wanted), expected, lambda within: self._take(reference, within), "the subscriber")

    def expect_delivered(self, client: MqttClient, wanted: Iterable[Delivered], *, expected: str) -> None:
        """The crate delivers exactly these messages, in this order; the last one is the barrier."""
        self._expect_sequence(list(wanted), expected, lambda within: client.next_message(within, expected), "the crate")

    def await_log(self, part: str, position: int, expected: str) -> str:
        """Wait until the broker logs a line with `part`.

        Raises:
            CrateTimeout: it did not, so the crate did not send what makes it.
        """
        return self._await_any((part,), position, expected)

    def await_log_of_end(self, client: MqttClient, position: int) -> str:
        """Wait until the broker logs that the client's connection ended, in good order or not."""
        parts = (f"Client {client.id} disconnected", f"Client {client.id} closed", f"Client {client.id} [")
        return self._await_any(parts, position, "the connection ends")

    def await_second_subscription(self, client: MqttClient) -> None:
        """Drive the client until the broker has acknowledged two subscriptions of it in this attempt."""
        expected = f"the client is subscribed again within {RECOVERY:g} s"
        end = time.monotonic() + RECOVERY
        # The whole attempt is searched: the log may lag behind, and then the first line comes late.
        while self.peer.log.count(f"Sending SUBACK to {client.id}", self._started_log) < 2:
            left = self.remaining(end - time.monotonic(), expected)
            self.expect(left > 0, expected=expected, observed="the broker logged no second SUBSCRIBE of the client")
            client.idle_through_errors(min(1.0, left))

    def drain_until(self, reference: MqttReference, marker: bytes) -> list[bytes]:
        """The payloads that the reference got before `marker`.

        Raises:
            Mismatch: the marker did not come.
        """
        got: list[bytes] = []
        expected = "the message that was published last arrives"
        end = time.monotonic() + DELIVERY
        while (message := reference.take(self.remaining(end - time.monotonic(), expected))) is not None:
            if message.payload == marker:
                return got
            got.append(message.payload)
        raise Mismatch(f"it did not come within {DELIVERY:g} s; before it came {len(got)} messages", expected=expected)

    def _await_any(self, parts: tuple[str, ...], position: int, expected: str) -> str:
        line = self.peer.log.await_line(parts, position, self.remaining(_LOGGED, expected))
        if line is None:
            if not self.peer.control.is_running():
                raise BrokerFailed(f"the broker died while the scenario waited for {parts[0]!r} in its log")
            raise CrateTimeout(f"the broker did not log {parts[0]!r} within {_LOGGED:g} s", expected=expected)
        self.remark(f"the broker logged: {line}")
        return line

    def expect_refused(self, act: Any, *, expected: str) -> None:
        """`act` ends in an error that the crate reports, within the deadline."""
        try:
            act()
        except RefusedByCrate as error:
            self.expect(error.code != "timeout", expected=expected, observed=error.observed)
            return
        raise Mismatch("the crate reported success", expected=expected)

    @staticmethod
    def _take(reference: MqttReference, within: float) -> Delivered | None:
        message = reference.take(within)
        return None if message is None else Delivered(message.topic, message.payload, message.qos, message.retain)

    def _expect_sequence(self, wanted: list[Delivered], expected: str, take: Any, who: str) -> None:
        got: list[Delivered] = []
        end = time.monotonic() + DELIVERY
        while len(got) < len(wanted) or (got and not got[-1].agrees_with(wanted[-1])):
            left = self.remaining(end - time.monotonic(), expected)
            message = take(max(0.0, left))
            if message is None:
                break
            got.append(message)
            if message.agrees_with(wanted[-1]):
                break
        right = len(got) == len(wanted) and all(a.agrees_with(b) for a, b in zip(got, wanted, strict=True))
        observed = " · ".join(map(str, got)) if got else "nothing"
        missing = "" if got and got[-1].agrees_with(wanted[-1]) else f", and nothing more within {DELIVERY:g} s"
        self.expect(
            right,
            expected=f"{expected}: " + " · ".join(map(str, wanted)),
            observed=f"{who} got {observed}{missing}",
        )

    # -- the end -----------------------------------------------------------------------------------

    def broker_log(self) -> str:
        """What the broker logged during this attempt about its clients and topics."""
        lines = self.peer.log.since(self._started_log)
        if self.scenario.own_broker:
            return "\n".join(lines)
        return "\n".join(line for line in lines if self.token in line)

    def close(self) -> None:
        """End the clients, the reference and the relays, and write the broker's log down."""
        self._closing.close()
        for relay in self._relays.values():
            relay.close()
        (self._folder / "broker.log").write_text(self.broker_log() + "\n", encoding="utf-8")
