//! The probe of [lapin](https://docs.rs/lapin/4.12.3), an asynchronous client, on a tokio runtime.
//!
//! - Every operation follows the crate's examples
//!   ([tokio.rs](https://docs.rs/crate/lapin/4.12.3/source/examples/tokio.rs), publisher_confirms.rs, pubsub.rs):
//!   `Connection::connect_uri`, `create_channel`, then the channel's method of the same name as the operation.
//! - `connect` with `tls` follows
//!   [client-certificate.rs](https://docs.rs/crate/lapin/4.12.3/source/examples/client-certificate.rs): the authority in
//!   `OwnedTLSConfig::cert_chain`, the client's certificate in `identity`.
//! - `publish_all` awaits the `PublisherConfirm`s after the last publish, as publisher_confirms.rs does with one.
//! - `consume` reads the `Consumer` as a stream, as in consumer.rs, on a task; `ack` is the channel's `basic_ack`. With
//!   `answer` that task publishes and acknowledges between two messages of the stream.
//! - What the broker says of the whole connection comes from `Connection::events_listener`, and
//!   [`Connection::update_secret`](https://docs.rs/lapin/4.12.3/lapin/struct.Connection.html#method.update_secret) is its own.
//! - A connection that broke is not recovered: that is the crate's default, and reconnect_manual.rs connects again.

mod tables;

use std::collections::HashMap;
use std::process::ExitCode;

use futures_lite::StreamExt;
use kit::amqp::{
    Ack, Action, Bind, Cancel, Connect, Consume, DeclareExchange, DeclareQueue, Declared, Delete,
    Delivery, Destination, Disconnect, Event, Events, Get, OnChannel, Outcome, Publish, PublishAll,
    Qos, Transaction, UpdateSecret, What,
};
use kit::mqtt::{Confirmation, Tls};
use kit::{Failure, Info};
use lapin::options::*;
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Error, ErrorKind, ExchangeKind,
};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let info = Info {
        krate: "lapin",
        lock: include_str!("../Cargo.lock"),
        dialects: &["amqp-0-9-1"],
        ops: kit::amqp::OPS,
        settings: vec![],
        assembled: &[],
    };
    kit::amqp::serve(info, |events| Probe {
        events,
        runtime: Runtime::new().expect("a runtime"),
        connection: None,
        channels: HashMap::new(),
    })
}

struct Probe {
    events: Events,
    runtime: Runtime,
    connection: Option<Connection>,
    channels: HashMap<u16, Channel>,
}

impl Probe {
    /// The channel of this number, opened at first use.
    fn channel(&mut self, id: u16) -> Result<Channel, Failure> {
        if let Some(channel) = self.channels.get(&id) {
            return Ok(channel.clone());
        }
        let channel = self.done(self.connected()?.create_channel())?;
        self.channels.insert(id, channel.clone());
        Ok(channel)
    }

    fn connected(&self) -> Result<&Connection, Failure> {
        self.connection.as_ref().ok_or_else(Failure::not_connected)
    }

    /// Waits for the end of a call of the crate.
    fn done<T>(
        &self,
        call: impl std::future::Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        self.runtime.block_on(call).map_err(failure)
    }
}

impl kit::amqp::Client for Probe {
    fn connect(&mut self, request: Connect) -> Result<(), Failure> {
        self.channels.clear();
        let scheme = match request.tls {
            Some(_) => AMQPScheme::AMQPS,
            None => AMQPScheme::AMQP,
        };
        let config = request.tls.map(tls).unwrap_or_default();
        let uri = AMQPUri {
            scheme,
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: request.username,
                    password: request.password,
                },
                host: request.host,
                port: request.port,
            },
            vhost: request.vhost,
            query: AMQPQueryString {
                heartbeat: Some(request.heartbeat_s),
                ..AMQPQueryString::default()
            },
        };
        let connecting = async {
            let runtime = lapin::runtime::default_runtime()?;
            let properties = ConnectionProperties::default();
            Connection::connect_uri_with_config(uri, properties, config, runtime).await
        };
        let connection = self.done(connecting)?;
        let (mut notices, events) = (connection.events_listener(), self.events.clone());
        self.runtime.spawn(async move {
            while let Some(notice) = notices.next().await {
                match notice {
                    lapin::Event::ConnectionBlocked(reason) => {
                        events.push(Event::Blocked { reason })
                    }
                    lapin::Event::ConnectionUnblocked => events.push(Event::Unblocked),
                    lapin::Event::Error(error) => events.push(Event::Disconnected {
                        reason: error.to_string(),
                    }),
                    _ => {}
                }
            }
        });
        self.connection = Some(connection);
        Ok(())
    }

    fn declare_queue(&mut self, request: DeclareQueue) -> Result<Declared, Failure> {
        let channel = self.channel(request.channel)?;
        let options = QueueDeclareOptions {
            passive: request.passive,
            durable: request.durable,
            exclusive: request.exclusive,
            auto_delete: request.auto_delete,
            nowait: request.nowait,
        };
        let arguments = tables::table(request.arguments)?;
        let queue = self.done(channel.queue_declare(request.queue.into(), options, arguments))?;
        Ok(Declared {
            queue: queue.name().to_string(),
            messages: queue.message_count(),
            consumers: queue.consumer_count(),
        })
    }

    fn declare_exchange(&mut self, request: DeclareExchange) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        let kind = match request.kind.as_str() {
            "direct" => ExchangeKind::Direct,
            "fanout" => ExchangeKind::Fanout,
            "topic" => ExchangeKind::Topic,
            "headers" => ExchangeKind::Headers,
            other => ExchangeKind::Custom(other.to_owned()),
        };
        let options = ExchangeDeclareOptions {
            passive: request.passive,
            durable: request.durable,
            auto_delete: request.auto_delete,
            nowait: request.nowait,
            ..ExchangeDeclareOptions::default()
        };
        let arguments = tables::table(request.arguments)?;
        self.done(channel.exchange_declare(request.exchange.into(), kind, options, arguments))
    }

    fn bind(&mut self, request: Bind) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        let arguments = tables::table(request.arguments)?;
        let (to, from) = (request.destination.into(), request.source.into());
        let key = request.routing_key.into();
        let nowait = request.nowait;
        match request.destination_kind {
            Destination::Queue => {
                let options = QueueBindOptions { nowait };
                self.done(channel.queue_bind(to, from, key, options, arguments))
            }
            Destination::Exchange => {
                let options = ExchangeBindOptions { nowait };
                self.done(channel.exchange_bind(to, from, key, options, arguments))
            }
        }
    }

    fn publish(&mut self, request: Publish) -> Result<Confirmation, Failure> {
        let channel = self.channel(request.channel)?;
        let options = BasicPublishOptions {
            mandatory: request.mandatory,
            ..BasicPublishOptions::default()
        };
        let properties = tables::properties(request.properties)?;
        let (exchange, key) = (request.exchange.into(), request.routing_key.into());
        let confirmed = self.done(async {
            let confirm = channel.basic_publish(exchange, key, options, &request.body, properties);
            confirm.await?.await
        })?;
        let confirmation = match confirmed {
            lapin::Confirmation::NotRequested => Confirmation::HandedOver,
            lapin::Confirmation::Ack(_) => Confirmation::Confirmed,
            lapin::Confirmation::Nack(_) => return Err(Failure::refused("basic.nack")),
        };
        if let Some(message) = confirmed.take_message() {
            let returned = told(request.channel, None, message.delivery);
            self.events.push(Event::Returned(returned));
        }
        Ok(confirmation)
    }

    fn publish_all(&mut self, request: PublishAll) -> Result<Vec<Outcome>, Failure> {
        let channel = self.channel(request.channel)?;
        let messages: Vec<Publish> = request.messages().collect();
        let confirmed = self.done(async {
            let mut confirms = Vec::new();
            for message in messages {
                let (exchange, key) = (message.exchange.into(), message.routing_key.into());
                let options = BasicPublishOptions::default();
                let properties = BasicProperties::default();
                let confirm =
                    channel.basic_publish(exchange, key, options, &message.body, properties);
                confirms.push(confirm.await?);
            }
            let mut confirmed = Vec::new();
            for confirm in confirms {
                confirmed.push(confirm.await?);
            }
            Ok(confirmed)
        })?;
        let outcomes = confirmed
            .into_iter()
            .map(|confirmation| match confirmation {
                lapin::Confirmation::NotRequested => Outcome::HandedOver,
                lapin::Confirmation::Ack(_) => Outcome::Confirmed,
                lapin::Confirmation::Nack(_) => Outcome::Refused,
            });
        Ok(outcomes.collect())
    }

    fn get(&mut self, request: Get) -> Result<Option<Delivery>, Failure> {
        let channel = self.channel(request.channel)?;
        let options = BasicGetOptions {
            no_ack: request.no_ack,
        };
        let got = self.done(channel.basic_get(request.queue.into(), options))?;
        Ok(got.map(|message| told(request.channel, None, message.delivery)))
    }

    fn consume(&mut self, request: Consume) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        let options = BasicConsumeOptions {
            no_ack: request.no_ack,
            exclusive: request.exclusive,
            ..BasicConsumeOptions::default()
        };
        let arguments = tables::table(request.arguments)?;
        let (queue, tag) = (request.queue.into(), request.consumer.into());
        let mut consumer = self.done(channel.basic_consume(queue, tag, options, arguments))?;
        let (id, answers, events) = (request.channel, request.answer, self.events.clone());
        self.runtime.spawn(async move {
            let tag = consumer.tag().to_string();
            while let Some(next) = consumer.next().await {
                let delivery = next.map(|got| told(id, Some(tag.clone()), got));
                if let (Ok(request), true) = (&delivery, answers) {
                    if let Err(failure) = answer(&channel, request).await {
                        events.push(Event::Disconnected {
                            reason: failure.text,
                        });
                    }
                }
                events.push(match delivery {
                    Ok(delivery) => Event::Delivery(delivery),
                    Err(error) => Event::Disconnected {
                        reason: error.to_string(),
                    },
                });
            }
            // The stream of a cancelled consumer ends.
            events.push(Event::ConsumerCancelled {
                channel: id,
                consumer: tag,
            });
        });
        Ok(())
    }

    fn cancel(&mut self, request: Cancel) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        self.done(channel.basic_cancel(request.consumer.into(), BasicCancelOptions::default()))
    }

    fn ack(&mut self, request: Ack) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        let (multiple, requeue) = (request.multiple, request.requeue);
        match (request.accept, multiple) {
            (true, _) => self.done(channel.basic_ack(request.tag, BasicAckOptions { multiple })),
            (false, true) => {
                let options = BasicNackOptions { multiple, requeue };
                self.done(channel.basic_nack(request.tag, options))
            }
            (false, false) => {
                self.done(channel.basic_reject(request.tag, BasicRejectOptions { requeue }))
            }
        }
    }

    fn qos(&mut self, request: Qos) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        let options = BasicQosOptions {
            global: request.global,
        };
        self.done(channel.basic_qos(request.prefetch_count, options))
    }

    fn confirm(&mut self, request: OnChannel) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        self.done(channel.confirm_select(ConfirmSelectOptions::default()))
    }

    fn transaction(&mut self, request: Transaction) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        match request.action {
            Action::Select => self.done(channel.tx_select()),
            Action::Commit => self.done(channel.tx_commit()),
            Action::Rollback => self.done(channel.tx_rollback()),
        }
    }

    fn delete(&mut self, request: Delete) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        let name = request.name.into();
        match request.what {
            What::Queue => self
                .done(channel.queue_delete(name, QueueDeleteOptions::default()))
                .map(|_count| ()),
            What::Messages => self
                .done(channel.queue_purge(name, QueuePurgeOptions::default()))
                .map(|_count| ()),
            What::Exchange => {
                self.done(channel.exchange_delete(name, ExchangeDeleteOptions::default()))
            }
        }
    }

    fn close_channel(&mut self, request: OnChannel) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        self.channels.remove(&request.channel);
        self.done(channel.close(200, "OK".into()))
    }

    fn update_secret(&mut self, request: UpdateSecret) -> Result<(), Failure> {
        let updated = self
            .connected()?
            .update_secret(request.secret.into(), request.reason.into());
        self.done(updated)
    }

    fn disconnect(&mut self, request: Disconnect) -> Result<(), Failure> {
        let connection = self.connection.take().ok_or_else(Failure::not_connected)?;
        // The channels go after it: to drop one closes it, in the background.
        let closed = self.done(connection.close(request.code, request.text.into()));
        self.channels.clear();
        closed
    }
}

/// The authority to trust, and the certificate to show.
fn tls(wanted: Tls) -> OwnedTLSConfig {
    let pair = wanted.certificate.zip(wanted.key);
    OwnedTLSConfig {
        identity: pair.map(|(certificate, key)| OwnedIdentity::PKCS8 {
            pem: certificate.into_bytes(),
            key: key.into_bytes(),
        }),
        cert_chain: wanted.ca,
    }
}

/// Publishes what answers the request, and acknowledges it.
async fn answer(channel: &Channel, request: &Delivery) -> Result<(), Failure> {
    let answer = request.answer();
    let (exchange, key) = (answer.exchange.into(), answer.routing_key.into());
    let properties = tables::properties(answer.properties)?;
    let options = BasicPublishOptions::default();
    let published = channel.basic_publish(exchange, key, options, &answer.body, properties);
    published.await.map_err(failure)?;
    let acked = channel.basic_ack(request.tag, BasicAckOptions::default());
    acked.await.map_err(failure)
}

fn told(channel: u16, consumer: Option<String>, message: lapin::message::Delivery) -> Delivery {
    Delivery {
        channel,
        tag: message.delivery_tag,
        exchange: message.exchange.to_string(),
        routing_key: message.routing_key.to_string(),
        redelivered: Some(message.redelivered),
        properties: tables::told(&message.properties),
        body: message.data,
        consumer,
    }
}

fn failure(error: Error) -> Failure {
    match error.kind() {
        ErrorKind::ProtocolError(_) => Failure::refused(error),
        ErrorKind::IOError(_) | ErrorKind::MissingHeartbeatError => Failure::io(error).indefinite(),
        ErrorKind::InvalidConnectionState(_) | ErrorKind::InvalidChannelState(..) => {
            Failure::io(error)
        }
        _ => Failure::krate(error),
    }
}
