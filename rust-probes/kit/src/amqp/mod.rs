//! AMQP 0-9-1: the operations of `amqp-0-9-1` as a trait, and their events.

mod messages;

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{json, Value};

pub use messages::*;

use crate::mqtt::Confirmation;
use crate::session::{self, decode, Handler};
use crate::wire::{Failure, Info};

/// Every operation of the dialect beside `hello`, for [`Info::ops`].
pub const OPS: &[&str] = &[
    "connect",
    "declare_queue",
    "declare_exchange",
    "bind",
    "publish",
    "publish_all",
    "get",
    "consume",
    "cancel",
    "ack",
    "qos",
    "confirm",
    "transaction",
    "delete",
    "close_channel",
    "update_secret",
    "disconnect",
    "wait",
];

/// Where a client puts its events.
pub type Events = crate::events::Events<Event>;

/// The crate's client. What a crate lacks ends in [`Failure::unsupported`].
pub trait Client {
    /// Up to connection.open-ok.
    fn connect(&mut self, request: Connect) -> Result<(), Failure>;
    /// Up to declare-ok; with `nowait`, which `declare_exchange` and `bind` have too, to hand-over.
    fn declare_queue(&mut self, request: DeclareQueue) -> Result<Declared, Failure>;
    /// Up to declare-ok.
    fn declare_exchange(&mut self, request: DeclareExchange) -> Result<(), Failure>;
    /// Up to bind-ok.
    fn bind(&mut self, request: Bind) -> Result<(), Failure>;
    /// Up to the confirm on a channel in confirm mode, else to hand-over.
    fn publish(&mut self, request: Publish) -> Result<Confirmation, Failure>;
    /// Up to the outcome of each message. The default publishes one after the other, which is right where the crate has no
    /// confirms.
    fn publish_all(&mut self, request: PublishAll) -> Result<Vec<Outcome>, Failure> {
        request
            .messages()
            .map(|message| self.publish(message).map(|_| Outcome::HandedOver))
            .collect()
    }
    /// Up to get-ok or get-empty.
    fn get(&mut self, request: Get) -> Result<Option<Delivery>, Failure>;
    /// Up to consume-ok.
    fn consume(&mut self, request: Consume) -> Result<(), Failure>;
    /// Up to cancel-ok.
    fn cancel(&mut self, request: Cancel) -> Result<(), Failure>;
    /// The three have no reply.
    fn ack(&mut self, request: Ack) -> Result<(), Failure>;
    /// Up to qos-ok.
    fn qos(&mut self, request: Qos) -> Result<(), Failure>;
    /// Up to select-ok.
    fn confirm(&mut self, request: OnChannel) -> Result<(), Failure>;
    /// Up to select-ok, commit-ok or rollback-ok.
    fn transaction(&mut self, request: Transaction) -> Result<(), Failure>;
    /// Up to delete-ok or purge-ok.
    fn delete(&mut self, request: Delete) -> Result<(), Failure>;
    /// Up to close-ok.
    fn close_channel(&mut self, request: OnChannel) -> Result<(), Failure>;
    /// Up to update-secret-ok.
    fn update_secret(&mut self, request: UpdateSecret) -> Result<(), Failure>;
    /// Up to close-ok.
    fn disconnect(&mut self, request: Disconnect) -> Result<(), Failure>;
    /// Lets the client work for at most `remaining`, or until something happened. The default waits for an event, which is
    /// right for clients with a background thread.
    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure> {
        events.wait(remaining);
        Ok(())
    }
}

/// Talks to the harness until standard input ends: the body of a probe's `main`.
pub fn serve<C: Client>(info: Info, make: impl FnOnce(Events) -> C) -> ExitCode {
    session::serve(info, |events| Amqp(make(events)))
}

struct Amqp<C>(C);

impl<C: Client> Handler for Amqp<C> {
    type Event = Event;

    const VOCABULARY: &'static [&'static str] = OPS;

    fn call(&mut self, op: &str, fields: Value) -> Result<Value, Failure> {
        let client = &mut self.0;
        match op {
            "declare_queue" => {
                return client
                    .declare_queue(decode(fields)?)
                    .map(|reply| json!(reply))
            }
            "publish" => {
                let confirmation = client.publish(decode(fields)?)?;
                return Ok(json!({ "confirmed": confirmation == Confirmation::Confirmed }));
            }
            "publish_all" => {
                let outcomes = client.publish_all(decode(fields)?)?;
                return Ok(json!({ "outcomes": outcomes }));
            }
            "get" => {
                let message = client.get(decode(fields)?)?;
                return Ok(json!({ "message": message }));
            }
            "connect" => client.connect(decode(fields)?),
            "declare_exchange" => client.declare_exchange(decode(fields)?),
            "bind" => client.bind(decode(fields)?),
            "consume" => client.consume(decode(fields)?),
            "cancel" => client.cancel(decode(fields)?),
            "ack" => client.ack(decode(fields)?),
            "qos" => client.qos(decode(fields)?),
            "confirm" => client.confirm(decode(fields)?),
            "transaction" => client.transaction(decode(fields)?),
            "delete" => client.delete(decode(fields)?),
            "close_channel" => client.close_channel(decode(fields)?),
            "update_secret" => client.update_secret(decode(fields)?),
            "disconnect" => client.disconnect(decode(fields)?),
            _ => Err(Failure::unknown(format!("unknown operation `{op}`"))),
        }
        .map(|()| json!({}))
    }

    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure> {
        self.0.poll(events, remaining)
    }
}

#[cfg(test)]
mod tests;
