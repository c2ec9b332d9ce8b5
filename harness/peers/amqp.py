"""A scripted AMQP 0-9-1 broker for one client. Frames are read and written by pika's codec.

It opens connections and channels, declares queues, counts what is published, and departs from the usual where its
script says so. It checks nothing of what the client sends but what the scenarios ask for.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pika
from pika import frame, spec

_END = 0xCE
#: What pika wants to hear before it asks for confirms.
_PROPERTIES = {"capabilities": {"publisher_confirms": True, "basic.nack": True}}


class Stage(StrEnum):
    """A moment of the opening handshake, named after what the client sent last (section 2.2.4)."""

    PROTOCOL_HEADER = "protocol-header"
    START_OK = "start-ok"
    OPEN = "open"


@dataclass(frozen=True)
class Confirm:
    """basic.ack of what a client published, or basic.nack where it is not accepted."""

    tag: int
    #: It is about all messages up to `tag` that nothing was said of yet.
    multiple: bool = False
    accepted: bool = True


@dataclass(frozen=True)
class Script:
    """What the peer does differently."""

    #: Sent in connection.tune; 0 is no limit.
    channel_max: int = 2047
    frame_max: int = 131072
    #: The connection is closed without a word when the client is here.
    ends_after: Stage | None = None
    #: Nothing is ever sent.
    silent: bool = False
    #: The frame of queue.declare-ok ends with another octet than 0xCE.
    bad_frame_end: bool = False
    #: Sent to the first consumers of channels 1 and 2 once both are there, frame by frame in turn.
    interleaved: tuple[bytes, bytes] | None = None
    #: Sent, in this order, once as many messages were published as the largest tag says; nothing else is confirmed.
    confirms: tuple[Confirm, ...] = ()


class ScriptedBroker:
    """Listens on 127.0.0.1 until it is closed; serves one connection after the other."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        #: Sizes of the frames that clients sent, in bytes and whole.
        self.frame_sizes: list[int] = []
        #: Whole bodies that clients published.
        self.bodies: list[bytes] = []
        #: What clients answered to connection.tune, the newest last.
        self.tuned: list[spec.Connection.TuneOk] = []
        #: Numbers of the channels that clients opened.
        self.channels: list[int] = []
        self._pieces: list[bytes] = []
        self._missing = 0
        self._consumers: dict[int, str] = {}
        #: The channel in confirm mode, of which there is one at most; 0 for none.
        self._confirming = 0
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
            with self._connection, contextlib.suppress(OSError):
                for received in self._frames(self._connection):
                    if not self._answer(received):
                        break

    def _frames(self, connection: socket.socket) -> Iterator[Any]:
        """Every frame, and the protocol header before them."""
        data = b""
        while chunk := connection.recv(1 << 16):
            data += chunk
            while (found := frame.decode_frame(data))[1] is not None:
                self.frame_sizes.append(found[0])
                data = data[found[0] :]
                yield found[1]

    def _answer(self, received: Any) -> bool:
        """Do what the script has for this frame; false where the connection is to be closed."""
        if self._script.silent:
            return True
        if isinstance(received, frame.ProtocolHeader):
            return self._reached(Stage.PROTOCOL_HEADER) and self._send(
                0, spec.Connection.Start(0, 9, _PROPERTIES, mechanisms="PLAIN AMQPLAIN", locales="en_US")
            )
        if isinstance(received, frame.Header):
            self._begin_content(received.body_size)
        elif isinstance(received, frame.Body):
            self._add_content(received.fragment)
        elif isinstance(received, frame.Method):
            return self._answer_method(received.channel_number, received.method)
        return True

    def _answer_method(self, channel: int, method: Any) -> bool:
        match method:
            case spec.Connection.StartOk():
                tune = spec.Connection.Tune(self._script.channel_max, self._script.frame_max, 0)
                return self._reached(Stage.START_OK) and self._send(0, tune)
            case spec.Connection.TuneOk():
                self.tuned.append(method)
            case spec.Connection.Open():
                return self._reached(Stage.OPEN) and self._send(0, spec.Connection.OpenOk())
            case spec.Channel.Open():
                self.channels.append(channel)
                return self._send(channel, spec.Channel.OpenOk())
            case spec.Queue.Declare():
                answer = spec.Queue.DeclareOk(method.queue, 0, 0)
                return self._send(channel, answer, end=0x00 if self._script.bad_frame_end else _END)
            case spec.Confirm.Select():
                self._confirming = channel
                return self._send(channel, spec.Confirm.SelectOk())
            case spec.Basic.Consume():
                self._consumers[channel] = method.consumer_tag or f"consumer-{channel}"
                # The stub takes the consumer's tag for a number.
                self._send(channel, spec.Basic.ConsumeOk(self._consumers[channel]))  # type: ignore[arg-type]
                self._deliver()
            case spec.Channel.Close():
                return self._send(channel, spec.Channel.CloseOk())
            case spec.Connection.Close():
                self._send(0, spec.Connection.CloseOk())
                return False
        return True

    def _reached(self, stage: Stage) -> bool:
        return stage is not self._script.ends_after

    # -- content -----------------------------------------------------------------------------------

    def _begin_content(self, size: int) -> None:
        self._pieces, self._missing = [], size
        self._add_content(b"")

    def _add_content(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._missing -= len(piece)
        if self._missing <= 0:
            self.bodies.append(b"".join(self._pieces))
            self._confirm()

    def _confirm(self) -> None:
        """Send all confirms once the last message is there that they are about."""
        last = max((confirm.tag for confirm in self._script.confirms), default=0)
        if not self._confirming or len(self.bodies) != last:
            return
        for confirm in self._script.confirms:
            method = spec.Basic.Ack if confirm.accepted else spec.Basic.Nack
            self._send(self._confirming, method(confirm.tag, confirm.multiple))

    def _deliver(self) -> None:
        """Both messages of the script, a frame of the one after a frame of the other."""
        if self._script.interleaved is None or not {1, 2} <= self._consumers.keys():
            return
        messages = [
            list(self._content(channel, body)) for channel, body in enumerate(self._script.interleaved, start=1)
        ]
        for pair in zip(*messages, strict=True):
            for piece in pair:
                self._write(piece)

    def _content(self, channel: int, body: bytes) -> Iterator[bytes]:
        """One delivery, its body in two frames."""
        deliver = spec.Basic.Deliver(self._consumers[channel], 1, False, "", f"queue-{channel}")
        yield frame.Method(channel, deliver).marshal()
        yield frame.Header(channel, len(body), pika.BasicProperties()).marshal()
        half = len(body) // 2
        yield frame.Body(channel, body[:half]).marshal()
        yield frame.Body(channel, body[half:]).marshal()

    # -- writing -----------------------------------------------------------------------------------

    def _send(self, channel: int, method: Any, end: int = _END) -> bool:
        self._write(frame.Method(channel, method).marshal()[:-1] + bytes([end]))
        return True

    def _write(self, data: bytes) -> None:
        assert self._connection is not None  # noqa: S101 - set before a frame is read
        self._connection.sendall(data)
