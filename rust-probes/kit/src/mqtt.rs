//! MQTT: the operations of `mqtt-3.1.1` and `mqtt-5` as a trait, and their events.

use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{json, Value};

use crate::base64;
use crate::mqtt5;
use crate::session::{self, decode, Handler};
use crate::wire::{Failure, Info};

/// Every operation of the dialect beside `hello`, for [`Info::ops`].
pub const OPS: &[&str] = &[
    "connect",
    "publish",
    "publish_all",
    "echo",
    "subscribe",
    "unsubscribe",
    "disconnect",
    "wait",
];

/// Where a client puts its events.
pub type Events = crate::events::Events<Event>;

/// The dialect of clients that take [`Protocol::V5`].
const DIALECT_5: &str = "mqtt-5";

/// Where MQTT is found over WebSocket, as with most brokers.
pub const WEBSOCKET_PATH: &str = "/mqtt";

/// What the client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Protocol {
    #[default]
    #[serde(rename = "3.1.1")]
    V4,
    #[serde(rename = "5")]
    V5,
}

/// Quality of service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Qos {
    #[default]
    AtMostOnce = 0,
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

impl TryFrom<u8> for Qos {
    type Error = String;

    fn try_from(level: u8) -> Result<Self, String> {
        match level {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            _ => Err(format!("there is no QoS {level}")),
        }
    }
}

impl From<Qos> for u8 {
    fn from(qos: Qos) -> Self {
        qos as Self
    }
}

/// Open the connection and send CONNECT.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    pub host: String,
    #[serde(deserialize_with = "at_least_1")]
    pub port: u16,
    pub client_id: String,
    #[serde(deserialize_with = "at_least_5")]
    pub keep_alive_s: u16,
    #[serde(default)]
    pub protocol: Protocol,
    /// In MQTT 5: Clean Start.
    #[serde(default = "yes")]
    pub clean_session: bool,
    pub username: Option<String>,
    pub password: Option<String>,
    pub will: Option<Will>,
    pub tls: Option<Tls>,
    /// Over WebSocket, at the path [`WEBSOCKET_PATH`].
    #[serde(default)]
    pub websocket: bool,
    pub properties: Option<mqtt5::ConnectProperties>,
}

/// The message that the server publishes when the connection breaks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Will {
    pub topic: String,
    #[serde(with = "base64")]
    pub payload: Vec<u8>,
    #[serde(default)]
    pub qos: Qos,
    #[serde(default)]
    pub retain: bool,
    pub properties: Option<mqtt5::WillProperties>,
}

/// Encrypt the connection; every field is a PEM document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub ca: Option<String>,
    pub certificate: Option<String>,
    pub key: Option<String>,
}

/// Publish one message.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    pub topic: String,
    #[serde(with = "base64")]
    pub payload: Vec<u8>,
    #[serde(default)]
    pub qos: Qos,
    #[serde(default)]
    pub retain: bool,
    pub properties: Option<mqtt5::PublishProperties>,
}

/// Publish messages in order, each as soon as the crate takes it over; there is at least one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishAll {
    pub topic: String,
    #[serde(deserialize_with = "crate::session::not_empty")]
    pub payloads: Vec<base64::Bytes>,
    #[serde(default)]
    pub qos: Qos,
}

impl PublishAll {
    /// The messages.
    pub fn messages(self) -> impl Iterator<Item = Publish> {
        let (topic, qos) = (self.topic, self.qos);
        self.payloads
            .into_iter()
            .map(move |base64::Bytes(payload)| Publish {
                topic: topic.clone(),
                payload,
                qos,
                retain: false,
                properties: None,
            })
    }
}

/// Publish each message that comes under `topic` to `to`, where the crate hands messages over.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Echo {
    pub topic: String,
    pub to: String,
    #[serde(default)]
    pub qos: Qos,
}

impl Echo {
    /// What answers the event; `None` where nothing does.
    pub fn answer(&self, event: &Event) -> Option<Publish> {
        match event {
            Event::Message { topic, payload, .. } if *topic == self.topic => Some(Publish {
                topic: self.to.clone(),
                payload: payload.clone(),
                qos: self.qos,
                retain: false,
                properties: None,
            }),
            _ => None,
        }
    }
}

/// Subscribe with one SUBSCRIBE; there is at least one filter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscribe {
    #[serde(deserialize_with = "crate::session::not_empty")]
    pub filters: Vec<Subscription>,
    pub properties: Option<mqtt5::SubscribeProperties>,
}

/// One topic filter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    pub filter: String,
    #[serde(default)]
    pub qos: Qos,
    pub options: Option<mqtt5::SubscriptionOptions>,
}

/// Unsubscribe with one UNSUBSCRIBE; there is at least one filter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsubscribe {
    #[serde(deserialize_with = "crate::session::not_empty")]
    pub filters: Vec<String>,
}

/// Send DISCONNECT and close.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disconnect {
    pub properties: Option<mqtt5::DisconnectProperties>,
}

/// What CONNACK said.
#[derive(Clone, Debug, Serialize)]
pub struct Connected {
    /// `None` where the crate does not tell.
    pub session_present: Option<bool>,
    /// Of MQTT 5 alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub properties: Option<mqtt5::ConnackProperties>,
}

/// How far the crate's word goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// The crate reported completion.
    Confirmed,
    /// The same, with the reason codes of MQTT 5; those of 0x80 and more are [`Failure::refused`] instead.
    Acknowledged(Vec<u8>),
    /// The crate only took the request over, and reports nothing later.
    HandedOver,
}

/// What happens to a client.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A message was delivered to the application; `None` where the crate does not tell.
    Message {
        topic: String,
        #[serde(with = "base64")]
        payload: Vec<u8>,
        qos: Option<Qos>,
        retain: Option<bool>,
        dup: Option<bool>,
        /// Of MQTT 5 alone.
        #[serde(skip_serializing_if = "Option::is_none")]
        properties: Option<Box<mqtt5::DeliveredProperties>>,
    },
    /// The crate tells the application that the connection is gone.
    Disconnected {
        reason: String,
        /// Of MQTT 5 alone: what the server's DISCONNECT said.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason_code: Option<u8>,
    },
    /// The crate tells the application that the connection is back.
    Reconnected,
}

/// One MQTT client, over the crate under test. `WIRE.md` says when each operation replies.
pub trait Client {
    /// Opens the connection; replies once CONNACK came.
    fn connect(&mut self, request: Connect) -> Result<Connected, Failure>;

    /// Publishes one message; replies at the crate's own report of completion.
    fn publish(&mut self, request: Publish) -> Result<Confirmation, Failure>;

    /// Publishes messages in order; replies once all are complete. The default publishes one after the other, which is
    /// right where the crate's own call waits for completion, or reports none.
    fn publish_all(&mut self, request: PublishAll) -> Result<Confirmation, Failure> {
        let mut last = Confirmation::HandedOver;
        for message in request.messages() {
            last = match self.publish(message)? {
                Confirmation::HandedOver => Confirmation::HandedOver,
                _ => Confirmation::Confirmed,
            };
        }
        Ok(last)
    }

    /// From now on publishes each message that comes under one topic to another; replies at once. The default is for codecs,
    /// which hand nothing over by themselves.
    fn echo(&mut self, _request: Echo) -> Result<(), Failure> {
        Err(Failure::not_written("a codec has no such place"))
    }

    /// Subscribes; replies at SUBACK.
    fn subscribe(&mut self, request: Subscribe) -> Result<Confirmation, Failure>;

    /// Unsubscribes; replies at UNSUBACK.
    fn unsubscribe(&mut self, request: Unsubscribe) -> Result<Confirmation, Failure>;

    /// Sends DISCONNECT and closes; a later [`connect`](Self::connect) starts a new connection.
    fn disconnect(&mut self, request: Disconnect) -> Result<(), Failure>;

    /// Lets the client work for at most `remaining`, or until something happened. The default waits for an event, which is
    /// right for clients with a background thread.
    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure> {
        events.wait(remaining);
        Ok(())
    }
}

/// Talks to the harness until standard input ends: the body of a probe's `main`.
pub fn serve<C: Client>(info: Info, make: impl FnOnce(Events) -> C) -> ExitCode {
    let dialects = info.dialects;
    session::serve(info, |events| Mqtt::new(make(events), dialects))
}

/// A client, and what it may be asked.
pub(crate) struct Mqtt<C> {
    client: C,
    dialects: &'static [&'static str],
    protocol: Protocol,
}

impl<C: Client> Mqtt<C> {
    pub(crate) fn new(client: C, dialects: &'static [&'static str]) -> Self {
        Self {
            client,
            dialects,
            protocol: Protocol::V4,
        }
    }

    fn connect(&mut self, request: Connect) -> Result<Connected, Failure> {
        let protocol = request.protocol;
        if protocol == Protocol::V5 && !self.dialects.contains(&DIALECT_5) {
            return Err(Failure::unknown("this probe does not speak MQTT 5"));
        }
        self.protocol = protocol;
        let will = request.will.as_ref();
        self.admit(
            request.properties.is_some() || will.is_some_and(|will| will.properties.is_some()),
        )?;
        self.client.connect(request)
    }

    fn publish(&mut self, request: Publish) -> Result<Confirmation, Failure> {
        self.admit(request.properties.is_some())?;
        self.client.publish(request)
    }

    fn subscribe(&mut self, request: Subscribe) -> Result<Confirmation, Failure> {
        let options = request.filters.iter().any(|entry| entry.options.is_some());
        self.admit(request.properties.is_some() || options)?;
        self.client.subscribe(request)
    }

    fn disconnect(&mut self, request: Disconnect) -> Result<(), Failure> {
        self.admit(request.properties.is_some())?;
        self.client.disconnect(request)
    }

    /// Refuses what MQTT 5 adds where the connection speaks 3.1.1.
    fn admit(&self, is_of_5: bool) -> Result<(), Failure> {
        if is_of_5 && self.protocol == Protocol::V4 {
            return Err(Failure::unknown(
                "`properties` and `options` are of MQTT 5 alone",
            ));
        }
        Ok(())
    }
}

impl<C: Client> Handler for Mqtt<C> {
    type Event = Event;

    const VOCABULARY: &'static [&'static str] = OPS;

    fn call(&mut self, op: &str, fields: Value) -> Result<Value, Failure> {
        match op {
            "connect" => self.connect(decode(fields)?).map(|reply| json!(reply)),
            "publish" => self.publish(decode(fields)?).map(confirmation),
            "publish_all" => self.client.publish_all(decode(fields)?).map(confirmation),
            "echo" => self.client.echo(decode(fields)?).map(|()| json!({})),
            "subscribe" => self.subscribe(decode(fields)?).map(confirmation),
            "unsubscribe" => self.client.unsubscribe(decode(fields)?).map(confirmation),
            "disconnect" => self.disconnect(decode(fields)?).map(|()| json!({})),
            _ => Err(Failure::unknown(format!("unknown operation `{op}`"))),
        }
    }

    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure> {
        self.client.poll(events, remaining)
    }
}

fn confirmation(confirmation: Confirmation) -> Value {
    match confirmation {
        Confirmation::Confirmed => json!({"confirmed": true}),
        Confirmation::HandedOver => json!({"confirmed": false}),
        Confirmation::Acknowledged(codes) => json!({"confirmed": true, "reason_codes": codes}),
    }
}

fn yes() -> bool {
    true
}

fn at_least_1<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    at_least(1, deserializer)
}

fn at_least_5<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    at_least(5, deserializer)
}

fn at_least<'de, D: Deserializer<'de>>(least: u16, deserializer: D) -> Result<u16, D::Error> {
    match u16::deserialize(deserializer)? {
        number if number < least => Err(serde::de::Error::custom(format!(
            "{number} is less than {least}"
        ))),
        number => Ok(number),
    }
}
