"""ZeroMQ clients that keep to the clauses in other ways than libzmq: no scenario may fail them.

python -m tests.saboteurs.zmtp_others NAME
"""

from __future__ import annotations

import sys

import zmq

from harness.references.zmtp_control import ControlClient, MonitorEvents, serve
from harness.references.zmtp_raw import RawPeer
from harness.wire import zmtp
from harness.wire.messages import Empty, ErrorCode
from harness.wire.serve import ProbeFailure


class Waits(ControlClient):
    """Its `connect` returns after the handshake, and a send with nobody there is an error at once."""

    def connect(self, request: zmtp.ConnectRequest) -> Empty:
        """Wait for the handshake."""
        socket = self._socket(request.socket)
        socket.monitor()
        super().connect(request)
        if socket.await_event(["handshake_succeeded"], 5.0) is None:
            raise ProbeFailure(ErrorCode.IO, "nobody shakes hands")
        return Empty()

    def send(self, request: zmtp.SendRequest) -> Empty:
        """Do not wait."""
        if not self._socket(request.socket).raw.poll(0, zmq.POLLOUT):
            raise ProbeFailure(ErrorCode.CRATE, "nobody is connected")
        return super().send(request)


class GreetsAsZmtp30(ControlClient):
    """Knows no command of ZMTP 3.1."""

    def connect(self, request: zmtp.ConnectRequest) -> Empty:
        """Greet without libzmq."""
        host, _, port = request.endpoint.removeprefix("tcp://").rpartition(":")
        peer = RawPeer()
        peer.connect((host, int(port)))
        peer.greet(minor=0)
        return Empty()


CLIENTS: dict[str, type[ControlClient]] = {"waits": Waits, "greets-as-zmtp-3-0": GreetsAsZmtp30}


def main(name: str) -> int:
    """Serve one conversation as the client `name`."""
    events = MonitorEvents()
    return serve(CLIENTS[name](events), events)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
