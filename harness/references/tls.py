"""What a Python client needs to speak TLS, from the wire contract's fields."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from harness.wire.mqtt import Tls


def client_context(tls: Tls | None) -> ssl.SSLContext | None:
    """A client's settings; null where it is to speak no TLS."""
    if tls is None:
        return None
    context = ssl.create_default_context(cadata=tls.ca)
    if tls.certificate and tls.key:
        with tempfile.TemporaryDirectory() as name:  # Python's ssl reads its own certificate from files alone
            certificate, key = Path(name) / "certificate.pem", Path(name) / "key.pem"
            certificate.write_text(tls.certificate)
            key.write_text(tls.key)
            context.load_cert_chain(certificate, key)
    return context
