"""Wrong ZeroMQ clients that show where there is much of something; `zmtp_clients` runs them."""

from __future__ import annotations

import os

from harness.references.zmtp_control import ControlClient
from harness.wire import zmtp
from harness.wire.messages import Empty, decode


class DropsWhatWaits(ControlClient):
    """Of what has come together only the first message is delivered."""

    def receive(self, request: zmtp.ReceiveRequest) -> zmtp.ReceiveReply:
        """Drop the others."""
        reply = super().receive(request)
        while self._socket(request.socket).receive(0) is not None:
            pass
        return reply


class LeaksFiles(ControlClient):
    """Every message takes a file descriptor that nobody gives back."""

    def send(self, request: zmtp.SendRequest) -> Empty:
        """Take one."""
        os.open(os.devnull, os.O_RDONLY)
        return super().send(request)

    def receive(self, request: zmtp.ReceiveRequest) -> zmtp.ReceiveReply:
        """Take one."""
        os.open(os.devnull, os.O_RDONLY)
        return super().receive(request)


class AnswersTheOneBefore(ControlClient):
    """Sends what it had to send before, and what it has to send now the next time."""

    _kept: zmtp.SendRequest | None = None

    def send(self, request: zmtp.SendRequest) -> Empty:
        """The first message goes out twice."""
        kept, self._kept = self._kept, request
        return super().send(kept or request)


class KnowsOneEndpoint(ControlClient):
    """Connects to nobody else once it is connected."""

    _connected = False

    def connect(self, request: zmtp.ConnectRequest) -> Empty:
        """The first one."""
        connected, self._connected = self._connected, True
        return Empty() if connected else super().connect(request)


class ServesNoCommonTopic(ControlClient):
    """Loses what more than one subscriber is to get."""

    def send(self, request: zmtp.SendRequest) -> Empty:
        """Know it by its topic."""
        return Empty() if decode(request.frames[0]).startswith(b"all/") else super().send(request)


CLIENTS: dict[str, type[ControlClient]] = {
    "drops-what-waits": DropsWhatWaits,
    "leaks-files": LeaksFiles,
    "answers-the-one-before": AnswersTheOneBefore,
    "knows-one-endpoint": KnowsOneEndpoint,
    "serves-no-common-topic": ServesNoCommonTopic,
}
