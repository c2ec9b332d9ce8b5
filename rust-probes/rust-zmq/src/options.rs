//! Setting a socket's options, and reading those that are text.

use kit::zmtp::{Bytes, Options};
use kit::Failure;
use zmq::Socket;

use crate::failure;

/// Calls the setter with the value, where there is one.
macro_rules! set {
    ($socket:ident, $($setter:ident = $value:expr),+ $(,)?) => {
        $(if let Some(value) = $value {
            $socket.$setter(value).map_err(failure)?;
        })+
    };
}

pub fn set(socket: &Socket, options: Options) -> Result<(), Failure> {
    set!(
        socket,
        set_sndhwm = options.sndhwm,
        set_rcvhwm = options.rcvhwm,
        set_linger = options.linger,
        set_sndtimeo = options.sndtimeo,
        set_rcvtimeo = options.rcvtimeo,
        set_reconnect_ivl = options.reconnect_ivl,
        set_maxmsgsize = options.maxmsgsize,
        set_handshake_ivl = options.handshake_ivl,
        set_heartbeat_ivl = options.heartbeat_ivl,
        set_heartbeat_timeout = options.heartbeat_timeout,
        set_immediate = options.immediate,
        set_ipv6 = options.ipv6,
        set_conflate = options.conflate,
        set_router_mandatory = options.router_mandatory,
        set_router_handover = options.router_handover,
        set_req_relaxed = options.req_relaxed,
        set_req_correlate = options.req_correlate,
        set_xpub_verbose = options.xpub_verbose,
        set_identity = options.routing_id.as_ref().map(|Bytes(id)| id.as_slice()),
        set_zap_domain = options.zap_domain.as_deref(),
        set_plain_server = options.plain_server,
    );
    if options.plain_username.is_some() {
        let username = options.plain_username.as_deref();
        socket.set_plain_username(username).map_err(failure)?;
    }
    if options.plain_password.is_some() {
        let password = options.plain_password.as_deref();
        socket.set_plain_password(password).map_err(failure)?;
    }
    if let Some(server) = options.curve_server {
        socket.set_curve_server(server).map_err(curve)?;
    }
    if let Some(key) = options.curve_publickey {
        socket.set_curve_publickey(&key_of(&key)?).map_err(curve)?;
    }
    if let Some(key) = options.curve_secretkey {
        socket.set_curve_secretkey(&key_of(&key)?).map_err(curve)?;
    }
    if let Some(key) = options.curve_serverkey {
        socket.set_curve_serverkey(&key_of(&key)?).map_err(curve)?;
    }
    Ok(())
}

pub fn last_endpoint(socket: &Socket) -> Result<String, Failure> {
    text(socket.get_last_endpoint().map_err(failure)?)
}

pub fn text(text: Result<String, Vec<u8>>) -> Result<String, Failure> {
    text.map_err(|bytes| Failure::krate(format!("no UTF-8: {bytes:?}")))
}

pub fn key_of(text: &str) -> Result<Vec<u8>, Failure> {
    zmq::z85_decode(text).map_err(Failure::krate)
}

/// An error of an option for CURVE, which is the library's lack where the crate says that it has none.
fn curve(error: zmq::Error) -> Failure {
    match zmq::has("curve") {
        Some(false) => {
            Failure::unsupported("curve", format!("{error}; zmq::has(\"curve\") is false"))
        }
        _ => failure(error),
    }
}
