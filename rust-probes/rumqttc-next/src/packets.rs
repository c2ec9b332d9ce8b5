//! The contract's words in the crate's, and the other way.

use kit::base64::Bytes;
use kit::mqtt::{self, Connected, Qos, Subscription};
use kit::mqtt5::{self, ConnackProperties, DeliveredProperties, UserProperty};
use kit::Failure;
use rumqttc::{
    ConnAck, ConnAckProperties, Publish, PublishOptions, PublishProperties, QoS, RetainForwardRule,
    SubAck, SubscribeFilterInput, SubscribeReasonCode, UnsubAck, UnsubAckReason,
};

/// From this on, a reason code refuses.
const REFUSED: u8 = 0x80;
/// No Subscription Existed, which UNSUBACK can say.
const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;

pub fn level(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

pub fn pairs(properties: Vec<UserProperty>) -> Vec<(String, String)> {
    properties
        .into_iter()
        .map(UserProperty::into_pair)
        .collect()
}

pub fn publish(
    qos: Qos,
    retain: bool,
    properties: Option<mqtt5::PublishProperties>,
) -> PublishOptions {
    let options = PublishOptions::new(level(qos)).retain(retain);
    let Some(properties) = properties else {
        return options;
    };
    options.properties(PublishProperties {
        payload_format_indicator: properties.payload_format,
        message_expiry_interval: properties.message_expiry_s,
        topic_alias: properties.topic_alias,
        response_topic: properties.response_topic,
        correlation_data: properties.correlation_data.map(|data| data.0.into()),
        user_properties: pairs(properties.user_properties),
        subscription_identifiers: Vec::new(),
        content_type: properties.content_type,
    })
}

pub fn filter(subscription: Subscription) -> Result<SubscribeFilterInput, Failure> {
    let options = subscription.options.unwrap_or_default();
    let rule = match options.retain_handling {
        0 => RetainForwardRule::OnEverySubscribe,
        1 => RetainForwardRule::OnNewSubscribe,
        2 => RetainForwardRule::Never,
        other => return Err(Failure::bad_value(format!("no retain handling {other}"))),
    };
    let filter = SubscribeFilterInput::new(subscription.filter, level(subscription.qos));
    Ok(filter
        .no_local(options.no_local)
        .preserve_retain(options.retain_as_published)
        .retain_forward_rule(rule))
}

/// The codes, unless one of them refuses.
pub fn accepted(packet: &str, codes: Vec<u8>) -> Result<Vec<u8>, Failure> {
    if codes.iter().any(|&code| code >= REFUSED) {
        return Err(Failure::refused(format!("{packet}: {codes:?}")));
    }
    Ok(codes)
}

pub fn suback(ack: &SubAck) -> Result<Vec<u8>, Failure> {
    let codes = ack.return_codes.iter().map(|code| match code {
        SubscribeReasonCode::Success(qos) => Ok(*qos as u8),
        other => Err(Failure::refused(format!("SUBACK: {other:?}"))),
    });
    codes.collect()
}

pub fn unsuback(ack: &UnsubAck) -> Result<Vec<u8>, Failure> {
    let codes = ack.reasons.iter().map(|code| match code {
        UnsubAckReason::Success => Ok(0),
        UnsubAckReason::NoSubscriptionExisted => Ok(NO_SUBSCRIPTION_EXISTED),
        other => Err(Failure::refused(format!("UNSUBACK: {other:?}"))),
    });
    codes.collect()
}

pub fn connack(ack: ConnAck) -> Connected {
    Connected {
        session_present: Some(ack.session_present),
        properties: Some(ack.properties.map(properties).unwrap_or_default()),
    }
}

fn properties(of: ConnAckProperties) -> ConnackProperties {
    ConnackProperties {
        assigned_client_id: of.assigned_client_identifier,
        server_keep_alive_s: of.server_keep_alive,
        session_expiry_s: of.session_expiry_interval,
        receive_maximum: of.receive_max,
        maximum_packet_size: of.max_packet_size,
        topic_alias_maximum: of.topic_alias_max,
        maximum_qos: of.max_qos,
        retain_available: of.retain_available.map(|flag| flag != 0),
    }
}

pub fn delivered(message: Publish) -> mqtt::Event {
    mqtt::Event::Message {
        topic: String::from_utf8_lossy(&message.topic).into_owned(),
        payload: message.payload.into(),
        qos: Qos::try_from(message.qos as u8).ok(),
        retain: Some(message.retain),
        dup: Some(message.dup),
        properties: message.properties.map(of_delivered).map(Box::new),
    }
}

fn of_delivered(of: PublishProperties) -> DeliveredProperties {
    let pairs = of.user_properties.into_iter();
    let ids = of.subscription_identifiers.into_iter();
    DeliveredProperties {
        payload_format: of.payload_format_indicator,
        message_expiry_s: of.message_expiry_interval,
        content_type: of.content_type,
        response_topic: of.response_topic,
        correlation_data: of.correlation_data.map(|data| Bytes(data.into())),
        user_properties: pairs.map(UserProperty::from_pair).collect(),
        subscription_ids: ids.filter_map(|id| u32::try_from(id).ok()).collect(),
        topic_alias: of.topic_alias,
    }
}
