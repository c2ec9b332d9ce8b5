"""What the relay costs: round trips and throughput of an echo, straight and through the relay.

python -m benchmarks.relay [ROUND_TRIPS [MEBIBYTES]]

The echo runs in a process of its own, as a broker would. "Without recording" is the same relay with a flow that writes
nothing, so that the difference is what the capture costs.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from unittest.mock import patch

from harness import capture
from harness.capture import Relay, RelayLoop
from harness.pcapng import TcpFlow

#: Bytes of a message whose round trip is measured: a small MQTT PUBLISH.
_MESSAGE = 64
_CHUNK = 64 * 1024


class _SilentFlow(TcpFlow):
    """A flow that is not recorded."""

    def _send(self, end: str, flags: int, payload: bytes = b"", comment: str = "") -> None:
        """Write nothing."""


def _echo(ready: Connection) -> None:
    """Send back what comes, on each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    ready.send(listener.getsockname())
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_send_back, args=(connection,), daemon=True).start()


def _send_back(connection: socket.socket) -> None:
    # The relay ends its connections with a reset once the measurement is over.
    with connection, contextlib.suppress(ConnectionResetError):
        while data := connection.recv(_CHUNK):
            connection.sendall(data)


def _receive(connection: socket.socket, size: int) -> None:
    while size:
        data = connection.recv(min(size, _CHUNK))
        if not data:
            raise ConnectionError("the echo ended early")
        size -= len(data)


def round_trips(address: tuple[str, int], count: int) -> list[float]:
    """Seconds of each of `count` round trips of 64 bytes on one connection."""
    seconds = []
    with socket.create_connection(address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            started = time.perf_counter()
            connection.sendall(bytes(_MESSAGE))
            _receive(connection, _MESSAGE)
            seconds.append(time.perf_counter() - started)
    return seconds


def throughput(address: tuple[str, int], mebibytes: int) -> float:
    """MiB a second, there and back, of `mebibytes` on one connection."""
    size = mebibytes * 1024 * 1024
    with socket.create_connection(address) as connection:
        started = time.perf_counter()
        sender = threading.Thread(target=connection.sendall, args=(bytes(size),))
        sender.start()
        _receive(connection, size)
        sender.join()
        return mebibytes / (time.perf_counter() - started)


@contextmanager
def _relayed(upstream: tuple[str, int], folder: Path) -> Iterator[tuple[str, int]]:
    loop = RelayLoop()
    relay = Relay(loop, upstream, folder / "wire.pcapng", client_address="127.0.0.9", server_port=1883)
    try:
        yield relay.endpoint
    finally:
        relay.close()
        loop.stop()


def _line(way: str, address: tuple[str, int], count: int, mebibytes: int) -> str:
    trips = sorted(1e6 * seconds for seconds in round_trips(address, count))
    rates = [throughput(address, mebibytes) for _ in range(3)]
    return (
        f"| {way} | {statistics.median(trips):.0f} | {trips[int(0.99 * len(trips))]:.0f} "
        f"| {statistics.median(rates):.0f} ({min(rates):.0f}–{max(rates):.0f}) |"
    )


def main(count: int, mebibytes: int) -> None:
    """Print a table in Markdown."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    echo = multiprocessing.Process(target=_echo, args=(sender,), daemon=True)
    echo.start()
    upstream = receiver.recv()
    print("| way | round trip, median, µs | the slowest of 100, µs | throughput, MiB/s: median (range) |")
    print("|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        print(_line("straight", upstream, count, mebibytes), flush=True)
        with patch.object(capture, "TcpFlow", _SilentFlow), _relayed(upstream, Path(folder)) as address:
            print(_line("relay, without recording", address, count, mebibytes), flush=True)
        with _relayed(upstream, Path(folder)) as address:
            print(_line("relay, recording", address, count, mebibytes), flush=True)
    echo.terminate()


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:] or ("5000", "64")))
