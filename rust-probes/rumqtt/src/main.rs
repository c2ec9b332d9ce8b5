//! rumqtt, driven as its documentation shows (<https://docs.rs/rumqtt/0.31.0/rumqtt/>):
//!
//! - connect: "Publish and subscribe" of the crate's front page: `MqttClient::start`, then a loop over `notifications`, on a
//!   thread of its own. Reconnecting is the crate's and left at its default, as in `examples/pubsub2.rs`. User name and
//!   password by `MqttOptions::set_security_opts`, the will by `MqttOptions::set_last_will`, TLS as in `examples/tls.rs`.
//! - publish, subscribe, unsubscribe: the calls of the same example and of `MqttClient`. They only put the request into
//!   a channel, and the crate's notifications of acknowledgements are behind its feature `acknotify`, which is off.
//! - echo: publishes from the loop over the notifications, with a clone of the client.
//! - disconnect: `MqttClient::shutdown`, as in `examples/shutdown.rs`, which ends where the notifications end.

use std::process::ExitCode;
use std::sync::mpsc::{channel, Receiver};
use std::sync::{Arc, Mutex, PoisonError};

use kit::mqtt::{self, Confirmation, Connected, Disconnect, Echo, Event, Events, Qos};
use kit::{Failure, Info, Setting};
use rumqtt::{ConnectError, LastWill, MqttClient, MqttOptions, Notification, QoS, SecurityOptions};

fn main() -> ExitCode {
    let info = Info {
        krate: "rumqtt",
        lock: include_str!("../Cargo.lock"),
        dialects: &["mqtt-3.1.1"],
        ops: mqtt::OPS,
        settings: vec![Setting {
            name: "set_max_packet_size",
            value: "2 MiB",
            default: "256 KiB",
            source: "https://docs.rs/rumqtt/0.31.0/rumqtt/mqttoptions/struct.MqttOptions.html#method.set_max_packet_size",
            dialects: &[],
        }],
        assembled: &[],
    };
    mqtt::serve(info, |events| Probe { events, link: None })
}

struct Probe {
    events: Events,
    link: Option<Link>,
}

struct Link {
    client: MqttClient,
    /// Its sender is dropped where the crate's notifications end.
    ended: Receiver<()>,
    echo: Arc<Mutex<Option<Echo>>>,
}

impl mqtt::Client for Probe {
    fn connect(&mut self, request: mqtt::Connect) -> Result<Connected, Failure> {
        if self.link.is_some() {
            return Err(Failure::state("already connected"));
        }
        if request.websocket {
            let reason = "the crate opens TCP and TLS streams alone";
            return Err(Failure::unsupported("websocket", reason));
        }
        let (client, notifications) =
            MqttClient::start(options(request)?).map_err(|error| failure(&error))?;
        let events = self.events.clone();
        let (end, ended) = channel();
        let echo = Arc::new(Mutex::new(None));
        let (mut answering, asked) = (client.clone(), Arc::clone(&echo));
        kit::spawn(move || {
            let mut gone = false;
            for notification in notifications {
                match notification {
                    Notification::Disconnection => gone = true,
                    Notification::Reconnection => gone = false,
                    _ => {}
                }
                let Some(event) = event(notification) else {
                    continue;
                };
                let echo = asked.lock().unwrap_or_else(PoisonError::into_inner);
                let answer = echo.as_ref().and_then(|echo: &Echo| echo.answer(&event));
                events.push(event);
                if let Some(message) = answer {
                    if let Err(error) = publish(&mut answering, message) {
                        eprintln!("echo: {}", error.text);
                    }
                }
            }
            if !gone {
                // The crate's network thread died without a word: all that the example's loop sees is its end.
                events.push(disconnected("the notifications ended"));
            }
            drop(end);
        });
        self.link = Some(Link {
            client,
            ended,
            echo,
        });
        Ok(Connected {
            session_present: None,
            properties: None,
        })
    }

    fn publish(&mut self, request: mqtt::Publish) -> Result<Confirmation, Failure> {
        publish(self.client()?, request)?;
        Ok(Confirmation::HandedOver)
    }

    fn echo(&mut self, request: Echo) -> Result<(), Failure> {
        let link = self.link.as_ref().ok_or_else(Failure::not_connected)?;
        *link.echo.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
        Ok(())
    }

    fn subscribe(&mut self, request: mqtt::Subscribe) -> Result<Confirmation, Failure> {
        let subscription = one(request.filters)?;
        self.client()?
            .subscribe(subscription.filter, level(subscription.qos))
            .map_err(Failure::krate)?;
        Ok(Confirmation::HandedOver)
    }

    fn unsubscribe(&mut self, request: mqtt::Unsubscribe) -> Result<Confirmation, Failure> {
        let filter = one(request.filters)?;
        self.client()?.unsubscribe(filter).map_err(Failure::krate)?;
        Ok(Confirmation::HandedOver)
    }

    fn disconnect(&mut self, _: Disconnect) -> Result<(), Failure> {
        self.client()?.shutdown().map_err(Failure::krate)?;
        let link = self.link.take().ok_or_else(Failure::not_connected)?;
        let _ended = link.ended.recv();
        Ok(())
    }
}

impl Probe {
    fn client(&mut self) -> Result<&mut MqttClient, Failure> {
        let link = self.link.as_mut().ok_or_else(Failure::not_connected)?;
        Ok(&mut link.client)
    }
}

fn publish(client: &mut MqttClient, request: mqtt::Publish) -> Result<(), Failure> {
    let qos = level(request.qos);
    client
        .publish(request.topic, qos, request.retain, request.payload)
        .map_err(Failure::krate)
}

fn event(notification: Notification) -> Option<Event> {
    match notification {
        Notification::Publish(message) => Some(Event::Message {
            topic: message.topic_name,
            payload: Arc::unwrap_or_clone(message.payload),
            qos: Qos::try_from(message.qos.to_u8()).ok(),
            retain: Some(message.retain),
            dup: Some(message.dup),
            properties: None,
        }),
        Notification::Disconnection => Some(disconnected("Notification::Disconnection")),
        Notification::Reconnection => Some(Event::Reconnected),
        _ => None,
    }
}

fn disconnected(reason: &str) -> Event {
    Event::Disconnected {
        reason: reason.to_owned(),
        reason_code: None,
    }
}

fn options(request: mqtt::Connect) -> Result<MqttOptions, Failure> {
    let security = match (request.username, request.password) {
        (Some(username), Some(password)) => SecurityOptions::UsernamePassword(username, password),
        (None, None) => SecurityOptions::None,
        _ => {
            return Err(Failure::unsupported(
                "username-without-password",
                "SecurityOptions::UsernamePassword has both",
            ))
        }
    };
    let mut options = MqttOptions::new(request.client_id, request.host, request.port)
        .set_keep_alive(request.keep_alive_s)
        .set_clean_session(request.clean_session)
        .set_security_opts(security)
        .set_max_packet_size(2 * 1024);
    if let Some(tls) = request.tls {
        // Without an authority the crate speaks plain TCP, whatever else it was given.
        let ca = tls
            .ca
            .ok_or_else(|| Failure::not_written("`tls` without `tls.ca`"))?;
        options = options.set_ca(ca.into_bytes());
        options = match (tls.certificate, tls.key) {
            (Some(certificate), Some(key)) => {
                options.set_client_auth(certificate.into_bytes(), key.into_bytes())
            }
            (None, None) => options,
            _ => return Err(Failure::bad_value("`certificate` and `key` go together")),
        };
    }
    let Some(will) = request.will else {
        return Ok(options);
    };
    let message = String::from_utf8(will.payload).map_err(|error| {
        Failure::unsupported(
            "binary-will",
            format!("LastWill::message is a String: {error}"),
        )
    })?;
    Ok(options.set_last_will(LastWill {
        topic: will.topic,
        message,
        qos: level(will.qos),
        retain: will.retain,
    }))
}

fn one<T>(filters: Vec<T>) -> Result<T, Failure> {
    match <[T; 1]>::try_from(filters) {
        Ok([filter]) => Ok(filter),
        Err(_) => Err(Failure::unsupported(
            "several-filters",
            "MqttClient::subscribe and unsubscribe take one filter each",
        )),
    }
}

fn level(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn failure(error: &ConnectError) -> Failure {
    match error {
        ConnectError::MqttConnectionRefused(_) => Failure::refused(error),
        ConnectError::Io(_) | ConnectError::NoResponse => Failure::io(error),
        ConnectError::Timeout => Failure::timeout(error),
        ConnectError::NotConnackPacket(_) => Failure::protocol(error),
        _ => Failure::krate(error),
    }
}
