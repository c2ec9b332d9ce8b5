//! The probe of [kafka](https://docs.rs/kafka/0.10.0/kafka/), a blocking client.
//!
//! - `connect` and `metadata` follow
//!   [topic-metadata.rs](https://docs.rs/crate/kafka/0.10.0/source/examples/topic-metadata.rs): `KafkaClient::new`,
//!   `set_client_id`, `load_metadata_all`, `topics`; with TLS
//!   [example-ssl.rs](https://docs.rs/crate/kafka/0.10.0/source/examples/example-ssl.rs): `new_secure`, and
//!   `with_security` for producers and consumers.
//! - `produce` follows [console-producer.rs](https://docs.rs/crate/kafka/0.10.0/source/examples/console-producer.rs): one
//!   `Producer` for each choice of options, and `send_all`, whose confirmations carry the broker's error codes.
//! - `consume`, `commit` and `wait` follow
//!   [console-consumer.rs](https://docs.rs/crate/kafka/0.10.0/source/examples/console-consumer.rs): `poll`,
//!   `consume_messageset` for each set, `commit_consumed`. A `Consumer` starts at the earliest or the latest record; for
//!   another offset the documentation has `KafkaClient::fetch_messages`, as in
//!   [example-fetch.rs](https://docs.rs/crate/kafka/0.10.0/source/examples/example-fetch.rs).
//! - `offsets` and `committed` are `KafkaClient::fetch_topic_offsets` and `fetch_group_offsets`.
//! - A record's key and value are byte slices, "empty if there is no such data": an empty one is reported as null.

mod tls;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kafka::client::{
    FetchGroupOffset, FetchOffset, FetchPartition, GroupOffsetStorage, KafkaClient, RequiredAcks,
};
use kafka::consumer::{Consumer, Message};
use kafka::producer::{Producer, Record};
use kafka::Error;
use kit::kafka::{
    Acks, Bytes, Committed, Compression, Connect, Consume, CreateTopic, Event, Events, Isolation,
    Number, Offsets, Place, Placement, Produce,
};
use kit::wire::Code;
use kit::{Failure, Info, Setting};
use tls::Security;

const BUILDER: &str = "https://docs.rs/kafka/0.10.0/kafka/consumer/struct.Builder.html";

/// Where a group's offsets are kept. Before 0.10.0 it is no option.
#[cfg(not(before = "0.10.0"))]
const STORAGE: Option<GroupOffsetStorage> = Some(GroupOffsetStorage::Kafka);
#[cfg(before = "0.10.0")]
const STORAGE: GroupOffsetStorage = GroupOffsetStorage::Kafka;

fn main() -> ExitCode {
    let info = Info {
        krate: "kafka",
        lock: include_str!("../Cargo.lock"),
        dialects: &["kafka"],
        ops: kit::kafka::OPS,
        settings: vec![Setting {
            name: "group_offset_storage",
            value: "Kafka",
            default: "None",
            source: BUILDER,
            dialects: &[],
        }],
        assembled: &[],
    };
    kit::kafka::serve(info, |events| Probe {
        events,
        connected: None,
    })
}

struct Probe {
    events: Events,
    connected: Option<Connected>,
}

struct Connected {
    hosts: Vec<String>,
    client_id: String,
    security: Option<Security>,
    client: KafkaClient,
    producer: Option<(Acks, Compression, Producer)>,
    reading: Reading,
}

enum Reading {
    Nothing,
    Consumer(Box<Consumer>),
    From(String, i32, i64),
}

impl Probe {
    fn connected(&mut self) -> Result<&mut Connected, Failure> {
        self.connected.as_mut().ok_or_else(Failure::not_connected)
    }
}

impl Connected {
    fn producer(&mut self, acks: Acks, compression: Compression) -> Result<&mut Producer, Failure> {
        let codec = codec(compression)?;
        match self.producer.take() {
            Some(made) if (made.0, made.1) == (acks, compression) => self.producer = Some(made),
            _ => {
                let mut builder = Producer::from_hosts(self.hosts.clone())
                    .with_client_id(self.client_id.clone())
                    .with_required_acks(match acks {
                        Acks::None => RequiredAcks::None,
                        Acks::One => RequiredAcks::One,
                        Acks::All => RequiredAcks::All,
                    })
                    .with_compression(codec);
                if let Some(security) = &self.security {
                    builder = builder.with_security(security.config());
                }
                let producer = builder.create().map_err(failure)?;
                self.producer = Some((acks, compression, producer));
            }
        }
        match &mut self.producer {
            Some((_, _, producer)) => Ok(producer),
            None => unreachable!("it was put there above"),
        }
    }
}

impl kit::kafka::Client for Probe {
    fn connect(&mut self, request: Connect) -> Result<(), Failure> {
        if request.sasl.is_some() {
            let reason = "the crate's security is TLS alone";
            return Err(Failure::unsupported("sasl", reason));
        }
        let security = request.tls.as_ref().map(Security::new).transpose()?;
        let hosts = request.bootstrap.clone();
        let mut client = match &security {
            Some(security) => KafkaClient::new_secure(hosts, security.config()),
            None => KafkaClient::new(hosts),
        };
        client.set_client_id(request.client_id.clone());
        client.set_group_offset_storage(STORAGE);
        client.load_metadata_all().map_err(failure)?;
        self.connected = Some(Connected {
            hosts: request.bootstrap,
            client_id: request.client_id,
            security,
            client,
            producer: None,
            reading: Reading::Nothing,
        });
        Ok(())
    }

    fn metadata(&mut self) -> Result<BTreeMap<String, usize>, Failure> {
        let client = &mut self.connected()?.client;
        client.load_metadata_all().map_err(failure)?;
        let topics = client.topics();
        let counted = topics
            .iter()
            .map(|topic| (topic.name().to_owned(), topic.partitions().len()));
        Ok(counted.collect())
    }

    fn create_topic(&mut self, _request: CreateTopic) -> Result<(), Failure> {
        let reason = "the crate has no call that creates topics";
        Err(Failure::unsupported("create-topic", reason))
    }

    fn produce(&mut self, request: Produce) -> Result<Vec<Placement>, Failure> {
        if request.transactional_id.is_some() {
            return Err(lacks("transactions"));
        }
        if request.idempotent {
            return Err(lacks("idempotence"));
        }
        if request.records.iter().any(|r| !r.headers.is_empty()) {
            return Err(lacks("headers"));
        }
        if request.records.iter().any(|r| r.timestamp_ms.is_some()) {
            return Err(lacks("timestamps"));
        }
        let records: Vec<_> = request
            .records
            .iter()
            .map(|record| Record {
                topic: &record.topic,
                partition: record.partition.unwrap_or(-1),
                key: record.key.0.clone().unwrap_or_default(),
                value: record.value.0.clone().unwrap_or_default(),
            })
            .collect();
        let producer = self
            .connected()?
            .producer(request.acks, request.compression)?;
        let confirms = producer.send_all(&records).map_err(unsure)?;
        let mut told = Vec::new();
        for confirm in &confirms {
            for partition in &confirm.partition_confirms {
                let offset = partition.offset.map_err(|code| {
                    Failure::refused(format!("{code:?}, for partition {}", partition.partition))
                })?;
                told.push((confirm.topic.as_str(), partition.partition, offset));
            }
        }
        Ok(records.iter().map(|record| placed(record, &told)).collect())
    }

    fn consume(&mut self, request: Consume) -> Result<(), Failure> {
        if request.isolation == Some(Isolation::ReadCommitted) {
            return Err(lacks("read-committed"));
        }
        if request.join {
            return Err(lacks("group-membership"));
        }
        let connected = self.connected()?;
        connected.reading = match request.start {
            Place::At(offset) => {
                let topic = request.topics.into_iter().next().unwrap_or_default();
                Reading::From(topic, request.partition.unwrap_or(0), offset)
            }
            place => {
                let mut builder = Consumer::from_hosts(connected.hosts.clone())
                    .with_client_id(connected.client_id.clone())
                    .with_fallback_offset(fetch_offset(place));
                if let Some(security) = &connected.security {
                    builder = builder.with_security(security.config());
                }
                for topic in request.topics {
                    builder = match request.partition {
                        Some(partition) => builder.with_topic_partitions(topic, &[partition]),
                        None => builder.with_topic(topic),
                    };
                }
                if let Some(group) = request.group {
                    builder = builder.with_group(group).with_offset_storage(STORAGE);
                }
                if let Some(bytes) = request.fetch_max_bytes {
                    builder = builder.with_fetch_max_bytes_per_partition(bytes);
                }
                Reading::Consumer(Box::new(builder.create().map_err(failure)?))
            }
        };
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Failure> {
        match &mut self.connected()?.reading {
            Reading::Consumer(consumer) => consumer.commit_consumed().map_err(unsure),
            _ => Err(Failure::state("`consume` with a group comes first")),
        }
    }

    fn committed(&mut self, request: Committed) -> Result<Option<Number>, Failure> {
        let wanted = FetchGroupOffset::new(&request.topic, request.partition);
        let found = self
            .connected()?
            .client
            .fetch_group_offsets(&request.group, &[wanted])
            .map_err(failure)?;
        let of_topic = found.get(&request.topic).into_iter().flatten();
        Ok(of_topic
            .filter(|found| found.partition == request.partition && found.offset >= 0)
            .map(|found| Number(found.offset))
            .next())
    }

    fn offsets(&mut self, request: Offsets) -> Result<Option<Number>, Failure> {
        let found = self
            .connected()?
            .client
            .fetch_topic_offsets(&request.topic, fetch_offset(request.at))
            .map_err(failure)?;
        Ok(found
            .iter()
            .find(|found| found.partition == request.partition && found.offset >= 0)
            .map(|found| Number(found.offset)))
    }

    fn stop(&mut self) -> Result<(), Failure> {
        self.connected()?.reading = Reading::Nothing;
        Ok(())
    }

    fn disconnect(&mut self) -> Result<(), Failure> {
        self.connected()?;
        self.connected = None;
        Ok(())
    }

    /// A fetch waits at the broker for at most `fetch_max_wait_time`, which is 0.1 s by default.
    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure> {
        let Some(connected) = &mut self.connected else {
            events.wait(remaining);
            return Ok(());
        };
        match &mut connected.reading {
            Reading::Nothing => events.wait(remaining),
            Reading::Consumer(consumer) => {
                let sets = consumer.poll().map_err(failure)?;
                for set in sets.iter() {
                    for message in set.messages() {
                        let event = delivered(set.topic(), set.partition(), message);
                        self.events.push(event);
                    }
                    consumer.consume_messageset(set).map_err(failure)?;
                }
            }
            Reading::From(topic, partition, offset) => {
                let wanted = FetchPartition::new(topic, *partition, *offset);
                let fetched = connected.client.fetch_messages(&[wanted]);
                for response in fetched.map_err(failure)? {
                    for found in response.topics().iter().flat_map(|t| t.partitions()) {
                        let data = found.data().map_err(|error| shared(&error))?;
                        for message in data.messages() {
                            self.events.push(delivered(topic, *partition, message));
                            *offset = message.offset + 1;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn delivered(topic: &str, partition: i32, message: &Message<'_>) -> Event {
    let data = |data: &[u8]| Bytes((!data.is_empty()).then(|| data.to_vec()));
    Event::Record {
        topic: topic.to_owned(),
        partition,
        offset: Number(message.offset),
        key: data(message.key),
        value: data(message.value),
        headers: None,
        timestamp_ms: None,
    }
}

/// Where the confirmations say that a record went. They name partitions and the offset of the first record in each: what
/// follows from that for one record is told, the rest is not.
fn placed(record: &Record<'_, Vec<u8>, Vec<u8>>, told: &[(&str, i32, i64)]) -> Placement {
    let mut of_topic = told.iter().filter(|told| told.0 == record.topic);
    let (partition, offset) = match (record.partition, of_topic.next(), of_topic.next()) {
        (-1, Some(only), None) => (only.1, Some(Number(only.2))),
        (partition, _, _) => {
            let mut same = told
                .iter()
                .filter(|told| told.0 == record.topic && told.1 == partition);
            (partition, same.next().map(|told| Number(told.2)))
        }
    };
    Placement {
        topic: record.topic.to_owned(),
        partition,
        offset,
    }
}

fn codec(compression: Compression) -> Result<kafka::client::Compression, Failure> {
    match compression {
        Compression::None => Ok(kafka::client::Compression::NONE),
        Compression::Gzip => Ok(kafka::client::Compression::GZIP),
        Compression::Snappy => Ok(kafka::client::Compression::SNAPPY),
        Compression::Lz4 => Err(lacks("lz4")),
        Compression::Zstd => Err(lacks("zstd")),
    }
}

fn fetch_offset(place: Place) -> FetchOffset {
    match place {
        Place::Earliest => FetchOffset::Earliest,
        Place::Latest => FetchOffset::Latest,
        Place::At(time) => FetchOffset::ByTime(time),
    }
}

fn lacks(feature: &'static str) -> Failure {
    Failure::unsupported(
        feature,
        "the crate's producer and consumer have no such option",
    )
}

fn failure(error: Error) -> Failure {
    let text = error.to_string();
    match error {
        Error::Io(_) | Error::NoHostReachable => Failure::io(text),
        Error::Kafka(_) | Error::TopicPartitionError { .. } => Failure::refused(text),
        Error::UnexpectedEOF
        | Error::CodecError
        | Error::StringDecodeError
        | Error::UnsupportedProtocol => Failure::protocol(text),
        Error::ArcSelf(error) => shared(&error),
        _ => Failure::krate(text),
    }
}

fn shared(error: &Arc<Error>) -> Failure {
    match &**error {
        Error::Kafka(_) => Failure::refused(error),
        _ => Failure::krate(error),
    }
}

/// The error of a request that may have reached the broker.
fn unsure(error: Error) -> Failure {
    match failure(error) {
        answered if answered.code == Code::Refused => answered,
        broken => broken.indefinite(),
    }
}
