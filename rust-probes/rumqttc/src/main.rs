//! rumqttc, driven as its documentation shows (<https://docs.rs/rumqttc/0.25.1/rumqttc/>):
//!
//! - connect: "A simple synchronous publish and subscribe" of the crate's front page and README: `Client::new`, then
//!   `connection.iter()` in a loop that goes on after an error, because "just continuing to loop will reconnect"
//!   (`Connection::iter`). That loop has no pause between attempts, so neither has this one. The will is set as in
//!   `examples/syncpubsub.rs`, credentials as in `examples/tls.rs`, TLS by `Transport::tls`, WebSocket as in
//!   `examples/websocket.rs`.
//! - publish, subscribe, unsubscribe: the calls of the same example; `Client::subscribe_many` for one SUBSCRIBE with
//!   several filters. The crate reports their completion as `Event`s of the loop.
//! - echo: on a thread of its own, because blocking in the loop "can cause deadlock" (`examples/async_manual_acks.rs`, which
//!   spawns a task), as the README's notes say too.
//! - disconnect: `Client::disconnect`, as in `examples/async_manual_acks.rs`.
//!
//! MQTT 5 is `rumqttc::v5`, whose examples (`examples/syncpubsub_v5.rs`) do the same with types of its own; properties go
//! in through `MqttOptions::set_connect_properties`, `Client::publish_with_properties` and
//! `Client::subscribe_many_with_properties`.
//!
//! The harness also builds this probe against older versions of the crate. Before 0.25.0 there are fewer kinds of errors.

mod link;
mod v4;
mod v5;

use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::sync::{Arc, PoisonError};

use kit::mqtt::{
    self, Confirmation, Connected, Disconnect, Events, Protocol, Qos, Tls, WEBSOCKET_PATH,
};
use kit::{Failure, Info, Setting};
use rumqttc::Transport;

use link::{Ack, Echoing, Link, Step};

const MAX_PACKET_SIZE: u32 = 2 * 1024 * 1024;

fn main() -> ExitCode {
    let info = Info {
        krate: "rumqttc",
        lock: include_str!("../Cargo.lock"),
        dialects: &["mqtt-3.1.1", "mqtt-5"],
        ops: mqtt::OPS,
        settings: vec![
            Setting {
                name: "set_max_packet_size",
                value: "2 MiB, both ways",
                default: "10 KiB, both ways",
                source: "https://docs.rs/rumqttc/0.25.1/rumqttc/struct.MqttOptions.html#method.set_max_packet_size",
                dialects: &["mqtt-3.1.1"],
            },
            Setting {
                name: "v5::MqttOptions::set_max_packet_size",
                value: "2 MiB, unless the scenario asks for another",
                default: "10 KiB, which the server is not told",
                source: "https://docs.rs/rumqttc/0.25.1/rumqttc/v5/struct.MqttOptions.html#method.set_max_packet_size",
                dialects: &["mqtt-5"],
            },
        ],
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
        let (sender, reports) = channel();
        let (events, echoing) = (self.events.clone(), Echoing::default());
        let shared = Arc::clone(&echoing);
        let calls = match request.protocol {
            Protocol::V4 => v4::start(request, sender, events, shared)?,
            Protocol::V5 => v5::start(request, sender, events, shared)?,
        };
        let link = Link {
            calls,
            reports,
            echoing,
        };
        loop {
            if let Step::Connected(connected) = link.next()? {
                self.link = Some(link);
                return Ok(connected);
            }
        }
    }

    fn publish(&mut self, request: mqtt::Publish) -> Result<Confirmation, Failure> {
        let link = self.link()?;
        // At QoS 0 the crate's last word is that the packet went to the network.
        let at_hand_over = request.qos == Qos::AtMostOnce;
        link.calls.publish(request)?;
        link.finish(Ack::Publish, at_hand_over).map(confirmed)
    }

    fn publish_all(&mut self, request: mqtt::PublishAll) -> Result<Confirmation, Failure> {
        let link = self.link()?;
        let (count, at_hand_over) = (request.payloads.len(), request.qos == Qos::AtMostOnce);
        for message in request.messages() {
            link.calls.publish(message)?;
        }
        link.finish_all(count, at_hand_over)?;
        Ok(Confirmation::Confirmed)
    }

    fn echo(&mut self, request: mqtt::Echo) -> Result<(), Failure> {
        let link = self.link()?;
        let (sender, answers) = channel();
        let calls = Arc::clone(&link.calls);
        kit::spawn(move || {
            for answer in answers {
                if let Err(error) = calls.publish(answer) {
                    eprintln!("echo: {}", error.text);
                }
            }
        });
        let mut echoing = link.echoing.lock().unwrap_or_else(PoisonError::into_inner);
        *echoing = Some((request, sender));
        Ok(())
    }

    fn subscribe(&mut self, request: mqtt::Subscribe) -> Result<Confirmation, Failure> {
        let link = self.link()?;
        link.calls.subscribe(request)?;
        link.finish(Ack::Subscribe, false).map(confirmed)
    }

    fn unsubscribe(&mut self, request: mqtt::Unsubscribe) -> Result<Confirmation, Failure> {
        let link = self.link()?;
        let Ok([filter]) = <[String; 1]>::try_from(request.filters) else {
            return Err(Failure::unsupported(
                "unsubscribe-several-filters",
                "Client::unsubscribe takes one filter, and there is no unsubscribe_many",
            ));
        };
        link.calls.unsubscribe(filter)?;
        link.finish(Ack::Unsubscribe, false).map(confirmed)
    }

    fn disconnect(&mut self, request: Disconnect) -> Result<(), Failure> {
        if request.properties.is_some() {
            return Err(Failure::unsupported(
                "disconnect-properties",
                "v5::Client::disconnect takes neither a reason code nor properties",
            ));
        }
        self.link()?.calls.disconnect()?;
        let link = self.link.take().ok_or_else(Failure::not_connected)?;
        while link.reports.recv().is_ok() {} // until the connection was dropped
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

fn confirmed(codes: Option<Vec<u8>>) -> Confirmation {
    codes.map_or(Confirmation::Confirmed, Confirmation::Acknowledged)
}

/// Where to connect and how, which the crate's two versions share. Over WebSocket the host is a URL, as in
/// `examples/websocket.rs`.
fn target(
    host: String,
    port: u16,
    websocket: bool,
    tls: Option<Tls>,
) -> Result<(String, Transport), Failure> {
    match (websocket, tls) {
        (true, None) => Ok((
            format!("ws://{host}:{port}{WEBSOCKET_PATH}"),
            Transport::ws(),
        )),
        (true, Some(_)) => Err(Failure::not_written("`tls` over WebSocket")),
        (false, tls) => Ok((host, transport(tls)?)),
    }
}

fn transport(tls: Option<Tls>) -> Result<Transport, Failure> {
    let Some(tls) = tls else {
        return Ok(Transport::tcp());
    };
    let client = match (tls.certificate, tls.key) {
        (Some(certificate), Some(key)) => Some((certificate.into_bytes(), key.into_bytes())),
        (None, None) => None,
        _ => return Err(Failure::bad_value("`certificate` and `key` go together")),
    };
    match (tls.ca, client) {
        (Some(ca), client) => Ok(Transport::tls(ca.into_bytes(), client, None)),
        (None, None) => Ok(Transport::tls_with_default_config()),
        (None, Some(_)) => Err(Failure::not_written("`tls.certificate` without `tls.ca`")),
    }
}
