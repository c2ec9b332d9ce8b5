"""MQTT control packets, as far as the scripted broker has to read and write them (3.1.1 and 5.0, chapters 2 and 3).

By hand, because paho-mqtt has no codec apart from its client; tests hold it to what paho sends and takes. The
properties of 5.0 are written by paho's codec, and passed over where they are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

#: Bytes that a remaining length may take (section 2.2.3).
_LENGTH_BYTES = 4


class PacketType(IntEnum):
    """The high half of a packet's first byte (section 2.2.1)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


#: Flags that these types must carry (section 2.2.2); every other one but PUBLISH carries none.
_FLAGS = {PacketType.PUBREL: 0b0010, PacketType.SUBSCRIBE: 0b0010, PacketType.UNSUBSCRIBE: 0b0010}

#: What answers a PUBLISH first, by its QoS (section 4.3).
ANSWER = {1: PacketType.PUBACK, 2: PacketType.PUBREC}


@dataclass(frozen=True)
class Packet:
    """One control packet; `flags` is the low half of its first byte, `body` what follows the remaining length."""

    type: PacketType
    flags: int
    body: bytes

    def __str__(self) -> str:
        number = f" {self.packet_id}" if self.packet_id is not None else ""
        flags = f", QoS {self.qos}{', DUP' if self.dup else ''}" if self.type is PacketType.PUBLISH else ""
        return f"{self.type.name}{number}{flags}"

    @property
    def qos(self) -> int:
        """Of a PUBLISH."""
        return self.flags >> 1 & 0b11

    @property
    def dup(self) -> bool:
        """Whether a PUBLISH says that it was sent before."""
        return bool(self.flags & 0b1000)

    @property
    def retain(self) -> bool:
        """Of a PUBLISH."""
        return bool(self.flags & 0b0001)

    @property
    def topic(self) -> bytes:
        """Of a PUBLISH."""
        return self.body[2 : 2 + int.from_bytes(self.body[:2], "big")]

    @property
    def packet_id(self) -> int | None:
        """Null where the type has none, or a PUBLISH of QoS 0."""
        match self.type:
            case PacketType.PUBLISH:
                start = 2 + len(self.topic)
                return int.from_bytes(self.body[start : start + 2], "big") if self.qos else None
            case PacketType.CONNECT | PacketType.CONNACK:
                return None
            case PacketType.PINGREQ | PacketType.PINGRESP | PacketType.DISCONNECT:
                return None
        return int.from_bytes(self.body[:2], "big")

    def payload(self, *, five: bool) -> bytes:
        """Of a PUBLISH."""
        start = 2 + len(self.topic) + (2 if self.qos else 0)
        return _without_properties(self.body[start:], five)

    def codes(self, *, five: bool) -> bytes:
        """What grants all that a SUBSCRIBE or UNSUBSCRIBE asks for: a code for each of its topic filters."""
        rest, granted = _without_properties(self.body[2:], five), bytearray()
        while rest:
            rest = rest[2 + int.from_bytes(rest[:2], "big") :]
            if self.type is PacketType.SUBSCRIBE:
                granted.append(rest[0] & 0b11)
                rest = rest[1:]
            else:
                granted.append(0)
        return bytes(granted)

    def encoded(self) -> bytes:
        """As it goes over the wire."""
        length, left = bytearray(), len(self.body)
        while True:
            left, digit = left >> 7, left & 0x7F
            length.append(digit | (0x80 if left else 0))
            if not left:
                return bytes([self.type << 4 | self.flags]) + bytes(length) + self.body


def read_packet(data: bytes) -> tuple[Packet, bytes] | None:
    """The first packet of `data` and what comes after it; null where it is not whole yet.

    Raises:
        ValueError: it is no packet.
    """
    length = 0
    for index, byte in enumerate(data[1 : 2 + _LENGTH_BYTES], 1):
        length |= (byte & 0x7F) << 7 * (index - 1)
        if index > _LENGTH_BYTES:
            raise ValueError(f"a remaining length of more than {_LENGTH_BYTES} bytes")
        if byte & 0x80 == 0:
            end = 1 + index + length
            if len(data) < end:
                return None
            return Packet(PacketType(data[0] >> 4), data[0] & 0b1111, data[1 + index : end]), data[end:]
    return None


def connack_properties(**values: int) -> Properties:
    """Properties of CONNACK in MQTT 5, by the names that paho has for them (section 3.2.2.3)."""
    properties = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def connack(*, session_present: bool, five: bool, properties: Properties | None = None, code: int = 0) -> Packet:
    """The connection is accepted, or refused with a code that is not 0 (section 3.2)."""
    # Where it is refused there is no session (MQTT-3.2.2-4 of 3.1.1, MQTT-3.2.2-6 of 5.0).
    flags = session_present and code == 0
    return Packet(PacketType.CONNACK, 0, bytes([flags, code]) + _packed(five, properties))


def publish(
    topic: str,
    payload: bytes,
    *,
    qos: int = 0,
    packet_id: int = 0,
    dup: bool = False,
    five: bool = False,
    properties: Properties | None = None,
) -> Packet:
    """A message (section 3.3); `packet_id` counts where `qos` is not 0."""
    name = topic.encode()
    number = packet_id.to_bytes(2, "big") if qos else b""
    head = len(name).to_bytes(2, "big") + name + number + _packed(five, properties)
    return Packet(PacketType.PUBLISH, dup << 3 | qos << 1, head + payload)


def acknowledgement(kind: PacketType, packet_id: int, code: int = 0) -> Packet:
    """PUBACK, PUBREC, PUBREL or PUBCOMP (sections 3.4 to 3.7).

    The same in both versions, unless there is a `code` that is not 0, which MQTT 5 alone has.
    """
    return Packet(kind, _FLAGS.get(kind, 0), packet_id.to_bytes(2, "big") + (bytes([code]) if code else b""))


def suback(packet_id: int, codes: bytes, *, five: bool) -> Packet:
    """One code for each filter (section 3.9)."""
    return Packet(PacketType.SUBACK, 0, packet_id.to_bytes(2, "big") + _packed(five) + codes)


def unsuback(packet_id: int, codes: bytes, *, five: bool) -> Packet:
    """Has codes in MQTT 5 alone (section 3.11)."""
    return Packet(PacketType.UNSUBACK, 0, packet_id.to_bytes(2, "big") + (_packed(five) + codes) * five)


def _packed(five: bool, properties: Properties | None = None) -> bytes:
    if not five:
        return b""
    return b"\0" if properties is None else bytes(properties.pack())  # type: ignore[no-untyped-call]


def _without_properties(data: bytes, five: bool) -> bytes:
    # No client here sends more properties than a length of one byte can tell.
    return data[1 + data[0] :] if five else data
