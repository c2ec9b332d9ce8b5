//! paho-mqtt, Eclipse's binding of Paho C, which it builds (feature `bundled`), driven as its README and examples
//! (<https://docs.rs/crate/paho-mqtt/0.14.0/source/examples/>) show:
//!
//! - connect: `AsyncClient::new`, a channel of events, and then `connect(options).wait()`, as in
//!   `examples/event_subscribe_v5.rs`, whose asynchronous channel has the blocking twin `start_consuming_events`; the will
//!   as there, TLS as in `examples/ssl_publish.rs`, WebSocket by the address, as in `examples/ws_publish.rs`.
//! - publish: `publish(message)` and `wait`, as in every example. Examples with several messages wait for each.
//! - subscribe: `subscribe_many` as in `examples/async_subscribe.rs`, `subscribe_many_with_options` as in
//!   `examples/event_subscribe_v5.rs`; for one filter `subscribe` and `subscribe_with_options`, as in
//!   `examples/sync_consume_v5.rs`.
//! - echo: publishes and waits in the loop over the channel, as `examples/rpc_math_srvr.rs` does.
//! - disconnect: `disconnect(options).wait()`. A later `connect` is one more call of the same client, as its `reconnect` is.
//!
//! Reconnecting is the crate's, by the option that the README lists as a feature and `examples/legacy_async_subscribe.rs`
//! sets. There is a lost connection where the channel says `ConnectionLost` or, with the server's reason, `Disconnected`.

mod failure;
mod options;
mod properties;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use kit::mqtt::{self, Confirmation, Connected, Events, Protocol, Publish, Qos};
use kit::{Failure, Info, Setting};
use paho_mqtt::{
    AsyncClient, CreateOptionsBuilder, Event, Message, MessageBuilder, QoS, ServerResponse, Token,
};

use failure::{failure, unsure};
use options::Files;

/// From this on, a reason code refuses; 3.1.1 has this one alone.
const REFUSED: u8 = 0x80;

fn main() -> ExitCode {
    let info = Info {
        krate: "paho-mqtt",
        lock: include_str!("../Cargo.lock"),
        dialects: &["mqtt-3.1.1", "mqtt-5"],
        ops: mqtt::OPS,
        settings: vec![Setting {
            name: "automatic_reconnect",
            value: "after 1 second, later up to 30",
            default: "off",
            source: "https://docs.rs/paho-mqtt/0.14.0/paho_mqtt/connect_options/struct.ConnectOptionsBuilder.html#method.automatic_reconnect",
            dialects: &[],
        }],
        assembled: &[],
    };
    mqtt::serve(info, |events| Probe {
        events,
        link: None,
        connected: false,
    })
}

struct Probe {
    events: Events,
    link: Option<Link>,
    /// Between `connect` and `disconnect`.
    connected: bool,
}

/// What to publish again, and by which client.
type Echoing = Arc<Mutex<Option<(mqtt::Echo, AsyncClient)>>>;

/// A client, which is made for one server, one client identifier and one version of the protocol.
struct Link {
    made_for: (String, String, Protocol),
    client: AsyncClient,
    echoing: Echoing,
    /// Paho C reads them again when it connects again.
    _files: Files,
}

impl mqtt::Client for Probe {
    fn connect(&mut self, request: mqtt::Connect) -> Result<Connected, Failure> {
        if self.connected {
            return Err(Failure::state("already connected"));
        }
        let protocol = request.protocol;
        let made_for = (
            options::address(&request),
            request.client_id.clone(),
            protocol,
        );
        let (options, files) = options::connect(request)?;
        let link = match self.link.take() {
            Some(link) if link.made_for == made_for => Link {
                _files: files,
                ..link
            },
            _ => Link::new(made_for, files, &self.events)?,
        };
        // A client stays, even where it does not come to a connection: Paho's thread still holds it then.
        let client = &self.link.insert(link).client;
        let answer = client.connect(options).wait().map_err(failure)?;
        self.connected = true;
        Ok(Connected {
            session_present: answer.connect_response().map(|said| said.session_present),
            properties: (protocol == Protocol::V5)
                .then(|| properties::connack(answer.properties())),
        })
    }

    fn publish(&mut self, request: Publish) -> Result<Confirmation, Failure> {
        let link = self.link()?;
        let has_answer = request.qos != Qos::AtMostOnce;
        let sent = link.client.publish(message(request)?);
        let answer = Token::from(sent).wait().map_err(unsure)?;
        Ok(match link.protocol() {
            Protocol::V5 if has_answer => {
                Confirmation::Acknowledged(vec![answer.reason_code() as u8])
            }
            _ => Confirmation::Confirmed,
        })
    }

    fn echo(&mut self, request: mqtt::Echo) -> Result<(), Failure> {
        let link = self.link()?;
        let mut echoing = link.echoing.lock().unwrap_or_else(PoisonError::into_inner);
        *echoing = Some((request, link.client.clone()));
        Ok(())
    }

    fn subscribe(&mut self, request: mqtt::Subscribe) -> Result<Confirmation, Failure> {
        let link = self.link()?;
        let topics: Vec<_> = request.filters.iter().map(|one| &one.filter).collect();
        let levels: Vec<_> = request.filters.iter().map(|one| level(one.qos)).collect();
        let token = match properties::subscribe(&request)? {
            Some((options, properties)) => match (topics.as_slice(), options.as_slice()) {
                ([topic], [option]) => {
                    let topic = topic.as_str();
                    link.client
                        .subscribe_with_options(topic, levels[0], *option, properties)
                }
                _ => link
                    .client
                    .subscribe_many_with_options(&topics, &levels, &options, properties),
            },
            None => match topics.as_slice() {
                [topic] => link.client.subscribe(topic.as_str(), levels[0]),
                _ => link.client.subscribe_many(&topics, &levels),
            },
        };
        let answer = token.wait().map_err(unsure)?;
        let one = answer.subscribe_response().map(|code| vec![code]);
        link.acknowledged("SUBACK", one.or_else(|| answer.subscribe_many_response()))
    }

    fn unsubscribe(&mut self, request: mqtt::Unsubscribe) -> Result<Confirmation, Failure> {
        let link = self.link()?;
        let token = match request.filters.as_slice() {
            [filter] => link.client.unsubscribe(filter),
            filters => link.client.unsubscribe_many(filters),
        };
        let answer = token.wait().map_err(unsure)?;
        link.acknowledged("UNSUBACK", unsubscribed(&answer))
    }

    fn disconnect(&mut self, request: mqtt::Disconnect) -> Result<(), Failure> {
        let options = request.properties.map(properties::disconnect).transpose()?;
        let link = self.link()?;
        // Otherwise the client would hold itself.
        *link.echoing.lock().unwrap_or_else(PoisonError::into_inner) = None;
        link.client.disconnect(options).wait().map_err(failure)?;
        self.connected = false;
        Ok(())
    }
}

impl Probe {
    fn link(&self) -> Result<&Link, Failure> {
        match &self.link {
            Some(link) if self.connected => Ok(link),
            _ => Err(Failure::not_connected()),
        }
    }
}

impl Link {
    fn new(
        made_for: (String, String, Protocol),
        files: Files,
        events: &Events,
    ) -> Result<Self, Failure> {
        let (address, id, protocol) = &made_for;
        let options = match protocol {
            Protocol::V4 => CreateOptionsBuilder::new_v3(),
            Protocol::V5 => CreateOptionsBuilder::new(),
        };
        let options = options.server_uri(address).client_id(id).finalize();
        let mut client = AsyncClient::new(options).map_err(failure)?;
        let (incoming, protocol) = (client.start_consuming_events(None), *protocol);
        let (events, echoing) = (events.clone(), Echoing::default());
        let shared = Arc::clone(&echoing);
        kit::spawn(move || {
            let mut lost = false;
            for event in incoming {
                report(event, protocol, &mut lost, &events, &shared);
            }
        });
        Ok(Self {
            made_for,
            client,
            echoing,
            _files: files,
        })
    }

    fn protocol(&self) -> Protocol {
        self.made_for.2
    }

    /// What the codes of an acknowledgement mean; `None` where the crate does not tell.
    fn acknowledged(&self, packet: &str, codes: Option<Vec<i32>>) -> Result<Confirmation, Failure> {
        let codes: Option<Vec<u8>> =
            codes.map(|codes| codes.into_iter().map(|code| code as u8).collect());
        match (codes, self.protocol()) {
            (Some(codes), _) if codes.iter().any(|&code| code >= REFUSED) => {
                Err(Failure::refused(format!("{packet}: {codes:?}")))
            }
            (Some(codes), Protocol::V5) => Ok(Confirmation::Acknowledged(codes)),
            _ => Ok(Confirmation::Confirmed),
        }
    }
}

/// Codes of UNSUBACK, which MQTT 5 alone has.
fn unsubscribed(answer: &ServerResponse) -> Option<Vec<i32>> {
    let one = answer.unsubscribe_response().map(|code| vec![code]);
    one.or_else(|| answer.unsubscribe_many_response())
}

/// Passes on what the channel said.
fn report(event: Event, protocol: Protocol, lost: &mut bool, events: &Events, echoing: &Echoing) {
    match event {
        Event::Connected if *lost => {
            *lost = false;
            events.push(mqtt::Event::Reconnected);
        }
        Event::Message(message) => {
            let event = delivered(&message, protocol);
            let echoing = echoing
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let answer = echoing.and_then(|(echo, client)| Some((echo.answer(&event)?, client)));
            events.push(event);
            if let Some((answer, client)) = answer {
                if let Err(error) = publish(&client, answer) {
                    eprintln!("echo: {}", error.text);
                }
            }
        }
        Event::ConnectionLost => {
            *lost = true;
            events.push(mqtt::Event::Disconnected {
                reason: "ConnectionLost".to_owned(),
                reason_code: None,
            });
        }
        Event::Disconnected { reason_code, .. } => {
            *lost = true;
            events.push(mqtt::Event::Disconnected {
                reason: format!("Disconnected: {reason_code}"),
                reason_code: Some(reason_code as u8),
            });
        }
        Event::Connected | Event::Shutdown => {}
    }
}

fn publish(client: &AsyncClient, answer: Publish) -> Result<(), Failure> {
    client.publish(message(answer)?).wait().map_err(unsure)
}

fn message(request: Publish) -> Result<Message, Failure> {
    let message = MessageBuilder::new()
        .topic(request.topic)
        .payload(request.payload)
        .qos(level(request.qos))
        .retained(request.retain);
    Ok(match request.properties {
        Some(wanted) => message.properties(properties::publish(wanted)?).finalize(),
        None => message.finalize(),
    })
}

fn delivered(message: &Message, protocol: Protocol) -> mqtt::Event {
    mqtt::Event::Message {
        topic: message.topic().to_owned(),
        payload: message.payload().to_vec(),
        qos: Qos::try_from(message.qos() as u8).ok(),
        retain: Some(message.retained()),
        // Message keeps the flag in a field that no method shows.
        dup: None,
        properties: (protocol == Protocol::V5)
            .then(|| Box::new(properties::delivered(message.properties()))),
    }
}

fn level(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}
