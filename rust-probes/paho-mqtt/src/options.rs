//! What a connection is made with.

use std::io::{self, Write};
use std::time::Duration;

use kit::mqtt::{Connect, Protocol, Tls, Will, WEBSOCKET_PATH};
use kit::Failure;
use paho_mqtt::{
    ConnectOptions, ConnectOptionsBuilder, Message, MessageBuilder, SslOptions, SslOptionsBuilder,
    MQTT_VERSION_3_1_1, MQTT_VERSION_5,
};
use tempfile::NamedTempFile;

use crate::failure::failure;
use crate::{level, properties};

/// As in `examples/legacy_async_subscribe.rs`.
const MIN_RECONNECT: Duration = Duration::from_secs(1);
const MAX_RECONNECT: Duration = Duration::from_secs(30);

/// Certificates and keys, which are there as long as this.
pub type Files = Vec<NamedTempFile>;

/// The server as a URI, as `CreateOptionsBuilder::server_uri` takes it.
pub fn address(request: &Connect) -> String {
    let (scheme, path) = match (request.websocket, request.tls.is_some()) {
        (false, false) => ("mqtt", ""),
        (false, true) => ("mqtts", ""),
        (true, false) => ("ws", WEBSOCKET_PATH),
        (true, true) => ("wss", WEBSOCKET_PATH),
    };
    format!("{scheme}://{}:{}{path}", request.host, request.port)
}

/// The options, and the files that they name.
pub fn connect(request: Connect) -> Result<(ConnectOptions, Files), Failure> {
    let mut options = match request.protocol {
        Protocol::V4 => ConnectOptionsBuilder::with_mqtt_version(MQTT_VERSION_3_1_1),
        Protocol::V5 => ConnectOptionsBuilder::with_mqtt_version(MQTT_VERSION_5),
    };
    options
        .keep_alive_interval(Duration::from_secs(request.keep_alive_s.into()))
        .automatic_reconnect(MIN_RECONNECT, MAX_RECONNECT);
    match request.protocol {
        Protocol::V4 => options.clean_session(request.clean_session),
        Protocol::V5 => options.clean_start(request.clean_session),
    };
    if let Some(wanted) = request.properties {
        options.properties(properties::connect(wanted)?);
    }
    if let Some(name) = request.username {
        options.user_name(name);
    }
    if let Some(password) = request.password {
        options.password(password);
    }
    if let Some(wanted) = request.will {
        options.will_message(will(wanted)?);
    }
    let mut files = Files::new();
    if let Some(wanted) = request.tls {
        options.ssl_options(ssl(&wanted, &mut files)?);
    }
    Ok((options.finalize(), files))
}

fn will(wanted: Will) -> Result<Message, Failure> {
    let message = MessageBuilder::new()
        .topic(wanted.topic)
        .payload(wanted.payload)
        .qos(level(wanted.qos))
        .retained(wanted.retain);
    Ok(match wanted.properties {
        Some(wanted) => message.properties(properties::will(wanted)?).finalize(),
        None => message.finalize(),
    })
}

fn ssl(wanted: &Tls, files: &mut Files) -> Result<SslOptions, Failure> {
    let mut options = SslOptionsBuilder::new();
    for pem in [&wanted.ca, &wanted.certificate, &wanted.key] {
        files.push(file(pem.as_deref().unwrap_or_default()).map_err(Failure::bad_value)?);
    }
    let path = |index: usize| files[index].path();
    if wanted.ca.is_some() {
        options.trust_store(path(0)).map_err(failure)?;
    }
    if wanted.certificate.is_some() {
        options.key_store(path(1)).map_err(failure)?;
    }
    if wanted.key.is_some() {
        options.private_key(path(2)).map_err(failure)?;
    }
    Ok(options.finalize())
}

fn file(pem: &str) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    file.write_all(pem.as_bytes())?;
    Ok(file)
}
