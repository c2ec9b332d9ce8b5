"""Wrong ZeroMQ clients that show where there is much of something; `zmtp_clients` runs them."""

from __future__ import annotations

import os

from harness.references.zmtp_control import ControlClient
from harness.wire import zmtp
from harness.wire.messages import Empty


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


CLIENTS: dict[str, type[ControlClient]] = {"drops-what-waits": DropsWhatWaits, "leaks-files": LeaksFiles}
