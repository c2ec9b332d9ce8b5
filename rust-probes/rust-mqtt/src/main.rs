//! The probe of [cubehub/rust-mqtt](https://github.com/cubehub/rust-mqtt), a binding of Paho C's asynchronous client. It has
//! no documentation but its README and four examples.
//!
//! `connect`, `subscribe`, `publish`, `wait` and `disconnect` all follow
//! [examples/loopback.rs](https://github.com/cubehub/rust-mqtt/blob/a3de72b2ba0459f4d59085379d441070dae49e41/examples/loopback.rs):
//! `AsyncClient::new` without a message channel, `connect`, `subscribe`, `send`, `messages(Some(100))`, `disconnect`. Each
//! call but `messages` returns when Paho's callback for it ran.
//!
//! `echo` sends from the loop over `messages`, as loopback.rs does with its own.
//!
//! No example looks at a lost connection, and the crate's callback for it only logs. `AsyncClient::is_connected` is how an
//! application can tell: `wait` asks it, and reports `disconnected` when the answer turns to no. Reconnecting is the
//! application's: `connect` once more, on the client that is there.

use std::process::ExitCode;
use std::time::Duration;

use kit::mqtt::{
    Client, Confirmation, Connect, Connected, Disconnect, Echo, Event, Events, Publish, Qos,
    Subscribe, Unsubscribe, WEBSOCKET_PATH,
};
use kit::{Failure, Info};
use mqtt::r#async::{
    AsyncClient, AsyncConnectOptions, AsyncDisconnectOptions, CommandError, ConnectError, Message,
    MqttError, PersistenceType,
};

/// How long the example looks for messages at a time.
const SLICE: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let info = Info {
        krate: "mqtt",
        lock: include_str!("../Cargo.lock"),
        dialects: &["mqtt-3.1.1"],
        ops: kit::mqtt::OPS,
        settings: vec![],
        assembled: &[],
    };
    kit::mqtt::serve(info, |_events| Probe {
        client: None,
        connected: false,
        echo: None,
    })
}

struct Probe {
    client: Option<Named>,
    /// What `is_connected` said last.
    connected: bool,
    echo: Option<Echo>,
}

/// A client, which is made for one server and one client identifier.
struct Named {
    url: String,
    id: String,
    client: AsyncClient,
}

impl Probe {
    fn client(&mut self) -> Result<&mut AsyncClient, Failure> {
        let named = self.client.as_mut().ok_or_else(Failure::not_connected)?;
        Ok(&mut named.client)
    }
}

impl Client for Probe {
    fn connect(&mut self, request: Connect) -> Result<Connected, Failure> {
        if request.username.is_some() || request.password.is_some() {
            let reason = "AsyncConnectOptions has no user name and no password";
            return Err(Failure::unsupported("credentials", reason));
        }
        if request.will.is_some() {
            return Err(Failure::unsupported(
                "will",
                "AsyncConnectOptions has no will",
            ));
        }
        if request.tls.is_some() {
            return Err(Failure::unsupported(
                "tls",
                "AsyncConnectOptions has no TLS",
            ));
        }
        let mut options = AsyncConnectOptions::new();
        options.keep_alive_interval = request.keep_alive_s.into();
        options.cleansession = request.clean_session.into();

        let address = format!("{}:{}", request.host, request.port);
        // libpaho's own form of addresses, which the crate hands on.
        let url = if request.websocket {
            format!("ws://{address}{WEBSOCKET_PATH}")
        } else {
            format!("tcp://{address}")
        };
        let id = request.client_id;
        let named = match self.client.take() {
            Some(named) if named.url == url && named.id == id => named,
            _ => {
                let client = AsyncClient::new(&url, &id, PersistenceType::Nothing, None);
                let client = client.map_err(failure)?;
                Named { url, id, client }
            }
        };
        self.client
            .insert(named)
            .client
            .connect(&options)
            .map_err(failure)?;
        self.connected = true;
        Ok(Connected {
            session_present: None,
            properties: None,
        })
    }

    fn publish(&mut self, request: Publish) -> Result<Confirmation, Failure> {
        let qos = to_crate(request.qos);
        self.client()?
            .send(&request.payload, &request.topic, qos, request.retain)
            .map_err(unsure)?;
        Ok(Confirmation::Confirmed)
    }

    fn echo(&mut self, request: Echo) -> Result<(), Failure> {
        self.echo = Some(request);
        Ok(())
    }

    fn subscribe(&mut self, request: Subscribe) -> Result<Confirmation, Failure> {
        let [wanted] = request.filters.as_slice() else {
            let reason = "AsyncClient::subscribe takes one filter";
            return Err(Failure::unsupported("several-filters", reason));
        };
        self.client()?
            .subscribe(&wanted.filter, to_crate(wanted.qos))
            .map_err(unsure)?;
        Ok(Confirmation::Confirmed)
    }

    fn unsubscribe(&mut self, _request: Unsubscribe) -> Result<Confirmation, Failure> {
        let reason = "AsyncClient has no unsubscribe";
        Err(Failure::unsupported("unsubscribe", reason))
    }

    fn disconnect(&mut self, _: Disconnect) -> Result<(), Failure> {
        self.connected = false;
        self.client()?
            .disconnect(&AsyncDisconnectOptions::new())
            .map_err(failure)
    }

    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure> {
        let was_connected = self.connected;
        let Some(named) = &mut self.client else {
            events.wait(remaining);
            return Ok(());
        };
        let slice = remaining.min(SLICE).as_millis() as u32;
        if let Some(message) = named.client.messages(Some(slice)).next() {
            let event = event(message);
            let answer = self.echo.as_ref().and_then(|echo| echo.answer(&event));
            events.push(event);
            if let Some(Publish {
                topic,
                payload,
                qos,
                ..
            }) = answer
            {
                let sent = named.client.send(&payload, &topic, to_crate(qos), false);
                sent.map_err(unsure)?;
            }
        }
        self.connected = was_connected && named.client.is_connected();
        if was_connected && !self.connected {
            let reason = "AsyncClient::is_connected is false".to_owned();
            events.push(Event::Disconnected {
                reason,
                reason_code: None,
            });
        }
        Ok(())
    }
}

fn event(message: Message) -> Event {
    Event::Message {
        topic: message.topic,
        payload: message.payload.unwrap_or_default(),
        qos: Some(match message.qos {
            mqtt::r#async::Qos::FireAndForget => Qos::AtMostOnce,
            mqtt::r#async::Qos::AtLeastOnce => Qos::AtLeastOnce,
            mqtt::r#async::Qos::OnceAndOneOnly => Qos::ExactlyOnce,
        }),
        retain: Some(message.retained),
        dup: Some(message.duplicate),
        properties: None,
    }
}

fn to_crate(qos: Qos) -> mqtt::r#async::Qos {
    match qos {
        Qos::AtMostOnce => mqtt::r#async::Qos::FireAndForget,
        Qos::AtLeastOnce => mqtt::r#async::Qos::AtLeastOnce,
        Qos::ExactlyOnce => mqtt::r#async::Qos::OnceAndOneOnly,
    }
}

fn failure(error: MqttError) -> Failure {
    match error {
        // Paho hands on the return code of CONNACK; its own errors are negative.
        MqttError::Connect(ConnectError::CallbackResponse(1..=5)) => Failure::refused(error),
        error => Failure::io(error),
    }
}

/// The error of a request: one that Paho did not take over was not sent.
fn unsure(error: MqttError) -> Failure {
    match error {
        MqttError::Send(CommandError::ReturnCode(_))
        | MqttError::Subscribe(CommandError::ReturnCode(_)) => failure(error),
        error => failure(error).indefinite(),
    }
}
