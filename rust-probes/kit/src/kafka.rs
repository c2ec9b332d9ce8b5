//! Kafka: the operations of `kafka` as a trait, and its events.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{json, Value};

use crate::base64;
use crate::session::{self, decode, Handler};
use crate::wire::{Failure, Info};

/// Every operation of the dialect beside `hello`, for [`Info::ops`].
pub const OPS: &[&str] = &[
    "connect",
    "metadata",
    "create_topic",
    "produce",
    "consume",
    "commit",
    "committed",
    "offsets",
    "stop",
    "disconnect",
    "wait",
];

/// Where a client puts its events.
pub type Events = crate::events::Events<Event>;

/// Bytes that may be null, as keys and values of records are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Option<Vec<u8>>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Some(#[serde(with = "base64")] Vec<u8>);
        let bytes = Option::<Some>::deserialize(deserializer)?;
        Ok(Self(bytes.map(|Some(bytes)| bytes)))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(bytes) => base64::serialize(bytes, serializer),
            None => serializer.serialize_none(),
        }
    }
}

/// A 64-bit number, which the contract carries as decimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(pub i64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        digits.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A place in a partition: where reading starts, or what `offsets` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Earliest,
    Latest,
    /// An offset for `consume`, milliseconds since 1970 for `offsets`.
    At(i64),
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            digits => digits
                .parse()
                .map(Self::At)
                .map_err(serde::de::Error::custom),
        }
    }
}

/// Make a client and load the cluster's metadata.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    pub bootstrap: Vec<String>,
    pub client_id: String,
    pub tls: Option<crate::mqtt::Tls>,
    pub sasl: Option<Sasl>,
}

/// Authenticate after the connection is made.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    pub mechanism: String,
    pub username: String,
    pub password: String,
}

/// Create a topic.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTopic {
    pub topic: String,
    #[serde(default = "one")]
    pub partitions: i32,
    #[serde(default = "one")]
    pub replication: i32,
}

/// A record header.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub key: String,
    pub value: Bytes,
}

/// A record to produce.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub topic: String,
    /// `None`: the crate's partitioner chooses.
    pub partition: Option<i32>,
    #[serde(default)]
    pub key: Bytes,
    #[serde(default)]
    pub value: Bytes,
    #[serde(default)]
    pub headers: Vec<Header>,
    pub timestamp_ms: Option<Number>,
}

/// Whose acknowledgement a producer waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Acks {
    #[serde(rename = "0")]
    None,
    #[serde(rename = "1")]
    One,
    #[default]
    #[serde(rename = "all")]
    All,
}

/// How a batch is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// Produce records as one call of the crate; there is at least one record.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Produce {
    #[serde(deserialize_with = "crate::session::not_empty")]
    pub records: Vec<Record>,
    #[serde(default)]
    pub acks: Acks,
    #[serde(default)]
    pub compression: Compression,
    #[serde(default)]
    pub idempotent: bool,
    pub transactional_id: Option<String>,
}

/// Where a record went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Placement {
    pub topic: String,
    pub partition: i32,
    /// `None` where the crate does not tell.
    pub offset: Option<Number>,
}

/// Start reading; there is at least one topic.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consume {
    #[serde(deserialize_with = "crate::session::not_empty")]
    pub topics: Vec<String>,
    /// `None`: all partitions.
    pub partition: Option<i32>,
    pub start: Place,
    pub group: Option<String>,
    /// Be a member of the group, which the broker gives partitions to.
    #[serde(default)]
    pub join: bool,
    /// `None`: what the crate does unless it is told.
    pub isolation: Option<Isolation>,
    pub fetch_max_bytes: Option<i32>,
}

/// What a consumer sees of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    ReadUncommitted,
    ReadCommitted,
}

/// Fetch a group's committed offset.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Committed {
    pub group: String,
    pub topic: String,
    pub partition: i32,
}

/// Look an offset up by time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offsets {
    pub topic: String,
    pub partition: i32,
    pub at: Place,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// What happens to a client.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A record was delivered to the application.
    Record {
        topic: String,
        partition: i32,
        offset: Number,
        key: Bytes,
        value: Bytes,
        /// `None` where the crate does not tell.
        headers: Option<Vec<Header>>,
        /// `None` where the crate does not tell.
        timestamp_ms: Option<Number>,
    },
    /// The crate tells the application that the connection is gone.
    Disconnected { reason: String },
}

/// One Kafka client, over the crate under test. `WIRE.md` says when each operation replies.
pub trait Client {
    /// Makes a client and loads the cluster's metadata.
    fn connect(&mut self, request: Connect) -> Result<(), Failure>;

    /// Topics with their number of partitions.
    fn metadata(&mut self) -> Result<BTreeMap<String, usize>, Failure>;

    /// Creates a topic.
    fn create_topic(&mut self, request: CreateTopic) -> Result<(), Failure>;

    /// Produces records as one call of the crate; replies with one placement for each, in order.
    fn produce(&mut self, request: Produce) -> Result<Vec<Placement>, Failure>;

    /// Starts reading.
    fn consume(&mut self, request: Consume) -> Result<(), Failure>;

    /// Commits what was delivered so far.
    fn commit(&mut self) -> Result<(), Failure>;

    /// A group's committed offset; `None` where there is none.
    fn committed(&mut self, request: Committed) -> Result<Option<Number>, Failure>;

    /// An offset by time; `None` where there is none.
    fn offsets(&mut self, request: Offsets) -> Result<Option<Number>, Failure>;

    /// Leaves the group and stops reading.
    fn stop(&mut self) -> Result<(), Failure>;

    /// Drops the client after everything that was reported as sent is flushed.
    fn disconnect(&mut self) -> Result<(), Failure>;

    /// Lets the client work for at most `remaining`, or until something happened.
    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure>;
}

/// Talks to the harness until standard input ends: the body of a probe's `main`.
pub fn serve<C: Client>(info: Info, make: impl FnOnce(Events) -> C) -> ExitCode {
    session::serve(info, |events| Kafka(make(events)))
}

struct Kafka<C>(C);

impl<C: Client> Handler for Kafka<C> {
    type Event = Event;

    const VOCABULARY: &'static [&'static str] = OPS;

    fn call(&mut self, op: &str, fields: Value) -> Result<Value, Failure> {
        let client = &mut self.0;
        match op {
            "connect" => client.connect(decode(fields)?).map(nothing),
            "create_topic" => client.create_topic(decode(fields)?).map(nothing),
            "produce" => {
                let placements = client.produce(decode(fields)?)?;
                Ok(json!({ "placements": placements }))
            }
            "consume" => client.consume(decode(fields)?).map(nothing),
            "committed" => client.committed(decode(fields)?).map(offset),
            "offsets" => client.offsets(decode(fields)?).map(offset),
            _ => {
                let Nothing {} = decode(fields)?;
                match op {
                    "metadata" => Ok(json!({ "topics": client.metadata()? })),
                    "commit" => client.commit().map(nothing),
                    "stop" => client.stop().map(nothing),
                    "disconnect" => client.disconnect().map(nothing),
                    _ => Err(Failure::unknown(format!("unknown operation `{op}`"))),
                }
            }
        }
    }

    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure> {
        self.0.poll(events, remaining)
    }
}

fn nothing((): ()) -> Value {
    json!({})
}

fn offset(offset: Option<Number>) -> Value {
    json!({ "offset": offset })
}

fn one() -> i32 {
    1
}
