"""A scripted MQTT broker for one client: it answers what opens and keeps a connection; the rest is the scenario's.

Every packet of the client is kept in the order of its arrival. What the scenario sends is its own matter: the clause
that allows it, or that says what the client makes of it, stands there.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass

from paho.mqtt.properties import Properties

from harness.peers.mqtt_packets import Packet, PacketType, acknowledgement, connack, read_packet, suback, unsuback

#: Seconds that an idle wait sleeps.
_STEP = 0.02


@dataclass(frozen=True)
class Arrived:
    """A packet of the client, and on which of its connections it came; the first one is 1."""

    connection: int
    packet: Packet


class ScriptedBroker:
    """Listens on 127.0.0.1 until it is closed; serves one connection after the other.

    Args:
        five: whether it speaks MQTT 5, and 3.1.1 otherwise.
        remembers: whether CONNACK says that there is a session, from the second connection on.
        limits: the properties of CONNACK in MQTT 5.
        cuts_at: the first time that this comes, the connection is closed and nothing answered.
        withholds: this acknowledgement is the scenario's to send; may be changed later.
        refuses: CONNACK's code; where it is not 0, the connection is closed after it.
    """

    def __init__(
        self,
        *,
        five: bool,
        remembers: bool = False,
        limits: Properties | None = None,
        cuts_at: PacketType | None = None,
        withholds: PacketType | None = None,
        refuses: int = 0,
    ) -> None:
        self._five = five
        self._limits = limits
        self._remembers = remembers
        self._cuts_at = cuts_at
        self.withholds = withholds
        self._refuses = refuses
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        #: What came so far.
        self.arrived: list[Arrived] = []
        #: Connections so far, and those that the client ended.
        self.connections = 0
        self.left = 0
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End everything."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._listener.close()
        self.cut()
        self._thread.join(5.0)

    # -- what a scenario does ----------------------------------------------------------------------

    def send(self, *packets: Packet) -> None:
        """Send packets to the client, in one piece."""
        self.send_bytes(b"".join(packet.encoded() for packet in packets))

    def send_bytes(self, data: bytes) -> None:
        """Send what need not be a packet; a client that is gone does not get it."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.sendall(data)

    def cut(self) -> None:
        """Close the client's connection."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)

    def take(self, kind: PacketType, within: float, *, connection: int = 1, after: int = 0) -> Packet | None:
        """The first packet of this type on the client's `connection`-th connection; null where none came.

        Args:
            kind: the type.
            within: seconds.
            connection: counted from 1.
            after: how many packets of that type on that connection to pass over.
        """
        end = time.monotonic() + within
        while True:
            found = [a.packet for a in self.arrived if (a.connection, a.packet.type) == (connection, kind)]
            if len(found) > after:
                return found[after]
            if time.monotonic() > end:
                return None
            time.sleep(_STEP)

    def published(self, connection: int = 0) -> list[Packet]:
        """What clients published so far, on all connections where `connection` is 0."""
        return [
            arrived.packet
            for arrived in self.arrived
            if arrived.packet.type is PacketType.PUBLISH and connection in (0, arrived.connection)
        ]

    # -- serving -----------------------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            try:
                self._connection, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            # A client that speaks no MQTT is cut off, as a broker would (section 4.8).
            with self._connection, contextlib.suppress(OSError, ValueError):
                self._read(self._connection)
            self.left += 1

    def _read(self, connection: socket.socket) -> None:
        data = b""
        while chunk := connection.recv(1 << 16):
            data += chunk
            while found := read_packet(data):
                packet, data = found
                ends = packet.type in (PacketType.DISCONNECT, self._cuts_at)
                if not ends:
                    self._answer(packet)
                # After the answer: who waits for the packet may then send at once.
                self.arrived.append(Arrived(self.connections, packet))
                if ends or (self._refuses and packet.type is PacketType.CONNECT):
                    self._cuts_at = None
                    return

    def _answer(self, packet: Packet) -> None:
        number = packet.packet_id or 0
        match packet.type:
            case PacketType.CONNECT:
                known = self._remembers and self.connections > 1
                self.send(connack(session_present=known, five=self._five, properties=self._limits, code=self._refuses))
            case PacketType.PINGREQ:
                self.send(Packet(PacketType.PINGRESP, 0, b""))
            case PacketType.SUBSCRIBE:
                self.send(suback(number, packet.codes(five=self._five), five=self._five))
            case PacketType.UNSUBSCRIBE:
                self.send(unsuback(number, packet.codes(five=self._five), five=self._five))
            case PacketType.PUBLISH if packet.qos:
                self._acknowledge(PacketType.PUBACK if packet.qos == 1 else PacketType.PUBREC, number)
            case PacketType.PUBREL:
                self._acknowledge(PacketType.PUBCOMP, number)

    def _acknowledge(self, kind: PacketType, number: int) -> None:
        if kind is not self.withholds:
            self.send(acknowledgement(kind, number))
