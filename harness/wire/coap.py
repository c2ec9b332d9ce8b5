"""Operations and events of CoAP clients and servers (RFC 7252, 7641, 7959)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.model import Dialect
from harness.wire.messages import Base64, Empty, Strict
from harness.wire.operations import Event, Operation, Vocabulary


class Option(Strict):
    """One option, as it stands on the wire."""

    number: int = Field(ge=0, le=65535, description="option number (RFC 7252, section 5.10)")
    value: Base64


class Dtls(Strict):
    """Encrypt with DTLS: a pre-shared key, or PEM certificates."""

    identity: str | None = None
    key: Base64 | None = None
    ca: str | None = None
    certificate: str | None = None
    private_key: str | None = None


class OpenRequest(Strict):
    """Make a client for one server; nothing is sent yet, except a DTLS handshake."""

    host: str
    port: int = Field(ge=1, le=65535)
    dtls: Dtls | None = None
    ack_timeout_ms: int | None = Field(default=None, description="ACK_TIMEOUT, where the crate lets it be set")


class RequestRequest(Strict):
    """Send one request; replies with the response once it is complete (all blocks)."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: list[str] = Field(default_factory=list, description="Uri-Path segments")
    query: list[str] = Field(default_factory=list, description="Uri-Query parts")
    confirmable: bool = True
    token: Base64 | None = Field(default=None, description="null: the crate chooses")
    options: list[Option] = Field(default_factory=list)
    payload: Base64 = ""
    block_szx: int | None = Field(default=None, ge=0, le=6, description="block size 2**(szx+4) bytes")
    timeout_ms: int = Field(default=5000, description="milliseconds that the client is told to wait")


class Response(Strict):
    """A response or a notification."""

    code: str = Field(description="class.detail, for example 2.05")
    token: Base64 | None = None
    options: list[Option]
    payload: Base64


class ObserveRequest(Strict):
    """Register an observation; replies with the first response, notifications are events."""

    path: list[str]
    confirmable: bool = True


class CancelObserveRequest(Strict):
    """End the observation of a path, by `forget` (RST at the next notification) or `deregister` (Observe=1)."""

    path: list[str]
    how: Literal["forget", "deregister"] = "deregister"


class Notification(Strict):
    """A notification of an observed resource."""

    path: list[str]
    response: Response


class PingRequest(Strict):
    """Send an empty confirmable message; replies at the RST (RFC 7252, section 4.3)."""


class ServeRequest(Strict):
    """Start the crate's server on an ephemeral port with the resources that WIRE.md lists; replies when it listens."""

    host: str = "127.0.0.1"
    dtls: Dtls | None = None


class ServeReply(Strict):
    """Where the server listens."""

    port: int


class NotifyRequest(Strict):
    """Change the observable resource of the server, so that its observers are notified."""

    payload: Base64


class Served(Strict):
    """The server's handler ran for one request; one event for each run, so that duplicates show."""

    method: str
    path: list[str]
    payload: Base64


class CloseRequest(Strict):
    """Drop the client or the server."""


VOCABULARY = Vocabulary(
    title="CoAP",
    dialects=(Dialect.COAP_CLIENT, Dialect.COAP_SERVER),
    operations=(
        Operation("open", OpenRequest),
        Operation("request", RequestRequest, Response),
        Operation("observe", ObserveRequest, Response),
        Operation("cancel_observe", CancelObserveRequest),
        Operation("ping", PingRequest),
        Operation("serve", ServeRequest, ServeReply),
        Operation("notify", NotifyRequest),
        Operation("close", CloseRequest, Empty),
    ),
    events=(Event("notification", Notification), Event("served", Served)),
)
