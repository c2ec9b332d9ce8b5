"""The crate's ZeroMQ sockets in a scenario's hands, and messages as scenarios compare them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.cells.peer import DELIVERY, PeerClient, described
from harness.errors import CrateTimeout, RefusedByCrate
from harness.wire import zmtp
from harness.wire.messages import CALL_DEADLINE, decode, encode

if TYPE_CHECKING:
    from harness.cells.zmtp import ZmtpCell

#: Seconds between two signals to a client that waits.
_SIGNAL_PAUSE = 0.05
#: Seconds between an error of a receive and the next one.
_ERROR_PAUSE = 0.2


@dataclass(frozen=True)
class Message:
    """A message of one or more frames."""

    frames: tuple[bytes, ...]

    @classmethod
    def of(cls, *frames: bytes) -> Message:
        """The message of these frames."""
        return cls(frames)

    def __str__(self) -> str:
        return " + ".join(map(described, self.frames))

    def is_same(self, wanted: Message) -> bool:
        """True where the frames are the same."""
        return self == wanted

    def agrees_with(self, wanted: Message) -> bool:
        """True where the frames are the same."""
        return self == wanted


class ZmtpClient(PeerClient):
    """A process of the crate with one context."""

    _cell: ZmtpCell

    def open(self, kind: zmtp.SocketType, **options: Any) -> ZmtpSocket:
        """A socket; options as `zmtp.Options` has them, a routing id as bytes."""
        if "routing_id" in options:
            options["routing_id"] = encode(options["routing_id"])
        name = self._cell.new_name(kind.lower())
        request = zmtp.OpenRequest.model_validate({"socket": name, "type": kind, "options": options})
        self.call("open", request, f"a socket of type {kind} is made")
        return ZmtpSocket(self, self._cell, name)

    def terminate(self, within: float = DELIVERY, *, explicit: bool = False) -> None:
        """Close every socket, end the context and make another; `explicit` as the wire has it."""
        self.call("terminate", zmtp.TerminateRequest(explicit=explicit), "the context ends", within)

    def begin_terminate(self) -> Callable[[float], object]:
        """As `terminate`, and returns at once: with a function that waits for the end, given seconds."""
        return self.begin("terminate", zmtp.TerminateRequest(), "the context ends")

    def decode_key(self, text: str) -> bytes:
        """The bytes of a key's text."""
        reply = self.call("decode_key", zmtp.DecodeKeyRequest(text=text), "the key is decoded")
        return decode(reply["key"])

    def interrupt(self, times: int) -> None:
        """Send the process SIGUSR1, which it handles, this many times."""
        for _ in range(times):
            os.kill(self._process.pid, signal.SIGUSR1)
            time.sleep(_SIGNAL_PAUSE)


class ZmtpSocket:
    """One socket of the crate."""

    def __init__(self, client: ZmtpClient, cell: ZmtpCell, name: str) -> None:
        self.client = client
        self._cell = cell
        self.name = name

    def bind(self, endpoint: str = "tcp://127.0.0.1:0") -> str:
        """Bind; returns the endpoint in effect."""
        request = zmtp.BindRequest(socket=self.name, endpoint=endpoint)
        bound: str = self.client.call("bind", request, f"{endpoint} is bound")["endpoint"]
        self._cell.bound_by_crate.add(bound)
        return bound

    def connect(self, endpoint: str) -> None:
        """Connect; returns when the crate's own call does: at once, or after the handshake."""
        self.begin_connect(endpoint)(2 * CALL_DEADLINE)

    def begin_connect(self, endpoint: str) -> Callable[[float], object]:
        """As `connect`, and returns at once: with a function that waits for the call's end, given seconds.

        Whoever is to shake hands in the scenario's own thread comes between the two.
        """
        request = zmtp.ConnectRequest(socket=self.name, endpoint=endpoint)
        return self.client.begin("connect", request, f"connecting to {endpoint} succeeds")

    def subscribe(self, prefix: bytes = b"", *, on: bool = True) -> None:
        """Subscribe to what begins with `prefix`, or unsubscribe."""
        request = zmtp.SubscribeRequest(socket=self.name, prefix=encode(prefix), on=on)
        self.client.call("subscribe", request, f"{'subscribing' if on else 'unsubscribing'} succeeds")

    def send(self, *frames: bytes, within: float | None = DELIVERY) -> None:
        """Send one message; the poll before it takes up to `within` seconds, null leaves waiting to the socket."""
        self.begin_send(*frames, within=within)()

    def begin_send(self, *frames: bytes, within: float | None = DELIVERY) -> Callable[[], object]:
        """As `send`, and returns at once: with a function that waits for the call's end."""
        fields: dict[str, Any] = {"socket": self.name, "frames": [encode(frame) for frame in frames]}
        if within is not None:
            fields["timeout_ms"] = round(within * 1000)
        request = zmtp.SendRequest.model_validate(fields)
        finish = self.client.begin("send", request, "the message is taken over")
        return lambda: finish((within or 0) + 2 * CALL_DEADLINE)

    def receive(self, within: float | None = DELIVERY, *, as_text: bool = False) -> tuple[Message, bool | None]:
        """The next message, and whether it is text where that was asked; `within` as `send` has it.

        Raises:
            RefusedByCrate: the crate reports an error; running out of time is the code `timeout`.
        """
        fields = self._receiving(within, as_text=as_text)
        ok = self.client.call("receive", fields, "a message is received", (within or 0) + 2 * CALL_DEADLINE)
        return _message(ok), ok.get("is_text")

    def receive_with(self, *names: str, within: float = DELIVERY) -> tuple[Message, dict[str, str | None]]:
        """The next message and these metadata properties of it, as text; null where the crate says that it has none.

        `within` and errors as `receive` has them.
        """
        request = self._receiving(within).model_copy(update={"metadata": list(names)})
        ok = self.client.call("receive", request, "a message is received with its metadata", within + 2 * CALL_DEADLINE)
        return _message(ok), ok["metadata"]

    def begin_receive(self, within: float | None) -> Callable[[float], Message]:
        """As `receive`, and returns at once: with a function that waits for the message, given seconds."""
        finish = self.client.begin("receive", self._receiving(within), "a message is received")
        return lambda seconds: _message(finish(seconds))

    def _receiving(self, within: float | None, *, as_text: bool = False) -> zmtp.ReceiveRequest:
        fields: dict[str, Any] = {"socket": self.name}
        if within is not None:
            fields["timeout_ms"] = round(within * 1000)
        if as_text:
            fields["as_text"] = True
        return zmtp.ReceiveRequest.model_validate(fields)

    def take(self, within: float, *, after_cut: bool = False) -> Message | None:
        """The next message; null where none came within `within` seconds.

        Args:
            within: seconds.
            after_cut: an error may tell of a connection that was cut; it counts as no message.
        """
        try:
            return self.receive(within)[0]
        except RefusedByCrate as error:
            if error.code == "timeout":
                return None
            if not after_cut:
                raise
            self._cell.remark(f"receiving again, as an application would: {error.observed}")
            time.sleep(min(within, _ERROR_PAUSE))
            return None

    def option(self, name: zmtp.ReadableOption) -> str | int | bool | bytes:
        """An option's value."""
        request = zmtp.OptionRequest(socket=self.name, name=name)
        value: str | int | bool = self.client.call("option", request, f"the option {name} is read")["value"]
        return decode(str(value)) if name == "routing_id" else value

    def monitor(self) -> None:
        """Report events from now on."""
        self.client.call("monitor", zmtp.MonitorRequest(socket=self.name), "the monitor is set up")

    def await_event(self, *names: str, within: float = DELIVERY) -> tuple[str, int]:
        """Wait for the next event of one of these names; returns its name and value.

        Raises:
            CrateTimeout: none came.
        """
        expected = f"the crate's monitor reports {' or '.join(names)}"
        end = time.monotonic() + within
        seen = []
        while (event := self.client.next_event("monitor", max(0.0, end - time.monotonic()), expected)) is not None:
            if event["socket"] == self.name and event["name"] in names:
                self._cell.remark(f"as expected: {expected}")
                return event["name"], event["value"]
            seen.append(event["name"])
        observed = f"it reported {', '.join(seen) or 'nothing'} within {within:g} s"
        raise CrateTimeout(observed, expected=expected)

    def close(self, linger: int | None = None) -> None:
        """Close; `linger` in milliseconds, null leaves what the socket has."""
        fields: dict[str, Any] = {"socket": self.name}
        if linger is not None:
            fields["linger"] = linger
        self.client.call("close", zmtp.CloseRequest.model_validate(fields), "the socket is closed")


def messages(payloads: Iterable[bytes]) -> list[Message]:
    """Messages of one frame each."""
    return [Message.of(payload) for payload in payloads]


def _message(ok: dict[str, Any]) -> Message:
    return Message(tuple(decode(frame) for frame in ok["frames"]))
