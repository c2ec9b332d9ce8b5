"""The `cell` of MQTT scenarios: the crate's client behind a relay, paho-mqtt beside it, the broker's log."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

from harness.cells.broker import BrokerCell
from harness.cells.doors import PLAIN, SCRIPTED, WEBSOCKET, Door
from harness.cells.mqtt_client import KEEP_ALIVE, Delivered, MqttClient
from harness.cells.peer import DELIVERY, RECOVERY
from harness.errors import CrateTimeout, Mismatch
from harness.model import Dialect
from harness.pcapng import HTTP
from harness.peers.mqtt import ScriptedBroker
from harness.peers.mqtt_packets import Packet, PacketType
from harness.peers.websocket import WebSocketGateway
from harness.references.mqtt import MqttReference
from harness.wire import mqtt

#: The broker refuses to subscribe to a topic whose second and last level is this one.
DENIED = "denied"
USERNAME, PASSWORD = "probe", "open-sesame"


class MqttCell(BrokerCell):
    """One attempt at an MQTT scenario."""

    #: Seconds in which a client has to notice that nobody answers: a keep-alive up to PINGREQ, another up to PINGRESP,
    #: and 10 s of patience.
    notice = 2 * KEEP_ALIVE + 10.0
    #: Seconds in which connecting to a peer that never answers has to end: libpaho waits 30 s for each of two versions.
    answer = 75.0
    #: Messages of a long sequence, of one that no window holds, and of one that uses every packet id up.
    many, more_than_a_window, more_than_packet_ids = 1000, 500, 70_000
    #: Clients that publish at the same time, and seconds in which they or who publishes what it receives are done.
    publishers, publishing = 5, 15.0

    _scripted: ScriptedBroker | None = None

    @property
    def protocol(self) -> mqtt.Protocol:
        """What the crate's clients and the references speak."""
        return "5" if self.speaks_5 else "3.1.1"

    @property
    def speaks_5(self) -> bool:
        """Whether that is MQTT 5."""
        return self.scenario.dialect is Dialect.MQTT_5

    # -- names and data ----------------------------------------------------------------------------

    def topic(self, *levels: str) -> str:
        """A topic that belongs to this attempt alone."""
        return "/".join((self.token, *levels))

    # -- who takes part ----------------------------------------------------------------------------

    def client(self, door: Door = PLAIN) -> MqttClient:
        """Another client of the crate, which can go through `door` and is not connected yet."""
        return MqttClient(self, *self._start_client(door))

    def connected(self, **options: Any) -> MqttClient:
        """Another client of the crate, connected; `options` as `MqttClient.connect` has them."""
        client = self.client(options.get("door", PLAIN))
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

    def scripted(self, **script: Any) -> ScriptedBroker:
        """A peer that acts by its script, behind the door `SCRIPTED`; arguments as `ScriptedBroker` has them."""
        self.meet_script()
        self._scripted = ScriptedBroker(five=self.speaks_5, **script)
        self._closing.callback(self._scripted.close)
        self._open_relay(SCRIPTED.name, self._scripted.port, self.peer.canonical_port)
        return self._scripted

    def gateway(self, **options: Any) -> WebSocketGateway:
        """A way over WebSocket to the broker, behind the door `WEBSOCKET`; arguments as `WebSocketGateway` has them."""
        gateway = WebSocketGateway(self.peer.broker.ports["plain"], **options)
        self._closing.callback(gateway.close)
        self._open_relay(WEBSOCKET.name, gateway.port, HTTP)
        return gateway

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

    def await_acknowledged(self, client: MqttClient, request: PacketType, position: int) -> None:
        """Wait until the peer has acknowledged the client's SUBSCRIBE or UNSUBSCRIBE, where the crate does not tell.

        Args:
            client: of the crate.
            request: which of the two.
            position: of the broker's log, before the request.
        """
        expected = f"the crate sends {request.name}"
        if self._scripted is None:
            answer = request.name.removesuffix("SCRIBE") + "ACK"
            self.await_log(f"Sending {answer} to {client.id}", position, expected)
        elif self._scripted.take(request, self.remaining(DELIVERY, expected)) is None:
            raise CrateTimeout(f"it did not come within {DELIVERY:g} s", expected=expected)

    def expect_packet(
        self, client: MqttClient, kind: PacketType, *, connection: int = 1, after: int = 0, within: float = 0
    ) -> Packet:
        """Drive the client until the scripted peer has this packet of it; arguments as `ScriptedBroker.take` has them.

        Raises:
            Mismatch: it did not come within `within` seconds, `DELIVERY` where that is 0.
        """
        assert self._scripted is not None, "scripted() comes first"  # noqa: S101 - a fault of the scenario
        which = f"{'another ' if after else ''}{kind.name}{f' on connection {connection}' if connection > 1 else ''}"
        within = within or DELIVERY
        end = time.monotonic() + within
        while (packet := self._scripted.take(kind, 0.0, connection=connection, after=after)) is None:
            left = self.remaining(end - time.monotonic(), f"{which} comes")
            came = ", ".join(str(a.packet) for a in self._scripted.arrived if a.connection == connection)
            gone = ", and the connection is closed" if self._scripted.left >= connection else ""
            observed = f"only {came or 'nothing'} came{gone}"
            self.expect(left > 0, expected=f"{which} comes within {within:g} s", observed=observed)
            client.idle_through_errors(min(0.2, left))
        self.remark(f"the peer got {packet}")
        return packet

    def await_log_of_end(self, client: MqttClient, position: int) -> str:
        """Wait until the broker logs that the client's connection ended, in good order or not."""
        # From 2.1 on, Mosquitto puts the address behind the name.
        how = ("disconnected", "closed", "already connected", "[")
        return self.await_log(tuple(f"Client {client.id} {word}" for word in how), position, "the connection ends")

    def put_out(self, client: MqttClient, position: int, *reasons: str) -> int:
        """How often the broker logged since `position` that it ended the client's connection for one of `reasons`."""
        who, why = re.escape(client.id), "|".join(reasons)
        told = re.compile(rf"Client {who} (disconnected due to|\[\S+\] disconnected:) ({why})\.")
        return sum(bool(told.search(line)) for line in self.peer.log.since(position))

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
