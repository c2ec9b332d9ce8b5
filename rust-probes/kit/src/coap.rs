//! CoAP: the operations of `coap-client` and `coap-server` as a trait, and their events.

use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use crate::base64::{self, Bytes};
use crate::session::{self, decode, Handler};
use crate::wire::{Failure, Info};

/// Every operation of the dialects beside `hello`, for [`Info::ops`].
pub const OPS: &[&str] = &[
    "open",
    "request",
    "observe",
    "cancel_observe",
    "discover",
    "serve",
    "wait",
];

/// How long the handler of `/slow` takes.
pub const SLOW: Duration = Duration::from_secs(4);

/// Where a client or a server puts its events.
pub type Events = crate::events::Events<Event>;

/// One option, as it stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoapOption {
    pub number: u16,
    #[serde(with = "base64")]
    pub value: Vec<u8>,
}

/// Make a client for one server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    pub host: String,
    pub port: u16,
    /// ACK_TIMEOUT; `None` leaves the crate's own.
    pub ack_timeout_ms: Option<u64>,
    /// Bodies go in blocks of `2^(szx+4)` bytes; `None` leaves the crate's own size.
    pub block1_szx: Option<u8>,
    pub dtls: Option<Dtls>,
}

/// Encrypt what is sent: with a key that both sides know, or with certificates.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dtls {
    pub psk: Option<Psk>,
    /// PEM: the authority to trust; a server that has one asks clients for a certificate of it.
    pub ca: Option<String>,
    /// PEM: the own certificate chain.
    pub certificate: Option<String>,
    /// PEM: the own private key, PKCS#8.
    pub key: Option<String>,
    /// Of clients: whose certificate is expected.
    pub server_name: Option<String>,
}

/// A key that both sides know.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Psk {
    pub identity: String,
    #[serde(with = "base64")]
    pub key: Vec<u8>,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

/// Send one request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub method: Method,
    #[serde(default)]
    pub path: Vec<String>,
    #[serde(default)]
    pub query: Vec<String>,
    #[serde(default = "yes")]
    pub confirmable: bool,
    /// `None`: the crate chooses.
    pub token: Option<Bytes>,
    /// Beside Uri-Path and Uri-Query.
    #[serde(default)]
    pub options: Vec<CoapOption>,
    #[serde(default, with = "base64")]
    pub payload: Vec<u8>,
}

/// A response or a notification.
#[derive(Clone, Debug, Serialize)]
pub struct Response {
    /// For example `2.05`.
    pub code: String,
    pub options: Vec<CoapOption>,
    #[serde(with = "base64")]
    pub payload: Vec<u8>,
}

/// Observe a resource.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observe {
    pub path: Vec<String>,
    #[serde(default = "yes")]
    pub confirmable: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CancelObserve {
    path: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Discover {
    #[serde(default)]
    query: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Serve {
    dtls: Option<Dtls>,
}

/// An attribute of a link; `None` is a flag, such as `obs`.
#[derive(Clone, Debug, Serialize)]
pub struct Attribute {
    pub name: String,
    pub value: Option<String>,
}

/// One link, as the crate has read it.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    pub href: String,
    pub attributes: Vec<Attribute>,
}

/// What happens to a client or a server.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A response to an observation was delivered to the application, or an error in its place.
    Notification {
        path: Vec<String>,
        response: Option<Response>,
        error: Option<String>,
    },
    /// The application's handler ran for a request.
    Served {
        method: String,
        path: Vec<String>,
        query: Vec<String>,
        #[serde(with = "base64")]
        payload: Vec<u8>,
    },
}

/// A client and a server, over the crate under test. `WIRE.md` says when each operation replies.
pub trait Endpoint {
    /// Makes a client.
    fn open(&mut self, request: Open) -> Result<(), Failure>;

    /// Sends one request; replies with the whole response.
    fn request(&mut self, request: Request) -> Result<Response, Failure>;

    /// Observes a resource.
    fn observe(&mut self, request: Observe) -> Result<(), Failure>;

    /// Ends an observation.
    fn cancel_observe(&mut self, path: Vec<String>) -> Result<(), Failure>;

    /// Asks what resources there are, with these filters.
    fn discover(&mut self, query: Vec<String>) -> Result<Vec<Link>, Failure>;

    /// Starts the server, over DTLS where that is set; replies with its port.
    fn serve(&mut self, dtls: Option<Dtls>) -> Result<u16, Failure>;
}

/// Talks to the harness until standard input ends: the body of a probe's `main`.
pub fn serve<E: Endpoint>(info: Info, make: impl FnOnce(Events) -> E) -> ExitCode {
    session::serve(info, |events| Coap(make(events)))
}

struct Coap<E>(E);

impl<E: Endpoint> Handler for Coap<E> {
    type Event = Event;

    const VOCABULARY: &'static [&'static str] = OPS;

    fn call(&mut self, op: &str, fields: Value) -> Result<Value, Failure> {
        let endpoint = &mut self.0;
        match op {
            "open" => endpoint.open(decode(fields)?).map(nothing),
            "request" => endpoint
                .request(decode(fields)?)
                .map(|response| json!(response)),
            "observe" => endpoint.observe(decode(fields)?).map(nothing),
            "cancel_observe" => {
                let CancelObserve { path } = decode(fields)?;
                endpoint.cancel_observe(path).map(nothing)
            }
            "discover" => {
                let Discover { query } = decode(fields)?;
                let links = endpoint.discover(query)?;
                Ok(json!({ "links": links }))
            }
            "serve" => {
                let Serve { dtls } = decode(fields)?;
                let port = endpoint.serve(dtls)?;
                Ok(json!({ "port": port }))
            }
            _ => Err(Failure::unknown(format!("unknown operation `{op}`"))),
        }
    }

    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure> {
        events.wait(remaining);
        Ok(())
    }
}

fn nothing((): ()) -> Value {
    json!({})
}

fn yes() -> bool {
    true
}
