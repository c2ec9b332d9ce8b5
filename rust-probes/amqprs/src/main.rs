//! The probe of [amqprs](https://docs.rs/amqprs/2.1.5/amqprs/), an asynchronous client, on a tokio runtime.
//!
//! - Every operation follows the crate's [quick start](https://docs.rs/amqprs/2.1.5/amqprs/#quick-start) and
//!   [README](https://docs.rs/crate/amqprs/2.1.5/source/README.md): `Connection::open`, `open_channel`, callbacks registered
//!   at once on both, then the channel's method of the same name as the operation. `Connection::close` takes neither a code
//!   nor a text: it sends 200 and none.
//! - `consume` is `basic_consume` with an
//!   [AsyncConsumer](https://docs.rs/amqprs/2.1.5/amqprs/consumer/trait.AsyncConsumer.html) of our own, which publishes and
//!   acknowledges by the channel that it is given where it has to `answer`.
//! - A channel in confirm mode completes a `publish` when the callback
//!   [publish_ack or publish_nack](https://docs.rs/amqprs/2.1.5/amqprs/callbacks/trait.ChannelCallback.html) is called:
//!   `basic_publish` itself returns at hand-over. Which messages a callback is about the application reckons from the tag and
//!   the flag `multiple` that it is given. Why a channel was closed is told by its callback `close` alone.
//! - A lost connection is told by
//!   [listen_network_io_failure](https://docs.rs/amqprs/2.1.5/amqprs/connection/struct.Connection.html#method.listen_network_io_failure),
//!   as in [test_io_error_handling.rs](https://docs.rs/crate/amqprs/2.1.5/source/tests/test_io_error_handling.rs), where the
//!   application connects again.
//! - `tls` is a [TlsAdaptor](https://docs.rs/amqprs/2.1.5/amqprs/tls/struct.TlsAdaptor.html).

mod callbacks;
mod tables;
mod tls;

use std::collections::HashMap;
use std::process::ExitCode;

use amqprs::channel::{
    BasicAckArguments, BasicCancelArguments, BasicConsumeArguments, BasicGetArguments,
    BasicNackArguments, BasicPublishArguments, BasicQosArguments, BasicRejectArguments, Channel,
    ConfirmSelectArguments, ExchangeBindArguments, ExchangeDeclareArguments,
    ExchangeDeleteArguments, QueueBindArguments, QueueDeclareArguments, QueueDeleteArguments,
    QueuePurgeArguments,
};
use amqprs::connection::{Connection, OpenConnectionArguments};
use amqprs::error::Error;
use amqprs::BasicProperties;
use callbacks::{Confirm, Consumer, OfChannel, OfConnection};
use kit::amqp::{
    Ack, Action, Bind, Cancel, Connect, Consume, DeclareExchange, DeclareQueue, Declared, Delete,
    Delivery, Destination, Disconnect, Event, Events, Get, OnChannel, Outcome, Publish, PublishAll,
    Qos, Transaction, UpdateSecret, What,
};
use kit::mqtt::Confirmation;
use kit::{Failure, Info};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc::{self, UnboundedReceiver};

fn main() -> ExitCode {
    let info = Info {
        krate: "amqprs",
        lock: include_str!("../Cargo.lock"),
        dialects: &["amqp-0-9-1"],
        ops: kit::amqp::OPS,
        settings: vec![],
        assembled: &[],
    };
    let runtime = Runtime::new().expect("a runtime");
    // Connections and channels start a task when they are dropped, which wants to be inside a runtime, as #[tokio::main] is.
    let _inside = runtime.enter();
    kit::amqp::serve(info, |events| Probe {
        events,
        runtime: runtime.handle().clone(),
        connection: None,
        channels: HashMap::new(),
    })
}

struct Probe {
    events: Events,
    runtime: Handle,
    connection: Option<Connection>,
    channels: HashMap<u16, Opened>,
}

struct Opened {
    channel: Channel,
    confirming: bool,
    /// Messages since confirm.select: the tag of the last one.
    published: u64,
    /// What the channel's callbacks say of messages that were published.
    confirms: UnboundedReceiver<Confirm>,
}

impl Opened {
    /// Waits for the confirms of the last `count` messages.
    fn outcomes(&mut self, runtime: &Handle, count: usize) -> Result<Vec<Outcome>, Failure> {
        let first = self.published + 1 - count as u64;
        let mut outcomes = vec![None; count];
        while outcomes.contains(&None) {
            // The crate drops the callbacks with the channel.
            let confirm = runtime
                .block_on(self.confirms.recv())
                .ok_or_else(|| Failure::io("the channel ended before the confirm").indefinite())?;
            for (tag, outcome) in (first..).zip(&mut outcomes) {
                if confirm.is_about(tag) {
                    outcome.get_or_insert(confirm.outcome);
                }
            }
        }
        Ok(outcomes.into_iter().flatten().collect())
    }
}

impl Probe {
    /// The channel of this number, opened at first use.
    fn channel(&mut self, id: u16) -> Result<Channel, Failure> {
        if let Some(opened) = self.channels.get(&id) {
            return Ok(opened.channel.clone());
        }
        let channel = self.done(self.connected()?.open_channel(None))?;
        let (told, confirms) = mpsc::unbounded_channel();
        self.done(channel.register_callback(OfChannel {
            channel: id,
            events: self.events.clone(),
            confirms: told,
        }))?;
        let opened = Opened {
            channel: channel.clone(),
            confirming: false,
            published: 0,
            confirms,
        };
        self.channels.insert(id, opened);
        Ok(channel)
    }

    fn connected(&self) -> Result<&Connection, Failure> {
        self.connection.as_ref().ok_or_else(Failure::not_connected)
    }

    /// What became of the last `count` messages of a channel, all of which were handed over.
    fn outcomes(&mut self, id: u16, count: usize) -> Result<Vec<Outcome>, Failure> {
        match self.channels.get_mut(&id) {
            Some(opened) if opened.confirming => {
                opened.published += count as u64;
                opened.outcomes(&self.runtime, count)
            }
            _ => Ok(vec![Outcome::HandedOver; count]),
        }
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
        let (username, password) = (&request.username, &request.password);
        let mut arguments =
            OpenConnectionArguments::new(&request.host, request.port, username, password);
        arguments
            .virtual_host(&request.vhost)
            .heartbeat(request.heartbeat_s);
        if let Some(wanted) = request.tls {
            arguments.tls_adaptor(tls::adaptor(&wanted, request.host)?);
        }
        let connection = self.done(Connection::open(&arguments))?;
        self.done(connection.register_callback(OfConnection(self.events.clone())))?;
        let (watched, events) = (connection.clone(), self.events.clone());
        self.runtime.spawn(async move {
            if watched.listen_network_io_failure().await {
                let reason = "network I/O failure".to_owned();
                events.push(Event::Disconnected { reason });
            }
        });
        self.connection = Some(connection);
        Ok(())
    }

    fn declare_queue(&mut self, request: DeclareQueue) -> Result<Declared, Failure> {
        let channel = self.channel(request.channel)?;
        let arguments = QueueDeclareArguments::new(&request.queue)
            .passive(request.passive)
            .durable(request.durable)
            .exclusive(request.exclusive)
            .auto_delete(request.auto_delete)
            .no_wait(request.nowait)
            .arguments(tables::table(request.arguments)?)
            .finish();
        let declared = self.done(channel.queue_declare(arguments))?;
        let (queue, messages, consumers) = declared.unwrap_or((request.queue, 0, 0));
        Ok(Declared {
            queue,
            messages,
            consumers,
        })
    }

    fn declare_exchange(&mut self, request: DeclareExchange) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        let arguments = ExchangeDeclareArguments::new(&request.exchange, &request.kind)
            .passive(request.passive)
            .durable(request.durable)
            .auto_delete(request.auto_delete)
            .no_wait(request.nowait)
            .arguments(tables::table(request.arguments)?)
            .finish();
        self.done(channel.exchange_declare(arguments))
    }

    fn bind(&mut self, request: Bind) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        let (to, from, key) = (&request.destination, &request.source, &request.routing_key);
        let arguments = tables::table(request.arguments)?;
        match request.destination_kind {
            Destination::Queue => {
                let bind = QueueBindArguments::new(to, from, key)
                    .no_wait(request.nowait)
                    .arguments(arguments)
                    .finish();
                self.done(channel.queue_bind(bind))
            }
            Destination::Exchange => {
                let bind = ExchangeBindArguments::new(to, from, key)
                    .no_wait(request.nowait)
                    .arguments(arguments)
                    .finish();
                self.done(channel.exchange_bind(bind))
            }
        }
    }

    fn publish(&mut self, request: Publish) -> Result<Confirmation, Failure> {
        let channel = self.channel(request.channel)?;
        let arguments = BasicPublishArguments::new(&request.exchange, &request.routing_key)
            .mandatory(request.mandatory)
            .finish();
        let properties = tables::properties(request.properties)?;
        self.done(channel.basic_publish(properties, request.body, arguments))?;
        let outcomes = self.outcomes(request.channel, 1)?;
        match outcomes[..] {
            [Outcome::Refused] => Err(Failure::refused("basic.nack")),
            [Outcome::Confirmed] => Ok(Confirmation::Confirmed),
            _ => Ok(Confirmation::HandedOver),
        }
    }

    fn publish_all(&mut self, request: PublishAll) -> Result<Vec<Outcome>, Failure> {
        let (id, count) = (request.channel, request.bodies.len());
        let channel = self.channel(id)?;
        for message in request.messages() {
            let (exchange, key) = (&message.exchange, &message.routing_key);
            let arguments = BasicPublishArguments::new(exchange, key);
            let properties = BasicProperties::default();
            self.done(channel.basic_publish(properties, message.body, arguments))?;
        }
        self.outcomes(id, count)
    }

    fn get(&mut self, request: Get) -> Result<Option<Delivery>, Failure> {
        let channel = self.channel(request.channel)?;
        let arguments = BasicGetArguments::new(&request.queue)
            .no_ack(request.no_ack)
            .finish();
        let got = self.done(channel.basic_get(arguments))?;
        Ok(got.map(|(get_ok, properties, body)| Delivery {
            channel: request.channel,
            tag: get_ok.delivery_tag(),
            exchange: get_ok.exchange().clone(),
            routing_key: get_ok.routing_key().clone(),
            redelivered: Some(get_ok.redelivered()),
            properties: tables::told(&properties),
            body,
            consumer: None,
        }))
    }

    fn consume(&mut self, request: Consume) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        let arguments = BasicConsumeArguments::new(&request.queue, &request.consumer)
            .manual_ack(!request.no_ack)
            .exclusive(request.exclusive)
            .arguments(tables::table(request.arguments)?)
            .finish();
        let consumer = Consumer {
            channel: request.channel,
            answers: request.answer,
            events: self.events.clone(),
        };
        self.done(channel.basic_consume(consumer, arguments))
            .map(|_tag| ())
    }

    fn cancel(&mut self, request: Cancel) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        self.done(channel.basic_cancel(BasicCancelArguments::new(&request.consumer)))
            .map(|_tag| ())
    }

    fn ack(&mut self, request: Ack) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        let (tag, multiple, requeue) = (request.tag, request.multiple, request.requeue);
        match (request.accept, multiple) {
            (true, _) => self.done(channel.basic_ack(BasicAckArguments::new(tag, multiple))),
            (false, true) => {
                let arguments = BasicNackArguments::new(tag, multiple, requeue);
                self.done(channel.basic_nack(arguments))
            }
            (false, false) => {
                self.done(channel.basic_reject(BasicRejectArguments::new(tag, requeue)))
            }
        }
    }

    fn qos(&mut self, request: Qos) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        let arguments = BasicQosArguments::new(0, request.prefetch_count, request.global);
        self.done(channel.basic_qos(arguments))
    }

    fn confirm(&mut self, request: OnChannel) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        self.done(channel.confirm_select(ConfirmSelectArguments::default()))?;
        if let Some(opened) = self.channels.get_mut(&request.channel) {
            opened.confirming = true;
        }
        Ok(())
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
        let name = &request.name;
        match request.what {
            What::Queue => self
                .done(channel.queue_delete(QueueDeleteArguments::new(name)))
                .map(|_count| ()),
            What::Messages => self
                .done(channel.queue_purge(QueuePurgeArguments::new(name)))
                .map(|_count| ()),
            What::Exchange => {
                self.done(channel.exchange_delete(ExchangeDeleteArguments::new(name)))
            }
        }
    }

    fn close_channel(&mut self, request: OnChannel) -> Result<(), Failure> {
        let channel = self.channel(request.channel)?;
        self.channels.remove(&request.channel);
        self.done(channel.close())
    }

    fn update_secret(&mut self, request: UpdateSecret) -> Result<(), Failure> {
        let connection = self.connected()?;
        self.done(connection.update_secret(&request.secret, &request.reason))
    }

    fn disconnect(&mut self, _request: Disconnect) -> Result<(), Failure> {
        let connection = self.connection.take().ok_or_else(Failure::not_connected)?;
        let closed = self.done(connection.close());
        // The channels go after it: to drop one closes it, in the background.
        self.channels.clear();
        closed
    }
}

fn failure(error: Error) -> Failure {
    match error {
        Error::ConnectionOpenError(_) => Failure::refused(error),
        // The second is what a call gets whose channel or connection was closed, by whomever.
        Error::NetworkError(_) | Error::InternalChannelError(_) => Failure::io(error).indefinite(),
        _ => Failure::krate(error),
    }
}
