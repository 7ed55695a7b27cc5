//! Requests that are refused before hyper sees them. The guard notes which request of
//! a connection it is and why; when the service is called in its place, it answers in
//! our words. It must not decide what is refused.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use thiserror::Error;

use crate::api::error::ApiError;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Violation {
    /// It can be read in two ways, or in none.
    #[error("{0}")]
    Malformed(&'static str),
    #[error("{used} {what}, of which {max} are allowed")]
    TooLarge {
        what: &'static str,
        used: usize,
        max: usize,
    },
}

/// The one request of a connection that is refused, if there is one: it is the last.
#[derive(Debug, Default)]
pub struct Refusals {
    /// Requests that the service was called with.
    called: AtomicU64,
    /// After so many requests, and why.
    refused: OnceLock<(u64, Violation)>,
}

impl Refusals {
    /// After so many requests one is refused.
    pub fn refuse(&self, before: u64, violation: Violation) {
        // Nothing is judged after the first refusal.
        let _ = self.refused.set((before, violation));
    }

    /// To be called once for each request, in their order: why this one is refused.
    pub fn next(&self) -> Option<Violation> {
        let before = self.called.fetch_add(1, Ordering::Relaxed);
        let (refused, violation) = self.refused.get()?;
        (*refused == before).then_some(*violation)
    }
}

impl From<Violation> for ApiError {
    fn from(violation: Violation) -> Self {
        match violation {
            Violation::Malformed(reason) => {
                let error = format!("This is not one request of HTTP/1: {reason}");
                Self::bad_request(error).code("MALFORMED_REQUEST")
            }
            Violation::TooLarge { what, used, max } => {
                let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                let error =
                    format!("The head of the request is too large: {max} {what} are allowed");
                Self::new(status, error)
                    .code("LIMIT_HEADERS")
                    .field("limit", "headers")
                    .field("used", used)
                    .field("max", max)
                    .field("hint", "send less in header fields, cookies and the URL")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_refused_request_is_refused() {
        let refusals = Refusals::default();
        assert_eq!(refusals.next(), None);
        // The guard is ahead of the service: it has judged what is yet to be called.
        let violation = Violation::Malformed("there is no Host");
        refusals.refuse(2, violation);
        assert_eq!(refusals.next(), None);
        assert_eq!(refusals.next(), Some(violation));
        assert_eq!(refusals.next(), None);
    }
}
