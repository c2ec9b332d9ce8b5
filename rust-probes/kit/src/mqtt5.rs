//! What MQTT 5 adds to the operations and events of [`crate::mqtt`]; `None` or empty leaves a property out.

use serde::{Deserialize, Serialize};

use crate::base64::Bytes;

/// A name and a value; names may come again, and order counts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UserProperty {
    pub name: String,
    pub value: String,
}

impl UserProperty {
    /// The pair, as crates have it.
    pub fn into_pair(self) -> (String, String) {
        (self.name, self.value)
    }

    /// The reverse.
    pub fn from_pair((name, value): (String, String)) -> Self {
        Self { name, value }
    }
}

/// Properties of CONNECT.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectProperties {
    pub session_expiry_s: Option<u32>,
    pub receive_maximum: Option<u16>,
    pub maximum_packet_size: Option<u32>,
    pub topic_alias_maximum: Option<u16>,
    pub request_problem_information: Option<bool>,
    #[serde(default)]
    pub user_properties: Vec<UserProperty>,
}

/// Properties of CONNACK; `None` also where the crate does not tell.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ConnackProperties {
    pub assigned_client_id: Option<String>,
    pub server_keep_alive_s: Option<u16>,
    pub session_expiry_s: Option<u32>,
    pub receive_maximum: Option<u16>,
    pub maximum_packet_size: Option<u32>,
    pub topic_alias_maximum: Option<u16>,
    pub maximum_qos: Option<u8>,
    pub retain_available: Option<bool>,
}

/// Properties of the will.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WillProperties {
    pub delay_s: Option<u32>,
    pub payload_format: Option<u8>,
    pub message_expiry_s: Option<u32>,
    pub content_type: Option<String>,
    pub response_topic: Option<String>,
    pub correlation_data: Option<Bytes>,
    #[serde(default)]
    pub user_properties: Vec<UserProperty>,
}

/// Properties of a PUBLISH that the client sends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishProperties {
    pub payload_format: Option<u8>,
    pub message_expiry_s: Option<u32>,
    pub content_type: Option<String>,
    pub response_topic: Option<String>,
    pub correlation_data: Option<Bytes>,
    #[serde(default)]
    pub user_properties: Vec<UserProperty>,
    pub topic_alias: Option<u16>,
}

/// Properties of a PUBLISH that the client got; `None` also where the crate does not tell.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DeliveredProperties {
    pub payload_format: Option<u8>,
    pub message_expiry_s: Option<u32>,
    pub content_type: Option<String>,
    pub response_topic: Option<String>,
    pub correlation_data: Option<Bytes>,
    pub user_properties: Vec<UserProperty>,
    pub subscription_ids: Vec<u32>,
    pub topic_alias: Option<u16>,
}

/// What one filter's subscription asks for; `retain_handling` is 0, 1 or 2.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionOptions {
    #[serde(default)]
    pub no_local: bool,
    #[serde(default)]
    pub retain_as_published: bool,
    #[serde(default)]
    pub retain_handling: u8,
}

/// Properties of SUBSCRIBE.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscribeProperties {
    pub subscription_id: Option<u32>,
}

/// Reason code and properties of DISCONNECT.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisconnectProperties {
    #[serde(default)]
    pub reason_code: u8,
    pub session_expiry_s: Option<u32>,
}
