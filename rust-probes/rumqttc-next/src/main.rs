//! rumqttc-next, which is rumqttc-v5-next under another name, driven as its README and examples
//! (<https://docs.rs/crate/rumqttc-v5-next/0.34.0/source/examples/>) show:
//!
//! - connect: `AsyncClient::builder`, and a task that polls the event loop, as in `examples/tracked_notices_v5.rs`. After an
//!   error it sleeps for a second and polls again, which reconnects, as in `examples/resubscribe_on_reconnect_v5.rs`. The
//!   will is set as in `examples/syncpubsub_v5.rs`, TLS as in `examples/tls_client_auth_v5.rs`, WebSocket as in
//!   `examples/websocket_v5.rs`.
//! - publish, subscribe, unsubscribe: the tracked calls of `examples/tracked_notices_v5.rs`, and their wait.
//! - echo: from a task of its own, because "blocking inside the loop will block connection progress" (README).
//! - disconnect: `disconnect`, then the loop is left at `Outgoing::Disconnect`, as the README's stream example does.
//! - a lasting session: with `set_session_store`, which the README asks of an application that connects with a new client
//!   (`examples/persistent_session_file_store_v5.rs`, here in memory): the session is otherwise refused.

mod link;
mod options;
mod packets;
mod store;

use std::process::ExitCode;

use kit::mqtt::{self, Confirmation, Connected, Events, Protocol};
use kit::{Failure, Info, Setting};
use rumqttc::{
    AsyncClient, DisconnectProperties, DisconnectReasonCode, PublishNotice, PublishResult,
    SubscribeFilterInput, SubscribeProperties,
};
use tokio::runtime::Runtime;

use link::Link;
use store::Memory;

fn main() -> ExitCode {
    let info = Info {
        krate: "rumqttc-next",
        lock: include_str!("../Cargo.lock"),
        dialects: &["mqtt-5"],
        ops: mqtt::OPS,
        settings: vec![
            Setting {
                name: "set_max_packet_size",
                value: "2 MiB, unless the scenario asks for another",
                default: "10 KiB, which the server is not told",
                source: "https://docs.rs/rumqttc-v5-next/0.34.0/rumqttc/struct.MqttOptions.html#method.set_max_packet_size",
                dialects: &[],
            },
            Setting {
                name: "set_session_store",
                value: "in memory, where the session is to last",
                default: "none: a session that the server kept is refused by a new client",
                source: "https://docs.rs/rumqttc-v5-next/0.34.0/rumqttc/struct.MqttOptions.html#method.set_session_store",
                dialects: &[],
            },
        ],
        assembled: &[],
    };
    let runtime = Runtime::new().expect("the system gives threads");
    mqtt::serve(info, |events| Probe {
        runtime,
        events,
        store: Memory::default(),
        link: None,
    })
}

struct Probe {
    runtime: Runtime,
    events: Events,
    store: Memory,
    link: Option<Link>,
}

impl mqtt::Client for Probe {
    fn connect(&mut self, request: mqtt::Connect) -> Result<Connected, Failure> {
        if self.link.is_some() {
            return Err(Failure::state("already connected"));
        }
        if request.protocol != Protocol::V5 {
            return Err(Failure::unknown("this probe speaks MQTT 5 alone"));
        }
        let (client, eventloop) = AsyncClient::builder(options::of(request, &self.store)?)
            .capacity(10)
            .try_build()
            .map_err(Failure::krate)?;
        let started = Link::start(client, eventloop, &self.events);
        let (link, connected) = self.runtime.block_on(started)?;
        self.link = Some(link);
        Ok(connected)
    }

    fn publish(&mut self, request: mqtt::Publish) -> Result<Confirmation, Failure> {
        let link = self.link()?;
        let notice = self.runtime.block_on(link.publish(request))?;
        published(notice)
    }

    fn publish_all(&mut self, request: mqtt::PublishAll) -> Result<Confirmation, Failure> {
        let link = self.link()?;
        let mut notices = Vec::new();
        for message in request.messages() {
            notices.push(self.runtime.block_on(link.publish(message))?);
        }
        for notice in notices {
            published(notice)?;
        }
        Ok(Confirmation::Confirmed)
    }

    fn echo(&mut self, request: mqtt::Echo) -> Result<(), Failure> {
        let link = self.link()?;
        self.runtime.block_on(link.echo(request));
        Ok(())
    }

    fn subscribe(&mut self, request: mqtt::Subscribe) -> Result<Confirmation, Failure> {
        let filters = request.filters.into_iter().map(packets::filter);
        let filters: Vec<SubscribeFilterInput> = filters.collect::<Result<_, _>>()?;
        let client = &self.link()?.client;
        let notice = match request.properties {
            Some(properties) => {
                let properties = SubscribeProperties {
                    id: properties.subscription_id.map(|id| id as usize),
                    user_properties: Vec::new(),
                };
                self.runtime
                    .block_on(client.subscribe_many_with_properties_tracked(filters, properties))
            }
            None => self
                .runtime
                .block_on(client.subscribe_many_tracked(filters)),
        };
        let answer = notice.map_err(Failure::krate)?.wait().map_err(unsure)?;
        packets::suback(&answer).map(Confirmation::Acknowledged)
    }

    fn unsubscribe(&mut self, request: mqtt::Unsubscribe) -> Result<Confirmation, Failure> {
        let client = &self.link()?.client;
        let notice = self
            .runtime
            .block_on(client.unsubscribe_many_tracked(request.filters));
        let answer = notice.map_err(Failure::krate)?.wait().map_err(unsure)?;
        packets::unsuback(&answer).map(Confirmation::Acknowledged)
    }

    fn disconnect(&mut self, request: mqtt::Disconnect) -> Result<(), Failure> {
        let client = &self.link()?.client;
        let asked = match request.properties {
            Some(wanted) => {
                let reason = DisconnectReasonCode::try_from(wanted.reason_code);
                let reason = reason.map_err(Failure::bad_value)?;
                let properties = DisconnectProperties {
                    session_expiry_interval: wanted.session_expiry_s,
                    reason_string: None,
                    user_properties: Vec::new(),
                    server_reference: None,
                };
                self.runtime
                    .block_on(client.disconnect_with_properties(reason, properties))
            }
            None => self.runtime.block_on(client.disconnect()),
        };
        asked.map_err(Failure::krate)?;
        let link = self.link.take().ok_or_else(Failure::not_connected)?;
        self.runtime.block_on(link.end());
        Ok(())
    }
}

impl Probe {
    fn link(&self) -> Result<&Link, Failure> {
        self.link.as_ref().ok_or_else(Failure::not_connected)
    }
}

/// What the notice says in the end.
fn published(notice: PublishNotice) -> Result<Confirmation, Failure> {
    let (packet, code) = match notice.wait().map_err(unsure)? {
        PublishResult::Qos0Flushed => return Ok(Confirmation::Confirmed),
        PublishResult::Qos1(ack) => ("PUBACK", ack.reason as u8),
        PublishResult::Qos2Completed(ack) => ("PUBCOMP", ack.reason as u8),
        PublishResult::Qos2PubRecRejected(ack) => ("PUBREC", ack.reason as u8),
    };
    packets::accepted(packet, vec![code]).map(Confirmation::Acknowledged)
}

/// An error of a request that the loop had taken over.
fn unsure(error: impl std::fmt::Display) -> Failure {
    Failure::krate(error).indefinite()
}
