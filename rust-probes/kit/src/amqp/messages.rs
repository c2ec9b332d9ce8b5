//! The requests and events of `amqp-0-9-1`, as WIRE.md has them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::mqtt::Tls;
use crate::{base64, digits};

/// A field table.
pub type Table = BTreeMap<String, Field>;

/// A value of a field table, with RabbitMQ's type letters.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "t", content = "v")]
pub enum Field {
    #[serde(rename = "t")]
    Bool(bool),
    #[serde(rename = "b")]
    I8(i8),
    #[serde(rename = "B")]
    U8(u8),
    #[serde(rename = "s")]
    I16(i16),
    #[serde(rename = "u")]
    U16(u16),
    #[serde(rename = "I")]
    I32(i32),
    #[serde(rename = "i")]
    U32(u32),
    #[serde(rename = "l", with = "digits")]
    I64(i64),
    #[serde(rename = "L", with = "digits")]
    U64(u64),
    #[serde(rename = "f")]
    F32(f32),
    #[serde(rename = "d")]
    F64(f64),
    /// As text, for example `3.14`.
    #[serde(rename = "D")]
    Decimal(String),
    #[serde(rename = "S")]
    Text(String),
    #[serde(rename = "x", with = "base64")]
    Bytes(Vec<u8>),
    #[serde(rename = "A")]
    List(Vec<Field>),
    #[serde(rename = "T", with = "digits")]
    Timestamp(u64),
    #[serde(rename = "F")]
    Table(Table),
    #[serde(rename = "V")]
    Void,
}

/// Open the connection.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    pub host: String,
    pub port: u16,
    #[serde(default = "slash")]
    pub vhost: String,
    #[serde(default = "guest")]
    pub username: String,
    #[serde(default = "guest")]
    pub password: String,
    #[serde(default = "sixty")]
    pub heartbeat_s: u16,
    pub tls: Option<Tls>,
}

/// queue.declare.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclareQueue {
    #[serde(default = "one")]
    pub channel: u16,
    pub queue: String,
    #[serde(default)]
    pub durable: bool,
    #[serde(default)]
    pub exclusive: bool,
    #[serde(default)]
    pub auto_delete: bool,
    #[serde(default)]
    pub passive: bool,
    #[serde(default)]
    pub nowait: bool,
    #[serde(default)]
    pub arguments: Table,
}

/// What queue.declare-ok said; with `nowait` the name that was asked for, and 0.
#[derive(Clone, Debug, Serialize)]
pub struct Declared {
    pub queue: String,
    pub messages: u32,
    pub consumers: u32,
}

/// exchange.declare.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclareExchange {
    #[serde(default = "one")]
    pub channel: u16,
    pub exchange: String,
    pub kind: String,
    #[serde(default)]
    pub durable: bool,
    #[serde(default)]
    pub auto_delete: bool,
    #[serde(default)]
    pub passive: bool,
    #[serde(default)]
    pub nowait: bool,
    #[serde(default)]
    pub arguments: Table,
}

/// What is bound to an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    #[default]
    Queue,
    Exchange,
}

/// queue.bind or exchange.bind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    #[serde(default = "one")]
    pub channel: u16,
    pub destination: String,
    #[serde(default)]
    pub destination_kind: Destination,
    pub source: String,
    #[serde(default)]
    pub routing_key: String,
    #[serde(default)]
    pub nowait: bool,
    #[serde(default)]
    pub arguments: Table,
}

/// Basic properties.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Properties {
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub headers: Option<Table>,
    pub delivery_mode: Option<u8>,
    pub priority: Option<u8>,
    pub correlation_id: Option<String>,
    pub reply_to: Option<String>,
    pub expiration: Option<String>,
    pub message_id: Option<String>,
    #[serde(with = "digits::option")]
    pub timestamp: Option<u64>,
    pub r#type: Option<String>,
    pub user_id: Option<String>,
    pub app_id: Option<String>,
}

/// basic.publish.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    #[serde(default = "one")]
    pub channel: u16,
    #[serde(default)]
    pub exchange: String,
    pub routing_key: String,
    #[serde(with = "base64")]
    pub body: Vec<u8>,
    #[serde(default)]
    pub properties: Properties,
    #[serde(default)]
    pub mandatory: bool,
}

/// basic.publish of several messages, none of which awaits the confirm of the one before.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishAll {
    #[serde(default = "one")]
    pub channel: u16,
    #[serde(default)]
    pub exchange: String,
    pub routing_key: String,
    #[serde(deserialize_with = "crate::session::not_empty")]
    pub bodies: Vec<base64::Bytes>,
}

impl PublishAll {
    /// The messages.
    pub fn messages(self) -> impl Iterator<Item = Publish> {
        let (channel, exchange, routing_key) = (self.channel, self.exchange, self.routing_key);
        self.bodies
            .into_iter()
            .map(move |base64::Bytes(body)| Publish {
                channel,
                exchange: exchange.clone(),
                routing_key: routing_key.clone(),
                body,
                properties: Properties::default(),
                mandatory: false,
            })
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    HandedOver,
    Confirmed,
    /// By basic.nack.
    Refused,
}

/// basic.get.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Get {
    #[serde(default = "one")]
    pub channel: u16,
    pub queue: String,
    #[serde(default)]
    pub no_ack: bool,
}

/// A message, as it came.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delivery {
    pub channel: u16,
    #[serde(with = "digits")]
    pub tag: u64,
    pub exchange: String,
    pub routing_key: String,
    pub redelivered: Option<bool>,
    pub properties: Properties,
    #[serde(with = "base64")]
    pub body: Vec<u8>,
    pub consumer: Option<String>,
}

impl Delivery {
    /// What answers a request: its body, to the queue that it names, with its correlation-id.
    pub fn answer(&self) -> Publish {
        Publish {
            channel: self.channel,
            exchange: String::new(),
            routing_key: self.properties.reply_to.clone().unwrap_or_default(),
            body: self.body.clone(),
            properties: Properties {
                correlation_id: self.properties.correlation_id.clone(),
                ..Properties::default()
            },
            mandatory: false,
        }
    }
}

/// basic.consume.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consume {
    #[serde(default = "one")]
    pub channel: u16,
    pub queue: String,
    #[serde(default)]
    pub consumer: String,
    #[serde(default)]
    pub no_ack: bool,
    #[serde(default)]
    pub exclusive: bool,
    /// Whether each delivery is answered, by [`Delivery::answer`], and acknowledged where the crate hands it over.
    #[serde(default)]
    pub answer: bool,
    #[serde(default)]
    pub arguments: Table,
}

/// basic.cancel.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    #[serde(default = "one")]
    pub channel: u16,
    pub consumer: String,
}

/// basic.ack, basic.nack or basic.reject.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ack {
    #[serde(default = "one")]
    pub channel: u16,
    #[serde(with = "digits")]
    pub tag: u64,
    #[serde(default)]
    pub multiple: bool,
    #[serde(default = "yes")]
    pub accept: bool,
    #[serde(default)]
    pub requeue: bool,
}

/// basic.qos.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qos {
    #[serde(default = "one")]
    pub channel: u16,
    pub prefetch_count: u16,
    #[serde(default)]
    pub global: bool,
}

/// confirm.select or channel.close: nothing but the channel.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnChannel {
    #[serde(default = "one")]
    pub channel: u16,
}

/// What to do with a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Select,
    Commit,
    Rollback,
}

/// tx.select, tx.commit or tx.rollback.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    #[serde(default = "one")]
    pub channel: u16,
    pub action: Action,
}

/// What to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Queue,
    Exchange,
    Messages,
}

/// queue.delete, queue.purge or exchange.delete.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    #[serde(default = "one")]
    pub channel: u16,
    pub what: What,
    pub name: String,
}

/// connection.update-secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateSecret {
    pub secret: String,
    pub reason: String,
}

/// connection.close.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disconnect {
    #[serde(default = "two_hundred")]
    pub code: u16,
    #[serde(default)]
    pub text: String,
}

/// Something that happened to the client.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Delivery(Delivery),
    Returned(Delivery),
    ChannelClosed {
        channel: u16,
        code: u16,
        text: String,
    },
    ConsumerCancelled {
        channel: u16,
        consumer: String,
    },
    Blocked {
        reason: String,
    },
    Unblocked,
    Disconnected {
        reason: String,
    },
}

fn slash() -> String {
    "/".to_owned()
}

fn guest() -> String {
    "guest".to_owned()
}

fn sixty() -> u16 {
    60
}

fn one() -> u16 {
    1
}

fn two_hundred() -> u16 {
    200
}

fn yes() -> bool {
    true
}
