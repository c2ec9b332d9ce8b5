//! The probe of [zmq](https://docs.rs/zmq/0.10.0/zmq/), which binds libzmq.
//!
//! - `open`, `bind`, `connect`, `send` and `receive` follow the
//!   [examples](https://docs.rs/crate/zmq/0.10.0/source/examples/zguide): one `Context`, `Context::socket`,
//!   `send_multipart`, `recv_multipart`; with a time limit, `Socket::poll` comes before.
//! - A port that the system picks is `*` to [libzmq](http://api.zeromq.org/4-3:zmq-tcp).
//! - A receive `as_text` is [`Socket::recv_string`](https://docs.rs/zmq/0.10.0/zmq/struct.Socket.html#method.recv_string),
//!   which gives the bytes where they are no UTF-8.
//! - Metadata is read by [`Message::gets`](https://docs.rs/zmq/0.10.0/zmq/struct.Message.html#method.gets).
//! - Options are set and read by the `set_…`, `get_…` and `is_…` methods; keys, and what `decode_key` is given, are decoded by
//!   [`z85_decode`](https://docs.rs/zmq/0.10.0/zmq/fn.z85_decode.html), as the
//!   [test of CURVE](https://docs.rs/crate/zmq/0.10.0/source/tests/curve.rs) does.
//! - `monitor` and `wait` follow the [test of monitors](https://docs.rs/crate/zmq/0.10.0/source/tests/monitor.rs): a PAIR
//!   socket at an inproc endpoint, whose messages are read as that test reads them.
//! - `close` drops the socket, `terminate` drops the context; where it is explicit,
//!   [`Context::destroy`](https://docs.rs/zmq/0.10.0/zmq/struct.Context.html#method.destroy) comes before.
//! - The probe handles SIGUSR1 by setting a flag, as applications do that handle signals.

mod options;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use std::time::Duration;

use kit::zmtp::{
    Attach, Bytes, Close, Event, Events, Open, OptionName, OptionValue, ReadOption, Receive,
    Received, Send, SocketType, Subscribe, Terminate,
};
use kit::{Failure, Info};
use zmq::{Context, Error, PollEvents, Socket, SocketEvent};

fn main() -> ExitCode {
    let signalled = Arc::new(AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGUSR1, signalled) {
        eprintln!("cannot handle SIGUSR1: {error}");
        return ExitCode::FAILURE;
    }
    let info = Info {
        krate: "zmq",
        lock: include_str!("../Cargo.lock"),
        dialects: &["zmtp"],
        ops: kit::zmtp::OPS,
        settings: vec![],
        assembled: &[],
    };
    kit::zmtp::serve(info, |events| Probe {
        events,
        sockets: BTreeMap::new(),
        monitors: BTreeMap::new(),
        context: Context::new(),
    })
}

/// Sockets go before their context.
struct Probe {
    events: Events,
    sockets: BTreeMap<String, Socket>,
    monitors: BTreeMap<String, Socket>,
    context: Context,
}

impl Probe {
    fn socket(&self, name: &str) -> Result<&Socket, Failure> {
        let found = self.sockets.get(name);
        found.ok_or_else(|| {
            Failure::state(format!("there is no socket `{name}`: `open` comes first"))
        })
    }
}

impl kit::zmtp::Client for Probe {
    fn open(&mut self, request: Open) -> Result<(), Failure> {
        let socket = self
            .context
            .socket(type_of(request.kind))
            .map_err(failure)?;
        options::set(&socket, request.options)?;
        self.sockets.insert(request.socket, socket);
        Ok(())
    }

    fn bind(&mut self, request: Attach) -> Result<String, Failure> {
        let socket = self.socket(&request.socket)?;
        let endpoint = match request.endpoint.strip_suffix(":0") {
            Some(interface) => format!("{interface}:*"),
            None => request.endpoint,
        };
        socket.bind(&endpoint).map_err(failure)?;
        options::last_endpoint(socket)
    }

    fn connect(&mut self, request: Attach) -> Result<(), Failure> {
        let socket = self.socket(&request.socket)?;
        socket.connect(&request.endpoint).map_err(failure)
    }

    fn subscribe(&mut self, request: Subscribe) -> Result<(), Failure> {
        let socket = self.socket(&request.socket)?;
        let Bytes(prefix) = request.prefix;
        if request.on {
            socket.set_subscribe(&prefix).map_err(failure)
        } else {
            socket.set_unsubscribe(&prefix).map_err(failure)
        }
    }

    fn send(&mut self, request: Send) -> Result<(), Failure> {
        let socket = self.socket(&request.socket)?;
        await_event(socket, zmq::POLLOUT, request.timeout_ms)?;
        let frames = request.frames.into_iter().map(|Bytes(frame)| frame);
        // Between the poll and the send the only connection may go, and a blocking send would then wait for ever.
        let flags = request.timeout_ms.map_or(0, |_| zmq::DONTWAIT);
        socket.send_multipart(frames, flags).map_err(failure)
    }

    fn receive(&mut self, request: Receive) -> Result<Received, Failure> {
        let socket = self.socket(&request.socket)?;
        await_event(socket, zmq::POLLIN, request.timeout_ms)?;
        if request.as_text {
            return Ok(match socket.recv_string(0).map_err(failure)? {
                Ok(text) => received(vec![text.into_bytes()], Some(true)),
                Err(bytes) => received(vec![bytes], Some(false)),
            });
        }
        if !request.metadata.is_empty() {
            return receive_with(socket, request.metadata).map_err(failure);
        }
        let frames = socket.recv_multipart(0).map_err(failure)?;
        Ok(received(frames, None))
    }

    fn option(&mut self, request: ReadOption) -> Result<OptionValue, Failure> {
        let socket = self.socket(&request.socket)?;
        match request.name {
            OptionName::Sndhwm => socket.get_sndhwm().map(OptionValue::from),
            OptionName::Rcvhwm => socket.get_rcvhwm().map(OptionValue::from),
            OptionName::Linger => socket.get_linger().map(OptionValue::from),
            OptionName::Sndtimeo => socket.get_sndtimeo().map(OptionValue::from),
            OptionName::Rcvtimeo => socket.get_rcvtimeo().map(OptionValue::from),
            OptionName::ReconnectIvl => socket.get_reconnect_ivl().map(OptionValue::from),
            OptionName::Maxmsgsize => socket.get_maxmsgsize().map(OptionValue::from),
            OptionName::HeartbeatIvl => socket.get_heartbeat_ivl().map(OptionValue::from),
            OptionName::Immediate => socket.is_immediate().map(OptionValue::from),
            OptionName::Ipv6 => socket.is_ipv6().map(OptionValue::from),
            OptionName::RoutingId => socket
                .get_identity()
                .map(|bytes| OptionValue::Bytes(Bytes(bytes))),
            OptionName::LastEndpoint => {
                return options::last_endpoint(socket).map(OptionValue::Text)
            }
            OptionName::ZapDomain => {
                let domain = socket.get_zap_domain().map_err(failure)?;
                return options::text(domain).map(OptionValue::Text);
            }
        }
        .map_err(failure)
    }

    fn monitor(&mut self, socket: String) -> Result<(), Failure> {
        let endpoint = format!("inproc://monitor-{socket}");
        let every = SocketEvent::ALL as i32;
        self.socket(&socket)?
            .monitor(&endpoint, every)
            .map_err(failure)?;
        let monitor = self.context.socket(zmq::PAIR).map_err(failure)?;
        monitor.connect(&endpoint).map_err(failure)?;
        self.monitors.insert(socket, monitor);
        Ok(())
    }

    fn close(&mut self, request: Close) -> Result<(), Failure> {
        let socket = self.socket(&request.socket)?;
        if let Some(linger) = request.linger {
            socket.set_linger(linger).map_err(failure)?;
        }
        self.sockets.remove(&request.socket);
        Ok(())
    }

    fn terminate(&mut self, request: Terminate) -> Result<(), Failure> {
        self.sockets.clear();
        self.monitors.clear();
        if request.explicit {
            self.context.destroy().map_err(failure)?;
        }
        self.context = Context::new();
        Ok(())
    }

    fn decode_key(&mut self, text: &str) -> Result<Vec<u8>, Failure> {
        options::key_of(text)
    }

    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure> {
        if self.monitors.is_empty() {
            events.wait(remaining);
            return Ok(());
        }
        let mut items: Vec<_> = self
            .monitors
            .values()
            .map(|monitor| monitor.as_poll_item(zmq::POLLIN))
            .collect();
        let limit = i64::try_from(remaining.as_millis()).unwrap_or(i64::MAX);
        // At least a millisecond, so that the last one of a wait is no busy loop.
        zmq::poll(&mut items, limit.max(1)).map_err(failure)?;
        let ready: Vec<_> = items.iter().map(|item| item.is_readable()).collect();
        for ((name, monitor), ready) in self.monitors.iter().zip(ready) {
            if ready {
                let event = read_monitor(name, monitor).map_err(failure)?;
                self.events.push(event);
            }
        }
        Ok(())
    }
}

/// One event: a frame with its number and value, and one with the address.
fn read_monitor(socket: &str, monitor: &Socket) -> zmq::Result<Event> {
    let message = monitor.recv_msg(0)?;
    let number = u16::from_ne_bytes([message[0], message[1]]);
    let value = u32::from_ne_bytes([message[2], message[3], message[4], message[5]]);
    monitor.recv_msg(0)?;
    Ok(Event::Monitor {
        socket: socket.to_owned(),
        name: format!("{:?}", SocketEvent::from_raw(number)).to_lowercase(),
        value,
    })
}

/// Polls the socket until it can do what is wanted, where there is a time limit.
fn await_event(socket: &Socket, wanted: PollEvents, timeout: Option<u32>) -> Result<(), Failure> {
    let Some(milliseconds) = timeout else {
        return Ok(());
    };
    match socket.poll(wanted, milliseconds.into()).map_err(failure)? {
        0 => Err(Failure::timeout(format!(
            "poll: no event in {milliseconds} ms"
        ))),
        _ => Ok(()),
    }
}

/// One message, of whose first frame these properties are read.
fn receive_with(socket: &Socket, names: Vec<String>) -> zmq::Result<Received> {
    let mut message = socket.recv_msg(0)?;
    let properties = names.into_iter().map(|name| {
        let value = message.gets(&name).map(str::to_owned);
        (name, value)
    });
    let metadata = Some(properties.collect());
    let mut frames = vec![message.to_vec()];
    if message.get_more() {
        frames.extend(socket.recv_multipart(0)?);
    }
    Ok(Received {
        metadata,
        ..received(frames, None)
    })
}

fn received(frames: Vec<Vec<u8>>, is_text: Option<bool>) -> Received {
    let frames = frames.into_iter().map(Bytes).collect();
    Received {
        frames,
        is_text,
        metadata: None,
    }
}

fn type_of(kind: SocketType) -> zmq::SocketType {
    match kind {
        SocketType::Req => zmq::REQ,
        SocketType::Rep => zmq::REP,
        SocketType::Pub => zmq::PUB,
        SocketType::Sub => zmq::SUB,
        SocketType::Push => zmq::PUSH,
        SocketType::Pull => zmq::PULL,
        SocketType::Dealer => zmq::DEALER,
        SocketType::Router => zmq::ROUTER,
        SocketType::Xpub => zmq::XPUB,
        SocketType::Xsub => zmq::XSUB,
        SocketType::Pair => zmq::PAIR,
    }
}

fn failure(error: Error) -> Failure {
    match error {
        Error::EAGAIN => Failure::timeout(error),
        Error::EHOSTUNREACH | Error::EADDRINUSE | Error::EADDRNOTAVAIL => Failure::io(error),
        _ => Failure::krate(error),
    }
}
