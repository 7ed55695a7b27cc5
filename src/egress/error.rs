//! Why an outbound call did not happen, or did not end.

use std::{net::IpAddr, time::Duration};

use super::address::Reason;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The filter said no; nothing was dialled.
    #[error("{host} is refused: {address} is {}; {hint}", reason.describe())]
    Refused {
        host: String,
        address: IpAddr,
        reason: Reason,
        hint: String,
    },
    #[error("the name {host} cannot be resolved: {reason}")]
    Dns { host: String, reason: String },
    #[error("cannot connect to {host}: {reason}")]
    Connect { host: String, reason: String },
    #[error("no TLS connection to {host}: {reason}")]
    Tls { host: String, reason: String },
    #[error("no answer within {} ms while {}", after.as_millis(), phase.describe())]
    Timeout { phase: Phase, after: Duration },
    /// The request cannot be sent as it is; nothing was dialled.
    #[error("this request cannot be sent: {reason}")]
    BadRequest { reason: String },
    /// The connection was up, and the exchange on it failed.
    #[error("the exchange failed: {reason}")]
    Protocol { reason: String },
}

/// What was being waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Name resolution, TCP and TLS.
    Connect,
    /// Sending the request and waiting for the head of the response.
    FirstByte,
    /// Waiting for the next part of the response's body.
    BetweenBytes,
}

impl Phase {
    fn describe(self) -> &'static str {
        match self {
            Phase::Connect => "connecting",
            Phase::FirstByte => "waiting for the response",
            Phase::BetweenBytes => "waiting for more of the response's body",
        }
    }
}

impl EgressError {
    pub(super) fn refused(
        host: &str,
        address: std::net::SocketAddr,
        reason: Reason,
        key: &str,
    ) -> EgressError {
        let port = address.port();
        let host_and_port = match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
            _ => format!("{host}:{port}"),
        };
        EgressError::Refused {
            host: host.to_owned(),
            address: address.ip(),
            reason,
            hint: format!("the operator can allow it with {host_and_port:?} in {key}"),
        }
    }
}

/// An error with all its causes, in one line.
pub(super) fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        // Many wrappers repeat what they wrap.
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = error.source();
    }
    text
}
