"""Operations and events of MQTT clients (OASIS MQTT 3.1.1 and 5.0)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.model import Dialect
from harness.wire.messages import Base64, Empty, Strict
from harness.wire.mqtt5 import (
    ConnackProperties,
    ConnectProperties,
    DeliveredProperties,
    DisconnectProperties,
    PublishProperties,
    SubscribeProperties,
    SubscriptionOptions,
    WillProperties,
)
from harness.wire.operations import Event, Operation, Vocabulary

Qos = Literal[0, 1, 2]
Protocol = Literal["3.1.1", "5"]

_ONLY_5 = "of MQTT 5 alone"


class Will(Strict):
    """The message that the server publishes when the connection breaks (3.1.1, section 3.1.2.5)."""

    topic: str
    payload: Base64
    qos: Qos = 0
    retain: bool = False
    properties: WillProperties | None = Field(default=None, description=_ONLY_5)


class Tls(Strict):
    """Encrypt the connection; every field is a PEM document, not a path."""

    ca: str | None = Field(default=None, description="certificates to trust instead of the system's")
    certificate: str | None = Field(default=None, description="the client's certificate chain")
    key: str | None = Field(default=None, description="the client's private key, PKCS#8 or PKCS#1")


class ConnectRequest(Strict):
    """Open the connection and send CONNECT; replies once CONNACK came, or with `refused` for a non-zero code."""

    host: str
    port: int = Field(ge=1, le=65535)
    client_id: str
    keep_alive_s: int = Field(ge=5, le=65535, description="seconds")
    protocol: Protocol = Field(default="3.1.1", description="`unknown` to a probe without the dialect mqtt-5 if 5")
    clean_session: bool = Field(default=True, description="in MQTT 5: Clean Start")
    username: str | None = None
    password: str | None = None
    will: Will | None = None
    tls: Tls | None = None
    websocket: bool = Field(default=False, description="over WebSocket, at the path `/mqtt` (section 6)")
    properties: ConnectProperties | None = Field(default=None, description=_ONLY_5)


class ConnectReply(Strict):
    """What CONNACK said."""

    session_present: bool | None = Field(description="null where the crate does not tell")
    properties: ConnackProperties | None = Field(default=None, description=_ONLY_5)


class PublishRequest(Strict):
    """Publish one message; replies at the crate's own report of completion (PUBACK, PUBCOMP; hand-over at QoS 0)."""

    topic: str
    payload: Base64
    qos: Qos = 0
    retain: bool = False
    properties: PublishProperties | None = Field(default=None, description=_ONLY_5)


class PublishAllRequest(Strict):
    """Publish messages in order, each as soon as the crate takes it over; replies once all are complete.

    Where the crate's own call waits for completion, that is one after the other.
    """

    topic: str
    payloads: list[Base64] = Field(min_length=1)
    qos: Qos = 0


class EchoRequest(Strict):
    """From now on publish each message that comes under one topic to another; replies at once.

    It is published where the crate hands messages over, its callback or its loop, as its documentation shows.
    """

    topic: str
    to: str
    qos: Qos = 0


class Confirmation(Strict):
    """Whether the crate reported completion."""

    confirmed: bool = Field(description="false: the crate only took the request over and reports nothing later")


class Acknowledgement(Confirmation):
    """The same of MQTT; a reason code of 0x80 or more is `refused` instead."""

    reason_codes: list[int] | None = Field(
        default=None, description="of MQTT 5 alone: what the acknowledgement said; null where the crate does not tell"
    )


class Subscription(Strict):
    """One topic filter."""

    filter: str
    qos: Qos = 0
    options: SubscriptionOptions | None = Field(default=None, description=_ONLY_5)


class SubscribeRequest(Strict):
    """Subscribe with one SUBSCRIBE; replies at SUBACK, or with `refused` where a filter's code is 0x80 or more."""

    filters: list[Subscription] = Field(min_length=1)
    properties: SubscribeProperties | None = Field(default=None, description=_ONLY_5)


class UnsubscribeRequest(Strict):
    """Unsubscribe with one UNSUBSCRIBE; replies at UNSUBACK."""

    filters: list[str] = Field(min_length=1)


class DisconnectRequest(Strict):
    """Send DISCONNECT and close; a later `connect` starts a new connection."""

    properties: DisconnectProperties | None = Field(default=None, description=_ONLY_5)


class Message(Strict):
    """A message was delivered to the application."""

    topic: str
    payload: Base64
    qos: Qos | None = Field(default=None, description="null where the crate does not tell")
    retain: bool | None = Field(default=None, description="null where the crate does not tell")
    dup: bool | None = Field(default=None, description="null where the crate does not tell")
    properties: DeliveredProperties | None = Field(default=None, description=_ONLY_5)


class Disconnected(Strict):
    """The crate tells the application that the connection is gone."""

    reason: str
    reason_code: int | None = Field(
        default=None,
        description="of MQTT 5 alone: the server's DISCONNECT; null where none came or the crate is silent",
    )


VOCABULARY = Vocabulary(
    title="MQTT",
    dialects=(Dialect.MQTT_3_1_1, Dialect.MQTT_5),
    operations=(
        Operation("connect", ConnectRequest, ConnectReply),
        Operation("publish", PublishRequest, Acknowledgement),
        Operation("publish_all", PublishAllRequest, Confirmation),
        Operation("echo", EchoRequest),
        Operation("subscribe", SubscribeRequest, Acknowledgement),
        Operation("unsubscribe", UnsubscribeRequest, Acknowledgement),
        Operation("disconnect", DisconnectRequest, Empty),
    ),
    events=(Event("message", Message), Event("disconnected", Disconnected), Event("reconnected", Empty)),
)
