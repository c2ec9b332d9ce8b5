//! The probe of [mqtt-protocol](https://docs.rs/mqtt-protocol/0.12.0/mqtt/), a codec: packets in and out of any `Read` and
//! `Write`.
//!
//! - `connect`, `subscribe` and the keep-alive thread follow
//!   [examples/sub-client.rs](https://docs.rs/crate/mqtt-protocol/0.12.0/source/examples/sub-client.rs): encode into a
//!   `Vec`, write it to a `TcpStream`, `ConnackPacket::decode`, `VariablePacket::decode` in a loop, PINGREQ at 0.9 of the
//!   keep-alive.
//! - `publish` and the reader on a thread of its own follow
//!   [examples/pub-client.rs](https://docs.rs/crate/mqtt-protocol/0.12.0/source/examples/pub-client.rs).
//! - Will, user name and password are
//!   [`ConnectPacket`](https://docs.rs/mqtt-protocol/0.12.0/mqtt/packet/connect/struct.ConnectPacket.html)'s setters;
//!   `unsubscribe`, `disconnect` and the acknowledgements of QoS 1 and 2, which no example sends, are
//!   [the packets](https://docs.rs/mqtt-protocol/0.12.0/mqtt/packet/) of those names.
//!
//! The probe assembles these packets one by one. It keeps no session, and neither resends, removes duplicates, nor
//! reconnects: none of that is the codec's.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kit::mqtt::{
    Client, Confirmation, Connect, Connected, Disconnect, Event, Events, Publish, Qos, Subscribe,
    Unsubscribe,
};
use kit::{Failure, Info};
use mqtt::control::fixed_header::FixedHeaderError;
use mqtt::control::variable_header::ConnectReturnCode;
use mqtt::packet::suback::SubscribeReturnCode;
use mqtt::packet::*;
use mqtt::{Decodable, Encodable, QualityOfService, TopicFilter, TopicName};
use VariablePacket as Packet;

/// All of MQTT's but `echo`: nothing but this probe would hand messages over.
const OPS: &[&str] = &[
    "connect",
    "publish",
    "publish_all",
    "subscribe",
    "unsubscribe",
    "disconnect",
    "wait",
];

fn main() -> ExitCode {
    let info = Info {
        krate: "mqtt-protocol",
        lock: include_str!("../Cargo.lock"),
        dialects: &["mqtt-3.1.1"],
        ops: OPS,
        settings: vec![],
        assembled: &["connect", "publish", "subscribe", "unsubscribe", "wait"],
    };
    kit::mqtt::serve(info, |events| Probe {
        events,
        connection: None,
    })
}

struct Probe {
    events: Events,
    connection: Option<Connection>,
}

impl Probe {
    fn connection(&mut self) -> Result<&mut Connection, Failure> {
        self.connection.as_mut().ok_or_else(Failure::not_connected)
    }
}

impl Client for Probe {
    fn connect(&mut self, request: Connect) -> Result<Connected, Failure> {
        if request.tls.is_some() || request.websocket {
            return Err(Failure::not_written("this probe has plain TCP alone"));
        }
        let mut connect = ConnectPacket::new(request.client_id);
        connect.set_clean_session(request.clean_session);
        connect.set_keep_alive(request.keep_alive_s);
        connect.set_user_name(request.username);
        connect.set_password(request.password);
        if let Some(will) = request.will {
            let topic = TopicName::new(will.topic).map_err(Failure::krate)?;
            connect.set_will(Some((topic, will.payload)));
            connect.set_will_qos(will.qos.into());
            connect.set_will_retain(will.retain);
        }

        let address = (request.host.as_str(), request.port);
        let link = Arc::new(Link {
            stream: TcpStream::connect(address).map_err(Failure::io)?,
            turn: Mutex::new(()),
            closing: AtomicBool::new(false),
        });
        link.send(&connect)?;
        let connack = ConnackPacket::decode(&mut &link.stream).map_err(|error| match error {
            PacketError::FixedHeaderError(FixedHeaderError::IoError(_))
            | PacketError::IoError(_) => Failure::io(error),
            error => Failure::protocol(error),
        })?;
        let code = connack.connect_return_code();
        if code != ConnectReturnCode::ConnectionAccepted {
            return Err(Failure::refused(format_args!("{code:?}")));
        }

        let keep_alive = Duration::from_secs(request.keep_alive_s.into());
        self.connection = Some(Connection::start(link, keep_alive, self.events.clone()));
        Ok(Connected {
            session_present: Some(connack.connack_flags().session_present),
            properties: None,
        })
    }

    fn publish(&mut self, request: Publish) -> Result<Confirmation, Failure> {
        let connection = self.connection()?;
        let id = connection.next_id();
        let topic = TopicName::new(request.topic).map_err(Failure::krate)?;
        let qos = QoSWithPacketIdentifier::new(level(request.qos), id);
        let mut publish = PublishPacket::new(topic, qos, request.payload);
        publish.set_retain(request.retain);
        connection.link.send(&publish)?;
        match request.qos {
            Qos::AtMostOnce => {}
            Qos::AtLeastOnce => {
                connection.expect(
                    |reply| matches!(reply, Packet::PubackPacket(ack) if ack.packet_identifier() == id),
                )?;
            }
            Qos::ExactlyOnce => {
                connection.expect(
                    |reply| matches!(reply, Packet::PubrecPacket(ack) if ack.packet_identifier() == id),
                )?;
                connection.link.send(&PubrelPacket::new(id))?;
                connection.expect(
                    |reply| matches!(reply, Packet::PubcompPacket(ack) if ack.packet_identifier() == id),
                )?;
            }
        }
        Ok(Confirmation::Confirmed)
    }

    fn subscribe(&mut self, request: Subscribe) -> Result<Confirmation, Failure> {
        let connection = self.connection()?;
        let id = connection.next_id();
        let filters = request.filters.into_iter();
        let filters = filters.map(|wanted| Ok((filter(wanted.filter)?, level(wanted.qos))));
        let subscribe = SubscribePacket::new(id, filters.collect::<Result<_, Failure>>()?);
        connection.link.send(&subscribe)?;
        let reply = connection.expect(
            |reply| matches!(reply, Packet::SubackPacket(ack) if ack.packet_identifier() == id),
        )?;
        match reply {
            Packet::SubackPacket(ack)
                if ack.subscribes().contains(&SubscribeReturnCode::Failure) =>
            {
                Err(Failure::refused(format_args!("{:?}", ack.subscribes())))
            }
            _ => Ok(Confirmation::Confirmed),
        }
    }

    fn unsubscribe(&mut self, request: Unsubscribe) -> Result<Confirmation, Failure> {
        let connection = self.connection()?;
        let id = connection.next_id();
        let filters = request.filters.into_iter().map(filter);
        let unsubscribe = UnsubscribePacket::new(id, filters.collect::<Result<_, _>>()?);
        connection.link.send(&unsubscribe)?;
        connection.expect(
            |reply| matches!(reply, Packet::UnsubackPacket(ack) if ack.packet_identifier() == id),
        )?;
        Ok(Confirmation::Confirmed)
    }

    fn disconnect(&mut self, _: Disconnect) -> Result<(), Failure> {
        let connection = self.connection.take().ok_or_else(Failure::not_connected)?;
        connection.link.closing.store(true, Ordering::SeqCst);
        connection.link.send(&DisconnectPacket::new())
    }
}

/// An accepted connection. One thread reads, one pings, and the commands write.
struct Connection {
    link: Arc<Link>,
    replies: Receiver<Result<Packet, VariablePacketError>>,
    last_id: u16,
    _pinging: Sender<()>,
}

impl Connection {
    fn start(link: Arc<Link>, keep_alive: Duration, events: Events) -> Self {
        let (replying, replies) = mpsc::channel();
        let (pinging, stopped) = mpsc::channel();
        let (reader, pinger) = (Arc::clone(&link), Arc::clone(&link));
        kit::spawn(move || reader.read(&replying, &events));
        kit::spawn(move || pinger.ping(keep_alive.mul_f32(0.9), &stopped));
        Self {
            link,
            replies,
            last_id: 0,
            _pinging: pinging,
        }
    }

    /// Packet identifiers are 1 to 65535.
    fn next_id(&mut self) -> u16 {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.last_id
    }

    /// Waits for the packet that is `wanted`; a reply to nothing that was asked is passed over.
    fn expect(&self, wanted: impl Fn(&Packet) -> bool) -> Result<Packet, Failure> {
        loop {
            match self.replies.recv() {
                Ok(Ok(packet)) if wanted(&packet) => return Ok(packet),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(failure(error).indefinite()),
                Err(_) => return Err(Failure::io("the connection has ended").indefinite()),
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.link.closing.store(true, Ordering::SeqCst);
        self.link.close();
    }
}

/// The connection's socket.
struct Link {
    stream: TcpStream,
    turn: Mutex<()>,
    closing: AtomicBool,
}

impl Link {
    /// Sends one packet whole: the three threads take turns.
    fn send(&self, packet: &impl Encodable) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes).map_err(Failure::krate)?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = (&self.stream).write_all(&bytes);
        sent.map_err(|error| Failure::io(error).indefinite())
    }

    fn close(&self) {
        let _closed_already = self.stream.shutdown(Shutdown::Both);
    }

    /// The reading thread: delivers messages and acknowledges them, and hands every other packet to the command that
    /// waits for it. An error of the decoder ends the connection, since the next packet's start is unknown.
    fn read(&self, replies: &Sender<Result<Packet, VariablePacketError>>, events: &Events) {
        loop {
            // An acknowledgement that cannot be sent is no news: the next read tells.
            match Packet::decode(&mut &self.stream) {
                Ok(Packet::PublishPacket(publish)) => {
                    let (level, id) = publish.qos().split();
                    events.push(message(&publish));
                    let _read_tells = match (level, id) {
                        (QualityOfService::Level1, Some(id)) => self.send(&PubackPacket::new(id)),
                        (QualityOfService::Level2, Some(id)) => self.send(&PubrecPacket::new(id)),
                        _ => Ok(()),
                    };
                }
                Ok(Packet::PubrelPacket(pubrel)) => {
                    let _read_tells = self.send(&PubcompPacket::new(pubrel.packet_identifier()));
                }
                Ok(Packet::PingrespPacket(_)) => {}
                Ok(packet) => {
                    let _nobody_waits = replies.send(Ok(packet));
                }
                Err(error) => {
                    if !self.closing.load(Ordering::SeqCst) {
                        let reason = error.to_string();
                        events.push(Event::Disconnected {
                            reason,
                            reason_code: None,
                        });
                    }
                    self.close();
                    let _nobody_waits = replies.send(Err(error));
                    return;
                }
            }
        }
    }

    /// The keep-alive thread: ends with the connection.
    fn ping(&self, interval: Duration, stopped: &Receiver<()>) {
        while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
            if self.send(&PingreqPacket::new()).is_err() {
                return;
            }
        }
    }
}

fn message(publish: &PublishPacket) -> Event {
    Event::Message {
        topic: publish.topic_name().to_owned(),
        payload: publish.payload().to_vec(),
        qos: Some(match publish.qos() {
            QoSWithPacketIdentifier::Level0 => Qos::AtMostOnce,
            QoSWithPacketIdentifier::Level1(_) => Qos::AtLeastOnce,
            QoSWithPacketIdentifier::Level2(_) => Qos::ExactlyOnce,
        }),
        retain: Some(publish.retain()),
        dup: Some(publish.dup()),
        properties: None,
    }
}

fn level(qos: Qos) -> QualityOfService {
    match qos {
        Qos::AtMostOnce => QualityOfService::Level0,
        Qos::AtLeastOnce => QualityOfService::Level1,
        Qos::ExactlyOnce => QualityOfService::Level2,
    }
}

fn filter(filter: String) -> Result<TopicFilter, Failure> {
    TopicFilter::new(filter).map_err(Failure::krate)
}

fn failure(error: VariablePacketError) -> Failure {
    match error {
        VariablePacketError::IoError(_)
        | VariablePacketError::FixedHeaderError(FixedHeaderError::IoError(_)) => Failure::io(error),
        error => Failure::protocol(error),
    }
}
