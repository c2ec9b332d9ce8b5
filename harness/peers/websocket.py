"""A gateway from MQTT over WebSocket to MQTT over TCP (MQTT, section 6), with an eye on how the client uses WebSocket.

It stands where brokers have a listener for WebSocket, which not every build of Mosquitto has. Frames and the handshake
are the library's: https://websockets.readthedocs.io/en/stable/reference/sync/server.html
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Sequence

from websockets import ConnectionClosed, Subprotocol
from websockets.sync.server import ServerConnection, serve

#: What a client has to offer (MQTT-6.0.0-3), and what a server then chooses (MQTT-6.0.0-4).
SUBPROTOCOL = Subprotocol("mqtt")
#: Bytes of one read.
_READ = 1 << 16


class WebSocketGateway:
    """Listens on 127.0.0.1 until it is closed; each client gets a connection of its own to the broker.

    Args:
        port: the broker's, on 127.0.0.1.
        largest: bytes of a frame to the client; what is read at once makes several frames where it is more.
    """

    def __init__(self, port: int, *, largest: int = _READ) -> None:
        self._broker = ("127.0.0.1", port)
        self._largest = largest
        #: The subprotocols that each client offered; one that offers none is served all the same.
        self.offered: list[Sequence[str]] = []
        #: Text frames that came; MQTT is binary (MQTT-6.0.0-1).
        self.texts = 0
        #: Clients that are gone.
        self.left = 0
        self._clients: list[ServerConnection] = []
        self._server = serve(
            self._serve, "127.0.0.1", 0, select_subprotocol=self._select, compression=None, max_size=None
        )
        self.port: int = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more clients, and end those that there are."""
        self._server.shutdown()
        for client in self._clients:
            client.socket.close()
        self._thread.join(5.0)

    def send_text(self, text: str) -> None:
        """Send every client a text frame, which is none of MQTT's."""
        for client in self._clients:
            client.send(text)

    def _select(self, _client: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        self.offered.append(offered)
        return SUBPROTOCOL if SUBPROTOCOL in offered else None

    def _serve(self, client: ServerConnection) -> None:
        self._clients.append(client)
        with socket.create_connection(self._broker) as broker:
            back = threading.Thread(target=self._answer, args=(broker, client), daemon=True)
            back.start()
            with contextlib.suppress(ConnectionClosed, OSError):
                for message in client:
                    if isinstance(message, str):
                        self.texts += 1
                        break
                    broker.sendall(message)
            self.left += 1
            with contextlib.suppress(OSError):
                broker.shutdown(socket.SHUT_RDWR)
            back.join()

    def _answer(self, broker: socket.socket, client: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            while data := broker.recv(_READ):
                for start in range(0, len(data), self._largest):
                    client.send(data[start : start + self._largest])
            client.close()
