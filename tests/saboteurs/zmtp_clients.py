"""Wrong ZeroMQ clients: the control client with one lie each. A scenario that none of them fails proves nothing.

python -m tests.saboteurs.zmtp_clients NAME
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import Any

from harness.references.zmtp_control import ControlClient, MonitorEvents, serve
from harness.references.zmtp_raw import RawPeer
from harness.wire import zmtp
from harness.wire.messages import Empty, ErrorCode, decode, encode
from harness.wire.serve import ProbeFailure
from tests.saboteurs import zmtp_fragile, zmtp_many
from tests.saboteurs.zmtp_fragile import panic


def _flipped(frames: list[bytes]) -> list[bytes]:
    """The last bit of the last frame is another one; an empty frame gets a byte."""
    last = frames[-1]
    return [*frames[:-1], last[:-1] + bytes([last[-1] ^ 1]) if last else b"\0"]


class Sender(ControlClient):
    """Changes each message before it is sent."""

    def send(self, request: zmtp.SendRequest) -> Empty:
        """Send something else."""
        frames = [encode(frame) for frame in self.changed([decode(frame) for frame in request.frames])]
        return super().send(request.model_copy(update={"frames": frames})) if frames else Empty()

    def changed(self, frames: list[bytes]) -> list[bytes]:
        """What is sent instead; nothing where that is empty."""
        return frames


class Receiver(ControlClient):
    """Changes each message that was received."""

    def receive(self, request: zmtp.ReceiveRequest) -> zmtp.ReceiveReply:
        """Deliver something else."""
        reply = super().receive(request)
        frames = [encode(frame) for frame in self.changed([decode(frame) for frame in reply.frames])]
        return reply.model_copy(update={"frames": frames})

    def changed(self, frames: list[bytes]) -> list[bytes]:
        """What is delivered instead."""
        return frames


class FlipsASentBit(Sender):
    """The last bit of each message is another one."""

    def changed(self, frames: list[bytes]) -> list[bytes]:
        """Flip it."""
        return _flipped(frames)


class FlipsAReceivedBit(Receiver):
    """The last bit of each message is another one."""

    def changed(self, frames: list[bytes]) -> list[bytes]:
        """Flip it."""
        return _flipped(frames)


class SwallowsMessages(Sender):
    """Takes every message over and sends none."""

    def changed(self, frames: list[bytes]) -> list[bytes]:
        """Send nothing."""
        return []


class Reorders(ControlClient):
    """Sends every two messages in the wrong order."""

    _kept: zmtp.SendRequest | None = None

    def send(self, request: zmtp.SendRequest) -> Empty:
        """Keep the first of two."""
        kept, self._kept = self._kept, None if self._kept else request
        if kept is not None:
            super().send(request)
            super().send(kept)
        return Empty()


class JoinsSentFrames(Sender):
    """A message is one frame."""

    def changed(self, frames: list[bytes]) -> list[bytes]:
        """Join them."""
        return [b"".join(frames)]


class JoinsReceivedFrames(Receiver):
    """A message is one frame."""

    def changed(self, frames: list[bytes]) -> list[bytes]:
        """Join them."""
        return [b"".join(frames)]


class TruncatesLargeFrames(Sender):
    """No frame is sent with more than 1 MB."""

    def changed(self, frames: list[bytes]) -> list[bytes]:
        """Cut them."""
        return [frame[:1_000_000] for frame in frames]


class SendsText(Sender):
    """What is no UTF-8 is lost."""

    def changed(self, frames: list[bytes]) -> list[bytes]:
        """Make text of it."""
        return [frame.decode("utf-8", "replace").encode() for frame in frames]


class ReceivesText(Receiver):
    """What is no UTF-8 is lost."""

    def changed(self, frames: list[bytes]) -> list[bytes]:
        """Make text of it."""
        return [frame.decode("utf-8", "replace").encode() for frame in frames]


class MixesTopicsUp(Sender):
    """Publishes what belongs to topic `b/` under `a/`."""

    def changed(self, frames: list[bytes]) -> list[bytes]:
        """Change the topic."""
        return [frame.replace(b"b/", b"a/", 1) if frame.startswith(b"b/") else frame for frame in frames]


class LosesNonText(ControlClient):
    """Where text was asked for, what is no UTF-8 is repaired and handed over as text."""

    def receive(self, request: zmtp.ReceiveRequest) -> zmtp.ReceiveReply:
        """Repair it."""
        if not request.as_text:
            return super().receive(request)
        reply = super().receive(request.model_copy(update={"as_text": False}))
        text = decode(reply.frames[0]).decode("utf-8", "replace")
        return zmtp.ReceiveReply(frames=[encode(text.encode())], is_text=True)


class SubscribesToEverything(ControlClient):
    """Subscribes as asked, and to everything else."""

    def subscribe(self, request: zmtp.SubscribeRequest) -> Empty:
        """Subscribe twice."""
        super().subscribe(request)
        return super().subscribe(request.model_copy(update={"prefix": "", "on": True}))


class PretendsToUnsubscribe(ControlClient):
    """Never unsubscribes."""

    def subscribe(self, request: zmtp.SubscribeRequest) -> Empty:
        """Say that it is done."""
        return super().subscribe(request) if request.on else Empty()


class IgnoresOptions(ControlClient):
    """Every socket has libzmq's defaults."""

    def open(self, request: zmtp.OpenRequest) -> Empty:
        """Leave the options out."""
        return super().open(request.model_copy(update={"options": zmtp.Options()}))


class NeverReconnects(ControlClient):
    """A lost connection is lost for good."""

    def open(self, request: zmtp.OpenRequest) -> Empty:
        """Turn it off."""
        options = request.options.model_copy(update={"reconnect_ivl": -1})
        return super().open(request.model_copy(update={"options": options}))


class Hammers(ControlClient):
    """Tries to connect again at once."""

    def open(self, request: zmtp.OpenRequest) -> Empty:
        """Make the pause as short as it can be."""
        options = request.options.model_copy(update={"reconnect_ivl": 1})
        return super().open(request.model_copy(update={"options": options}))


class DiscardsAtClose(ControlClient):
    """What is not sent when a socket closes is discarded."""

    def close(self, request: zmtp.CloseRequest) -> Empty:
        """Never linger."""
        return super().close(request.model_copy(update={"linger": 0}))


class LingersForEver(ControlClient):
    """Never discards anything."""

    def close(self, request: zmtp.CloseRequest) -> Empty:
        """Linger without limit."""
        return super().close(request.model_copy(update={"linger": -1}))


class ImpatientCalls(ControlClient):
    """Reports at once that the time is over."""

    def receive(self, request: zmtp.ReceiveRequest) -> zmtp.ReceiveReply:
        """Do not wait."""
        raise ProbeFailure(ErrorCode.TIMEOUT, "no message")

    def send(self, request: zmtp.SendRequest) -> Empty:
        """Do not wait."""
        raise ProbeFailure(ErrorCode.TIMEOUT, "nobody there")


class KeepsTheNul(ControlClient):
    """Text of libzmq comes with the NUL at its end."""

    def option(self, request: zmtp.OptionRequest) -> zmtp.OptionReply:
        """Keep it."""
        value = super().option(request).value
        return zmtp.OptionReply(value=f"{value}\0" if isinstance(value, str) else value)


class MonitorsNothing(ControlClient):
    """Takes a monitor over and never reports."""

    def monitor(self, _request: zmtp.MonitorRequest) -> Empty:
        """Say that it is done."""
        return Empty()


class SwallowsErrors(ControlClient):
    """Every call succeeds."""

    def bind(self, request: zmtp.BindRequest) -> zmtp.BindReply:
        """Say that it is bound."""
        try:
            return super().bind(request)
        except ProbeFailure:
            return zmtp.BindReply(endpoint=request.endpoint)

    def send(self, request: zmtp.SendRequest) -> Empty:
        """Say that it is sent."""
        try:
            return super().send(request)
        except ProbeFailure:
            return Empty()


class PanicsOnErrors(ControlClient):
    """An error that it does not know ends the process."""

    def bind(self, request: zmtp.BindRequest) -> zmtp.BindReply:
        """Panic."""
        try:
            return super().bind(request)
        except ProbeFailure as error:
            panic(error)


class DiesOfSignals(ControlClient):
    """Does not handle signals."""

    def __init__(self, events: MonitorEvents) -> None:
        super().__init__(events)
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)


class ConnectsAnew(ControlClient):
    """Makes a new connection for every message that it waits for."""

    def __init__(self, events: MonitorEvents) -> None:
        super().__init__(events)
        self._endpoints: dict[str, str] = {}

    def connect(self, request: zmtp.ConnectRequest) -> Empty:
        """Remember where to."""
        self._endpoints[request.socket] = request.endpoint
        return super().connect(request)

    def receive(self, request: zmtp.ReceiveRequest) -> zmtp.ReceiveReply:
        """Leave and come again."""
        endpoint = self._endpoints.get(request.socket)
        if endpoint is not None:
            self._socket(request.socket).raw.disconnect(endpoint)
            self._socket(request.socket).raw.connect(endpoint)
            time.sleep(0.05)
        return super().receive(request)


class OneContextOnly(ControlClient):
    """After its context was ended no socket can be made."""

    _ended = False

    def terminate(self, request: zmtp.TerminateRequest) -> Empty:
        """Remember it."""
        self._ended = True
        return super().terminate(request)

    def open(self, request: zmtp.OpenRequest) -> Empty:
        """Refuse afterwards."""
        if self._ended:
            raise ProbeFailure(ErrorCode.CRATE, "Bad address")
        return super().open(request)


class SpeaksOfSomethingElse(ControlClient):
    """Says that it is another type of socket."""

    def open(self, request: zmtp.OpenRequest) -> Empty:
        """Swap the types that can stand for each other."""
        other: Any = {"DEALER": "REQ", "SUB": "XSUB"}.get(request.type, request.type)
        return super().open(request.model_copy(update={"type": other}))

    def subscribe(self, request: zmtp.SubscribeRequest) -> Empty:
        """An XSUB has no option for it."""
        self._socket(request.socket).raw.send(b"\x01other" + decode(request.prefix))
        return Empty()


class NeverAnswersPing(ControlClient):
    """Says what belongs to the handshake, and nothing afterwards."""

    def __init__(self, events: MonitorEvents) -> None:
        super().__init__(events)
        self._peer = RawPeer()

    def connect(self, request: zmtp.ConnectRequest) -> Empty:
        """Shake hands without libzmq, on a thread: the other side is waited for."""
        host, _, port = request.endpoint.removeprefix("tcp://").rpartition(":")
        threading.Thread(target=self._shake_hands, args=((host, int(port)),), daemon=True).start()
        return Empty()

    def _shake_hands(self, address: tuple[str, int]) -> None:
        self._peer.connect(address)
        self._peer.greet(minor=1)
        self._peer.make_ready({b"Socket-Type": b"DEALER"})


CLIENTS: dict[str, type[ControlClient]] = {
    "flips-a-sent-bit": FlipsASentBit,
    "flips-a-received-bit": FlipsAReceivedBit,
    "swallows-messages": SwallowsMessages,
    "reorders": Reorders,
    "joins-sent-frames": JoinsSentFrames,
    "joins-received-frames": JoinsReceivedFrames,
    "truncates-large-frames": TruncatesLargeFrames,
    "sends-text": SendsText,
    "receives-text": ReceivesText,
    "mixes-topics-up": MixesTopicsUp,
    "loses-non-text": LosesNonText,
    "subscribes-to-everything": SubscribesToEverything,
    "pretends-to-unsubscribe": PretendsToUnsubscribe,
    "ignores-options": IgnoresOptions,
    "never-reconnects": NeverReconnects,
    "hammers": Hammers,
    "discards-at-close": DiscardsAtClose,
    "lingers-for-ever": LingersForEver,
    "is-impatient": ImpatientCalls,
    "keeps-the-nul": KeepsTheNul,
    "monitors-nothing": MonitorsNothing,
    "swallows-errors": SwallowsErrors,
    "panics-on-errors": PanicsOnErrors,
    "dies-of-signals": DiesOfSignals,
    "connects-anew": ConnectsAnew,
    "has-one-context": OneContextOnly,
    "is-another-type": SpeaksOfSomethingElse,
    "never-answers-ping": NeverAnswersPing,
    **zmtp_fragile.CLIENTS,
    **zmtp_many.CLIENTS,
}


def main(name: str) -> int:
    """Serve one conversation as the saboteur `name`."""
    events = MonitorEvents()
    return serve(CLIENTS[name](events), events)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
