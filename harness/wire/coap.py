"""Operations and events of CoAP clients and servers (RFC 7252, 7641, 7959, 6690)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.model import Dialect
from harness.wire.messages import Base64, Empty, Strict
from harness.wire.operations import Event, Operation, Vocabulary

Method = Literal["GET", "POST", "PUT", "DELETE"]


class Option(Strict):
    """One option, as it stands on the wire."""

    number: int = Field(ge=0, le=65535, description="option number (RFC 7252, section 5.10)")
    value: Base64


class Psk(Strict):
    """A key that both sides know (RFC 7252, section 9.1.3.1)."""

    identity: str
    key: Base64


class Dtls(Strict):
    """Encrypt what is sent: with `psk`, or with certificates, every one a PEM document and not a path."""

    psk: Psk | None = None
    ca: str | None = Field(
        default=None,
        description="the authority to trust; a server that has one refuses clients without its certificate",
    )
    certificate: str | None = Field(default=None, description="the own certificate chain")
    key: str | None = Field(default=None, description="the own private key, PKCS#8")
    server_name: str | None = Field(
        default=None, description="whose certificate a client expects; null with `psk`, and of servers"
    )


class OpenRequest(Strict):
    """Make a client for one server; nothing is sent yet, or over DTLS the handshake alone, up to its end."""

    host: str
    port: int = Field(ge=1, le=65535)
    ack_timeout_ms: int | None = Field(
        default=None, ge=1, description="ACK_TIMEOUT (RFC 7252, section 4.8); null: the crate's own"
    )
    block1_szx: int | None = Field(
        default=None, ge=0, le=6, description="bodies go in blocks of 2**(szx+4) bytes; null: the crate's own size"
    )
    dtls: Dtls | None = None


class RequestRequest(Strict):
    """Send one request; replies with the response once it is complete (all blocks)."""

    method: Method
    path: list[str] = Field(default_factory=list, description="Uri-Path segments")
    query: list[str] = Field(default_factory=list, description="Uri-Query parts")
    confirmable: bool = True
    token: Base64 | None = Field(default=None, description="null: the crate chooses")
    options: list[Option] = Field(default_factory=list, description="beside Uri-Path and Uri-Query")
    payload: Base64 = ""


class Response(Strict):
    """A response or a notification."""

    code: str = Field(description="class.detail, for example 2.05")
    options: list[Option]
    payload: Base64


class ObserveRequest(Strict):
    """Observe a resource; replies when the server accepted that. Every response, the first one too, is an event."""

    path: list[str]
    confirmable: bool = True


class CancelObserveRequest(Strict):
    """End the observation of a path, in the crate's own way; replies when the crate was told."""

    path: list[str]


class Notification(Strict):
    """A response to an observation was delivered to the application, or an error in its place."""

    path: list[str]
    response: Response | None = None
    error: str | None = Field(default=None, description="the crate's own words")


class DiscoverRequest(Strict):
    """Ask for /.well-known/core and read what comes, as the crate does it."""

    query: list[str] = Field(default_factory=list, description="filters, for example rt=temperature")


class Attribute(Strict):
    """An attribute of a link."""

    name: str
    value: str | None = Field(default=None, description="null: a flag, such as obs")


class Link(Strict):
    """One link, as the crate has read it."""

    href: str
    attributes: list[Attribute]


class DiscoverReply(Strict):
    """The links."""

    links: list[Link]


class ServeRequest(Strict):
    """Start the crate's server on 127.0.0.1 and a port that the system picks; replies when it listens.

    It serves /store, /a/b/c, /obs and /slow. For each of them it keeps a body: PUT sets it (2.04), GET gives it (2.05,
    or 4.04 where there is none), DELETE removes it (2.02), POST answers 2.04 with the body that it got and keeps
    nothing. /slow answers after 4 seconds. Where the crate describes resources at /.well-known/core, /store has the
    resource type `kept here`, the interface description `keeper`, the size estimate 64 and the content format 42, /obs
    the resource type `watched` and the flag `obs`.
    """

    dtls: Dtls | None = Field(default=None, description="null: without encryption")


class ServeReply(Strict):
    """Where the server listens."""

    port: int


class Served(Strict):
    """The application's handler ran for a request; one event for each run, so that duplicates show."""

    method: str
    path: list[str]
    query: list[str]
    payload: Base64


VOCABULARY = Vocabulary(
    title="CoAP",
    dialects=(Dialect.COAP_CLIENT, Dialect.COAP_SERVER),
    operations=(
        Operation("open", OpenRequest),
        Operation("request", RequestRequest, Response),
        Operation("observe", ObserveRequest),
        Operation("cancel_observe", CancelObserveRequest, Empty),
        Operation("discover", DiscoverRequest, DiscoverReply),
        Operation("serve", ServeRequest, ServeReply),
    ),
    events=(Event("notification", Notification), Event("served", Served)),
)
