//! The probe of [amqp](https://docs.rs/crate/amqp/0.1.3) (rust-amqp), a blocking client.
//!
//! - `connect`, `close_channel` and `disconnect` follow the crate's examples
//!   ([consumer.rs](https://docs.rs/crate/amqp/0.1.3/source/examples/consumer.rs)): `Session::new` with `Options`,
//!   `open_channel`, `Channel::close`, `Session::close`. The crate has no option for heartbeats: it always asks for none.
//! - `declare_queue`, `publish` and `get` follow [simple.rs](https://docs.rs/crate/amqp/0.1.3/source/examples/simple.rs) and
//!   producer.rs, `declare_exchange` and `bind` follow exchange_bind.rs, `qos` follows consumer.rs. An `ack` after `get` is
//!   `Basic::basic_ack`, as the consumers of the examples have it.
//! - `consume` follows [simple.rs](https://docs.rs/crate/amqp/0.1.3/source/examples/simple.rs): `basic_consume`, then
//!   `start_consuming` on a thread, which has the channel from then on; "there is currently no way to stop the consumers".
//!   What the application wants of that channel it does in the consumer's callback, as the examples acknowledge there: the
//!   callback of the last delivery stays open until the next `wait`. Where it has to `answer`, it does that and returns.

mod tables;

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amqp::protocol::basic::{BasicProperties, Deliver};
use amqp::{AMQPError, Basic, Channel, Options, Session};
use kit::amqp::{
    Ack, Bind, Cancel, Connect, Consume, DeclareExchange, DeclareQueue, Declared, Delete, Delivery,
    Destination, Disconnect, Event, Events, Get, OnChannel, Publish, Qos, Transaction,
    UpdateSecret,
};
use kit::mqtt::Confirmation;
use kit::{Failure, Info};

fn main() -> ExitCode {
    let info = Info {
        krate: "amqp",
        lock: include_str!("../Cargo.lock"),
        dialects: &["amqp-0-9-1"],
        ops: kit::amqp::OPS,
        settings: vec![],
        assembled: &[],
    };
    kit::amqp::serve(info, |events| Probe {
        events,
        session: None,
        channels: HashMap::new(),
    })
}

/// What the thread of a consuming channel is told while a callback is open.
enum Order {
    Do(Box<dyn FnOnce(&mut Channel) + Send>),
    GoOn,
}

/// What the callbacks of one channel share with the probe.
#[derive(Clone)]
struct Callbacks {
    events: Events,
    /// True once `start_consuming` runs: a callback of before then runs inside another call, and must return.
    away: Arc<AtomicBool>,
    /// True while a callback waits for orders; only the probe clears it.
    open: Arc<AtomicBool>,
    orders: Arc<Mutex<Receiver<Order>>>,
}

impl Callbacks {
    fn deliver(
        &self,
        channel: &mut Channel,
        got: Deliver,
        headers: BasicProperties,
        body: Vec<u8>,
        answers: bool,
    ) {
        let delivery = Delivery {
            channel: channel.id,
            tag: got.delivery_tag,
            exchange: got.exchange,
            routing_key: got.routing_key,
            redelivered: Some(got.redelivered),
            properties: tables::told(headers),
            body,
            consumer: Some(got.consumer_tag),
        };
        if answers {
            if let Err(failure) = answer(channel, &delivery) {
                let reason = failure.text;
                self.events.push(Event::Disconnected { reason });
            }
            self.events.push(Event::Delivery(delivery));
            return;
        }
        let away = self.away.load(Ordering::SeqCst);
        self.open.store(away, Ordering::SeqCst);
        self.events.push(Event::Delivery(delivery));
        if !away {
            return;
        }
        loop {
            let order = self.orders.lock().expect("no holder panics").recv();
            match order {
                Ok(Order::Do(job)) => job(channel),
                Ok(Order::GoOn) | Err(_) => return,
            }
        }
    }
}

struct Place {
    /// `None` while a thread consumes on it.
    channel: Option<Channel>,
    consuming: bool,
    callbacks: Callbacks,
    to_callback: Sender<Order>,
}

struct Probe {
    events: Events,
    session: Option<Session>,
    channels: HashMap<u16, Place>,
}

impl Probe {
    /// The channel of this number, opened at first use.
    fn place(&mut self, id: u16) -> Result<&mut Place, Failure> {
        if !self.channels.contains_key(&id) {
            let session = self.session.as_mut().ok_or_else(Failure::not_connected)?;
            let channel = session.open_channel(id).map_err(failure)?;
            let (to_callback, orders) = mpsc::channel();
            let place = Place {
                channel: Some(channel),
                consuming: false,
                callbacks: Callbacks {
                    events: self.events.clone(),
                    away: Arc::default(),
                    open: Arc::default(),
                    orders: Arc::new(Mutex::new(orders)),
                },
                to_callback,
            };
            self.channels.insert(id, place);
        }
        Ok(self.channels.get_mut(&id).expect("just inserted"))
    }

    /// Does `act` with a channel: directly, or in the open callback of the thread that has it.
    fn on<T: Send + 'static>(
        &mut self,
        id: u16,
        act: impl FnOnce(&mut Channel) -> Result<T, AMQPError> + Send + 'static,
    ) -> Result<T, Failure> {
        let place = self.place(id)?;
        if let Some(channel) = &mut place.channel {
            return act(channel).map_err(failure);
        }
        if !place.callbacks.open.load(Ordering::SeqCst) {
            let reason = "start_consuming has the channel, and nothing stops it between deliveries";
            return Err(Failure::unsupported("consuming-channel", reason));
        }
        let (sender, result) = mpsc::channel();
        let job = Order::Do(Box::new(move |channel| {
            let _nobody_waits = sender.send(act(channel));
        }));
        place
            .to_callback
            .send(job)
            .expect("the callbacks live as long");
        // Where the callback panics, so does the process.
        result
            .recv()
            .expect("the callback answers")
            .map_err(failure)
    }
}

impl kit::amqp::Client for Probe {
    fn connect(&mut self, request: Connect) -> Result<(), Failure> {
        if request.tls.is_some() {
            let reason =
                "the feature `tls` is openssl 0.7, which does not compile against OpenSSL 1.1";
            return Err(Failure::unsupported("tls", reason));
        }
        self.channels.clear();
        let options = Options {
            host: request.host,
            port: request.port,
            vhost: request.vhost,
            login: request.username,
            password: request.password,
            ..Options::default()
        };
        self.session = Some(Session::new(options).map_err(failure)?);
        Ok(())
    }

    fn declare_queue(&mut self, request: DeclareQueue) -> Result<Declared, Failure> {
        let arguments = tables::table(request.arguments)?;
        self.on(request.channel, move |channel| {
            channel.queue_declare(
                request.queue,
                request.passive,
                request.durable,
                request.exclusive,
                request.auto_delete,
                request.nowait,
                arguments,
            )
        })
        .map(|reply| Declared {
            queue: reply.queue,
            messages: reply.message_count,
            consumers: reply.consumer_count,
        })
    }

    fn declare_exchange(&mut self, request: DeclareExchange) -> Result<(), Failure> {
        let arguments = tables::table(request.arguments)?;
        self.on(request.channel, move |channel| {
            channel.exchange_declare(
                request.exchange,
                request.kind,
                request.passive,
                request.durable,
                request.auto_delete,
                false,
                request.nowait,
                arguments,
            )
        })
        .map(|_ok| ())
    }

    fn bind(&mut self, request: Bind) -> Result<(), Failure> {
        let arguments = tables::table(request.arguments)?;
        let (to, from, key) = (request.destination, request.source, request.routing_key);
        match request.destination_kind {
            Destination::Queue => self
                .on(request.channel, move |channel| {
                    channel.queue_bind(to, from, key, request.nowait, arguments)
                })
                .map(|_ok| ()),
            Destination::Exchange if request.nowait => {
                let reason = "exchange_bind has no such argument";
                Err(Failure::unsupported("exchange-bind-nowait", reason))
            }
            Destination::Exchange => self
                .on(request.channel, |channel| {
                    channel.exchange_bind(to, from, key, arguments)
                })
                .map(|_ok| ()),
        }
    }

    fn publish(&mut self, request: Publish) -> Result<Confirmation, Failure> {
        if request.mandatory {
            let reason = "basic_publish logs that mandatory failures are not handled and result in blocked channels";
            return Err(Failure::unsupported("returned-messages", reason));
        }
        let properties = tables::properties(request.properties)?;
        self.on(request.channel, move |channel| {
            let (exchange, key) = (request.exchange, request.routing_key);
            channel.basic_publish(exchange, key, false, false, properties, request.body)
        })
        .map(|()| Confirmation::HandedOver)
    }

    fn get(&mut self, request: Get) -> Result<Option<Delivery>, Failure> {
        self.on(request.channel, move |channel| {
            let id = channel.id;
            let got = channel.basic_get(&request.queue, request.no_ack).next();
            Ok(got.map(|got| Delivery {
                channel: id,
                tag: got.reply.delivery_tag,
                exchange: got.reply.exchange.clone(),
                routing_key: got.reply.routing_key.clone(),
                redelivered: Some(got.reply.redelivered),
                properties: tables::told(got.headers.clone()),
                body: got.body.clone(),
                consumer: None,
            }))
        })
    }

    fn consume(&mut self, request: Consume) -> Result<(), Failure> {
        let arguments = tables::table(request.arguments)?;
        let callbacks = self.place(request.channel)?.callbacks.clone();
        let answers = request.answer;
        self.on(request.channel, move |channel| {
            channel.basic_consume(
                move |channel: &mut Channel,
                      got: Deliver,
                      headers: BasicProperties,
                      body: Vec<u8>| {
                    callbacks.deliver(channel, got, headers, body, answers);
                },
                request.queue,
                request.consumer,
                false,
                request.no_ack,
                request.exclusive,
                false,
                arguments,
            )
        })?;
        self.place(request.channel)?.consuming = true;
        Ok(())
    }

    fn cancel(&mut self, request: Cancel) -> Result<(), Failure> {
        self.on(request.channel, |channel| {
            channel.basic_cancel(request.consumer, false)
        })
        .map(|_ok| ())
    }

    fn ack(&mut self, request: Ack) -> Result<(), Failure> {
        self.on(request.channel, move |channel| {
            match (request.accept, request.multiple) {
                (true, multiple) => channel.basic_ack(request.tag, multiple),
                (false, true) => channel.basic_nack(request.tag, true, request.requeue),
                (false, false) => channel.basic_reject(request.tag, request.requeue),
            }
        })
    }

    fn qos(&mut self, request: Qos) -> Result<(), Failure> {
        self.on(request.channel, move |channel| {
            channel.basic_qos(0, request.prefetch_count, request.global)
        })
        .map(|_ok| ())
    }

    fn confirm(&mut self, _request: OnChannel) -> Result<(), Failure> {
        let reason =
            "there is no call for confirm.select, and a basic.ack from the broker is not handled";
        Err(Failure::unsupported("confirms", reason))
    }

    fn transaction(&mut self, _request: Transaction) -> Result<(), Failure> {
        let reason = "there is no call for the methods of class tx";
        Err(Failure::unsupported("transactions", reason))
    }

    fn delete(&mut self, _request: Delete) -> Result<(), Failure> {
        let reason = "there is no call for queue.delete, queue.purge and exchange.delete";
        Err(Failure::unsupported("delete", reason))
    }

    fn close_channel(&mut self, request: OnChannel) -> Result<(), Failure> {
        self.on(request.channel, |channel| channel.close(200, "Bye"))?;
        self.channels.remove(&request.channel);
        Ok(())
    }

    fn update_secret(&mut self, _request: UpdateSecret) -> Result<(), Failure> {
        let reason = "there is no call for connection.update-secret";
        Err(Failure::unsupported("update-secret", reason))
    }

    fn disconnect(&mut self, request: Disconnect) -> Result<(), Failure> {
        let mut session = self.session.take().ok_or_else(Failure::not_connected)?;
        self.channels.clear();
        session.close(request.code, request.text);
        Ok(())
    }

    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure> {
        for place in self.channels.values_mut() {
            if place.callbacks.open.swap(false, Ordering::SeqCst) {
                let _over = place.to_callback.send(Order::GoOn);
            }
            if place.consuming && place.channel.is_some() {
                place.callbacks.away.store(true, Ordering::SeqCst);
                let mut channel = place.channel.take().expect("just seen");
                let events = events.clone();
                kit::spawn(move || {
                    channel.start_consuming();
                    let reason = "start_consuming returned".to_owned();
                    events.push(Event::Disconnected { reason });
                });
            }
        }
        events.wait(remaining);
        Ok(())
    }
}

/// Publishes what answers the request, and acknowledges it.
fn answer(channel: &mut Channel, request: &Delivery) -> Result<(), Failure> {
    let answer = request.answer();
    let (exchange, key) = (answer.exchange, answer.routing_key);
    let properties = tables::properties(answer.properties)?;
    channel
        .basic_publish(exchange, key, false, false, properties, answer.body)
        .map_err(failure)?;
    channel.basic_ack(request.tag, false).map_err(failure)
}

fn failure(error: AMQPError) -> Failure {
    // The crate's Display leaves out which kind of I/O error it was.
    let text = format!("{error:?}");
    let closed = ["channel.close", "connection.close", "Connection was closed"];
    match &error {
        AMQPError::IoError(_) => Failure::io(text).indefinite(),
        AMQPError::VHostError => Failure::refused(text),
        AMQPError::Protocol(why) if closed.iter().any(|word| why.contains(word)) => {
            Failure::refused(text)
        }
        AMQPError::Protocol(_) | AMQPError::FramingError(_) | AMQPError::DecodeError(_) => {
            Failure::protocol(text).indefinite()
        }
        _ => Failure::krate(text),
    }
}
