//! ZeroMQ: the operations of `zmtp` as a trait, and its events.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

pub use crate::base64::Bytes;
use crate::session::{self, decode, Handler};
use crate::wire::{Failure, Info};

/// Every operation of the dialect beside `hello`, for [`Info::ops`].
pub const OPS: &[&str] = &[
    "open",
    "bind",
    "connect",
    "subscribe",
    "send",
    "receive",
    "option",
    "monitor",
    "close",
    "terminate",
    "decode_key",
    "wait",
];

/// Where a client puts its events.
pub type Events = crate::events::Events<Event>;

/// Make a socket and set its options.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    pub socket: String,
    #[serde(rename = "type")]
    pub kind: SocketType,
    #[serde(default)]
    pub options: Options,
}

/// What a socket does with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SocketType {
    Req,
    Rep,
    Pub,
    Sub,
    Push,
    Pull,
    Dealer,
    Router,
    Xpub,
    Xsub,
    Pair,
}

/// Options by libzmq's names, in libzmq's units; `None` leaves libzmq's default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    pub sndhwm: Option<i32>,
    pub rcvhwm: Option<i32>,
    pub linger: Option<i32>,
    pub sndtimeo: Option<i32>,
    pub rcvtimeo: Option<i32>,
    pub reconnect_ivl: Option<i32>,
    pub maxmsgsize: Option<i64>,
    pub handshake_ivl: Option<i32>,
    pub heartbeat_ivl: Option<i32>,
    pub heartbeat_timeout: Option<i32>,
    pub immediate: Option<bool>,
    pub ipv6: Option<bool>,
    pub conflate: Option<bool>,
    pub router_mandatory: Option<bool>,
    pub router_handover: Option<bool>,
    pub req_relaxed: Option<bool>,
    pub req_correlate: Option<bool>,
    pub xpub_verbose: Option<bool>,
    pub routing_id: Option<Bytes>,
    pub zap_domain: Option<String>,
    pub plain_server: Option<bool>,
    pub plain_username: Option<String>,
    pub plain_password: Option<String>,
    pub curve_server: Option<bool>,
    /// In Z85, as the other keys.
    pub curve_publickey: Option<String>,
    pub curve_secretkey: Option<String>,
    pub curve_serverkey: Option<String>,
}

/// Bind or connect.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    pub socket: String,
    pub endpoint: String,
}

/// Subscribe to a prefix, or unsubscribe.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscribe {
    pub socket: String,
    pub prefix: Bytes,
    #[serde(default = "yes")]
    pub on: bool,
}

/// Send one message; there is at least one frame.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    pub socket: String,
    #[serde(deserialize_with = "crate::session::not_empty")]
    pub frames: Vec<Bytes>,
    /// How long to poll before; `None` leaves waiting to the socket.
    pub timeout_ms: Option<u32>,
}

/// Receive one message.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receive {
    pub socket: String,
    /// How long to poll before; `None` leaves waiting to the socket.
    pub timeout_ms: Option<u32>,
    #[serde(default)]
    pub as_text: bool,
    /// Names of metadata properties to read of the message.
    #[serde(default)]
    pub metadata: Vec<String>,
}

/// One message.
#[derive(Clone, Debug, Serialize)]
pub struct Received {
    pub frames: Vec<Bytes>,
    /// With `as_text`: whether the frame is UTF-8.
    pub is_text: Option<bool>,
    /// Where properties were asked for: their values.
    pub metadata: Option<BTreeMap<String, Option<String>>>,
}

/// Read an option back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadOption {
    pub socket: String,
    pub name: OptionName,
}

/// Options that can be read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptionName {
    Sndhwm,
    Rcvhwm,
    Linger,
    Sndtimeo,
    Rcvtimeo,
    ReconnectIvl,
    Maxmsgsize,
    HeartbeatIvl,
    Immediate,
    Ipv6,
    RoutingId,
    LastEndpoint,
    ZapDomain,
}

/// An option's value.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum OptionValue {
    Flag(bool),
    Number(i64),
    Text(String),
    Bytes(Bytes),
}

impl From<bool> for OptionValue {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<i32> for OptionValue {
    fn from(value: i32) -> Self {
        Self::Number(value.into())
    }
}

impl From<i64> for OptionValue {
    fn from(value: i64) -> Self {
        Self::Number(value)
    }
}

/// Close a socket.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Close {
    pub socket: String,
    /// Milliseconds; `None` leaves what the socket has.
    pub linger: Option<i32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecodeKey {
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Monitor {
    socket: String,
}

/// End the context.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminate {
    /// By the crate's own call for it, where a context can also be ended by dropping it.
    #[serde(default)]
    pub explicit: bool,
}

/// What happens to a socket.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A monitor event, by libzmq's name in lower case without `ZMQ_EVENT_`.
    Monitor {
        socket: String,
        name: String,
        value: u32,
    },
}

/// The sockets of one context, over the crate under test. `WIRE.md` says when each operation replies.
pub trait Client {
    /// Makes a socket and sets its options.
    fn open(&mut self, request: Open) -> Result<(), Failure>;

    /// Binds; replies with the endpoint in effect.
    fn bind(&mut self, request: Attach) -> Result<String, Failure>;

    /// Connects.
    fn connect(&mut self, request: Attach) -> Result<(), Failure>;

    /// Subscribes to a prefix, or unsubscribes.
    fn subscribe(&mut self, request: Subscribe) -> Result<(), Failure>;

    /// Sends one message.
    fn send(&mut self, request: Send) -> Result<(), Failure>;

    /// Receives one message.
    fn receive(&mut self, request: Receive) -> Result<Received, Failure>;

    /// Reads an option back.
    fn option(&mut self, request: ReadOption) -> Result<OptionValue, Failure>;

    /// Reports the socket's events from now on.
    fn monitor(&mut self, socket: String) -> Result<(), Failure>;

    /// Closes a socket.
    fn close(&mut self, request: Close) -> Result<(), Failure>;

    /// Closes every socket, ends the context and makes another.
    fn terminate(&mut self, request: Terminate) -> Result<(), Failure>;

    /// Decodes a key's text, which is Z85.
    fn decode_key(&mut self, text: &str) -> Result<Vec<u8>, Failure>;

    /// Reads monitors for at most `remaining`, or until something happened.
    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure>;
}

/// Talks to the harness until standard input ends: the body of a probe's `main`.
pub fn serve<C: Client>(info: Info, make: impl FnOnce(Events) -> C) -> ExitCode {
    session::serve(info, |events| Zmtp(make(events)))
}

struct Zmtp<C>(C);

impl<C: Client> Handler for Zmtp<C> {
    type Event = Event;

    const VOCABULARY: &'static [&'static str] = OPS;

    fn call(&mut self, op: &str, fields: Value) -> Result<Value, Failure> {
        let client = &mut self.0;
        match op {
            "open" => client.open(decode(fields)?).map(nothing),
            "bind" => {
                let endpoint = client.bind(decode(fields)?)?;
                Ok(json!({ "endpoint": endpoint }))
            }
            "connect" => client.connect(decode(fields)?).map(nothing),
            "subscribe" => client.subscribe(decode(fields)?).map(nothing),
            "send" => client.send(decode(fields)?).map(nothing),
            "receive" => client
                .receive(decode(fields)?)
                .map(|message| json!(message)),
            "option" => {
                let value = client.option(decode(fields)?)?;
                Ok(json!({ "value": value }))
            }
            "monitor" => {
                let Monitor { socket } = decode(fields)?;
                client.monitor(socket).map(nothing)
            }
            "close" => client.close(decode(fields)?).map(nothing),
            "terminate" => client.terminate(decode(fields)?).map(nothing),
            "decode_key" => {
                let DecodeKey { text } = decode(fields)?;
                let key = client.decode_key(&text)?;
                Ok(json!({ "key": Bytes(key) }))
            }
            _ => Err(Failure::unknown(format!("unknown operation `{op}`"))),
        }
    }

    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure> {
        self.0.poll(events, remaining)
    }
}

fn nothing((): ()) -> Value {
    json!({})
}

fn yes() -> bool {
    true
}
