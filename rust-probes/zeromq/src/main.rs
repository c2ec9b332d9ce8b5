//! The probe of [zeromq](https://docs.rs/zeromq/0.7.0/zeromq/), ZeroMQ in Rust, without libzmq.
//!
//! - `open`, `bind`, `connect`, `subscribe`, `send` and `receive` follow the
//!   [examples](https://docs.rs/crate/zeromq/0.7.0/source/examples): a type of its own for each kind of socket, with the
//!   traits `Socket`, `SocketSend` and `SocketRecv`. What a kind of socket has not is told as an error of the crate.
//! - A receive `as_text` is the message's
//!   conversion to `String`, as in the [server of the socket example](https://docs.rs/crate/zeromq/0.7.0/source/examples/socket_server.rs).
//! - `connect` replies when [`Socket::connect`](https://docs.rs/zeromq/0.7.0/zeromq/trait.Socket.html#method.connect)
//!   returns, which is after the handshake.
//! - Where there is a time limit, the call is put below tokio's `timeout`; the crate has none of its own.
//! - The only option that there is of libzmq's is the identity
//!   ([`SocketOptions`](https://docs.rs/zeromq/0.7.0/zeromq/struct.SocketOptions.html)); none is needed for
//!   [IPv6 addresses](https://docs.rs/crate/zeromq/0.7.0/source/src/endpoint/host.rs).
//! - `close` and an explicit `terminate` are `Socket::close`; there are no contexts, and sockets can also be dropped.
//! - The probe handles SIGUSR1 by setting a flag, as applications do that handle signals.

mod socket;

use std::collections::BTreeMap;
use std::future::Future;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes as Frame;
use kit::zmtp::{
    Attach, Bytes, Close, Events, Open, OptionName, OptionValue, ReadOption, Receive, Received,
    Send, Subscribe, Terminate,
};
use kit::{Failure, Info};
use tokio::runtime::Runtime;
use zeromq::{ZmqError, ZmqMessage};

use socket::AnySocket;

fn main() -> ExitCode {
    let signalled = Arc::new(AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGUSR1, signalled) {
        eprintln!("cannot handle SIGUSR1: {error}");
        return ExitCode::FAILURE;
    }
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("tokio's runtime cannot be made: {error}");
            return ExitCode::FAILURE;
        }
    };
    let info = Info {
        krate: "zeromq",
        lock: include_str!("../Cargo.lock"),
        dialects: &["zmtp"],
        ops: kit::zmtp::OPS,
        settings: vec![],
        assembled: &[],
    };
    kit::zmtp::serve(info, |_events| Probe {
        runtime,
        sockets: BTreeMap::new(),
    })
}

struct Probe {
    runtime: Runtime,
    sockets: BTreeMap<String, AnySocket>,
}

impl Probe {
    fn socket(&mut self, name: &str) -> Result<(&Runtime, &mut AnySocket), Failure> {
        match self.sockets.get_mut(name) {
            Some(socket) => Ok((&self.runtime, socket)),
            None => Err(Failure::state(format!(
                "there is no socket `{name}`: `open` comes first"
            ))),
        }
    }
}

impl kit::zmtp::Client for Probe {
    fn open(&mut self, request: Open) -> Result<(), Failure> {
        let _inside = self.runtime.enter();
        let socket = AnySocket::open(request.kind, request.options)?;
        self.sockets.insert(request.socket, socket);
        Ok(())
    }

    fn bind(&mut self, request: Attach) -> Result<String, Failure> {
        if request.endpoint.starts_with("inproc:") {
            return Err(Failure::unsupported(
                "inproc",
                "the transports are TCP and IPC",
            ));
        }
        let (runtime, socket) = self.socket(&request.socket)?;
        let bound = runtime.block_on(socket.bind(&request.endpoint));
        bound.map(|bound| bound.to_string()).map_err(failure)
    }

    fn connect(&mut self, request: Attach) -> Result<(), Failure> {
        let (runtime, socket) = self.socket(&request.socket)?;
        let done = runtime.block_on(socket.connect(&request.endpoint));
        done.map_err(failure)
    }

    fn subscribe(&mut self, request: Subscribe) -> Result<(), Failure> {
        let Bytes(prefix) = request.prefix;
        let Ok(prefix) = String::from_utf8(prefix) else {
            return Err(Failure::unsupported(
                "binary-subscriptions",
                "subscribe takes a &str",
            ));
        };
        let (runtime, socket) = self.socket(&request.socket)?;
        runtime.block_on(socket.subscribe(&prefix, request.on))
    }

    fn send(&mut self, request: Send) -> Result<(), Failure> {
        let frames: Vec<_> = request
            .frames
            .into_iter()
            .map(|f| Frame::from(f.0))
            .collect();
        let message = ZmqMessage::try_from(frames).map_err(Failure::krate)?;
        let (runtime, socket) = self.socket(&request.socket)?;
        runtime.block_on(within(request.timeout_ms, socket.send(message)))
    }

    fn receive(&mut self, request: Receive) -> Result<Received, Failure> {
        if !request.metadata.is_empty() {
            return Err(Failure::unsupported(
                "metadata",
                "a ZmqMessage has frames alone",
            ));
        }
        let (runtime, socket) = self.socket(&request.socket)?;
        let message = runtime.block_on(within(request.timeout_ms, socket.receive()))?;
        if request.as_text {
            let text = String::try_from(message).map_err(Failure::krate)?;
            return Ok(received([Frame::from(text)], Some(true)));
        }
        Ok(received(message.into_vec(), None))
    }

    fn option(&mut self, request: ReadOption) -> Result<OptionValue, Failure> {
        self.socket(&request.socket)?;
        Err(match request.name {
            OptionName::LastEndpoint => Failure::unsupported(
                "last-endpoint",
                "the endpoint is what bind returns; no call tells it later",
            ),
            _ => socket::no_option(),
        })
    }

    fn monitor(&mut self, _: String) -> Result<(), Failure> {
        Err(Failure::unsupported(
            "monitor",
            "SocketEvent has other events than libzmq, and none for a handshake",
        ))
    }

    fn close(&mut self, request: Close) -> Result<(), Failure> {
        if request.linger.is_some() {
            return Err(socket::no_option());
        }
        match self.sockets.remove(&request.socket) {
            Some(socket) => closed(self.runtime.block_on(socket.close())),
            None => Err(Failure::state("there is no such socket")),
        }
    }

    fn terminate(&mut self, request: Terminate) -> Result<(), Failure> {
        let _inside = self.runtime.enter();
        for socket in std::mem::take(&mut self.sockets).into_values() {
            if request.explicit {
                closed(self.runtime.block_on(socket.close()))?;
            }
        }
        Ok(())
    }

    fn decode_key(&mut self, _: &str) -> Result<Vec<u8>, Failure> {
        Err(Failure::unsupported(
            "z85",
            "there are no keys, as there is no CURVE",
        ))
    }

    fn poll(&mut self, events: &Events, remaining: Duration) -> Result<(), Failure> {
        events.wait(remaining);
        Ok(())
    }
}

async fn within<T>(
    timeout_ms: Option<u32>,
    call: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let Some(milliseconds) = timeout_ms else {
        return call.await;
    };
    let limit = Duration::from_millis(milliseconds.into());
    let done = tokio::time::timeout(limit, call).await;
    done.unwrap_or_else(|_| Err(Failure::timeout(format!("not within {milliseconds} ms"))))
}

fn received(frames: impl IntoIterator<Item = Frame>, is_text: Option<bool>) -> Received {
    let frames = frames.into_iter().map(|frame| Bytes(frame.to_vec()));
    Received {
        frames: frames.collect(),
        is_text,
        metadata: None,
    }
}

fn closed(errors: Vec<ZmqError>) -> Result<(), Failure> {
    errors
        .into_iter()
        .next()
        .map_or(Ok(()), |error| Err(failure(error)))
}

pub fn failure(error: ZmqError) -> Failure {
    match error {
        ZmqError::Network(_) => Failure::io(error),
        ZmqError::ConnectTimeout(_) => Failure::timeout(error),
        _ => Failure::krate(error),
    }
}
