"""Operations and events of ZeroMQ sockets (ZMTP 3.0 and 3.1)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.model import Dialect
from harness.wire.messages import Base64, Empty, Strict
from harness.wire.operations import Event, Operation, Vocabulary

SocketType = Literal["REQ", "REP", "PUB", "SUB", "PUSH", "PULL", "DEALER", "ROUTER", "XPUB", "XSUB", "PAIR"]


class OnSocket(Strict):
    """Base of what happens on one socket."""

    socket: str = Field(description="name that the harness gives at `open`")


class OpenRequest(OnSocket):
    """Make a socket and set its options, before bind or connect."""

    type: SocketType
    options: dict[str, str | int | bool] = Field(
        default_factory=dict, description="libzmq's option names in lower case without ZMQ_; keys in Z85"
    )


class BindRequest(OnSocket):
    """Bind; replies with the endpoint in effect."""

    endpoint: str


class BindReply(Strict):
    """The endpoint after wildcards were resolved."""

    endpoint: str


class ConnectRequest(OnSocket):
    """Connect; returns at once, as ZeroMQ does."""

    endpoint: str


class SubscribeRequest(OnSocket):
    """Subscribe to a prefix, or unsubscribe."""

    prefix: Base64
    on: bool = True


class SendRequest(OnSocket):
    """Send one message of one or more frames."""

    frames: list[Base64] = Field(min_length=1)
    timeout_ms: int = Field(default=5000, description="milliseconds; running out is the error `timeout`")


class ReceiveRequest(OnSocket):
    """Receive one message."""

    timeout_ms: int = Field(default=5000, description="milliseconds; running out is the error `timeout`")
    as_text: bool = Field(default=False, description="use the crate's call that returns a string")


class ReceiveReply(Strict):
    """One message."""

    frames: list[Base64]


class OptionRequest(OnSocket):
    """Read an option back."""

    name: str


class OptionReply(Strict):
    """An option's value."""

    value: str | int | bool


class MonitorRequest(OnSocket):
    """Report the socket's events from now on."""


class MonitorEvent(Strict):
    """A monitor event, by libzmq's name in lower case without ZMQ_EVENT_."""

    socket: str
    name: str
    value: int


class CloseRequest(OnSocket):
    """Close the socket with the given linger."""

    linger_ms: int | None = Field(default=None, description="milliseconds; null leaves the default")


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
    ),
    events=(Event("monitor", MonitorEvent),),
)
