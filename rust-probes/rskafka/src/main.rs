//! The probe of [rskafka](https://docs.rs/rskafka/0.6.0/rskafka/), an asynchronous client, on a tokio runtime.
//!
//! - `connect`, `create_topic`, `produce` and `metadata` follow the crate's
//!   [README](https://docs.rs/crate/rskafka/0.6.0/source/README.md): `ClientBuilder`, `ControllerClient::create_topic`,
//!   `PartitionClient::produce`; `Client::list_topics` knows the partitions. A client of a partition is kept, and passes an
//!   unknown topic on as an error (`UnknownTopicHandling::Error`).
//! - The crate has no partitioner: the application names the partition, which is 0 where there is one alone.
//! - `consume` follows
//!   [client::consumer](https://docs.rs/rskafka/0.6.0/rskafka/client/consumer/index.html): one `StreamConsumer` a
//!   partition, each on a task. Where reading is to start at the end, `PartitionClient::get_offset` tells where that is.
//!   The isolation level is read_committed, and cannot be chosen.
//! - `offsets` is `PartitionClient::get_offset`.
//! - `tls` is a `rustls::ClientConfig`, and `sasl` a `SaslConfig`, as
//!   [ClientBuilder](https://docs.rs/rskafka/0.6.0/rskafka/client/struct.ClientBuilder.html) takes them.

mod tls;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use futures::StreamExt;
use kit::kafka::{
    Acks, Bytes, Committed, Compression, Connect, Consume, CreateTopic, Event, Events, Header,
    Isolation, Number, Offsets, Place, Placement, Produce,
};
use kit::{Failure, Info};
use rskafka::client::consumer::{StartOffset, StreamConsumerBuilder};
use rskafka::client::error::{Error, RequestError};
use rskafka::client::partition::{self, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder, Credentials, SaslConfig};
use rskafka::record::{Record, RecordAndOffset};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// Milliseconds that the controller may take to create a topic, as in the README.
const CREATE: i32 = 5000;

fn main() -> ExitCode {
    let info = Info {
        krate: "rskafka",
        lock: include_str!("../Cargo.lock"),
        dialects: &["kafka"],
        ops: kit::kafka::OPS,
        settings: vec![],
        assembled: &[],
    };
    kit::kafka::serve(info, |events| Probe {
        events,
        runtime: Runtime::new().expect("a runtime"),
        client: None,
        partitions: HashMap::new(),
        reading: Vec::new(),
    })
}

struct Probe {
    events: Events,
    runtime: Runtime,
    client: Option<Client>,
    partitions: HashMap<(String, i32), Arc<PartitionClient>>,
    reading: Vec<JoinHandle<()>>,
}

impl Probe {
    fn client(&self) -> Result<&Client, Failure> {
        self.client.as_ref().ok_or_else(Failure::not_connected)
    }

    /// Waits for the end of a call of the crate.
    fn done<T>(
        &self,
        call: impl std::future::Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        self.runtime.block_on(call).map_err(failure)
    }

    /// The client of one partition, made at first use.
    fn partition(&mut self, topic: &str, partition: i32) -> Result<Arc<PartitionClient>, Failure> {
        let place = (topic.to_owned(), partition);
        if let Some(made) = self.partitions.get(&place) {
            return Ok(Arc::clone(made));
        }
        let client = self.client()?;
        let making = client.partition_client(topic, partition, UnknownTopicHandling::Error);
        let made = Arc::new(self.done(making)?);
        self.partitions.insert(place, Arc::clone(&made));
        Ok(made)
    }

    /// The partitions of a topic; the first one of a topic that nobody knows, so that the crate says so.
    fn partitions_of(&self, topic: &str) -> Result<BTreeSet<i32>, Failure> {
        let topics = self.done(self.client()?.list_topics())?;
        let known = topics.into_iter().find(|known| known.name == topic);
        Ok(known.map_or(BTreeSet::from([0]), |known| known.partitions))
    }
}

impl kit::kafka::Client for Probe {
    fn connect(&mut self, request: Connect) -> Result<(), Failure> {
        let mut builder = ClientBuilder::new(request.bootstrap).client_id(request.client_id);
        if let Some(wanted) = &request.tls {
            builder = builder.tls_config(tls::config(wanted)?);
        }
        if let Some(user) = request.sasl {
            let credentials = Credentials::new(user.username, user.password);
            builder = builder.sasl_config(match user.mechanism.as_str() {
                "SCRAM-SHA-256" => SaslConfig::ScramSha256(credentials),
                "SCRAM-SHA-512" => SaslConfig::ScramSha512(credentials),
                _ => SaslConfig::Plain(credentials),
            });
        }
        self.client = Some(self.done(builder.build())?);
        Ok(())
    }

    fn metadata(&mut self) -> Result<BTreeMap<String, usize>, Failure> {
        let topics = self.done(self.client()?.list_topics())?;
        let counted = topics.into_iter().map(|t| (t.name, t.partitions.len()));
        Ok(counted.collect())
    }

    fn create_topic(&mut self, request: CreateTopic) -> Result<(), Failure> {
        let replication = i16::try_from(request.replication).map_err(Failure::bad_value)?;
        let controller = self.client()?.controller_client().map_err(failure)?;
        self.done(controller.create_topic(request.topic, request.partitions, replication, CREATE))
    }

    fn produce(&mut self, request: Produce) -> Result<Vec<Placement>, Failure> {
        if request.transactional_id.is_some() {
            return Err(lacks("transactions"));
        }
        if request.idempotent {
            return Err(lacks("idempotence"));
        }
        if request.acks != Acks::All {
            return Err(lacks("fewer-acks"));
        }
        let codec = codec(request.compression);
        // One call for the records of each partition, in their order.
        let mut batches: Vec<((String, i32), Vec<Record>)> = Vec::new();
        let mut places = Vec::new();
        let mut sizes: HashMap<String, usize> = HashMap::new();
        for wanted in request.records {
            let number = match wanted.partition {
                Some(number) => number,
                None => {
                    if !sizes.contains_key(&wanted.topic) {
                        let partitions = self.partitions_of(&wanted.topic)?;
                        sizes.insert(wanted.topic.clone(), partitions.len());
                    }
                    if sizes[&wanted.topic] > 1 {
                        return Err(lacks("partitioner"));
                    }
                    0
                }
            };
            let place = (wanted.topic.clone(), number);
            let record = record(wanted)?;
            let batch = batches
                .iter()
                .position(|batch| batch.0 == place)
                .unwrap_or_else(|| {
                    batches.push((place, Vec::new()));
                    batches.len() - 1
                });
            places.push((batch, batches[batch].1.len()));
            batches[batch].1.push(record);
        }
        let mut offsets = Vec::new();
        let mut names = Vec::new();
        for ((topic, number), records) in batches {
            let client = self.partition(&topic, number)?;
            offsets.push(self.done(client.produce(records, codec))?);
            names.push((topic, number));
        }
        let placed = places.into_iter().map(|(batch, index)| Placement {
            topic: names[batch].0.clone(),
            partition: names[batch].1,
            offset: offsets[batch].get(index).copied().map(Number),
        });
        Ok(placed.collect())
    }

    fn consume(&mut self, request: Consume) -> Result<(), Failure> {
        if request.join {
            return Err(lacks("group-membership"));
        }
        if request.group.is_some() {
            return Err(lacks("commit"));
        }
        if request.isolation == Some(Isolation::ReadUncommitted) {
            return Err(lacks("read-uncommitted"));
        }
        self.stop()?;
        for topic in request.topics {
            let numbers = match request.partition {
                Some(number) => BTreeSet::from([number]),
                None => self.partitions_of(&topic)?,
            };
            for number in numbers {
                let client = self.partition(&topic, number)?;
                let start = match request.start {
                    Place::Earliest => StartOffset::Earliest,
                    Place::Latest => {
                        StartOffset::At(self.done(client.get_offset(OffsetAt::Latest))?)
                    }
                    Place::At(offset) => StartOffset::At(offset),
                };
                let mut builder = StreamConsumerBuilder::new(client, start);
                if let Some(bytes) = request.fetch_max_bytes {
                    builder = builder.with_max_batch_size(bytes);
                }
                let (mut stream, events, topic) =
                    (builder.build(), self.events.clone(), topic.clone());
                self.reading.push(self.runtime.spawn(async move {
                    while let Some(next) = stream.next().await {
                        events.push(match next {
                            Ok((read, _high_watermark)) => delivered(&topic, number, read),
                            Err(error) => Event::Disconnected {
                                reason: error.to_string(),
                            },
                        });
                    }
                }));
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Failure> {
        Err(lacks("commit"))
    }

    fn committed(&mut self, _request: Committed) -> Result<Option<Number>, Failure> {
        Err(lacks("committed"))
    }

    fn offsets(&mut self, request: Offsets) -> Result<Option<Number>, Failure> {
        let at = match request.at {
            Place::Earliest => OffsetAt::Earliest,
            Place::Latest => OffsetAt::Latest,
            Place::At(moment) => OffsetAt::Timestamp(time(moment)?),
        };
        let client = self.partition(&request.topic, request.partition)?;
        let found = self.done(client.get_offset(at))?;
        Ok((found >= 0).then_some(Number(found)))
    }

    fn stop(&mut self) -> Result<(), Failure> {
        for task in self.reading.drain(..) {
            task.abort();
        }
        Ok(())
    }

    fn disconnect(&mut self) -> Result<(), Failure> {
        self.stop()?;
        self.partitions.clear();
        self.client = None;
        Ok(())
    }

    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure> {
        events.wait(remaining);
        Ok(())
    }
}

fn record(wanted: kit::kafka::Record) -> Result<Record, Failure> {
    let headers = wanted.headers.into_iter();
    Ok(Record {
        key: wanted.key.0,
        value: wanted.value.0,
        headers: headers
            .map(|h| (h.key, h.value.0.unwrap_or_default()))
            .collect(),
        timestamp: match wanted.timestamp_ms {
            Some(Number(moment)) => time(moment)?,
            None => SystemTime::now().into(),
        },
    })
}

fn delivered(topic: &str, partition: i32, read: RecordAndOffset) -> Event {
    let record = read.record;
    let headers = record.headers.into_iter().map(|(key, value)| Header {
        key,
        value: Bytes(Some(value)),
    });
    Event::Record {
        topic: topic.to_owned(),
        partition,
        offset: Number(read.offset),
        key: Bytes(record.key),
        value: Bytes(record.value),
        headers: Some(headers.collect()),
        timestamp_ms: Some(Number(record.timestamp.timestamp_millis())),
    }
}

fn time(moment: i64) -> Result<DateTime<Utc>, Failure> {
    DateTime::from_timestamp_millis(moment).ok_or_else(|| Failure::bad_value("no such time"))
}

fn codec(compression: Compression) -> partition::Compression {
    match compression {
        Compression::None => partition::Compression::NoCompression,
        Compression::Gzip => partition::Compression::Gzip,
        Compression::Snappy => partition::Compression::Snappy,
        Compression::Lz4 => partition::Compression::Lz4,
        Compression::Zstd => partition::Compression::Zstd,
    }
}

fn lacks(feature: &'static str) -> Failure {
    Failure::unsupported(feature, "the crate has no call or option for it")
}

fn failure(error: Error) -> Failure {
    match error {
        Error::ServerError { .. } => Failure::refused(error),
        Error::Connection(_) => Failure::io(error),
        Error::Request(RequestError::IO(_)) => Failure::io(error).indefinite(),
        Error::Request(_) | Error::InvalidResponse(_) => Failure::protocol(error).indefinite(),
        _ => Failure::krate(error).indefinite(),
    }
}
