//! The configuration that every client of a connection has, and the crate's errors in the contract's words.

use std::fmt::Display;

use kit::kafka::Connect;
use kit::Failure;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Where to connect to and as whom. Certificates are PEM documents, which librdkafka takes as they are.
pub fn config(request: &Connect) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", request.bootstrap.join(","))
        .set("client.id", &request.client_id);
    let protocol = match (&request.tls, &request.sasl) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if let Some(tls) = &request.tls {
        let documents = [
            ("ssl.ca.pem", &tls.ca),
            ("ssl.certificate.pem", &tls.certificate),
            ("ssl.key.pem", &tls.key),
        ];
        for (name, document) in documents {
            if let Some(document) = document {
                config.set(name, document);
            }
        }
    }
    if let Some(user) = &request.sasl {
        config
            .set("sasl.mechanism", &user.mechanism)
            .set("sasl.username", &user.username)
            .set("sasl.password", &user.password);
    }
    config
}

/// An error of the crate.
pub fn failure(error: KafkaError) -> Failure {
    match error.rdkafka_error_code() {
        Some(code) => told(code, error),
        None => Failure::krate(error),
    }
}

/// An error that has a code: those from 1 on are the broker's, those below are librdkafka's own.
pub fn told(code: RDKafkaErrorCode, text: impl Display) -> Failure {
    match code {
        RDKafkaErrorCode::MessageTimedOut
        | RDKafkaErrorCode::OperationTimedOut
        | RDKafkaErrorCode::RequestTimedOut => Failure::timeout(text).indefinite(),
        RDKafkaErrorCode::BrokerTransportFailure
        | RDKafkaErrorCode::AllBrokersDown
        | RDKafkaErrorCode::Resolve => Failure::io(text).indefinite(),
        code if code as i32 > 0 => Failure::refused(text),
        _ => Failure::krate(text).indefinite(),
    }
}
