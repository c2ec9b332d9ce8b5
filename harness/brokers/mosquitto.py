"""Eclipse Mosquitto."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping

from harness.model import Dialect

name = "mosquitto"
listeners: Mapping[str, int] = {"plain": 1883}
dialects: tuple[Dialect, ...] = (Dialect.MQTT_3_1_1, Dialect.MQTT_5)

#: CONNECT with protocol level 4, clean session, keep-alive 10 s, client id "ready" (MQTT 3.1.1, section 3.1).
_CONNECT = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x0a\x00\x05ready"
_CONNACK_ACCEPTED = b"\x20\x02\x00\x00"
_DISCONNECT = b"\xe0\x00"


def handshake(host: str, port: int) -> None:
    """CONNECT, and CONNACK with code 0 in return.

    Raises:
        OSError: another answer, or none.
    """
    with socket.create_connection((host, port), timeout=2.0) as connection:
        connection.sendall(_CONNECT)
        answer = connection.recv(4)
        if answer != _CONNACK_ACCEPTED:
            raise OSError(f"CONNACK expected, got {answer.hex() or 'the end of the connection'}")
        connection.sendall(_DISCONNECT)


def version_in(log: str) -> str:
    """The version in the line that Mosquitto logs first."""
    found = re.search(r"mosquitto version (\S+) starting", log)
    return found.group(1) if found else ""
