"""MQTT 5's properties as the wire contract has them, and as paho-mqtt does.

https://eclipse.dev/paho/files/paho.mqtt.python/html/types.html#paho.mqtt.properties.Properties
"""

from __future__ import annotations

from typing import Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from harness.wire import mqtt, mqtt5
from harness.wire.messages import decode, encode

#: The contract's names of properties, and paho's.
_NAMES = {
    "session_expiry_s": "SessionExpiryInterval",
    "receive_maximum": "ReceiveMaximum",
    "maximum_packet_size": "MaximumPacketSize",
    "topic_alias_maximum": "TopicAliasMaximum",
    "request_problem_information": "RequestProblemInformation",
    "maximum_qos": "MaximumQoS",
    "retain_available": "RetainAvailable",
    "assigned_client_id": "AssignedClientIdentifier",
    "server_keep_alive_s": "ServerKeepAlive",
    "payload_format": "PayloadFormatIndicator",
    "message_expiry_s": "MessageExpiryInterval",
    "content_type": "ContentType",
    "response_topic": "ResponseTopic",
    "correlation_data": "CorrelationData",
    "delay_s": "WillDelayInterval",
    "topic_alias": "TopicAlias",
    "subscription_id": "SubscriptionIdentifier",
}

AnyProperties = (
    mqtt5.ConnectProperties
    | mqtt5.WillProperties
    | mqtt5.PublishProperties
    | mqtt5.SubscribeProperties
    | mqtt5.DisconnectProperties
)

_PACKETS: dict[type[AnyProperties], int] = {
    mqtt5.ConnectProperties: PacketTypes.CONNECT,
    mqtt5.WillProperties: PacketTypes.WILLMESSAGE,
    mqtt5.PublishProperties: PacketTypes.PUBLISH,
    mqtt5.SubscribeProperties: PacketTypes.SUBSCRIBE,
    mqtt5.DisconnectProperties: PacketTypes.DISCONNECT,
}


def outgoing(properties: AnyProperties | None) -> Properties | None:
    """Properties for a packet that paho sends."""
    if properties is None:
        return None
    packet = Properties(_PACKETS[type(properties)])  # type: ignore[no-untyped-call]
    for name, paho_name in _NAMES.items():
        value = getattr(properties, name, None)
        if value is not None:
            setattr(packet, paho_name, decode(value) if name == "correlation_data" else value)
    for pair in getattr(properties, "user_properties", ()):
        packet.UserProperty = (pair.name, pair.value)
    return packet


def options(subscription: mqtt.Subscription) -> SubscribeOptions:
    """What paho asks for with one filter."""
    asked = subscription.options or mqtt5.SubscriptionOptions()
    return SubscribeOptions(
        qos=subscription.qos,
        noLocal=asked.no_local,
        retainAsPublished=asked.retain_as_published,
        retainHandling=asked.retain_handling,
    )


def connack(packet: Properties) -> mqtt5.ConnackProperties:
    """What CONNACK's properties said."""
    return mqtt5.ConnackProperties.model_validate(_fields(packet, mqtt5.ConnackProperties.model_fields))


def delivered(packet: Properties) -> mqtt5.DeliveredProperties:
    """What the properties of a received PUBLISH said."""
    fields = _fields(packet, mqtt5.DeliveredProperties.model_fields)
    pairs = getattr(packet, "UserProperty", ())
    fields["user_properties"] = [{"name": name, "value": value} for name, value in pairs]
    fields["subscription_ids"] = list(getattr(packet, "SubscriptionIdentifier", ()))
    if "correlation_data" in fields:
        fields["correlation_data"] = encode(fields["correlation_data"])
    return mqtt5.DeliveredProperties.model_validate(fields)


def _fields(packet: Properties, names: Any) -> dict[str, Any]:
    """The properties of these names that paho's packet has."""
    named = {name: paho_name for name, paho_name in _NAMES.items() if name in names}
    return {name: getattr(packet, paho_name) for name, paho_name in named.items() if hasattr(packet, paho_name)}
