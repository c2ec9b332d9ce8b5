//! A consumer that is read on a task, as in
//! [simple_consumer.rs](https://docs.rs/crate/rdkafka/0.39.0/source/examples/simple_consumer.rs).

use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Arc;

use kit::kafka::{Bytes, Event, Events, Header, Number};
use kit::Failure;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{
    BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance, StreamConsumer,
};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::TopicPartitionList;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::options::failure;
use crate::LIMIT;

/// Hears that the broker has given the member of a group its partitions.
struct Assigned(Sender<()>);

impl ClientContext for Assigned {}

impl ConsumerContext for Assigned {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance) {
        if let Rebalance::Assign(_) = rebalance {
            // Only the first time somebody listens.
            let _ = self.0.send(());
        }
    }
}

pub struct Reader {
    consumer: Arc<StreamConsumer<Assigned>>,
    task: JoinHandle<()>,
}

impl Reader {
    /// Reads from the places that are listed.
    pub fn of_places(
        config: &ClientConfig,
        places: &TopicPartitionList,
        runtime: &Runtime,
        events: &Events,
    ) -> Result<Self, Failure> {
        let (consumer, _assigned) = create(config)?;
        consumer.assign(places).map_err(failure)?;
        Ok(Self::started(consumer, runtime, events))
    }

    /// Reads as a member of a group, once that has given it partitions.
    pub fn of_group(
        config: &ClientConfig,
        topics: &[&str],
        runtime: &Runtime,
        events: &Events,
    ) -> Result<Self, Failure> {
        let (consumer, assigned) = create(config)?;
        consumer.subscribe(topics).map_err(failure)?;
        let reader = Self::started(consumer, runtime, events);
        if assigned.recv_timeout(LIMIT).is_err() {
            reader.stop(runtime);
            return Err(Failure::timeout("the group has given no partitions"));
        }
        Ok(reader)
    }

    fn started(consumer: StreamConsumer<Assigned>, runtime: &Runtime, events: &Events) -> Self {
        let consumer = Arc::new(consumer);
        let (reading, events) = (Arc::clone(&consumer), events.clone());
        let task = runtime.spawn(async move {
            loop {
                events.push(match reading.recv().await {
                    Ok(message) => delivered(&message),
                    Err(error) => Event::Disconnected {
                        reason: error.to_string(),
                    },
                });
            }
        });
        Self { consumer, task }
    }

    pub fn commit(&self) -> Result<(), Failure> {
        let done = self.consumer.commit_consumer_state(CommitMode::Sync);
        done.map_err(failure)
    }

    /// The consumer leaves its group when it is dropped, which the task has to be done with first.
    pub fn stop(self, runtime: &Runtime) {
        self.task.abort();
        let _ = runtime.block_on(self.task);
    }
}

fn create(config: &ClientConfig) -> Result<(StreamConsumer<Assigned>, Receiver<()>), Failure> {
    let (sender, assigned) = channel();
    let made = config.create_with_context(Assigned(sender));
    Ok((made.map_err(failure)?, assigned))
}

fn delivered(message: &BorrowedMessage) -> Event {
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    let headers = headers.map(|header| Header {
        key: header.key.to_owned(),
        value: Bytes(header.value.map(<[u8]>::to_vec)),
    });
    Event::Record {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: Number(message.offset()),
        key: Bytes(message.key().map(<[u8]>::to_vec)),
        value: Bytes(message.payload().map(<[u8]>::to_vec)),
        headers: Some(headers.collect()),
        timestamp_ms: message.timestamp().to_millis().map(Number),
    }
}
