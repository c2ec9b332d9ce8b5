"""A private certificate authority for one run, and what it issued: good certificates and flawed ones."""

from __future__ import annotations

import datetime
import ssl
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

#: Names of this machine under which clients reach a relay; the last is where Kafka's listeners lead.
_NAMES = ("localhost", "127.0.0.1", "::1", "127.0.1.1")
_DAY = datetime.timedelta(days=1)
#: The name of the certificate that clients show.
CLIENT = "client"


class ServerCertificate(StrEnum):
    """What a server shows. All but the first must be refused by who trusts the run's authority alone (RFC 5280)."""

    GOOD = "good"
    UNKNOWN_CA = "unknown-ca"
    OTHER_HOST = "other-host"
    EXPIRED = "expired"


class KeyForm(StrEnum):
    """How the file of a private key is written; the value names its standard."""

    PKCS8 = "pkcs8"
    """RFC 5208, which says `PRIVATE KEY`: for every kind of key."""
    PKCS1 = "pkcs1"
    """RFC 8017, appendix A.1.2, which says `RSA PRIVATE KEY`: OpenSSL's older way, for RSA alone."""


_FORMATS = {KeyForm.PKCS8: PrivateFormat.PKCS8, KeyForm.PKCS1: PrivateFormat.TraditionalOpenSSL}


@dataclass(frozen=True)
class Certificates:
    """PEM files in one folder; brokers get the folder, relays and probes what is in it."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, kind: trustme.KeyType = trustme.KeyType.RSA) -> Certificates:
        """Issue everything anew, all with keys of one kind."""
        folder.mkdir(parents=True, exist_ok=True)
        certificates = cls(folder)
        authority, stranger = trustme.CA(key_type=kind), trustme.CA(key_type=kind)
        long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)

        def issue(name: str, by: trustme.CA, *names: str, **options: Any) -> None:
            leaf = by.issue_cert(*names, key_type=kind, **options)
            certificate, key = certificates.pair(name)
            certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
            key.write_bytes(_written_as(KeyForm.PKCS8, leaf.private_key_pem.bytes()))

        authority.cert_pem.write_to_path(certificates.authority)
        issue(ServerCertificate.GOOD, authority, *_NAMES)
        issue(ServerCertificate.UNKNOWN_CA, stranger, *_NAMES)
        issue(ServerCertificate.OTHER_HOST, authority, "elsewhere.example")
        issue(ServerCertificate.EXPIRED, authority, *_NAMES, not_before=long_ago, not_after=long_ago + _DAY)
        issue(CLIENT, authority, "probe.example", common_name="probe")
        # Brokers in containers run as another user.
        for path in folder.iterdir():
            path.chmod(0o644)
        folder.chmod(0o755)
        return certificates

    @property
    def authority(self) -> Path:
        """The certificate that clients trust, and that the client's certificate descends from."""
        return self.folder / "ca.pem"

    def pair(self, name: str) -> tuple[Path, Path]:
        """A certificate chain and its private key, unencrypted PKCS#8."""
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def client_key(self, form: KeyForm) -> str:
        """The private key of the client's certificate."""
        key = self.pair(CLIENT)[1].read_bytes()
        return _written_as(form, key).decode()

    def server_context(self, shown: ServerCertificate, *, asks_client: bool) -> ssl.SSLContext:
        """A server's settings, of TLS 1.2 and later.

        Args:
            shown: the certificate that clients get to see.
            asks_client: whether a client without a certificate of this authority is refused.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.authority))
        context.load_cert_chain(*self.pair(shown))
        if asks_client:
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def _written_as(form: KeyForm, key: bytes) -> bytes:
    private = load_pem_private_key(key, password=None)
    return private.private_bytes(Encoding.PEM, _FORMATS[form], NoEncryption())
