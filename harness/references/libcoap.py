"""libcoap's server and client as references for CoAP over DTLS, which aiocoap has with certificates not at all.

https://libcoap.net/doc/reference/4.3.1/man_coap-server.html
https://libcoap.net/doc/reference/4.3.1/man_coap-client.html

They are programs of their own. What a client sends the server over DTLS, others read over plain CoAP, and the other way
round.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from harness.errors import ReferenceFailed, Unavailable
from harness.references.coap import NoAnswer, ReferenceClient, Response

#: What the client's log has of a response, and of an alert that it got.
_CODE = re.compile(r"^v:1 t:\w+ c:([245]\.\d\d) ", re.MULTILINE)
_ALERT = re.compile(r"alert read:fatal:(.+)|Alert '\d+': (.+)")
#: Seconds in which the server has to answer its first request.
_START = 10.0
#: Where ports are picked; the system gives none of these away.
_PORTS = range(20_000, 32_000, 2)


class Library(StrEnum):
    """The TLS libraries that Debian builds libcoap's programs with; where it does not matter either does."""

    OPENSSL = "openssl"
    GNUTLS = "gnutls"


def is_installed() -> bool:
    """Whether this machine has the server and the clients, which are one package."""
    found = [shutil.which(f"coap-client-{library}") for library in Library]
    return _find_server() is not None and None not in found


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
        program = _installed(_find_server(), "libcoap's server")
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


class LibcoapClient:
    """One request over DTLS, after a handshake of its own, by a process that begins at once."""

    def __init__(
        self,
        server: tuple[str, int],
        how: Sequence[str],
        files: Path,
        environment: Mapping[str, str],
        method: str,
        path: str,
        payload: bytes = b"",
        library: Library = Library.OPENSSL,
    ) -> None:
        """Start it.

        Args:
            server: host and port.
            how: what `client_with_key` or `client_with_certificate` make.
            files: where it writes what it thinks, with every message decrypted; other files are beside that.
            environment: of its process.
            method, path, payload: the request.
            library: which of its programs.

        Raises:
            Unavailable: it is not installed.
        """
        name = f"coap-client-{library}"
        program = _installed(shutil.which(name), name)
        self._name = name
        self._log, self._body = files.with_suffix(".log"), files.with_suffix(".body")
        argv = [program, "-v", "7", "-m", method.lower(), "-o", str(self._body), *how]
        if payload:
            sent = files.with_suffix(".sent")
            sent.write_bytes(payload)
            argv += ["-f", str(sent)]
        argv.append(f"coaps://{server[0]}:{server[1]}/{path}")
        with self._log.open("wb") as stream:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=dict(environment)
            )

    def response(self, within: float) -> Response:
        """What it got; its options are not told.

        Raises:
            NoAnswer: the handshake failed, or nothing came within `within` seconds.
            ReferenceFailed: the program could not do what it was told.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(within)
        log = self._log.read_text(encoding="utf-8", errors="replace")
        if self._process.poll():
            raise ReferenceFailed(f"{self._name} ended with status {self._process.returncode}: {log[-300:]}")
        codes = _CODE.findall(log)
        if not codes:
            alert = _ALERT.search(log)
            ended = "before it gave up" if self._process.returncode == 0 else f"within {within:g} s"
            why = f"the alert {(alert[1] or alert[2])!r}" if alert else f"no response {ended}"
            raise NoAnswer(f"{self._name} got {why}")
        return Response(codes[-1], (), self._body.read_bytes() if self._body.exists() else b"")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def client_with_key(identity: str, key: str) -> list[str]:
    """Arguments for a client that says who it is, and has this key."""
    return ["-u", identity, "-k", key]


def client_with_certificate(
    authority: Path | None, certificate: Path | None = None, key: Path | None = None
) -> list[str]:
    """Arguments for a client that trusts an authority, or without one anybody, and may show a certificate."""
    trusted = ["-n"] if authority is None else ["-R", str(authority)]
    return [*trusted, "-c", str(certificate), "-j", str(key)] if certificate else trusted


def _installed(program: str | None, name: str) -> str:
    if program is None:
        raise Unavailable(f"{name} is not installed; `iotyet setup` installs it on Debian and Ubuntu")
    return program


def _find_server() -> str | None:
    return next((found for library in Library if (found := shutil.which(f"coap-server-{library}"))), None)


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
