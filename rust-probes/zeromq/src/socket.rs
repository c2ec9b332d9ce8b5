//! The crate's sockets, a type for each kind, as one type.

use kit::zmtp::{Bytes, Options, SocketType};
use kit::Failure;
use zeromq::util::PeerIdentity;
use zeromq::{
    DealerSocket, Endpoint, PubSocket, PullSocket, PushSocket, RepSocket, ReqSocket, RouterSocket,
    Socket, SocketOptions, SocketRecv, SocketSend, SubSocket, XPubSocket, XSubSocket, ZmqError,
    ZmqMessage, ZmqResult,
};

use crate::failure;

pub enum AnySocket {
    Req(ReqSocket),
    Rep(RepSocket),
    Pub(PubSocket),
    Sub(SubSocket),
    Push(PushSocket),
    Pull(PullSocket),
    Dealer(DealerSocket),
    Router(RouterSocket),
    XPub(XPubSocket),
    XSub(XSubSocket),
}

/// The same call on whichever socket it is.
macro_rules! each {
    ($socket:expr, $inner:ident => $call:expr) => {
        match $socket {
            AnySocket::Req($inner) => $call,
            AnySocket::Rep($inner) => $call,
            AnySocket::Pub($inner) => $call,
            AnySocket::Sub($inner) => $call,
            AnySocket::Push($inner) => $call,
            AnySocket::Pull($inner) => $call,
            AnySocket::Dealer($inner) => $call,
            AnySocket::Router($inner) => $call,
            AnySocket::XPub($inner) => $call,
            AnySocket::XSub($inner) => $call,
        }
    };
}

impl AnySocket {
    pub fn open(kind: SocketType, mut options: Options) -> Result<Self, Failure> {
        let mut own = SocketOptions::default();
        if let Some(Bytes(identity)) = options.routing_id.take() {
            own.peer_identity(PeerIdentity::try_from(identity).map_err(failure)?);
        }
        if let Some(lack) = lacking(&options) {
            return Err(lack);
        }
        Ok(match kind {
            SocketType::Req => Self::Req(ReqSocket::with_options(own)),
            SocketType::Rep => Self::Rep(RepSocket::with_options(own)),
            SocketType::Pub => Self::Pub(PubSocket::with_options(own)),
            SocketType::Sub => Self::Sub(SubSocket::with_options(own)),
            SocketType::Push => Self::Push(PushSocket::with_options(own)),
            SocketType::Pull => Self::Pull(PullSocket::with_options(own)),
            SocketType::Dealer => Self::Dealer(DealerSocket::with_options(own)),
            SocketType::Router => Self::Router(RouterSocket::with_options(own)),
            SocketType::Xpub => Self::XPub(XPubSocket::with_options(own)),
            SocketType::Xsub => Self::XSub(XSubSocket::with_options(own)),
            SocketType::Pair => {
                return Err(Failure::unsupported("pair", "there is no PAIR socket"));
            }
        })
    }

    pub async fn bind(&mut self, endpoint: &str) -> ZmqResult<Endpoint> {
        each!(self, socket => socket.bind(endpoint).await)
    }

    pub async fn connect(&mut self, endpoint: &str) -> ZmqResult<()> {
        each!(self, socket => socket.connect(endpoint).await)
    }

    pub async fn subscribe(&mut self, prefix: &str, on: bool) -> Result<(), Failure> {
        let done = match (self, on) {
            (Self::Sub(socket), true) => socket.subscribe(prefix).await,
            (Self::Sub(socket), false) => socket.unsubscribe(prefix).await,
            (Self::XSub(socket), true) => socket.subscribe(prefix).await,
            (Self::XSub(socket), false) => socket.unsubscribe(prefix).await,
            _ => return Err(Failure::krate("this kind of socket has no `subscribe`")),
        };
        done.map_err(failure)
    }

    pub async fn send(&mut self, message: ZmqMessage) -> Result<(), Failure> {
        let done = match self {
            Self::Req(socket) => socket.send(message).await,
            Self::Rep(socket) => socket.send(message).await,
            Self::Pub(socket) => socket.send(message).await,
            Self::Push(socket) => socket.send(message).await,
            Self::Dealer(socket) => socket.send(message).await,
            Self::Router(socket) => socket.send(message).await,
            Self::XPub(socket) => socket.send(message).await,
            Self::XSub(socket) => socket.send(message).await,
            Self::Sub(_) | Self::Pull(_) => {
                Err(ZmqError::Other("this kind of socket has no `send`"))
            }
        };
        done.map_err(failure)
    }

    pub async fn receive(&mut self) -> Result<ZmqMessage, Failure> {
        let done = match self {
            Self::Req(socket) => socket.recv().await,
            Self::Rep(socket) => socket.recv().await,
            Self::Sub(socket) => socket.recv().await,
            Self::Pull(socket) => socket.recv().await,
            Self::Dealer(socket) => socket.recv().await,
            Self::Router(socket) => socket.recv().await,
            Self::XPub(socket) => socket.recv().await,
            Self::XSub(socket) => socket.recv().await,
            Self::Pub(_) | Self::Push(_) => {
                Err(ZmqError::Other("this kind of socket has no `recv`"))
            }
        };
        done.map_err(failure)
    }

    pub async fn close(self) -> Vec<ZmqError> {
        each!(self, socket => socket.close().await)
    }
}

/// What is answered where another of libzmq's options is asked for than the identity.
pub fn no_option() -> Failure {
    Failure::unsupported(
        "socket-options",
        "SocketOptions has an identity, a time limit for connecting and sizes of a buffer",
    )
}

/// The first of the options that the crate has not, if any is set.
fn lacking(options: &Options) -> Option<Failure> {
    let numbers = [
        options.sndhwm,
        options.rcvhwm,
        options.linger,
        options.sndtimeo,
        options.rcvtimeo,
        options.reconnect_ivl,
        options.handshake_ivl,
        options.heartbeat_ivl,
        options.heartbeat_timeout,
    ];
    let flags = [
        options.immediate,
        // IPv6 addresses are always taken.
        options.ipv6.filter(|on| !on),
        options.conflate,
        options.router_mandatory,
        options.router_handover,
        options.req_relaxed,
        options.req_correlate,
        options.xpub_verbose,
    ];
    let curve = [
        &options.curve_publickey,
        &options.curve_secretkey,
        &options.curve_serverkey,
    ];
    let plain = [
        &options.zap_domain,
        &options.plain_username,
        &options.plain_password,
    ];
    if options.curve_server.is_some() || curve.iter().any(|key| key.is_some()) {
        return Some(Failure::unsupported("curve", "the one mechanism is NULL"));
    }
    if options.plain_server.is_some() || plain.iter().any(|text| text.is_some()) {
        return Some(Failure::unsupported("plain", "the one mechanism is NULL"));
    }
    let others = options.maxmsgsize.is_some()
        || numbers.iter().any(Option::is_some)
        || flags.iter().any(Option::is_some);
    others.then(no_option)
}
