//! What a client is told when a request could not be passed on to an upstream.

use http::StatusCode;

use crate::api::error::ApiError;
use crate::egress::{EgressError, Reason};
use crate::proxy::forward::ForwardError;

/// The caller learns what kind of thing went wrong; where the upstream is, is for the log.
impl From<ForwardError> for ApiError {
    fn from(error: ForwardError) -> Self {
        use EgressError::{BadRequest, Connect, Dns, Protocol, Refused, Timeout, Tls};
        use StatusCode as S;
        let looped = "The request came back to this server: an alias leads to itself";
        let (status, code, text) = match &error {
            ForwardError::Loop => (S::LOOP_DETECTED, "LOOP_DETECTED", looped),
            ForwardError::Upstream(error) => match error {
                Refused {
                    reason: Reason::OwnListener,
                    ..
                } => (S::LOOP_DETECTED, "LOOP_DETECTED", looped),
                Refused { .. } => (
                    S::BAD_GATEWAY,
                    "UPSTREAM_REFUSED",
                    "The upstream's address must not be reached; see proxy.allow",
                ),
                Dns { .. } => (
                    S::BAD_GATEWAY,
                    "UPSTREAM_DNS",
                    "The upstream has no address",
                ),
                Connect { .. } => (
                    S::BAD_GATEWAY,
                    "UPSTREAM_CONNECT",
                    "The upstream is not there",
                ),
                Tls { .. } => (
                    S::BAD_GATEWAY,
                    "UPSTREAM_TLS",
                    "There is no TLS with the upstream",
                ),
                Protocol { .. } => (
                    S::BAD_GATEWAY,
                    "UPSTREAM_PROTOCOL",
                    "The upstream broke off or answered nonsense",
                ),
                Timeout { .. } => (
                    S::GATEWAY_TIMEOUT,
                    "UPSTREAM_TIMEOUT",
                    "The upstream could not be reached in time",
                ),
                BadRequest { .. } => (
                    S::BAD_REQUEST,
                    "BAD_REQUEST",
                    "The request cannot be passed on",
                ),
            },
            ForwardError::Silent { .. } => (
                S::GATEWAY_TIMEOUT,
                "UPSTREAM_TIMEOUT",
                "The upstream did not answer in time",
            ),
            ForwardError::Busy { .. } => (
                S::SERVICE_UNAVAILABLE,
                "UPSTREAM_BUSY",
                "Too many requests wait for upstreams",
            ),
            ForwardError::BrokenOff => (
                S::BAD_REQUEST,
                "REQUEST_ABORTED",
                "Request aborted before the body was fully received",
            ),
            ForwardError::ClientSilent => (
                S::REQUEST_TIMEOUT,
                "REQUEST_TIMEOUT",
                "Request body read timeout",
            ),
            ForwardError::BadRequest { .. } => (
                S::BAD_REQUEST,
                "BAD_REQUEST",
                "The request cannot be passed on",
            ),
            ForwardError::UnaskedUpgrade | ForwardError::NoUpgrade => (
                S::BAD_GATEWAY,
                "UPSTREAM_PROTOCOL",
                "The upstream broke off or answered nonsense",
            ),
        };
        let mut error = Self::new(status, text).code(code);
        error.retry_after_seconds = (status == S::SERVICE_UNAVAILABLE).then_some(1);
        error
    }
}
