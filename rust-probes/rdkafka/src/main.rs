//! The probe of [rdkafka](https://docs.rs/rdkafka/0.39.0/rdkafka/), which binds librdkafka, on a tokio runtime.
//!
//! - `metadata` follows
//!   [metadata.rs](https://docs.rs/crate/rdkafka/0.39.0/source/examples/metadata.rs): a `BaseConsumer` without a group,
//!   and `fetch_metadata`, whose time limit the application gives. `connect` makes that client and awaits its
//!   `fetch_cluster_id`, for which producers and consumers ask as soon as they connect: asking for all topics is what
//!   few applications do. `offsets` is its `fetch_watermarks` and `offsets_for_times`, `committed` its
//!   `committed_offsets`.
//! - `create_topic` is
//!   [AdminClient](https://docs.rs/rdkafka/0.39.0/rdkafka/admin/struct.AdminClient.html)`::create_topics`.
//! - `produce` follows
//!   [simple_producer.rs](https://docs.rs/crate/rdkafka/0.39.0/source/examples/simple_producer.rs): one `FutureProducer`
//!   for each choice of options; several records are sent together, as in
//!   [at_least_once.rs](https://docs.rs/crate/rdkafka/0.39.0/source/examples/at_least_once.rs). Transactions follow
//!   [Transactions](https://docs.rs/rdkafka/0.39.0/rdkafka/producer/index.html#transactions).
//! - `consume` follows
//!   [simple_consumer.rs](https://docs.rs/crate/rdkafka/0.39.0/source/examples/simple_consumer.rs): a `StreamConsumer`,
//!   which subscribes as the member of a group, and which is assigned partitions where nobody asks for one. Its errors,
//!   which librdkafka repairs by itself where it can, are told as `disconnected`. `Offset::End` would be looked up after
//!   `assign` has returned; the end of a partition is therefore asked for before, by `fetch_watermarks`.
//! - `disconnect` is [Producer](https://docs.rs/rdkafka/0.39.0/rdkafka/producer/trait.Producer.html)`::flush`.

mod options;
mod reader;

use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;
use std::time::Duration;

use futures::future::join_all;
use kit::kafka::{
    Acks, Committed, Compression, Connect, Consume, CreateTopic, Events, Isolation, Number,
    Offsets, Place, Placement, Produce,
};
use kit::{Failure, Info, Setting};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::runtime::Runtime;

use options::{failure, told};
use reader::Reader;

/// What a call may take whose time limit the application has to give.
const LIMIT: Duration = Duration::from_secs(10);
/// Milliseconds after which a record that was not delivered is an error, as in simple_producer.rs.
const DELIVERY: &str = "5000";

fn main() -> ExitCode {
    let info = Info {
        krate: "rdkafka",
        lock: include_str!("../Cargo.lock"),
        dialects: &["kafka"],
        ops: kit::kafka::OPS,
        settings: vec![
            Setting {
                name: "message.timeout.ms",
                value: DELIVERY,
                default: "300000",
                source: "https://docs.rs/crate/rdkafka/0.39.0/source/examples/simple_producer.rs",
                dialects: &[],
            },
            Setting {
                name: "group.id",
                value: "the client's id, where nobody asks for a group",
                default: "none, with which a consumer reads nothing",
                source: "https://docs.rs/crate/rdkafka/0.39.0/source/src/consumer/base_consumer.rs",
                dialects: &[],
            },
            Setting {
                name: "enable.auto.commit",
                value: "false",
                default: "true",
                source: "https://docs.rs/crate/rdkafka-sys/4.10.0+2.12.1/source/librdkafka/CONFIGURATION.md",
                dialects: &[],
            },
        ],
        assembled: &[],
    };
    let runtime = Runtime::new().expect("a runtime");
    // Consumers start a task of their own when they are made.
    let handle = runtime.handle().clone();
    let _entered = handle.enter();
    kit::kafka::serve(info, |events| Probe {
        events,
        runtime,
        connected: None,
    })
}

struct Probe {
    events: Events,
    runtime: Runtime,
    connected: Option<Connected>,
}

struct Connected {
    client_id: String,
    config: ClientConfig,
    client: BaseConsumer,
    producers: HashMap<Choice, FutureProducer>,
    reader: Option<Reader>,
}

/// The options that a producer is made with.
#[derive(PartialEq, Eq, Hash)]
struct Choice {
    acks: &'static str,
    compression: &'static str,
    idempotent: bool,
    transactional_id: Option<String>,
}

impl Probe {
    fn connected(&mut self) -> Result<&mut Connected, Failure> {
        self.connected.as_mut().ok_or_else(Failure::not_connected)
    }
}

impl Connected {
    fn producer(&mut self, choice: Choice) -> Result<&FutureProducer, Failure> {
        if !self.producers.contains_key(&choice) {
            let mut config = self.config.clone();
            config
                .set("message.timeout.ms", DELIVERY)
                .set("acks", choice.acks)
                .set("compression.type", choice.compression);
            if choice.idempotent {
                config.set("enable.idempotence", "true");
            }
            if let Some(id) = &choice.transactional_id {
                config.set("transactional.id", id);
            }
            let producer: FutureProducer = config.create().map_err(failure)?;
            if choice.transactional_id.is_some() {
                producer.init_transactions(LIMIT).map_err(failure)?;
            }
            return Ok(self.producers.entry(choice).or_insert(producer));
        }
        Ok(&self.producers[&choice])
    }

    /// The partitions of a topic.
    fn partitions(&self, topic: &str) -> Result<Vec<i32>, Failure> {
        let metadata = self.client.fetch_metadata(Some(topic), LIMIT);
        let metadata = metadata.map_err(failure)?;
        let mut numbers = Vec::new();
        for found in metadata.topics() {
            if let Some(error) = found.error() {
                let code = error.into();
                return Err(told(code, format!("{topic}: {code}")));
            }
            numbers.extend(found.partitions().iter().map(|partition| partition.id()));
        }
        Ok(numbers)
    }

    /// The partitions that a request names, and where to begin in each.
    fn places(&self, request: &Consume) -> Result<TopicPartitionList, Failure> {
        let mut places = TopicPartitionList::new();
        for topic in &request.topics {
            let numbers = match request.partition {
                Some(number) => vec![number],
                None => self.partitions(topic)?,
            };
            for number in numbers {
                let start = match request.start {
                    _ if request.group.is_some() => Offset::Stored,
                    Place::Earliest => Offset::Beginning,
                    Place::Latest => {
                        let marks = self.client.fetch_watermarks(topic, number, LIMIT);
                        Offset::Offset(marks.map_err(failure)?.1)
                    }
                    Place::At(offset) => Offset::Offset(offset),
                };
                let added = places.add_partition_offset(topic, number, start);
                added.map_err(failure)?;
            }
        }
        Ok(places)
    }
}

impl kit::kafka::Client for Probe {
    fn connect(&mut self, request: Connect) -> Result<(), Failure> {
        let config = options::config(&request);
        let client: BaseConsumer = config.create().map_err(failure)?;
        let cluster = client.client().fetch_cluster_id(LIMIT);
        cluster.ok_or_else(|| Failure::timeout(format!("no cluster id within {LIMIT:?}")))?;
        self.connected = Some(Connected {
            client_id: request.client_id,
            config,
            client,
            producers: HashMap::new(),
            reader: None,
        });
        Ok(())
    }

    fn metadata(&mut self) -> Result<BTreeMap<String, usize>, Failure> {
        let found = self.connected()?.client.fetch_metadata(None, LIMIT);
        let found = found.map_err(failure)?;
        let topics = found.topics().iter();
        let counted = topics.map(|topic| (topic.name().to_owned(), topic.partitions().len()));
        Ok(counted.collect())
    }

    fn create_topic(&mut self, request: CreateTopic) -> Result<(), Failure> {
        let config = &self.connected()?.config;
        let admin: AdminClient<DefaultClientContext> = config.create().map_err(failure)?;
        let replication = TopicReplication::Fixed(request.replication);
        let topic = NewTopic::new(&request.topic, request.partitions, replication);
        let creating = admin.create_topics([&topic], &AdminOptions::new());
        for result in self.runtime.block_on(creating).map_err(failure)? {
            result.map_err(|(topic, code)| told(code, format!("{topic}: {code}")))?;
        }
        Ok(())
    }

    fn produce(&mut self, request: Produce) -> Result<Vec<Placement>, Failure> {
        let transactional = request.transactional_id.is_some();
        let connected = self.connected.as_mut().ok_or_else(Failure::not_connected)?;
        let producer = connected.producer(Choice {
            acks: acks(request.acks),
            compression: codec(request.compression),
            idempotent: request.idempotent,
            transactional_id: request.transactional_id,
        })?;
        if transactional {
            producer.begin_transaction().map_err(failure)?;
        }
        let sending = request
            .records
            .iter()
            .map(|wanted| producer.send(record(wanted), LIMIT));
        let mut placements = Vec::new();
        let sent = self.runtime.block_on(join_all(sending));
        for (wanted, result) in request.records.iter().zip(sent) {
            let delivery = result.map_err(|(error, _message)| failure(error))?;
            placements.push(Placement {
                topic: wanted.topic.clone(),
                partition: delivery.partition,
                offset: (delivery.offset >= 0).then_some(Number(delivery.offset)),
            });
        }
        if transactional {
            producer.commit_transaction(LIMIT).map_err(failure)?;
        }
        Ok(placements)
    }

    fn consume(&mut self, request: Consume) -> Result<(), Failure> {
        self.stop()?;
        let connected = self.connected.as_mut().ok_or_else(Failure::not_connected)?;
        let mut config = connected.config.clone();
        let group = request.group.as_ref().unwrap_or(&connected.client_id);
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", reset(request.start));
        if let Some(wanted) = request.isolation {
            config.set("isolation.level", isolation(wanted));
        }
        if let Some(bytes) = request.fetch_max_bytes {
            config.set("max.partition.fetch.bytes", bytes.to_string());
        }
        let (runtime, events) = (&self.runtime, &self.events);
        let reader = if request.group.is_some() && request.partition.is_none() {
            let topics: Vec<_> = request.topics.iter().map(String::as_str).collect();
            Reader::of_group(&config, &topics, runtime, events)?
        } else {
            Reader::of_places(&config, &connected.places(&request)?, runtime, events)?
        };
        connected.reader = Some(reader);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Failure> {
        match &self.connected()?.reader {
            Some(reader) => reader.commit(),
            None => Err(Failure::state("nothing is consumed")),
        }
    }

    fn committed(&mut self, request: Committed) -> Result<Option<Number>, Failure> {
        let mut config = self.connected()?.config.clone();
        config.set("group.id", request.group);
        let member: BaseConsumer = config.create().map_err(failure)?;
        let mut places = TopicPartitionList::new();
        places.add_partition(&request.topic, request.partition);
        let found = member.committed_offsets(places, LIMIT).map_err(failure)?;
        only(&found)
    }

    fn offsets(&mut self, request: Offsets) -> Result<Option<Number>, Failure> {
        let client = &self.connected()?.client;
        let Place::At(moment) = request.at else {
            let marks = client.fetch_watermarks(&request.topic, request.partition, LIMIT);
            let (earliest, latest) = marks.map_err(failure)?;
            let found = if request.at == Place::Earliest {
                earliest
            } else {
                latest
            };
            return Ok(Some(Number(found)));
        };
        let mut times = TopicPartitionList::new();
        times
            .add_partition_offset(&request.topic, request.partition, Offset::Offset(moment))
            .map_err(failure)?;
        only(&client.offsets_for_times(times, LIMIT).map_err(failure)?)
    }

    fn stop(&mut self) -> Result<(), Failure> {
        let reader = self.connected.as_mut().and_then(|made| made.reader.take());
        if let Some(reader) = reader {
            reader.stop(&self.runtime);
        }
        Ok(())
    }

    fn disconnect(&mut self) -> Result<(), Failure> {
        self.stop()?;
        let connected = self.connected.take().ok_or_else(Failure::not_connected)?;
        for producer in connected.producers.values() {
            producer.flush(LIMIT).map_err(failure)?;
        }
        Ok(())
    }

    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure> {
        events.wait(remaining);
        Ok(())
    }
}

fn record(wanted: &kit::kafka::Record) -> FutureRecord<'_, [u8], [u8]> {
    let mut record = FutureRecord::to(&wanted.topic);
    record.partition = wanted.partition;
    record.key = wanted.key.0.as_deref();
    record.payload = wanted.value.0.as_deref();
    record.timestamp = wanted.timestamp_ms.map(|Number(moment)| moment);
    if !wanted.headers.is_empty() {
        let none = OwnedHeaders::new();
        record.headers = Some(wanted.headers.iter().fold(none, |headers, header| {
            headers.insert(Header {
                key: &header.key,
                value: header.value.0.as_ref(),
            })
        }));
    }
    record
}

/// The offset of the one partition that was asked about.
fn only(found: &TopicPartitionList) -> Result<Option<Number>, Failure> {
    let places = found.elements();
    let place = places
        .first()
        .ok_or_else(|| Failure::krate("no partition came back"))?;
    place.error().map_err(failure)?;
    Ok(match place.offset() {
        Offset::Offset(offset) => Some(Number(offset)),
        _ => None,
    })
}

fn acks(wanted: Acks) -> &'static str {
    match wanted {
        Acks::None => "0",
        Acks::One => "1",
        Acks::All => "all",
    }
}

fn codec(wanted: Compression) -> &'static str {
    match wanted {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Snappy => "snappy",
        Compression::Lz4 => "lz4",
        Compression::Zstd => "zstd",
    }
}

fn isolation(wanted: Isolation) -> &'static str {
    match wanted {
        Isolation::ReadUncommitted => "read_uncommitted",
        Isolation::ReadCommitted => "read_committed",
    }
}

/// Where a group begins that has no offset, and any reader whose offset is gone.
fn reset(start: Place) -> &'static str {
    match start {
        Place::Latest => "latest",
        Place::Earliest | Place::At(_) => "earliest",
    }
}
