//! What a connection is made with.

use kit::mqtt::{Connect, Tls, Will, WEBSOCKET_PATH};
use kit::Failure;
use rumqttc::{
    Broker, ConnectAuth, ConnectProperties, LastWill, LastWillProperties, MqttOptions,
    TlsConfiguration, Transport,
};

use crate::packets::{level, pairs};
use crate::store::Memory;

const MAX_PACKET_SIZE: u32 = 2 * 1024 * 1024;

pub fn of(request: Connect, store: &Memory) -> Result<MqttOptions, Failure> {
    let scope = format!("{}-{}", request.host, request.port);
    let broker = match (request.websocket, &request.tls) {
        (true, None) => {
            let url = format!("ws://{}:{}{WEBSOCKET_PATH}", request.host, request.port);
            Broker::websocket(url).map_err(Failure::krate)?
        }
        (true, Some(_)) => return Err(Failure::not_written("`tls` over WebSocket")),
        (false, _) => Broker::tcp(request.host, request.port),
    };
    let mut properties = ConnectProperties::new();
    properties.max_packet_size = Some(MAX_PACKET_SIZE);
    if let Some(asked) = request.properties {
        properties.session_expiry_interval = asked.session_expiry_s;
        properties.receive_maximum = asked.receive_maximum;
        properties.max_packet_size = asked.maximum_packet_size.or(Some(MAX_PACKET_SIZE));
        properties.topic_alias_max = asked.topic_alias_maximum;
        properties.request_problem_info = asked.request_problem_information.map(u8::from);
        properties.user_properties = pairs(asked.user_properties);
    }
    let mut options = MqttOptions::new(request.client_id, broker);
    options
        .set_keep_alive(request.keep_alive_s)
        .set_clean_start(request.clean_session)
        .set_connect_properties(properties)
        .set_auth(auth(request.username, request.password));
    if !request.clean_session {
        options
            .set_session_store_scope(scope)
            .set_session_store(store.clone());
    }
    if let Some(wanted) = request.tls {
        options.set_transport(transport(wanted)?);
    }
    if let Some(wanted) = request.will {
        options.set_last_will(will(wanted));
    }
    Ok(options)
}

fn auth(username: Option<String>, password: Option<String>) -> ConnectAuth {
    match (username, password.map(Into::into)) {
        (None, None) => ConnectAuth::None,
        (Some(username), None) => ConnectAuth::Username { username },
        (None, Some(password)) => ConnectAuth::Password { password },
        (Some(username), Some(password)) => ConnectAuth::UsernamePassword { username, password },
    }
}

fn transport(tls: Tls) -> Result<Transport, Failure> {
    let client_auth = match (tls.certificate, tls.key) {
        (Some(certificate), Some(key)) => Some((certificate.into_bytes(), key.into_bytes())),
        (None, None) => None,
        _ => return Err(Failure::bad_value("`certificate` and `key` go together")),
    };
    match (tls.ca, client_auth) {
        (Some(ca), client_auth) => Ok(Transport::tls_with_config(TlsConfiguration::Simple {
            ca: ca.into_bytes(),
            alpn: None,
            client_auth,
        })),
        (None, None) => Transport::try_tls_with_default_config().map_err(Failure::krate),
        (None, Some(_)) => Err(Failure::not_written("`tls.certificate` without `tls.ca`")),
    }
}

fn will(wanted: Will) -> LastWill {
    let properties = wanted.properties.map(|properties| LastWillProperties {
        delay_interval: properties.delay_s,
        payload_format_indicator: properties.payload_format,
        message_expiry_interval: properties.message_expiry_s,
        content_type: properties.content_type,
        response_topic: properties.response_topic,
        correlation_data: properties.correlation_data.map(|data| data.0.into()),
        user_properties: pairs(properties.user_properties),
    });
    LastWill::new(
        wanted.topic,
        wanted.payload,
        level(wanted.qos),
        wanted.retain,
        properties,
    )
}
