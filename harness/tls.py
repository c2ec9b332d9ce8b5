"""The server's side of TLS over asyncio streams, with the reason where a handshake fails.

asyncio's own TLS servers report a failed handshake to nobody, and whether a client refused a certificate, and how, is
what scenarios ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import TypeVar

_CHUNK = 256 * 1024
_Result = TypeVar("_Result")


class TlsStream:
    """A connection's decrypted reader and writer in one."""

    def __init__(self, context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def handshake(self) -> str:
        """Agree on keys; returns the protocol's version.

        Raises:
            OSError: the client refused (its alert is in the text), broke off, or is refused.
        """
        try:
            await self._drive(self._tls.do_handshake)
        finally:
            with contextlib.suppress(OSError):
                self._flush()
                await self._writer.drain()
        return self._tls.version() or ""

    async def read(self, size: int) -> bytes:
        """Decrypted bytes; none at the end.

        Raises:
            OSError: the connection broke off, or what came is no TLS.
        """
        try:
            return await self._drive(lambda: self._tls.read(size))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        self._tls.write(data)
        self._flush()

    async def drain(self) -> None:
        """Wait until the client takes more."""
        await self._writer.drain()

    def write_eof(self) -> None:
        """Tell the client that nothing more comes: close_notify, and the end of the stream."""
        # It would rather wait for the client's own close_notify, which the other direction reads.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()
        self._writer.write_eof()

    async def _drive(self, act: Callable[[], _Result]) -> _Result:
        """Do what may need bytes from the client first."""
        while True:
            try:
                return act()
            except ssl.SSLWantReadError:
                self._flush()
                if data := await self._reader.read(_CHUNK):
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._writer.write(self._outgoing.read())
