"""A scripted MQTT 5 server for one client. Properties are written and read by paho's codec.

It accepts whoever comes, grants what is subscribed to at QoS 0, acknowledges what is published, and departs from the
usual where its script says so. It checks nothing of what the client sends but what the scenarios ask for.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties, VariableByteIntegers

#: The alias of all messages that come with one.
_ALIAS = 1
#: A property length of zero.
_NO_PROPERTIES = b"\0"


@dataclass(frozen=True)
class Script:
    """What the peer does differently."""

    #: Sent in CONNACK; null leaves it out, which allows all.
    maximum_qos: int | None = None
    #: Sent in CONNACK.
    retain_available: bool = True
    #: Payloads sent to the topic that is subscribed to; the first introduces an alias, the others have it alone.
    aliased: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Published:
    """A PUBLISH that the client sent."""

    qos: int
    retain: bool
    payload: bytes


class ScriptedServer:
    """Listens on 127.0.0.1 until it is closed; serves one connection after the other."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        #: What clients published, in order.
        self.published: list[Published] = []
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End everything."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._listener.close()
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5.0)

    # -- serving -----------------------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            try:
                self._connection, _address = self._listener.accept()
            except OSError:
                return
            with self._connection as connection, contextlib.suppress(OSError):
                for first, body in _packets(connection):
                    for answer in self._answers(first, body):
                        connection.sendall(answer)

    def _answers(self, first: int, body: bytes) -> Iterator[bytes]:
        match first >> 4:
            case PacketTypes.CONNECT:
                yield _packet(PacketTypes.CONNACK << 4, b"\0\0" + _packed(self._limits()))
            case PacketTypes.SUBSCRIBE:
                _, after = _properties(PacketTypes.SUBSCRIBE, body[2:])
                filters = list(_filters(after))
                granted = bytes(len(filters))
                yield _packet(PacketTypes.SUBACK << 4, body[:2] + _NO_PROPERTIES + granted)
                for number, payload in enumerate(self._script.aliased):
                    yield _aliased(b"" if number else filters[0], payload)
            case PacketTypes.PUBLISH:
                yield from self._take(first, body)
            case PacketTypes.PUBREL:
                yield _packet(PacketTypes.PUBCOMP << 4, body[:2])
            case PacketTypes.PINGREQ:
                yield _packet(PacketTypes.PINGRESP << 4, b"")

    def _limits(self) -> Properties:
        limits = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]
        if self._script.maximum_qos is not None:
            limits.MaximumQoS = self._script.maximum_qos
        if not self._script.retain_available:
            limits.RetainAvailable = 0
        return limits

    def _take(self, first: int, body: bytes) -> Iterator[bytes]:
        qos = first >> 1 & 3
        _, after = _text(body)
        number, after = (after[:2], after[2:]) if qos else (b"", after)
        _, payload = _properties(PacketTypes.PUBLISH, after)
        self.published.append(Published(qos, bool(first & 1), payload))
        if qos:
            yield _packet((PacketTypes.PUBACK if qos == 1 else PacketTypes.PUBREC) << 4, number)


# -- packets -------------------------------------------------------------------------------------------


def _packets(connection: socket.socket) -> Iterator[tuple[int, bytes]]:
    """The first byte and the body of every packet."""
    stream = connection.makefile("rb")
    while first := stream.read(1):
        length, shift = 0, 0
        while True:
            (byte,) = stream.read(1) or b"\0"
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield first[0], stream.read(length)


def _packet(first: int, body: bytes) -> bytes:
    length = bytes(VariableByteIntegers.encode(len(body)))  # type: ignore[no-untyped-call]
    return bytes([first]) + length + body


def _text(data: bytes) -> tuple[bytes, bytes]:
    """A string with its length before it, and what follows."""
    end = 2 + struct.unpack_from("!H", data)[0]
    return data[2:end], data[end:]


def _packed(properties: Properties) -> bytes:
    return bytes(properties.pack())  # type: ignore[no-untyped-call]


def _properties(packet: int, data: bytes) -> tuple[Properties, bytes]:
    """The properties at the beginning of `data`, and what follows."""
    found, size = Properties(packet).unpack(data)  # type: ignore[no-untyped-call]
    return found, data[size:]


def _filters(data: bytes) -> Iterator[bytes]:
    while data:
        text, data = _text(data)
        data = data[1:]
        yield text


def _aliased(topic: bytes, payload: bytes) -> bytes:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.TopicAlias = _ALIAS
    return _packet(PacketTypes.PUBLISH << 4, struct.pack("!H", len(topic)) + topic + _packed(properties) + payload)
