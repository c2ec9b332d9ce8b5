"""The control probe for ZeroMQ: pyzmq behind the wire contract.

python -m harness.references.zmtp_control
"""

from __future__ import annotations

import re
import signal
import struct
import time
from importlib.metadata import version
from typing import Any

import zmq
from zmq.utils import z85

from harness.model import Dialect
from harness.references.zmtp import Context, Socket
from harness.wire import zmtp
from harness.wire.messages import Empty, ErrorCode, decode, encode
from harness.wire.serve import Events, ProbeFailure, Server

#: Options that are flags, which libzmq has as numbers.
_FLAGS = frozenset({"immediate", "ipv6"})
_TEXTS = frozenset({"last_endpoint", "zap_domain"})


class MonitorEvents(Events):
    """Events that are read from monitors while somebody waits for them: sockets belong to one thread."""

    def __init__(self) -> None:
        super().__init__()
        self.watched: dict[str, Socket] = {}

    def take(self, timeout: float) -> dict[str, Any] | None:
        """The oldest event, reading monitors for up to `timeout` seconds; null where none came."""
        end = time.monotonic() + timeout
        while (event := super().take(0)) is None and (left := end - time.monotonic()) > 0:
            for name, socket in self.watched.items():
                found = socket.next_event(min(left, 0.02))
                if found is not None:
                    self.add("monitor", zmtp.MonitorEvent(socket=name, name=found[0], value=found[1]))
            if not self.watched:
                time.sleep(left)
        return event


class ControlClient:
    """One method per operation of the ZeroMQ vocabulary."""

    def __init__(self, events: MonitorEvents) -> None:
        self._events = events
        self._context = Context()
        self._sockets: dict[str, Socket] = {}

    def open(self, request: zmtp.OpenRequest) -> Empty:
        """Make a socket and set its options."""
        options = request.options.model_dump(exclude_none=True)
        if "routing_id" in options:
            options["routing_id"] = decode(options["routing_id"])
        try:
            self._sockets[request.socket] = self._context.open(request.type, **options)
        except zmq.ZMQError as error:
            raise _failure(error) from error
        return Empty()

    def bind(self, request: zmtp.BindRequest) -> zmtp.BindReply:
        """Bind."""
        socket = self._socket(request.socket)
        try:
            socket.raw.bind(re.sub(r":0$", ":*", request.endpoint))  # libzmq's word for a port that the system picks
        except zmq.ZMQError as error:
            raise _failure(error) from error
        return zmtp.BindReply(endpoint=socket.raw.getsockopt_string(zmq.LAST_ENDPOINT))

    def connect(self, request: zmtp.ConnectRequest) -> Empty:
        """Connect."""
        try:
            self._socket(request.socket).connect(request.endpoint)
        except zmq.ZMQError as error:
            raise _failure(error) from error
        return Empty()

    def subscribe(self, request: zmtp.SubscribeRequest) -> Empty:
        """Subscribe or unsubscribe."""
        option = zmq.SUBSCRIBE if request.on else zmq.UNSUBSCRIBE
        self._socket(request.socket).raw.setsockopt(option, decode(request.prefix))
        return Empty()

    def send(self, request: zmtp.SendRequest) -> Empty:
        """Send one message."""
        socket = self._socket(request.socket)
        try:
            _await(socket, zmq.POLLOUT, request.timeout_ms)
            # Between the poll and the send the only connection may go, and a blocking send would then wait for ever.
            flags = zmq.DONTWAIT if request.timeout_ms is not None else 0
            socket.raw.send_multipart([decode(frame) for frame in request.frames], flags)
        except zmq.ZMQError as error:
            raise _failure(error) from error
        return Empty()

    def receive(self, request: zmtp.ReceiveRequest) -> zmtp.ReceiveReply:
        """Receive one message."""
        socket = self._socket(request.socket)
        try:
            _await(socket, zmq.POLLIN, request.timeout_ms)
            if request.as_text:
                text = socket.raw.recv_string()
                return zmtp.ReceiveReply(frames=[encode(text.encode())], is_text=True)
            frames = socket.raw.recv_multipart(copy=False)
            metadata = {name: _property(frames[0], name) for name in request.metadata} or None
            return zmtp.ReceiveReply(frames=[encode(frame.bytes) for frame in frames], metadata=metadata)
        except zmq.ZMQError as error:
            raise _failure(error) from error
        except UnicodeDecodeError as error:
            raise ProbeFailure(ErrorCode.CRATE, str(error)) from error

    def option(self, request: zmtp.OptionRequest) -> zmtp.OptionReply:
        """Read an option back."""
        raw = self._socket(request.socket).raw
        number = getattr(zmq, request.name.upper())
        if request.name in _TEXTS:
            return zmtp.OptionReply(value=raw.getsockopt_string(number))
        value = raw.getsockopt(number)
        if isinstance(value, bytes):
            return zmtp.OptionReply(value=encode(value))
        return zmtp.OptionReply(value=bool(value) if request.name in _FLAGS else value)

    def monitor(self, request: zmtp.MonitorRequest) -> Empty:
        """Report the socket's events from now on."""
        socket = self._socket(request.socket)
        socket.monitor()
        self._events.watched[request.socket] = socket
        return Empty()

    def close(self, request: zmtp.CloseRequest) -> Empty:
        """Close the socket."""
        socket = self._socket(request.socket)
        self._events.watched.pop(request.socket, None)
        del self._sockets[request.socket]
        socket.close(request.linger)
        return Empty()

    def terminate(self, _request: zmtp.TerminateRequest) -> Empty:
        """Close every socket and end the context."""
        self._events.watched.clear()
        for socket in self._sockets.values():
            socket.close(None)
        self._sockets.clear()
        self._context.terminate()
        self._context = Context()
        return Empty()

    def decode_key(self, request: zmtp.DecodeKeyRequest) -> zmtp.DecodeKeyReply:
        """Decode Z85, which pyzmq does itself."""
        try:
            return zmtp.DecodeKeyReply(key=encode(z85.decode(request.text)))
        except (ValueError, KeyError, struct.error) as error:
            raise ProbeFailure(ErrorCode.CRATE, f"{type(error).__name__}: {error}") from error

    def _socket(self, name: str) -> Socket:
        if name not in self._sockets:
            raise ProbeFailure(ErrorCode.STATE, f"there is no socket {name!r}: open comes first")
        return self._sockets[name]


def _await(socket: Socket, wanted: int, timeout_ms: int | None) -> None:
    if timeout_ms is not None and not socket.raw.poll(timeout_ms, wanted):
        raise ProbeFailure(ErrorCode.TIMEOUT, f"poll: no event in {timeout_ms} ms")


def _property(frame: zmq.Frame, name: str) -> str | None:
    try:
        return str(frame.get(name))
    except zmq.ZMQError as error:
        if error.errno != zmq.EINVAL:
            raise
        return None


def _failure(error: zmq.ZMQError) -> ProbeFailure:
    match error.errno:
        case zmq.EAGAIN:
            return ProbeFailure(ErrorCode.TIMEOUT, str(error))
        case zmq.EHOSTUNREACH | zmq.EADDRINUSE | zmq.EADDRNOTAVAIL:
            return ProbeFailure(ErrorCode.IO, str(error))
        case _:
            return ProbeFailure(ErrorCode.CRATE, str(error))


def serve(client: ControlClient, events: MonitorEvents) -> int:
    """One conversation with `client`."""
    return Server(
        crate="pyzmq",
        version=version("pyzmq"),
        vocabulary=zmtp.VOCABULARY,
        dialects=[Dialect.ZMTP],
        client=client,
        events=events,
    ).run()


def main() -> int:
    """Handle SIGUSR1, as applications do that handle signals, and serve one conversation."""
    signal.signal(signal.SIGUSR1, lambda _number, _frame: None)
    events = MonitorEvents()
    return serve(ControlClient(events), events)


if __name__ == "__main__":
    raise SystemExit(main())
