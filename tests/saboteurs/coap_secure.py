"""Wrong CoAP clients over DTLS: part of `coap_clients`, which runs them. libcoap's client does the cryptography."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from harness.references.coap import NoAnswer
from harness.references.libcoap import LibcoapClient, client_with_certificate
from harness.wire import coap
from harness.wire.messages import Empty, ErrorCode, decode, encode
from harness.wire.serve import Events, ProbeFailure

#: Seconds for one handshake and one request.
_ANSWER = 8.0


class PretendsToEncrypt:
    """Shakes no hands: whatever is PUT stays in the client."""

    def __init__(self, _events: Events) -> None:
        self._kept: dict[str, str] = {}

    def open(self, _asked: coap.OpenRequest) -> Empty:
        """Every server is the right one."""
        return Empty()

    def request(self, asked: coap.RequestRequest) -> coap.Response:
        """Answer from memory."""
        path = "/".join(asked.path)
        if asked.method == "PUT":
            self._kept[path] = asked.payload
            return coap.Response(code="2.01", options=[], payload="")
        return coap.Response(code="2.05", options=[], payload=self._kept.get(path, ""))


class TrustsAnyone:
    """Looks at no certificate, and shows none."""

    def __init__(self, _events: Events) -> None:
        self._server = ("", 0)

    def open(self, asked: coap.OpenRequest) -> Empty:
        """Note where the server is."""
        self._server = (asked.host, asked.port)
        return Empty()

    def request(self, asked: coap.RequestRequest) -> coap.Response:
        """One connection for each request."""
        path, payload = "/".join(asked.path), decode(asked.payload)
        with tempfile.TemporaryDirectory() as folder:
            files, how = Path(folder) / "request", client_with_certificate(None)
            client = LibcoapClient(self._server, how, files, os.environ, asked.method, path, payload)
            with contextlib.closing(client):
                try:
                    got = client.response(_ANSWER)
                except NoAnswer as error:
                    raise ProbeFailure(ErrorCode.CRATE, f"no response: {error}", definite=False) from error
        return coap.Response(code=got.code, options=[], payload=encode(got.payload))


SECURE: dict[str, type[PretendsToEncrypt | TrustsAnyone]] = {
    "pretends-to-encrypt": PretendsToEncrypt,
    "trusts-anyone": TrustsAnyone,
}
