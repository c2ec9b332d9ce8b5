//! The probe of [mqttc](https://docs.rs/crate/mqttc/0.1.4), a blocking client: it works only while a call of it runs.
//!
//! - `connect` follows the crate's three examples
//!   ([ping.rs](https://docs.rs/crate/mqttc/0.1.4/source/examples/ping.rs), pub.rs, sub.rs): `ClientOptions`,
//!   `set_keep_alive`, `set_reconnect(ReconnectAfter(5 s))`, `connect`.
//! - `publish` follows [pub.rs](https://docs.rs/crate/mqttc/0.1.4/source/examples/pub.rs), `subscribe` and `unsubscribe`
//!   follow [sub.rs](https://docs.rs/crate/mqttc/0.1.4/source/examples/sub.rs): the call, then `await()`, which returns
//!   `None` once nothing is outstanding.
//! - `wait` is the loop of ping.rs and sub.rs: `await()` over and over. That call also sends the PINGREQs and reconnects.
//!   `accept()`, which `await()` is made of, sends no PINGREQ, and no example calls it.
//! - `echo` publishes between two calls of `await()`, which is all that there is of a receive path.
//! - QoS 2 has no example. [`Store`](https://docs.rs/mqttc/0.1.4/mqttc/store/trait.Store.html) is a trait that the
//!   application implements, and `Client::complete` ends an incoming message; without them the crate refuses QoS 2.
//! - `disconnect` is `PubSub::disconnect`, which sends nothing: the socket closes when the client is dropped.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use kit::mqtt::{
    Confirmation, Connect, Connected, Disconnect, Echo, Event, Events, Publish, Qos, Subscribe,
    Unsubscribe,
};
use kit::wire::Code;
use kit::{Failure, Info, Setting};
use mqtt3::{Message, PacketIdentifier, QoS, SubscribeTopic};
use mqttc::store::{self, Store};
use mqttc::{Client, ClientOptions, Error, PubOpt, PubSub, ReconnectMethod};
use netopt::NetworkOptions;

/// How long a `wait` may outlast its time: a little less than the contract grants.
const GRACE: Duration = Duration::from_millis(4900);
/// An `await()` on an idle connection takes a keep-alive, which is 5 s in most scenarios: one begun with less than this
/// left would outlast the grace.
const LEAST: Duration = Duration::from_millis(150);

const SOURCE: &str = "https://docs.rs/crate/mqttc/0.1.4/source/src/client.rs";

fn main() -> ExitCode {
    let info = Info {
        krate: "mqttc",
        lock: include_str!("../Cargo.lock"),
        dialects: &["mqtt-3.1.1"],
        ops: kit::mqtt::OPS,
        settings: vec![
            Setting {
                name: "reconnect",
                value: "ReconnectAfter(5 s)",
                default: "ForeverDisconnect",
                source: "https://docs.rs/crate/mqttc/0.1.4/source/examples/sub.rs",
                dialects: &[],
            },
            Setting {
                name: "incomming_store",
                value: "in memory",
                default: "none",
                source: SOURCE,
                dialects: &[],
            },
            Setting {
                name: "outgoing_store",
                value: "in memory",
                default: "none",
                source: SOURCE,
                dialects: &[],
            },
        ],
        assembled: &[],
    };
    kit::mqtt::serve(info, |events| Probe {
        events,
        client: None,
        away: None,
        echo: None,
    })
}

struct Probe {
    events: Events,
    client: Option<Client>,
    /// Where the client comes back from, while a thread is in its `await()`.
    away: Option<Receiver<Awaited>>,
    echo: Option<Echo>,
}

type Awaited = (Client, mqttc::Result<Option<Box<Message>>>);

impl Probe {
    /// The client, once no `await()` has it.
    fn client(&mut self) -> Result<&mut Client, Failure> {
        if let Some(away) = self.away.take() {
            let awaited = away.recv().expect("the thread sends before it ends");
            self.welcome(awaited)?;
        }
        self.client.as_mut().ok_or_else(Failure::not_connected)
    }

    /// Takes the client back after `await()`: true once nothing is outstanding, false after a message.
    fn welcome(&mut self, (client, outcome): Awaited) -> Result<bool, Failure> {
        let client = self.client.insert(client);
        let Some(message) = outcome.map_err(failure)? else {
            return Ok(true);
        };
        if let (QoS::ExactlyOnce, Some(id)) = (message.qos, message.pid) {
            client.complete(id).map_err(failure)?;
        }
        let event = Event::Message {
            topic: message.topic.path(),
            payload: message.payload.to_vec(),
            qos: Some(match message.qos {
                QoS::AtMostOnce => Qos::AtMostOnce,
                QoS::AtLeastOnce => Qos::AtLeastOnce,
                QoS::ExactlyOnce => Qos::ExactlyOnce,
            }),
            retain: Some(message.retain),
            dup: None,
            properties: None,
        };
        if let Some(answer) = self.echo.as_ref().and_then(|echo| echo.answer(&event)) {
            let options = PubOpt::new(qos(answer.qos), answer.retain);
            client
                .publish(answer.topic, answer.payload, options)
                .map_err(failure)?;
        }
        self.events.push(event);
        Ok(false)
    }

    /// `await()` until nothing is outstanding.
    fn settle(&mut self) -> Result<Confirmation, Failure> {
        while let Some(mut client) = self.client.take() {
            let outcome = client.r#await();
            let settled = self.welcome((client, outcome));
            if settled.map_err(Failure::indefinite)? {
                break;
            }
        }
        Ok(Confirmation::Confirmed)
    }
}

impl kit::mqtt::Client for Probe {
    fn connect(&mut self, request: Connect) -> Result<Connected, Failure> {
        if request.tls.is_some() {
            let reason = "netopt's TLS is openssl 0.7, which does not compile against OpenSSL 1.1";
            return Err(Failure::unsupported("tls", reason));
        }
        if request.websocket {
            let reason = "netopt's streams are TCP and TLS";
            return Err(Failure::unsupported("websocket", reason));
        }
        // A client that still reconnects by itself would fight with the new one over the identifier.
        let _old_one_back = self.client();
        self.client = None;

        let mut options = ClientOptions::new();
        options
            .set_keep_alive(request.keep_alive_s)
            .set_reconnect(ReconnectMethod::ReconnectAfter(Duration::from_secs(5)))
            .set_client_id(request.client_id)
            .set_clean_session(request.clean_session)
            .set_incomming_store(Box::<Memory>::default())
            .set_outgoing_store(Box::<Memory>::default());
        if let Some(username) = request.username {
            options.set_username(username);
        }
        if let Some(password) = request.password {
            options.set_password(password);
        }
        if let Some(will) = request.will {
            let Ok(message) = String::from_utf8(will.payload) else {
                let reason = "the payload of a will is a String";
                return Err(Failure::unsupported("binary-will", reason));
            };
            let retained = PubOpt::new(qos(will.qos), will.retain);
            // The second type parameter occurs nowhere in the method: any type will do.
            options
                .set_last_will::<_, String>(will.topic, message, retained)
                .map_err(failure)?;
        }
        let address = (request.host.as_str(), request.port);
        let client = options
            .connect(address, NetworkOptions::new())
            .map_err(failure)?;
        let session_present = Some(client.session_present());
        self.client = Some(client);
        Ok(Connected {
            session_present,
            properties: None,
        })
    }

    fn publish(&mut self, request: Publish) -> Result<Confirmation, Failure> {
        let options = PubOpt::new(qos(request.qos), request.retain);
        self.client()?
            .publish(request.topic, request.payload, options)
            .map_err(unsure)?;
        match request.qos {
            Qos::AtMostOnce => Ok(Confirmation::Confirmed),
            _ => self.settle(),
        }
    }

    fn echo(&mut self, request: Echo) -> Result<(), Failure> {
        self.echo = Some(request);
        Ok(())
    }

    fn subscribe(&mut self, request: Subscribe) -> Result<Confirmation, Failure> {
        let topics = request.filters.into_iter().map(|wanted| SubscribeTopic {
            topic_path: wanted.filter,
            qos: qos(wanted.qos),
        });
        self.client()?
            .subscribe(topics.collect::<Vec<_>>())
            .map_err(unsure)?;
        self.settle()
    }

    fn unsubscribe(&mut self, request: Unsubscribe) -> Result<Confirmation, Failure> {
        self.client()?
            .unsubscribe(request.filters)
            .map_err(unsure)?;
        self.settle()
    }

    fn disconnect(&mut self, _: Disconnect) -> Result<(), Failure> {
        self.client()?;
        let client = self.client.take().ok_or_else(Failure::not_connected)?;
        client.disconnect().map_err(failure)
    }

    /// `await()` takes no time limit. It returns at a message, or when a PINGREQ was answered, which is a keep-alive
    /// later; without a connection it returns when there is one again. It runs on a thread, so that `wait` ends all the
    /// same. The next command then waits until the client is back.
    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure> {
        let (away, time) = match (self.away.take(), self.client.take()) {
            (Some(away), _) => (away, remaining),
            (None, Some(client)) if remaining >= LEAST => (awaiting(client), remaining + GRACE),
            (None, client) => {
                self.client = client;
                events.wait(remaining);
                return Ok(());
            }
        };
        match away.recv_timeout(time) {
            Ok(awaited) => self.welcome(awaited).map(|_settled| ()),
            Err(_) => {
                self.away = Some(away);
                Ok(())
            }
        }
    }
}

fn awaiting(mut client: Client) -> Receiver<Awaited> {
    let (sender, away) = mpsc::channel();
    kit::spawn(move || {
        let outcome = client.r#await();
        let _nobody_waits = sender.send((client, outcome));
    });
    away
}

/// A store of unfinished QoS 2 messages that lives as long as the client.
#[derive(Default)]
struct Memory(BTreeMap<PacketIdentifier, Box<Message>>);

impl Store for Memory {
    fn put(&mut self, message: Box<Message>) -> store::Result<()> {
        let id = message.pid.unwrap_or(PacketIdentifier::zero());
        self.0.insert(id, message);
        Ok(())
    }

    fn get(&mut self, id: PacketIdentifier) -> store::Result<Box<Message>> {
        let message = self.0.get(&id).cloned();
        message.ok_or(store::Error::NotFound(id))
    }

    fn delete(&mut self, id: PacketIdentifier) -> store::Result<()> {
        let message = self.0.remove(&id);
        message.map(|_| ()).ok_or(store::Error::NotFound(id))
    }
}

fn qos(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn failure(error: Error) -> Failure {
    // The crate's error has no Display.
    let text = format!("{error:?}");
    match error {
        Error::ConnectionRefused(_) => Failure::refused(text),
        Error::Io(_) | Error::ConnectionAbort | Error::Disconnected => Failure::io(text),
        Error::Timeout => Failure::timeout(text),
        Error::ProtocolViolation
        | Error::UnrecognizedPacket
        | Error::UnhandledPuback(_)
        | Error::UnhandledPubrec(_)
        | Error::UnhandledPubrel(_)
        | Error::UnhandledPubcomp(_) => Failure::protocol(text),
        _ => Failure::krate(text),
    }
}

/// The error of a request: what the crate refuses by itself was not sent.
fn unsure(error: Error) -> Failure {
    match failure(error) {
        refused if refused.code == Code::Crate => refused,
        broken => broken.indefinite(),
    }
}
