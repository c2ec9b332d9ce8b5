//! What MQTT 5 adds: the crate has one type for the properties of every packet.

use kit::base64::Bytes;
use kit::mqtt::Subscribe;
use kit::mqtt5::{
    ConnackProperties, ConnectProperties, DeliveredProperties, DisconnectProperties,
    PublishProperties, UserProperty, WillProperties,
};
use kit::Failure;
use paho_mqtt::{
    DisconnectOptions, DisconnectOptionsBuilder, Properties, PropertyCode as Code, ReasonCode,
    Result, RetainHandling, SubscribeOptions,
};

use crate::failure::failure;

pub fn connect(wanted: ConnectProperties) -> std::result::Result<Properties, Failure> {
    filled(|to| {
        number(to, Code::SessionExpiryInterval, wanted.session_expiry_s)?;
        number(to, Code::ReceiveMaximum, wanted.receive_maximum)?;
        number(to, Code::MaximumPacketSize, wanted.maximum_packet_size)?;
        number(to, Code::TopicAliasMaximum, wanted.topic_alias_maximum)?;
        let problem = wanted.request_problem_information.map(u8::from);
        number(to, Code::RequestProblemInformation, problem)?;
        pairs(to, &wanted.user_properties)
    })
}

pub fn will(wanted: WillProperties) -> std::result::Result<Properties, Failure> {
    filled(|to| {
        number(to, Code::WillDelayInterval, wanted.delay_s)?;
        number(to, Code::PayloadFormatIndicator, wanted.payload_format)?;
        number(to, Code::MessageExpiryInterval, wanted.message_expiry_s)?;
        text(to, Code::ContentType, wanted.content_type)?;
        text(to, Code::ResponseTopic, wanted.response_topic)?;
        binary(to, Code::CorrelationData, wanted.correlation_data)?;
        pairs(to, &wanted.user_properties)
    })
}

pub fn publish(wanted: PublishProperties) -> std::result::Result<Properties, Failure> {
    filled(|to| {
        number(to, Code::PayloadFormatIndicator, wanted.payload_format)?;
        number(to, Code::MessageExpiryInterval, wanted.message_expiry_s)?;
        number(to, Code::TopicAlias, wanted.topic_alias)?;
        text(to, Code::ContentType, wanted.content_type)?;
        text(to, Code::ResponseTopic, wanted.response_topic)?;
        binary(to, Code::CorrelationData, wanted.correlation_data)?;
        pairs(to, &wanted.user_properties)
    })
}

/// Options of each filter and properties; `None` where nothing of MQTT 5 is asked for.
pub fn subscribe(
    request: &Subscribe,
) -> std::result::Result<Option<(Vec<SubscribeOptions>, Properties)>, Failure> {
    let asked = request.filters.iter().any(|one| one.options.is_some());
    if request.properties.is_none() && !asked {
        return Ok(None);
    }
    let mut options = Vec::new();
    for one in &request.filters {
        let wanted = one.options.unwrap_or_default();
        let handling = match wanted.retain_handling {
            0 => RetainHandling::SendRetainedOnSubscribe,
            1 => RetainHandling::SendRetainedOnNew,
            2 => RetainHandling::DontSendRetained,
            other => return Err(Failure::bad_value(format!("no retain handling {other}"))),
        };
        options.push(SubscribeOptions::new(
            wanted.no_local,
            wanted.retain_as_published,
            handling,
        ));
    }
    let id = request.properties.as_ref();
    let properties = filled(|to| {
        let id = id.and_then(|wanted| wanted.subscription_id);
        number(to, Code::SubscriptionIdentifier, id)
    })?;
    Ok(Some((options, properties)))
}

pub fn disconnect(wanted: DisconnectProperties) -> std::result::Result<DisconnectOptions, Failure> {
    let properties = filled(|to| number(to, Code::SessionExpiryInterval, wanted.session_expiry_s))?;
    Ok(DisconnectOptionsBuilder::new()
        .reason_code(ReasonCode::from(u32::from(wanted.reason_code)))
        .properties(properties)
        .finalize())
}

pub fn connack(of: &Properties) -> ConnackProperties {
    ConnackProperties {
        assigned_client_id: of.get_string(Code::AssignedClientIdentifer),
        server_keep_alive_s: of.get_val(Code::ServerKeepAlive),
        session_expiry_s: of.get_val(Code::SessionExpiryInterval),
        receive_maximum: of.get_val(Code::ReceiveMaximum),
        maximum_packet_size: of.get_val(Code::MaximumPacketSize),
        topic_alias_maximum: of.get_val(Code::TopicAliasMaximum),
        maximum_qos: of.get_val(Code::MaximumQos),
        retain_available: of
            .get_val::<u8>(Code::RetainAvailable)
            .map(|flag| flag != 0),
    }
}

pub fn delivered(of: &Properties) -> DeliveredProperties {
    let ids = of.iter(Code::SubscriptionIdentifier);
    DeliveredProperties {
        payload_format: of.get_val(Code::PayloadFormatIndicator),
        message_expiry_s: of.get_val(Code::MessageExpiryInterval),
        content_type: of.get_string(Code::ContentType),
        response_topic: of.get_string(Code::ResponseTopic),
        correlation_data: of.get_binary(Code::CorrelationData).map(Bytes),
        user_properties: of.user_iter().map(UserProperty::from_pair).collect(),
        subscription_ids: ids
            .filter_map(|id| u32::try_from(id.get_int()?).ok())
            .collect(),
        topic_alias: of.get_val(Code::TopicAlias),
    }
}

fn filled(
    push: impl FnOnce(&mut Properties) -> Result<()>,
) -> std::result::Result<Properties, Failure> {
    let mut properties = Properties::new();
    push(&mut properties).map_err(failure)?;
    Ok(properties)
}

fn number(to: &mut Properties, code: Code, value: Option<impl Into<u32>>) -> Result<()> {
    value.map_or(Ok(()), |value| to.push_int(code, value.into() as i32))
}

fn text(to: &mut Properties, code: Code, value: Option<String>) -> Result<()> {
    value.map_or(Ok(()), |value| to.push_string(code, &value))
}

fn binary(to: &mut Properties, code: Code, value: Option<Bytes>) -> Result<()> {
    value.map_or(Ok(()), |value| to.push_binary(code, value.0))
}

fn pairs(to: &mut Properties, pairs: &[UserProperty]) -> Result<()> {
    pairs
        .iter()
        .try_for_each(|pair| to.push_string_pair(Code::UserProperty, &pair.name, &pair.value))
}
