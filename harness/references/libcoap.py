"""libcoap's server as reference for CoAP over DTLS, which aiocoap has with certificates not at all.

https://libcoap.net/doc/reference/4.3.1/man_coap-server.html

It is a program of its own. What a client sends it over DTLS, others read over plain CoAP, and the other way round.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import ReferenceFailed, Unavailable
from harness.references.coap import NoAnswer, ReferenceClient

#: The server once for each TLS library that it was built with; Debian has both. Either does.
_PROGRAMS = ("coap-server-openssl", "coap-server-gnutls")
#: Seconds in which the server has to answer its first request.
_START = 10.0
#: Where ports are picked; the system gives none of these away.
_PORTS = range(20_000, 32_000, 2)


def is_installed() -> bool:
    """Whether this machine has the server."""
    return _find() is not None


class LibcoapServer:
    """A server that keeps whatever is PUT, at `port` without encryption and at `secure_port` with DTLS."""

    def __init__(self, secrets_: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        """Start it, and wait until it answers.

        Args:
            secrets_: what `with_key` or `with_certificate` make.
            log: where it writes what it thinks, with every message decrypted.
            environment: of its process.

        Raises:
            Unavailable: it is not installed.
            ReferenceFailed: it did not start.
        """
        program = _find()
        if program is None:
            raise Unavailable(f"{_PROGRAMS[0]} is not installed; `iotyet setup` installs it on Debian and Ubuntu")
        self.port = _pick_port()
        self.secure_port = self.port + 1
        argv = [program, "-A", "127.0.0.1", "-p", str(self.port), "-d", "20", "-v", "7", *secrets_]
        self._log = log
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=dict(environment)
            )
        try:
            self._await_answer()
        except BaseException:
            self.close()
            raise

    def _await_answer(self) -> None:
        client = ReferenceClient(("127.0.0.1", self.port), ack_timeout=0.2)
        end = time.monotonic() + _START
        try:
            while True:
                with contextlib.suppress(NoAnswer):
                    client.request("GET", [], within=1.0)
                    return
                if self._process.poll() is not None or time.monotonic() > end:
                    raise ReferenceFailed(f"libcoap's server did not start; its log ends: {self.log[-300:]}")
                time.sleep(0.05)
        finally:
            client.close()

    @property
    def log(self) -> str:
        """What it wrote so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def with_key(identity: str, key: str, folder: Path) -> list[str]:
    """Arguments for a server that knows one client by its identity and key, and every other by a key of its own."""
    known = folder / "identities"
    known.write_text(f"CoAP,{identity},{key}\n", encoding="ascii")
    return ["-k", secrets.token_hex(16), "-i", str(known)]


def with_certificate(certificate: Path, key: Path, authority: Path | None) -> list[str]:
    """Arguments for a server that shows a certificate; with an authority it asks clients for one of that."""
    shown = ["-c", str(certificate), "-j", str(key)]
    return [*shown, "-n"] if authority is None else [*shown, "-C", str(authority)]


def _find() -> str | None:
    return next((found for program in _PROGRAMS if (found := shutil.which(program))), None)


def _pick_port() -> int:
    """A port whose successor is free as well.

    Raises:
        ReferenceFailed: none was found.
    """
    for _ in range(200):
        port = secrets.choice(_PORTS)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for number in (port, port + 1):
                probe = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                probe.bind(("127.0.0.1", number))
            return port
    raise ReferenceFailed("no two free UDP ports were found on 127.0.0.1")
