"""What MQTT 5 adds to the operations and events of MQTT (OASIS MQTT 5.0); null or empty leaves a property out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.wire.messages import Base64, Strict

_U16 = 2**16 - 1
_U32 = 2**32 - 1

#: A number of four bytes.
Long = Annotated[int, Field(ge=0, le=_U32)]
#: A number of two bytes.
Short = Annotated[int, Field(ge=0, le=_U16)]


class UserProperty(Strict):
    """A name and a value; names may come again, and order counts (5.0, section 3.3.2.3.7)."""

    name: str
    value: str


class ConnectProperties(Strict):
    """Properties of CONNECT (5.0, section 3.1.2.11)."""

    session_expiry_s: Long | None = Field(default=None, description="seconds")
    receive_maximum: Annotated[int, Field(ge=1, le=_U16)] | None = None
    maximum_packet_size: Annotated[int, Field(ge=1, le=_U32)] | None = Field(default=None, description="bytes")
    topic_alias_maximum: Short | None = None
    request_problem_information: bool | None = None
    user_properties: list[UserProperty] = Field(default_factory=list)


class ConnackProperties(Strict):
    """Properties of CONNACK (5.0, section 3.2.2.3), as far as the crate tells."""

    assigned_client_id: str | None = None
    server_keep_alive_s: Short | None = Field(default=None, description="seconds")
    session_expiry_s: Long | None = Field(default=None, description="seconds")
    receive_maximum: Short | None = None
    maximum_packet_size: Long | None = Field(default=None, description="bytes")
    topic_alias_maximum: Short | None = None
    maximum_qos: Literal[0, 1] | None = None
    retain_available: bool | None = None


class MessageProperties(Strict):
    """Properties that travel with a message (5.0, section 3.3.2.3)."""

    payload_format: Literal[0, 1] | None = Field(default=None, description="1: the payload is UTF-8")
    message_expiry_s: Long | None = Field(default=None, description="seconds")
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: Base64 | None = None
    user_properties: list[UserProperty] = Field(default_factory=list)


class WillProperties(MessageProperties):
    """Properties of the will (5.0, section 3.1.3.2)."""

    delay_s: Long | None = Field(default=None, description="seconds")


class PublishProperties(MessageProperties):
    """Properties of a PUBLISH that the client sends."""

    topic_alias: Annotated[int, Field(ge=1, le=_U16)] | None = None


class DeliveredProperties(MessageProperties):
    """Properties of a PUBLISH that the client got."""

    subscription_ids: list[int] = Field(default_factory=list)
    topic_alias: Short | None = None


class SubscriptionOptions(Strict):
    """What one filter's subscription asks for (5.0, section 3.8.3.1)."""

    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: Literal[0, 1, 2] = 0


class SubscribeProperties(Strict):
    """Properties of SUBSCRIBE (5.0, section 3.8.2.1)."""

    subscription_id: Annotated[int, Field(ge=1, le=268_435_455)] | None = None


class DisconnectProperties(Strict):
    """Reason code and properties of DISCONNECT (5.0, section 3.14.2)."""

    reason_code: Annotated[int, Field(ge=0, le=255)] = 0
    session_expiry_s: Long | None = Field(default=None, description="seconds")
