//! rumqttc, driven as its documentation shows (<https://docs.rs/rumqttc/0.25.1/rumqttc/>):
//!
//! - connect: "A simple synchronous publish and subscribe" of the crate's front page and README: `Client::new`, then
//!   `connection.iter()` in a loop that goes on after an error, because "just continuing to loop will reconnect"
//!   (`Connection::iter`). That loop has no pause between attempts, so neither has this one. The will is set as in
//!   `examples/syncpubsub.rs`, credentials as in `examples/tls.rs`, TLS by `Transport::tls`.
//! - publish, subscribe, unsubscribe: the calls of the same example; `Client::subscribe_many` for one SUBSCRIBE with
//!   several filters. The crate reports their completion as `Event`s of the loop.
//! - disconnect: `Client::disconnect`, as in `examples/async_manual_acks.rs`.

use std::process::ExitCode;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::time::Duration;

use kit::mqtt::{self, Confirmation, Connected, Events, Qos};
use kit::wire::Code;
use kit::{Failure, Info, Setting};
use rumqttc::mqttbytes::Error as CodecError;
use rumqttc::{
    Client, Connection, ConnectionError, Event, LastWill, MqttOptions, Outgoing, Packet, QoS,
    StateError, SubscribeFilter, SubscribeReasonCode, Transport,
};

const MAX_PACKET_SIZE: usize = 2 * 1024 * 1024;

type Report = Result<Event, Failure>;

fn main() -> ExitCode {
    let info = Info {
        krate: "rumqttc",
        lock: include_str!("../Cargo.lock"),
        dialects: &["mqtt-3.1.1"],
        ops: mqtt::OPS,
        settings: vec![Setting {
            name: "set_max_packet_size",
            value: "2 MiB, both ways",
            default: "10 KiB, both ways",
            source: "https://docs.rs/rumqttc/0.25.1/rumqttc/struct.MqttOptions.html#method.set_max_packet_size",
        }],
        assembled: &[],
    };
    mqtt::serve(info, |events| Probe { events, link: None })
}

struct Probe {
    events: Events,
    link: Option<Link>,
}

impl mqtt::Client for Probe {
    fn connect(&mut self, request: mqtt::Connect) -> Result<Connected, Failure> {
        if self.link.is_some() {
            return Err(Failure::state("already connected"));
        }
        let (client, connection) = Client::new(options(request)?, 10);
        let (sender, reports) = channel();
        let events = self.events.clone();
        kit::spawn(move || drive(connection, &sender, &events));
        let link = Link { client, reports };
        loop {
            match link.next() {
                Ok(Event::Incoming(Packet::ConnAck(ack))) => {
                    self.link = Some(link);
                    return Ok(Connected {
                        session_present: Some(ack.session_present),
                    });
                }
                Ok(_) => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    fn publish(&mut self, request: mqtt::Publish) -> Result<Confirmation, Failure> {
        let link = self.link()?;
        let qos = level(request.qos);
        link.client
            .publish(request.topic, qos, request.retain, request.payload)
            .map_err(Failure::krate)?;
        // At QoS 0 the crate's last word is that the packet went to the network.
        let done = |event: &Event, id: u16| match (event, qos) {
            (Event::Outgoing(Outgoing::Publish(_)), QoS::AtMostOnce) => Some(()),
            (Event::Incoming(Packet::PubAck(ack)), _) => (ack.pkid == id).then_some(()),
            (Event::Incoming(Packet::PubComp(ack)), _) => (ack.pkid == id).then_some(()),
            _ => None,
        };
        link.finish(Kind::Publish, done)?;
        Ok(Confirmation::Confirmed)
    }

    fn subscribe(&mut self, request: mqtt::Subscribe) -> Result<Confirmation, Failure> {
        let link = self.link()?;
        let filters = request.filters.into_iter();
        link.client
            .subscribe_many(filters.map(|s| SubscribeFilter::new(s.filter, level(s.qos))))
            .map_err(Failure::krate)?;
        let codes = link.finish(Kind::Subscribe, |event, id| match event {
            Event::Incoming(Packet::SubAck(ack)) if ack.pkid == id => {
                Some(ack.return_codes.clone())
            }
            _ => None,
        })?;
        if codes.contains(&SubscribeReasonCode::Failure) {
            return Err(Failure::refused(format!("{codes:?}")));
        }
        Ok(Confirmation::Confirmed)
    }

    fn unsubscribe(&mut self, request: mqtt::Unsubscribe) -> Result<Confirmation, Failure> {
        let link = self.link()?;
        let Ok([filter]) = <[String; 1]>::try_from(request.filters) else {
            return Err(Failure::unsupported(
                "unsubscribe-several-filters",
                "Client::unsubscribe takes one filter, and there is no unsubscribe_many",
            ));
        };
        link.client.unsubscribe(filter).map_err(Failure::krate)?;
        link.finish(Kind::Unsubscribe, |event, id| match event {
            Event::Incoming(Packet::UnsubAck(ack)) => (ack.pkid == id).then_some(()),
            _ => None,
        })?;
        Ok(Confirmation::Confirmed)
    }

    fn disconnect(&mut self) -> Result<(), Failure> {
        self.link()?.client.disconnect().map_err(Failure::krate)?;
        let link = self.link.take().ok_or_else(Failure::not_connected)?;
        while link.reports.recv().is_ok() {} // until `drive` dropped the connection
        Ok(())
    }
}

impl Probe {
    /// The connection, for a new request: what the crate reported before is no answer to it.
    fn link(&self) -> Result<&Link, Failure> {
        let link = self.link.as_ref().ok_or_else(Failure::not_connected)?;
        while link.reports.try_recv().is_ok() {}
        Ok(link)
    }
}

struct Link {
    client: Client,
    reports: Receiver<Report>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Publish,
    Subscribe,
    Unsubscribe,
}

impl Link {
    fn next(&self) -> Report {
        self.reports
            .recv()
            .expect("the event loop runs as long as its client")
    }

    /// Waits until `done` finds the crate's report of completion, given the packet id of the request just made.
    ///
    /// Over a lost connection the crate keeps a PUBLISH, but no SUBSCRIBE or UNSUBSCRIBE that it sent; a request that it
    /// kept is dropped where the server has no session (`EventLoop::poll`). Then no report will ever come.
    fn finish<T>(&self, kind: Kind, done: impl Fn(&Event, u16) -> Option<T>) -> Result<T, Failure> {
        let (mut id, mut lost) = (None, None);
        loop {
            let event = match self.next() {
                Ok(event) => event,
                Err(failure) if failure.code == Code::Crate => return Err(failure),
                Err(failure) if id.is_some() && kind != Kind::Publish => {
                    return Err(failure.indefinite());
                }
                Err(failure) => {
                    lost = Some(failure.indefinite());
                    continue;
                }
            };
            match (&event, kind, &lost) {
                (Event::Outgoing(Outgoing::Publish(sent)), Kind::Publish, _)
                | (Event::Outgoing(Outgoing::Subscribe(sent)), Kind::Subscribe, _)
                | (Event::Outgoing(Outgoing::Unsubscribe(sent)), Kind::Unsubscribe, _) => {
                    id = id.or(Some(*sent));
                }
                (Event::Incoming(Packet::ConnAck(ack)), _, Some(lost)) if !ack.session_present => {
                    return Err(lost.clone());
                }
                _ => {}
            }
            if let Some(result) = id.and_then(|id| done(&event, id)) {
                return Ok(result);
            }
        }
    }
}

/// The loop of the crate's example. An error is passed on where it ends a connection, or the attempt that `connect` waits
/// for; failed attempts to reconnect are not news, and come by the thousand.
fn drive(mut connection: Connection, reports: &Sender<Report>, events: &Events) {
    let (mut connected, mut was_connected) = (false, false);
    for event in connection.iter() {
        let report = match event {
            Ok(Event::Incoming(Packet::Publish(message))) => {
                events.push(mqtt::Event::Message {
                    topic: message.topic,
                    payload: message.payload.into(),
                    qos: Qos::try_from(message.qos as u8).ok(),
                    retain: Some(message.retain),
                    dup: Some(message.dup),
                });
                continue;
            }
            Ok(Event::Outgoing(Outgoing::Disconnect)) => break,
            Err(_) if was_connected && !connected => continue,
            Ok(event) => Ok(event),
            Err(error) => Err(failure(&error)),
        };
        if let Ok(Event::Incoming(Packet::ConnAck(_))) = report {
            if was_connected {
                events.push(mqtt::Event::Reconnected);
            }
            (connected, was_connected) = (true, true);
        }
        if let (Err(failure), true) = (&report, connected) {
            connected = false;
            events.push(mqtt::Event::Disconnected {
                reason: failure.text.clone(),
            });
        }
        let _unheard_at_the_end = reports.send(report);
        if !was_connected {
            break; // the first attempt failed, and `connect` says so
        }
    }
    drop(connection); // before `reports`, whose end tells `disconnect` that it is closed
}

fn options(request: mqtt::Connect) -> Result<MqttOptions, Failure> {
    let mut options = MqttOptions::new(request.client_id, request.host, request.port);
    options
        .set_keep_alive(Duration::from_secs(request.keep_alive_s.into()))
        .set_clean_session(request.clean_session)
        .set_max_packet_size(MAX_PACKET_SIZE, MAX_PACKET_SIZE);
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
    if let Some(tls) = request.tls {
        let client = match (tls.certificate, tls.key) {
            (Some(certificate), Some(key)) => Some((certificate.into_bytes(), key.into_bytes())),
            (None, None) => None,
            _ => return Err(Failure::bad_value("`certificate` and `key` go together")),
        };
        options.set_transport(match (tls.ca, client) {
            (Some(ca), client) => Transport::tls(ca.into_bytes(), client, None),
            (None, None) => Transport::tls_with_default_config(),
            (None, Some(_)) => {
                return Err(Failure::not_written("`tls.certificate` without `tls.ca`"))
            }
        });
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
        E::Io(_)
        | E::Tls(_)
        | E::MqttState(
            StateError::Io(_)
            | StateError::ConnectionAborted
            | StateError::Deserialization(CodecError::Io(_)),
        ) => Failure::io(error),
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
