//! What the crate calls when the broker speaks first: a connection's callbacks, a channel's, and a consumer.

use amqprs::callbacks::{ChannelCallback, ConnectionCallback};
use amqprs::channel::{BasicAckArguments, BasicPublishArguments, Channel};
use amqprs::connection::Connection;
use amqprs::consumer::AsyncConsumer;
use amqprs::error::Error;
use amqprs::{Ack, BasicProperties, Cancel, Close, CloseChannel, Deliver, Nack, Return};
use async_trait::async_trait;
use kit::amqp::{Delivery, Event, Events, Outcome};
use kit::Failure;
use tokio::sync::mpsc::UnboundedSender;

use crate::{failure, tables};

/// Tells what the broker says of the whole connection.
pub struct OfConnection(pub Events);

#[async_trait]
impl ConnectionCallback for OfConnection {
    async fn close(&mut self, _connection: &Connection, close: Close) -> Result<(), Error> {
        let reason = close.to_string();
        self.0.push(Event::Disconnected { reason });
        Ok(())
    }

    async fn blocked(&mut self, _connection: &Connection, reason: String) {
        self.0.push(Event::Blocked { reason });
    }

    async fn unblocked(&mut self, _connection: &Connection) {
        self.0.push(Event::Unblocked);
    }

    async fn secret_updated(&mut self, _connection: &Connection) {}
}

/// Tells what the broker says of one channel, which has the harness's number.
pub struct OfChannel {
    pub channel: u16,
    pub events: Events,
    pub confirms: UnboundedSender<Confirm>,
}

/// A basic.ack or a basic.nack of what was published.
pub struct Confirm {
    tag: u64,
    multiple: bool,
    pub outcome: Outcome,
}

impl Confirm {
    /// Whether it is about the message with this tag.
    pub fn is_about(&self, tag: u64) -> bool {
        tag == self.tag || self.multiple && tag < self.tag
    }
}

impl OfChannel {
    fn confirmed(&self, tag: u64, multiple: bool, outcome: Outcome) {
        // Nobody waits once the channel is closed.
        let _nobody = self.confirms.send(Confirm {
            tag,
            multiple,
            outcome,
        });
    }
}

#[async_trait]
impl ChannelCallback for OfChannel {
    async fn close(&mut self, _channel: &Channel, close: CloseChannel) -> Result<(), Error> {
        self.events.push(Event::ChannelClosed {
            channel: self.channel,
            code: close.reply_code(),
            text: close.reply_text().clone(),
        });
        Ok(())
    }

    async fn cancel(&mut self, _channel: &Channel, cancel: Cancel) -> Result<(), Error> {
        self.events.push(Event::ConsumerCancelled {
            channel: self.channel,
            consumer: cancel.consumer_tag().clone(),
        });
        Ok(())
    }

    async fn flow(&mut self, _channel: &Channel, active: bool) -> Result<bool, Error> {
        Ok(active)
    }

    async fn publish_ack(&mut self, _channel: &Channel, ack: Ack) {
        self.confirmed(ack.delivery_tag(), ack.mutiple(), Outcome::Confirmed);
    }

    async fn publish_nack(&mut self, _channel: &Channel, nack: Nack) {
        self.confirmed(nack.delivery_tag(), nack.multiple(), Outcome::Refused);
    }

    async fn publish_return(
        &mut self,
        _channel: &Channel,
        returned: Return,
        properties: BasicProperties,
        body: Vec<u8>,
    ) {
        self.events.push(Event::Returned(Delivery {
            channel: self.channel,
            tag: 0,
            exchange: returned.exchange().clone(),
            routing_key: returned.routing_key().clone(),
            redelivered: None,
            properties: tables::told(&properties),
            body,
            consumer: None,
        }));
    }
}

/// Tells what is delivered. The harness acknowledges, unless the consumer answers.
pub struct Consumer {
    pub channel: u16,
    pub answers: bool,
    pub events: Events,
}

#[async_trait]
impl AsyncConsumer for Consumer {
    async fn consume(
        &mut self,
        channel: &Channel,
        deliver: Deliver,
        properties: BasicProperties,
        body: Vec<u8>,
    ) {
        let request = Delivery {
            channel: self.channel,
            tag: deliver.delivery_tag(),
            exchange: deliver.exchange().clone(),
            routing_key: deliver.routing_key().clone(),
            redelivered: Some(deliver.redelivered()),
            properties: tables::told(&properties),
            body,
            consumer: Some(deliver.consumer_tag().clone()),
        };
        if self.answers {
            if let Err(failure) = answer(channel, &request).await {
                let reason = failure.text;
                self.events.push(Event::Disconnected { reason });
            }
        }
        self.events.push(Event::Delivery(request));
    }
}

/// Publishes what answers the request, and acknowledges it.
async fn answer(channel: &Channel, request: &Delivery) -> Result<(), Failure> {
    let answer = request.answer();
    let arguments = BasicPublishArguments::new(&answer.exchange, &answer.routing_key);
    let properties = tables::properties(answer.properties)?;
    let published = channel.basic_publish(properties, answer.body, arguments);
    published.await.map_err(failure)?;
    let acked = channel.basic_ack(BasicAckArguments::new(request.tag, false));
    acked.await.map_err(failure)
}
