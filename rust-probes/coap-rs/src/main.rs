//! The probe of [coap](https://docs.rs/coap/0.29.0/coap/), a CoAP client and server.
//!
//! - `open` is [`UdpCoAPClient::new`](https://docs.rs/coap/0.29.0/coap/client/struct.CoAPClient.html#method.new), with
//!   `set_receive_timeout`, which the crate takes for ACK_TIMEOUT, and `set_block1_size` where the harness asks for them.
//! - `request` is [`RequestBuilder`](https://docs.rs/coap/0.29.0/coap/request/struct.RequestBuilder.html) and
//!   [`CoAPClient::send`](https://docs.rs/coap/0.29.0/coap/client/struct.CoAPClient.html#method.send), which
//!   [`CoAPClient::request`](https://docs.rs/coap/0.29.0/coap/client/struct.CoAPClient.html#method.request) is made of.
//! - `observe` and `cancel_observe` follow the
//!   [client example](https://docs.rs/crate/coap/0.29.0/source/examples/client.rs), with `observe_with` for what is not
//!   confirmable.
//! - `discover` is [`UdpCoAPClient::discover`](https://docs.rs/crate/coap/0.29.0/source/README.md), as the README has it.
//! - What `open` and `serve` do over DTLS is in [`dtls`].
//! - `serve` is in [`server`].
//!
//! The harness also builds this probe against older versions of the crate, and then sets `before` for each later API:
//!
//! - 0.22.0: a request takes a list of queries, and not the one that may be there;
//! - 0.24.0: a client for UDP is made by `new`, and not by `new_udp`;
//! - 0.27.0: an observer is told of errors;
//! - 0.29.0: resources can be described and discovered. What a server does before that is not written here.

mod dtls;
#[cfg(not(before = "0.29.0"))]
mod server;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use coap::client::{CoAPClient, ObserveMessage};
use coap::dtls::DtlsConnection;
use coap::request::{CoapRequest, RequestBuilder};
use coap::UdpCoAPClient;
use coap_lite::{CoapOption, Packet, RequestType};
use kit::base64::Bytes;
#[cfg(not(before = "0.29.0"))]
use kit::coap::Attribute;
use kit::coap::{Dtls, Event, Events, Link, Method, Observe, Open, Request, Response};
use kit::{Failure, Info};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

fn main() -> ExitCode {
    let runtime = match Runtime::new() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => {
            eprintln!("tokio's runtime cannot be made: {error}");
            return ExitCode::FAILURE;
        }
    };
    let info = Info {
        krate: "coap",
        lock: include_str!("../Cargo.lock"),
        dialects: &["coap-client", "coap-server"],
        ops: OPS,
        settings: vec![],
        assembled: &[],
    };
    kit::coap::serve(info, |events| Probe {
        events,
        runtime,
        client: None,
        observations: BTreeMap::new(),
    })
}

#[cfg(not(before = "0.29.0"))]
const OPS: &[&str] = kit::coap::OPS;
#[cfg(before = "0.29.0")]
const OPS: &[&str] = &["open", "request", "observe", "cancel_observe", "wait"];

struct Probe {
    events: Events,
    runtime: Arc<Runtime>,
    client: Option<Client>,
    observations: BTreeMap<Vec<String>, oneshot::Sender<ObserveMessage>>,
}

struct Client {
    crates: Crates,
    server: String,
}

/// The crate's client has a type of its own for each transport.
enum Crates {
    Udp(UdpCoAPClient),
    Dtls(CoAPClient<DtlsConnection>),
}

/// The same call on either.
macro_rules! on_client {
    ($crates:expr, $client:ident => $call:expr) => {
        match $crates {
            Crates::Udp($client) => $call,
            Crates::Dtls($client) => $call,
        }
    };
}

impl Probe {
    fn client(&self) -> Result<&Client, Failure> {
        let found = self.client.as_ref();
        found.ok_or_else(|| Failure::state("there is no client: `open` comes first"))
    }
}

impl kit::coap::Endpoint for Probe {
    fn open(&mut self, request: Open) -> Result<(), Failure> {
        let server = format!("{}:{}", request.host, request.port);
        let mut crates = match &request.dtls {
            None => {
                #[cfg(not(before = "0.24.0"))]
                let opening = UdpCoAPClient::new(&server);
                #[cfg(before = "0.24.0")]
                let opening = UdpCoAPClient::new_udp(&server);
                Crates::Udp(self.runtime.block_on(opening).map_err(failure)?)
            }
            Some(dtls) => Crates::Dtls(dtls::open(&self.runtime, &server, dtls)?),
        };
        on_client!(&mut crates, client => {
            if let Some(milliseconds) = request.ack_timeout_ms {
                client.set_receive_timeout(Duration::from_millis(milliseconds));
            }
            if let Some(szx) = request.block1_szx {
                client.set_block1_size(1 << (szx + 4));
            }
        });
        self.client = Some(Client { crates, server });
        Ok(())
    }

    fn request(&mut self, request: Request) -> Result<Response, Failure> {
        let client = &self.client()?.crates;
        let built = build(&request);
        let response = on_client!(client, client => self.runtime.block_on(client.send(built)));
        let response = response.map_err(failure)?;
        Ok(response_of(&response.message))
    }

    fn observe(&mut self, request: Observe) -> Result<(), Failure> {
        let client = &self.client()?.crates;
        let path = request.path.join("/");
        let events = self.events.clone();
        let of = request.path.clone();
        let deliver = move |result: io::Result<Packet>| {
            let (response, error) = match result {
                Ok(message) => (Some(response_of(&message)), None),
                Err(error) => (None, Some(error.to_string())),
            };
            events.push(Event::Notification {
                path: of.clone(),
                response,
                error,
            });
        };
        #[cfg(not(before = "0.27.0"))]
        let handler = deliver;
        #[cfg(before = "0.27.0")]
        let handler = move |message: Packet| deliver(Ok(message));
        let ending = on_client!(client, client => if request.confirmable {
            self.runtime.block_on(client.observe(&path, handler))
        } else {
            let get = RequestBuilder::new(&path, RequestType::Get).confirmable(false);
            self.runtime
                .block_on(client.observe_with(get.build(), handler))
        });
        self.observations
            .insert(request.path, ending.map_err(failure)?);
        Ok(())
    }

    fn cancel_observe(&mut self, path: Vec<String>) -> Result<(), Failure> {
        let Some(ending) = self.observations.remove(&path) else {
            return Err(Failure::state("there is no such observation"));
        };
        ending
            .send(ObserveMessage::Terminate)
            .map_err(|_| Failure::krate("the observation is over already"))
    }

    #[cfg(before = "0.29.0")]
    fn discover(&mut self, _: Vec<String>) -> Result<Vec<Link>, Failure> {
        Err(Failure::not_written("the crate has no `discover` yet"))
    }

    #[cfg(not(before = "0.29.0"))]
    fn discover(&mut self, query: Vec<String>) -> Result<Vec<Link>, Failure> {
        let mut url = format!("coap://{}", self.client()?.server);
        if !query.is_empty() {
            url = format!("{url}?{}", query.join("&"));
        }
        let links = self.runtime.block_on(UdpCoAPClient::discover(&url));
        Ok(links.map_err(failure)?.into_iter().map(link).collect())
    }

    #[cfg(before = "0.29.0")]
    fn serve(&mut self, _: Option<Dtls>) -> Result<u16, Failure> {
        Err(Failure::not_written(
            "of versions before 0.29.0 only the client is probed",
        ))
    }

    #[cfg(not(before = "0.29.0"))]
    fn serve(&mut self, dtls: Option<Dtls>) -> Result<u16, Failure> {
        server::start(&self.runtime, self.events.clone(), dtls).map_err(failure)
    }
}

fn build(request: &Request) -> CoapRequest<SocketAddr> {
    let path = request.path.join("/");
    let method = match request.method {
        Method::Get => RequestType::Get,
        Method::Post => RequestType::Post,
        Method::Put => RequestType::Put,
        Method::Delete => RequestType::Delete,
    };
    #[cfg(not(before = "0.22.0"))]
    let queries = request
        .query
        .iter()
        .map(|part| part.clone().into_bytes())
        .collect();
    #[cfg(before = "0.22.0")]
    let queries = Some(request.query.join("&").into_bytes()).filter(|query| !query.is_empty());
    let options = request
        .options
        .iter()
        .map(|option| (CoapOption::from(option.number), option.value.clone()));
    let payload = Some(&request.payload).filter(|payload| !payload.is_empty());
    RequestBuilder::new(&path, method)
        .queries(queries)
        .options(options.collect())
        .token(request.token.clone().map(|Bytes(token)| token))
        .confirmable(request.confirmable)
        .data(payload.cloned())
        .build()
}

fn response_of(message: &Packet) -> Response {
    let options = message.options().flat_map(|(number, values)| {
        values.iter().map(|value| kit::coap::CoapOption {
            number: *number,
            value: value.clone(),
        })
    });
    Response {
        code: message.header.get_code(),
        options: options.collect(),
        payload: message.payload.clone(),
    }
}

#[cfg(not(before = "0.29.0"))]
fn link(found: coap::discovery::Link) -> Link {
    let attributes = found.attributes.into_iter();
    Link {
        href: found.href,
        attributes: attributes
            .map(|(name, value)| Attribute { name, value })
            .collect(),
    }
}

fn failure(error: impl Into<io::Error> + Display) -> Failure {
    let error = error.into();
    match error.kind() {
        ErrorKind::TimedOut => Failure::timeout(error).indefinite(),
        _ => Failure::krate(error).indefinite(),
    }
}
