"""The `cell` of MQTT scenarios: the crate's client behind a relay, paho-mqtt beside it, the broker's log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from harness.cells.broker import BrokerCell
from harness.cells.doors import Door
from harness.cells.mqtt_client import KEEP_ALIVE, Delivered, MqttClient
from harness.cells.peer import DELIVERY, RECOVERY
from harness.errors import Mismatch
from harness.model import Dialect
from harness.peers.mqtt5 import Script, ScriptedServer
from harness.references.mqtt import MqttReference
from harness.wire import mqtt

#: The broker refuses to subscribe to a topic whose second and last level is this one.
DENIED = "denied"
USERNAME, PASSWORD = "probe", "open-sesame"
#: Where a scripted peer answers in the broker's place.
SCRIPTED = Door("scripted")


class MqttCell(BrokerCell):
    """One attempt at an MQTT scenario."""

    #: Seconds in which a client has to notice that nobody answers: a keep-alive up to PINGREQ, another up to PINGRESP,
    #: and 10 s of patience.
    notice = 2 * KEEP_ALIVE + 10.0
    #: Seconds in which connecting to a peer that never answers has to end: libpaho waits 30 s for each of two versions.
    answer = 75.0
    #: Messages of a long sequence.
    many = 1000
    #: Connections one after the other, and seconds after which those that were made have to do.
    connections, connecting = 200, 30.0

    @property
    def protocol(self) -> mqtt.Protocol:
        """What the crate's clients and the references speak."""
        return "5" if self.scenario.dialect is Dialect.MQTT_5 else "3.1.1"

    # -- names and data ----------------------------------------------------------------------------

    def topic(self, *levels: str) -> str:
        """A topic that belongs to this attempt alone."""
        return "/".join((self.token, *levels))

    # -- who takes part ----------------------------------------------------------------------------

    def client(self) -> MqttClient:
        """Another client of the crate, not connected yet."""
        return MqttClient(self, *self._start_client())

    def connected(self, **options: Any) -> MqttClient:
        """Another client of the crate, connected; `options` as `MqttClient.connect` has them."""
        client = self.client()
        client.connect(**options)
        return client

    def reference(self, *filters: str, name: str = "reference", **options: Any) -> MqttReference:
        """A connected paho-mqtt client with these subscriptions, straight at the broker."""
        port = self.peer.broker.ports["plain"]
        reference = MqttReference(
            "127.0.0.1", port, f"{self.token}-{self._new_name(name)}", protocol=self.protocol, **options
        )
        self._closing.callback(reference.disconnect)
        reference.connect()
        if filters:
            reference.subscribe(*filters)
        return reference

    def scripted(self, script: Script) -> ScriptedServer:
        """A peer that acts by `script`, behind the door `SCRIPTED`."""
        peer = ScriptedServer(script)
        self._closing.callback(peer.close)
        self._open_relay(SCRIPTED.name, peer.port, self.peer.canonical_port)
        return peer

    # -- what can be observed ----------------------------------------------------------------------

    def expect_received(self, reference: MqttReference, wanted: Sequence[Delivered], *, expected: str) -> None:
        """The reference gets exactly these messages, in this order; the last one is the barrier."""

        def take(within: float) -> Delivered | None:
            message = reference.take(within)
            if message is None:
                return None
            return Delivered(message.topic, message.payload, message.qos, message.retain, message.properties)

        self.expect_sequence(wanted, take, expected=expected, who="the subscriber")

    def expect_delivered(self, client: MqttClient, wanted: Sequence[Delivered], *, expected: str) -> None:
        """The crate delivers exactly these messages, in this order; the last one is the barrier."""
        self.expect_sequence(
            wanted, lambda within: client.next_message(within, expected), expected=expected, who="the crate"
        )

    def await_log_of_end(self, client: MqttClient, position: int) -> str:
        """Wait until the broker logs that the client's connection ended, in good order or not."""
        parts = (f"Client {client.id} disconnected", f"Client {client.id} closed", f"Client {client.id} [")
        return self.await_log(parts, position, "the connection ends")

    def await_second_subscription(self, client: MqttClient) -> None:
        """Drive the client until the broker has acknowledged two subscriptions of it in this attempt."""
        expected = f"the client is subscribed again within {RECOVERY:g} s"
        end = time.monotonic() + RECOVERY
        # The whole attempt is searched: the log may lag behind, and then the first line comes late.
        while self.peer.log.count(f"Sending SUBACK to {client.id}", self._started_log) < 2:
            left = self.remaining(end - time.monotonic(), expected)
            self.expect(left > 0, expected=expected, observed="the broker logged no second SUBSCRIBE of the client")
            client.idle_through_errors(min(1.0, left))

    def delivered_until(self, client: MqttClient, marker: bytes) -> list[Delivered]:
        """What the crate delivers before `marker`.

        Raises:
            Mismatch: `DELIVERY` seconds passed without a message.
        """
        got: list[Delivered] = []
        expected = "the crate delivers the message that was published last"
        while (message := client.next_message(DELIVERY, expected)) is not None:
            if message.payload == marker:
                return got
            got.append(message)
        raise Mismatch(f"it did not; before it came {len(got)} messages", expected=expected)

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
