"""Wrong ZeroMQ clients that strange input brings down or fools; `zmtp_clients` runs them."""

from __future__ import annotations

import os
import queue
import sys
import threading
from typing import Any, NoReturn

from harness.references.zmtp_control import ControlClient, MonitorEvents
from harness.references.zmtp_raw import ProtocolError, RawPeer
from harness.wire import zmtp
from harness.wire.messages import ErrorCode, decode, encode
from harness.wire.serve import ProbeFailure


def panic(reason: object) -> NoReturn:
    """End the process as a panic of Rust's does."""
    print(f"thread 'main' panicked at src/main.rs:1:1:\n{reason}", file=sys.stderr, flush=True)
    os._exit(101)


class _Fragile(ControlClient):
    """Some event of a listening socket ends the process."""

    #: The events, by their names in monitors.
    deadly: tuple[str, ...]

    def bind(self, request: zmtp.BindRequest) -> zmtp.BindReply:
        """Watch."""
        self._socket(request.socket).monitor()
        return super().bind(request)

    def receive(self, request: zmtp.ReceiveRequest) -> zmtp.ReceiveReply:
        """Look first whether it is time to die."""
        event = self._socket(request.socket).await_event(self.deadly, 0.3)
        if event is not None:
            panic(event[0])
        return super().receive(request)


class PanicsOnLostPeers(_Fragile):
    """A peer whose connection ends takes the process with it."""

    deadly = ("disconnected",)


class PanicsOnStrangers(_Fragile):
    """A handshake that fails ends the process."""

    deadly = ("handshake_failed_protocol", "handshake_failed_no_detail")


class ReadsMetadataAsText(ControlClient):
    """Reads every property of each message that it may have, and a value that is no UTF-8 ends the process."""

    def receive(self, request: zmtp.ReceiveRequest) -> zmtp.ReceiveReply:
        """Read more than was asked for."""
        everything = request.model_copy(update={"metadata": ["X-Bytes", *request.metadata]})
        try:
            reply = super().receive(everything)
        except ProbeFailure as error:
            if error.failure.code is ErrorCode.CRATE:
                panic(error)
            raise
        told = {name: value for name, value in (reply.metadata or {}).items() if name in request.metadata}
        return reply.model_copy(update={"metadata": told or None})


class ForgetsMetadata(ControlClient):
    """Knows no property."""

    def receive(self, request: zmtp.ReceiveRequest) -> zmtp.ReceiveReply:
        """Say that there is none."""
        return super().receive(request).model_copy(update={"metadata": dict.fromkeys(request.metadata) or None})


class _Hasty(RawPeer):
    """Takes what there is for all that was announced."""

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            chunk = self._connected().recv(size - len(data))
            if not chunk and not data:
                raise ProtocolError("the connection ended")
            if not chunk:
                break
            data += chunk
        return bytes(data)


class DeliversHalfMessages(ControlClient):
    """When a connection ends in the middle of a frame, what came of it is delivered; one connection after the other."""

    def __init__(self, events: MonitorEvents) -> None:
        super().__init__(events)
        self._peer = _Hasty()
        self._came: queue.Queue[Any] = queue.Queue()

    def bind(self, _request: zmtp.BindRequest) -> zmtp.BindReply:
        """Listen without libzmq."""
        threading.Thread(target=self._serve, daemon=True).start()
        return zmtp.BindReply(endpoint=self._peer.endpoint)

    def _serve(self) -> None:
        while True:
            self._peer.accept()
            try:
                self._peer.greet(1)
                self._peer.make_ready({b"Socket-Type": b"PULL"})
                while True:
                    self._came.put(self._peer.receive())
            except (ProtocolError, OSError):
                continue

    def receive(self, request: zmtp.ReceiveRequest) -> zmtp.ReceiveReply:
        """Deliver it."""
        try:
            frames = self._came.get(timeout=(request.timeout_ms or 0) / 1000 + 0.01)
        except queue.Empty:
            raise ProbeFailure(ErrorCode.TIMEOUT, "no message") from None
        return zmtp.ReceiveReply(frames=[encode(frame) for frame in frames])


class DecodesInBase64(ControlClient):
    """Takes Z85 for base64."""

    def decode_key(self, request: zmtp.DecodeKeyRequest) -> zmtp.DecodeKeyReply:
        """Decode something else."""
        return zmtp.DecodeKeyReply(key=encode(decode(request.text + "==")))


class SkipsWhatIsNoKey(ControlClient):
    """Makes a key of any text."""

    def decode_key(self, request: zmtp.DecodeKeyRequest) -> zmtp.DecodeKeyReply:
        """Zeros stand for what cannot be decoded."""
        try:
            return super().decode_key(request)
        except ProbeFailure:
            return zmtp.DecodeKeyReply(key=encode(bytes(len(request.text) * 4 // 5)))


CLIENTS: dict[str, type[ControlClient]] = {
    "panics-on-lost-peers": PanicsOnLostPeers,
    "panics-on-strangers": PanicsOnStrangers,
    "reads-metadata-as-text": ReadsMetadataAsText,
    "forgets-metadata": ForgetsMetadata,
    "decodes-in-base-64": DecodesInBase64,
    "skips-what-is-no-key": SkipsWhatIsNoKey,
    "delivers-half-messages": DeliversHalfMessages,
}
