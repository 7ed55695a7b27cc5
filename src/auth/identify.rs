//! Who asks: from the tokens of a request and its client's address to the tokens
//! that count, with a limit for guessing. It must not decide what they may do.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use super::{Presented, TokenInfo, Tokens};

/// Why nobody was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// No token came.
    Missing,
    /// None of those that came is valid, or not from this address.
    Unknown,
    /// Too many attempts from this address have failed; nothing was compared.
    Guessing { retry_after_seconds: u32 },
}

impl Tokens {
    /// All valid tokens of a request, at least one. A failed attempt counts
    /// against the client's address.
    pub fn identify(
        &self,
        presented: &[Presented],
        client: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Vec<TokenInfo>, Denied> {
        if presented.is_empty() {
            return Err(Denied::Missing);
        }
        self.may_try(client, now)?;
        let known = self.known(presented, client, now);
        if known.is_empty() {
            self.guessed(client, now);
            return Err(Denied::Unknown);
        }
        Ok(known)
    }

    /// The valid tokens among these; none when the address has to wait. Nothing
    /// is counted: for places where texts of any kind may be tokens of others.
    pub fn recognise(
        &self,
        presented: &[Presented],
        client: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Vec<TokenInfo> {
        if presented.is_empty() || self.may_try(client, now).is_err() {
            return Vec::new();
        }
        self.known(presented, client, now)
    }

    /// Whether one of these is still valid, for whoever was let in with it before.
    pub fn any_valid(
        &self,
        presented: &[Presented],
        client: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> bool {
        !self.known(presented, client, now).is_empty()
    }

    /// Whether this address may present anything now.
    pub fn may_try(&self, client: Option<IpAddr>, now: DateTime<Utc>) -> Result<(), Denied> {
        let check = client.map_or(Ok(()), |client| self.attempts.check(client, now));
        check.map_err(|retry_after_seconds| Denied::Guessing {
            retry_after_seconds,
        })
    }

    /// Counts a failed attempt of this address.
    pub fn guessed(&self, client: Option<IpAddr>, now: DateTime<Utc>) {
        if let Some(client) = client {
            self.attempts.failed(client, now);
        }
    }

    fn known(
        &self,
        presented: &[Presented],
        client: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Vec<TokenInfo> {
        presented
            .iter()
            .filter_map(|one| self.authenticate(&one.token, now))
            .filter(|token| token.bounds.allow_address(client))
            .collect()
    }
}
