//! The crate's errors in the contract's terms.

use kit::wire::Code;
use kit::Failure;
use paho_mqtt::Error;

/// Of an operation that did not happen.
pub fn failure(error: Error) -> Failure {
    match error {
        // It is `#[error("(0)")]`, without the code that it carries.
        Error::ConnectReturn(code) => Failure::refused(format!("CONNACK: {code}")),
        Error::ReasonCode(..) => Failure::refused(error),
        Error::Timeout | Error::TcpConnectTimeout => Failure::timeout(error),
        Error::Disconnected
        | Error::Failure
        | Error::Io(_)
        | Error::OperationIncomplete
        | Error::ReceivedDisconnect(_)
        | Error::SocketError(_)
        | Error::TcpConnectCompletionFailure
        | Error::TcpTlsConnectFailure => Failure::io(error),
        _ => Failure::krate(error),
    }
}

/// Of one that may have happened, unless the server refused it.
pub fn unsure(error: Error) -> Failure {
    match failure(error) {
        refused if refused.code == Code::Refused => refused,
        failure => failure.indefinite(),
    }
}
