"""Operations and events of ZeroMQ sockets (ZMTP 3.0 and 3.1).

Options have libzmq's names, in lower case and without ZMQ_, and libzmq's units (times are milliseconds):
http://api.zeromq.org/4-3:zmq-setsockopt
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.model import Dialect
from harness.wire.messages import Base64, Empty, Strict
from harness.wire.operations import Event, Operation, Vocabulary

SocketType = Literal["REQ", "REP", "PUB", "SUB", "PUSH", "PULL", "DEALER", "ROUTER", "XPUB", "XSUB", "PAIR"]

#: Options that `option` can ask for.
ReadableOption = Literal[
    "sndhwm",
    "rcvhwm",
    "linger",
    "sndtimeo",
    "rcvtimeo",
    "reconnect_ivl",
    "maxmsgsize",
    "heartbeat_ivl",
    "immediate",
    "ipv6",
    "routing_id",
    "last_endpoint",
    "zap_domain",
]


class OnSocket(Strict):
    """Base of what happens on one socket."""

    socket: str = Field(description="name that the harness gives at `open`")


class Options(Strict):
    """Options of a socket, by libzmq's names; null leaves libzmq's default."""

    sndhwm: int | None = None
    rcvhwm: int | None = None
    linger: int | None = None
    sndtimeo: int | None = None
    rcvtimeo: int | None = None
    reconnect_ivl: int | None = None
    maxmsgsize: int | None = None
    handshake_ivl: int | None = None
    heartbeat_ivl: int | None = None
    heartbeat_timeout: int | None = None
    immediate: bool | None = None
    ipv6: bool | None = Field(
        default=None,
        description="true where IPv6 addresses follow; a crate that always takes those does nothing for it",
    )
    conflate: bool | None = None
    router_mandatory: bool | None = None
    router_handover: bool | None = None
    req_relaxed: bool | None = None
    req_correlate: bool | None = None
    xpub_verbose: bool | None = None
    routing_id: Base64 | None = None
    zap_domain: str | None = None
    plain_server: bool | None = None
    plain_username: str | None = None
    plain_password: str | None = None
    curve_server: bool | None = None
    curve_publickey: str | None = Field(default=None, description="40 characters of Z85")
    curve_secretkey: str | None = Field(default=None, description="40 characters of Z85")
    curve_serverkey: str | None = Field(default=None, description="40 characters of Z85")


class OpenRequest(OnSocket):
    """Make a socket and set its options, before bind or connect."""

    type: SocketType
    options: Options = Field(default_factory=Options)


class BindRequest(OnSocket):
    """Bind; replies with the endpoint in effect."""

    endpoint: str = Field(
        description="the tcp port 0 stands for one that the system picks: a probe puts the crate's own word for it"
    )


class BindReply(Strict):
    """The endpoint with the port that was picked."""

    endpoint: str


class ConnectRequest(OnSocket):
    """Connect; replies when the crate's own call returns: at once, or after the handshake."""

    endpoint: str


class SubscribeRequest(OnSocket):
    """Subscribe to a prefix, or unsubscribe."""

    prefix: Base64
    on: bool = True


class SendRequest(OnSocket):
    """Send one message of one or more frames."""

    frames: list[Base64] = Field(min_length=1)
    timeout_ms: int | None = Field(
        default=None,
        ge=0,
        description="milliseconds for which the crate's poll, or its call where it has no poll, waits until the "
        "socket can send; "
        "null sends at once, and the socket's own options decide how long that may take; "
        "running out is the error `timeout`",
    )


class ReceiveRequest(OnSocket):
    """Receive one message."""

    timeout_ms: int | None = Field(
        default=None,
        ge=0,
        description="milliseconds for which the crate's poll, or its call where it has no poll, waits for a message; "
        "null receives at once, and the socket's own options decide how long that may take; "
        "running out is the error `timeout`",
    )
    as_text: bool = Field(default=False, description="use the crate's call that returns a string, for one frame")
    metadata: list[str] = Field(
        default_factory=list,
        description="properties of the connection to read of the message, by the crate's call for it",
    )


class ReceiveReply(Strict):
    """One message."""

    frames: list[Base64]
    is_text: bool | None = Field(
        default=None, description="with `as_text`: false where the crate says that the frame is no UTF-8"
    )
    metadata: dict[str, str | None] | None = Field(
        default=None,
        description="with `metadata`: the value of each property; null where the crate says that it has none",
    )


class OptionRequest(OnSocket):
    """Read an option back."""

    name: ReadableOption


class OptionReply(Strict):
    """An option's value; of `routing_id` in base64."""

    value: bool | int | str


class MonitorRequest(OnSocket):
    """Report the socket's events from now on."""


class MonitorEvent(Strict):
    """A monitor event, by libzmq's name in lower case without ZMQ_EVENT_."""

    socket: str
    name: str
    value: int


class CloseRequest(OnSocket):
    """Close the socket with the given linger."""

    linger: int | None = Field(default=None, description="milliseconds; null leaves what the socket has")


class TerminateRequest(Strict):
    """Close every socket, end the context and make another; replies when libzmq has let go of everything."""

    explicit: bool = Field(
        default=False, description="by the crate's own call for it, where a context can also be ended by dropping it"
    )


class DecodeKeyRequest(Strict):
    """Decode a key's text by the crate's call for Z85 (https://rfc.zeromq.org/spec/32/)."""

    text: str


class DecodeKeyReply(Strict):
    """The key's bytes."""

    key: Base64


VOCABULARY = Vocabulary(
    title="ZeroMQ",
    dialects=(Dialect.ZMTP,),
    operations=(
        Operation("open", OpenRequest),
        Operation("bind", BindRequest, BindReply),
        Operation("connect", ConnectRequest),
        Operation("subscribe", SubscribeRequest),
        Operation("send", SendRequest),
        Operation("receive", ReceiveRequest, ReceiveReply),
        Operation("option", OptionRequest, OptionReply),
        Operation("monitor", MonitorRequest),
        Operation("close", CloseRequest, Empty),
        Operation("terminate", TerminateRequest, Empty),
        Operation("decode_key", DecodeKeyRequest, DecodeKeyReply),
    ),
    events=(Event("monitor", MonitorEvent),),
)
