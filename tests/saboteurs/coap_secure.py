"""Wrong CoAP clients over DTLS: part of `coap_clients`, which runs them. libcoap's client does the cryptography."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from harness.wire import coap
from harness.wire.messages import Empty, ErrorCode, decode, encode
from harness.wire.serve import Events, ProbeFailure


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
        self._uri = ""

    def open(self, asked: coap.OpenRequest) -> Empty:
        """Note where the server is."""
        self._uri = f"coaps://{asked.host}:{asked.port}"
        return Empty()

    def request(self, asked: coap.RequestRequest) -> coap.Response:
        """One connection for each request."""
        with tempfile.TemporaryDirectory() as folder:
            sent, got = Path(folder) / "sent", Path(folder) / "got"
            sent.write_bytes(decode(asked.payload))
            argv = ["coap-client-openssl", "-n", "-v", "7", "-B", "8", "-m", asked.method.lower(), "-o", str(got)]
            argv += ["-f", str(sent)] if asked.payload else []
            done = subprocess.run(
                [*argv, f"{self._uri}/{'/'.join(asked.path)}"], capture_output=True, text=True, check=False
            )
            codes = re.findall(r"c:([245]\.\d\d)", done.stdout + done.stderr)
            if not codes:
                raise ProbeFailure(ErrorCode.CRATE, f"no response: {done.stderr[-200:]}", definite=False)
            payload = got.read_bytes() if got.exists() else b""
            return coap.Response(code=codes[-1], options=[], payload=encode(payload))


SECURE: dict[str, type[PretendsToEncrypt | TrustsAnyone]] = {
    "pretends-to-encrypt": PretendsToEncrypt,
    "trusts-anyone": TrustsAnyone,
}
