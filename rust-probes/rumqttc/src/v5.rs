//! MQTT 5: `rumqttc::v5::Client`.

use std::sync::mpsc::Sender;
use std::sync::Arc;
use std::time::Duration;

use kit::base64::Bytes;
use kit::mqtt::{self, Connected, Events, Publish, Qos, Subscribe, Subscription};
use kit::mqtt5::{ConnackProperties, DeliveredProperties, UserProperty};
use kit::Failure;
use rumqttc::v5::mqttbytes::v5::{
    ConnAckProperties, ConnectProperties, Filter, LastWill, LastWillProperties, Packet,
    PubAckReason, PubCompReason, PubRecReason, PublishProperties, RetainForwardRule,
    SubscribeProperties, SubscribeReasonCode, UnsubAckReason,
};
#[cfg(not(before = "0.25.0"))]
use rumqttc::v5::mqttbytes::Error as CodecError;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{Client, ConnectionError, Event, MqttOptions, StateError};

use crate::link::{drive, Ack, Calls, Echoing, Lost, Report, Step};
use crate::{target, MAX_PACKET_SIZE};

/// No Matching Subscribers, which PUBACK and PUBREC can say.
const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
/// No Subscription Existed, which UNSUBACK can say.
const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;

/// Makes a client and starts its loop.
pub fn start(
    request: mqtt::Connect,
    reports: Sender<Report>,
    events: Events,
    echoing: Echoing,
) -> Result<Arc<dyn Calls>, Failure> {
    let (client, mut connection) = Client::new(options(request)?, 10);
    kit::spawn(move || {
        let steps = connection.iter().map(|event| match event {
            Ok(event) => Ok(step(event)),
            Err(error) => Err(lost(&error)),
        });
        drive(steps, &reports, &events, &echoing);
        drop(connection); // before `reports`, whose end tells `disconnect` that it is closed
    });
    Ok(Arc::new(client))
}

impl Calls for Client {
    fn publish(&self, request: Publish) -> Result<(), Failure> {
        let qos = level(request.qos);
        let Some(properties) = request.properties else {
            return Client::publish(self, request.topic, qos, request.retain, request.payload)
                .map_err(Failure::krate);
        };
        let properties = PublishProperties {
            payload_format_indicator: properties.payload_format,
            message_expiry_interval: properties.message_expiry_s,
            topic_alias: properties.topic_alias,
            response_topic: properties.response_topic,
            correlation_data: properties.correlation_data.map(|data| data.0.into()),
            user_properties: pairs(properties.user_properties),
            subscription_identifiers: Vec::new(),
            content_type: properties.content_type,
        };
        self.publish_with_properties(
            request.topic,
            qos,
            request.retain,
            request.payload,
            properties,
        )
        .map_err(Failure::krate)
    }

    fn subscribe(&self, request: Subscribe) -> Result<(), Failure> {
        let filters: Vec<_> = request
            .filters
            .into_iter()
            .map(filter)
            .collect::<Result<_, _>>()?;
        match request.properties {
            Some(properties) => {
                let properties = SubscribeProperties {
                    id: properties.subscription_id.map(|id| id as usize),
                    user_properties: Vec::new(),
                };
                self.subscribe_many_with_properties(filters, properties)
            }
            None => self.subscribe_many(filters),
        }
        .map_err(Failure::krate)
    }

    fn unsubscribe(&self, filter: String) -> Result<(), Failure> {
        Client::unsubscribe(self, filter).map_err(Failure::krate)
    }

    fn disconnect(&self) -> Result<(), Failure> {
        Client::disconnect(self).map_err(Failure::krate)
    }
}

fn filter(subscription: Subscription) -> Result<Filter, Failure> {
    let options = subscription.options.unwrap_or_default();
    Ok(Filter {
        path: subscription.filter,
        qos: level(subscription.qos),
        nolocal: options.no_local,
        preserve_retain: options.retain_as_published,
        retain_forward_rule: match options.retain_handling {
            0 => RetainForwardRule::OnEverySubscribe,
            1 => RetainForwardRule::OnNewSubscribe,
            2 => RetainForwardRule::Never,
            other => return Err(Failure::bad_value(format!("no retain handling {other}"))),
        },
    })
}

fn step(event: Event) -> Step {
    let packet = match event {
        Event::Incoming(packet) => packet,
        Event::Outgoing(outgoing) => return Step::Outgoing(outgoing),
    };
    match packet {
        Packet::ConnAck(ack) => Step::Connected(Connected {
            session_present: Some(ack.session_present),
            properties: Some(ack.properties.map(connack).unwrap_or_default()),
        }),
        Packet::Publish(message) => Step::Message(mqtt::Event::Message {
            topic: String::from_utf8_lossy(&message.topic).into_owned(),
            payload: message.payload.into(),
            qos: Qos::try_from(message.qos as u8).ok(),
            retain: Some(message.retain),
            dup: Some(message.dup),
            properties: message.properties.map(delivered).map(Box::new),
        }),
        Packet::PubAck(ack) => {
            let code = match ack.reason {
                PubAckReason::Success => Ok(0),
                PubAckReason::NoMatchingSubscribers => Ok(NO_MATCHING_SUBSCRIBERS),
                other => Err(Failure::refused(format!("PUBACK: {other:?}"))),
            };
            Step::Acknowledged(Ack::Publish, ack.pkid, code.map(|code| Some(vec![code])))
        }
        Packet::PubRec(ack) => match ack.reason {
            PubRecReason::Success | PubRecReason::NoMatchingSubscribers => Step::Other,
            other => {
                let refused = Failure::refused(format!("PUBREC: {other:?}"));
                Step::Acknowledged(Ack::Publish, ack.pkid, Err(refused))
            }
        },
        Packet::PubComp(ack) => {
            let code = match ack.reason {
                PubCompReason::Success => Ok(Some(vec![0])),
                other => Err(Failure::refused(format!("PUBCOMP: {other:?}"))),
            };
            Step::Acknowledged(Ack::Publish, ack.pkid, code)
        }
        Packet::SubAck(ack) => {
            let codes = ack.return_codes.iter().map(|code| match code {
                SubscribeReasonCode::Success(qos) => Ok(*qos as u8),
                other => Err(Failure::refused(format!("SUBACK: {other:?}"))),
            });
            Step::Acknowledged(
                Ack::Subscribe,
                ack.pkid,
                codes.collect::<Result<_, _>>().map(Some),
            )
        }
        Packet::UnsubAck(ack) => {
            let codes = ack.reasons.iter().map(|code| match code {
                UnsubAckReason::Success => Ok(0),
                UnsubAckReason::NoSubscriptionExisted => Ok(NO_SUBSCRIPTION_EXISTED),
                other => Err(Failure::refused(format!("UNSUBACK: {other:?}"))),
            });
            Step::Acknowledged(
                Ack::Unsubscribe,
                ack.pkid,
                codes.collect::<Result<_, _>>().map(Some),
            )
        }
        _ => Step::Other,
    }
}

fn connack(properties: ConnAckProperties) -> ConnackProperties {
    ConnackProperties {
        assigned_client_id: properties.assigned_client_identifier,
        server_keep_alive_s: properties.server_keep_alive,
        session_expiry_s: properties.session_expiry_interval,
        receive_maximum: properties.receive_max,
        maximum_packet_size: properties.max_packet_size,
        topic_alias_maximum: properties.topic_alias_max,
        maximum_qos: properties.max_qos,
        retain_available: properties.retain_available.map(|flag| flag != 0),
    }
}

fn delivered(properties: PublishProperties) -> DeliveredProperties {
    let pairs = properties.user_properties.into_iter();
    let ids = properties.subscription_identifiers.into_iter();
    DeliveredProperties {
        payload_format: properties.payload_format_indicator,
        message_expiry_s: properties.message_expiry_interval,
        content_type: properties.content_type,
        response_topic: properties.response_topic,
        correlation_data: properties.correlation_data.map(|data| Bytes(data.into())),
        user_properties: pairs.map(UserProperty::from_pair).collect(),
        subscription_ids: ids.filter_map(|id| u32::try_from(id).ok()).collect(),
        topic_alias: properties.topic_alias,
    }
}

fn options(request: mqtt::Connect) -> Result<MqttOptions, Failure> {
    let mut properties = ConnectProperties::new();
    properties.max_packet_size = Some(MAX_PACKET_SIZE);
    if let Some(asked) = request.properties {
        properties.session_expiry_interval = asked.session_expiry_s;
        properties.receive_maximum = asked.receive_maximum;
        properties.max_packet_size = asked.maximum_packet_size.or(Some(MAX_PACKET_SIZE));
        properties.topic_alias_max = asked.topic_alias_maximum;
        properties.request_problem_info = asked.request_problem_information.map(u8::from);
        properties.user_properties = pairs(asked.user_properties);
    }
    let (host, transport) = target(request.host, request.port, request.websocket, request.tls)?;
    let mut options = MqttOptions::new(request.client_id, host, request.port);
    options
        .set_keep_alive(Duration::from_secs(request.keep_alive_s.into()))
        .set_clean_start(request.clean_session)
        .set_connect_properties(properties)
        .set_transport(transport);
    if request.username.is_some() || request.password.is_some() {
        // An empty string is the crate's way to leave the field out (`Login::write`).
        options.set_credentials(
            request.username.unwrap_or_default(),
            request.password.unwrap_or_default(),
        );
    }
    if let Some(will) = request.will {
        let properties = will.properties.map(|properties| LastWillProperties {
            delay_interval: properties.delay_s,
            payload_format_indicator: properties.payload_format,
            message_expiry_interval: properties.message_expiry_s,
            content_type: properties.content_type,
            response_topic: properties.response_topic,
            correlation_data: properties.correlation_data.map(|data| data.0.into()),
            user_properties: pairs(properties.user_properties),
        });
        options.set_last_will(LastWill::new(
            will.topic,
            will.payload,
            level(will.qos),
            will.retain,
            properties,
        ));
    }
    Ok(options)
}

fn pairs(properties: Vec<UserProperty>) -> Vec<(String, String)> {
    properties
        .into_iter()
        .map(UserProperty::into_pair)
        .collect()
}

fn level(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn lost(error: &ConnectionError) -> Lost {
    let reason_code = match error {
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
            Some(*reason_code as u8)
        }
        _ => None,
    };
    Lost {
        failure: failure(error),
        reason_code,
    }
}

fn failure(error: &ConnectionError) -> Failure {
    use ConnectionError as E;
    match error {
        E::ConnectionRefused(_) | E::MqttState(StateError::ConnFail { .. }) => {
            Failure::refused(error)
        }
        E::Timeout(_) | E::MqttState(StateError::AwaitPingResp | StateError::CollisionTimeout) => {
            Failure::timeout(error)
        }
        E::Io(_)
        | E::Tls(_)
        | E::MqttState(StateError::Io(_) | StateError::ServerDisconnect { .. }) => {
            Failure::io(error)
        }
        #[cfg(not(before = "0.25.0"))]
        E::MqttState(
            StateError::ConnectionAborted | StateError::Deserialization(CodecError::Io(_)),
        ) => Failure::io(error),
        E::MqttState(
            StateError::OutgoingPacketTooLarge { .. } | StateError::InvalidAlias { .. },
        ) => Failure::krate(error),
        #[cfg(not(before = "0.25.0"))]
        E::MqttState(StateError::Deserialization(CodecError::OutgoingPacketTooLarge {
            ..
        })) => Failure::krate(error),
        E::NotConnAck(_)
        | E::MqttState(
            StateError::Deserialization(_)
            | StateError::Unsolicited(_)
            | StateError::WrongPacket
            | StateError::IncomingPacketTooLarge { .. },
        ) => Failure::protocol(error),
        _ => Failure::krate(error),
    }
}
