"""Reading from a socket what has a size."""

from __future__ import annotations

import socket


def read_exactly(connection: socket.socket, size: int) -> bytes:
    """The next `size` bytes.

    Raises:
        OSError: not all of them came.
    """
    data = bytearray()
    while len(data) < size:
        try:
            chunk = connection.recv(size - len(data))
        except OSError as error:
            raise OSError(f"{len(data)} of {size} bytes came, then: {error}") from error
        if not chunk:
            raise OSError(f"the connection ended after {len(data)} of {size} bytes")
        data += chunk
    return bytes(data)
