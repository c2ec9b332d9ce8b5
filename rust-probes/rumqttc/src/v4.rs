//! MQTT 3.1.1: `rumqttc::Client`.

use std::sync::mpsc::Sender;
use std::sync::Arc;
use std::time::Duration;

use kit::mqtt::{self, Connected, Events, Publish, Qos, Subscribe};
use kit::Failure;
#[cfg(not(before = "0.25.0"))]
use rumqttc::mqttbytes::Error as CodecError;
use rumqttc::{
    Client, ConnectionError, Event, LastWill, MqttOptions, Packet, QoS, StateError,
    SubscribeFilter, SubscribeReasonCode,
};

use crate::link::{drive, Ack, Calls, Echoing, Lost, Report, Step};
use crate::{target, MAX_PACKET_SIZE};

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
            Err(error) => Err(Lost {
                failure: failure(&error),
                reason_code: None,
            }),
        });
        drive(steps, &reports, &events, &echoing);
        drop(connection); // before `reports`, whose end tells `disconnect` that it is closed
    });
    Ok(Arc::new(client))
}

impl Calls for Client {
    fn publish(&self, request: Publish) -> Result<(), Failure> {
        let qos = level(request.qos);
        Client::publish(self, request.topic, qos, request.retain, request.payload)
            .map_err(Failure::krate)
    }

    fn subscribe(&self, request: Subscribe) -> Result<(), Failure> {
        let filters = request.filters.into_iter();
        self.subscribe_many(filters.map(|s| SubscribeFilter::new(s.filter, level(s.qos))))
            .map_err(Failure::krate)
    }

    fn unsubscribe(&self, filter: String) -> Result<(), Failure> {
        Client::unsubscribe(self, filter).map_err(Failure::krate)
    }

    fn disconnect(&self) -> Result<(), Failure> {
        Client::disconnect(self).map_err(Failure::krate)
    }
}

fn step(event: Event) -> Step {
    let packet = match event {
        Event::Incoming(packet) => packet,
        Event::Outgoing(outgoing) => return Step::Outgoing(outgoing),
    };
    match packet {
        Packet::ConnAck(ack) => Step::Connected(Connected {
            session_present: Some(ack.session_present),
            properties: None,
        }),
        Packet::Publish(message) => Step::Message(mqtt::Event::Message {
            topic: message.topic,
            payload: message.payload.into(),
            qos: Qos::try_from(message.qos as u8).ok(),
            retain: Some(message.retain),
            dup: Some(message.dup),
            properties: None,
        }),
        Packet::PubAck(ack) => Step::Acknowledged(Ack::Publish, ack.pkid, Ok(None)),
        Packet::PubComp(ack) => Step::Acknowledged(Ack::Publish, ack.pkid, Ok(None)),
        Packet::UnsubAck(ack) => Step::Acknowledged(Ack::Unsubscribe, ack.pkid, Ok(None)),
        Packet::SubAck(ack) => {
            let codes = ack.return_codes;
            let result = if codes.contains(&SubscribeReasonCode::Failure) {
                Err(Failure::refused(format!("{codes:?}")))
            } else {
                Ok(None)
            };
            Step::Acknowledged(Ack::Subscribe, ack.pkid, result)
        }
        _ => Step::Other,
    }
}

fn options(request: mqtt::Connect) -> Result<MqttOptions, Failure> {
    let (host, transport) = target(request.host, request.port, request.websocket, request.tls)?;
    let mut options = MqttOptions::new(request.client_id, host, request.port);
    options
        .set_keep_alive(Duration::from_secs(request.keep_alive_s.into()))
        .set_clean_session(request.clean_session)
        .set_max_packet_size(MAX_PACKET_SIZE as usize, MAX_PACKET_SIZE as usize)
        .set_transport(transport);
    if request.username.is_some() || request.password.is_some() {
        // An empty string is the crate's way to leave the field out (`Login::write`).
        options.set_credentials(
            request.username.unwrap_or_default(),
            request.password.unwrap_or_default(),
        );
    }
    if let Some(will) = request.will {
        options.set_last_will(LastWill::new(
            will.topic,
            will.payload,
            level(will.qos),
            will.retain,
        ));
    }
    Ok(options)
}

fn level(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn failure(error: &ConnectionError) -> Failure {
    use ConnectionError as E;
    match error {
        E::ConnectionRefused(_) => Failure::refused(error),
        E::NetworkTimeout
        | E::FlushTimeout
        | E::MqttState(StateError::AwaitPingResp | StateError::CollisionTimeout) => {
            Failure::timeout(error)
        }
        E::Io(_) | E::Tls(_) | E::MqttState(StateError::Io(_)) => Failure::io(error),
        #[cfg(not(before = "0.25.0"))]
        E::MqttState(
            StateError::ConnectionAborted | StateError::Deserialization(CodecError::Io(_)),
        ) => Failure::io(error),
        #[cfg(not(before = "0.25.0"))]
        E::MqttState(StateError::Deserialization(CodecError::OutgoingPacketTooLarge {
            ..
        })) => Failure::krate(error),
        E::NotConnAck(_)
        | E::MqttState(
            StateError::Deserialization(_) | StateError::Unsolicited(_) | StateError::WrongPacket,
        ) => Failure::protocol(error),
        _ => Failure::krate(error),
    }
}
