//! What models may cost: caps on calls, routes, tokens and money, in windows of a
//! minute, an hour and a day of UTC. The caps are checked and a call is counted
//! before it goes out; what it used is booked when it ends, however it ends. The
//! ledger is on disk before a call goes out and after it has ended, so a restart
//! does not empty it.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::store::{Kind, Store, StoreError, Stored};

const KEY: &str = "author/budget";
/// Addresses that are told apart in one minute; then all others share one count.
const CLIENTS_MAX: usize = 10_000;

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// The most of everything.
#[derive(Debug, Clone)]
pub struct Caps {
    pub calls_per_minute: u64,
    pub calls_per_minute_per_client: u64,
    pub routes_per_hour: u64,
    pub routes_per_day: u64,
    pub tokens_per_day: u64,
    /// In millionths.
    pub cost_per_day_micros: u64,
}

/// A cap that is reached, and when its window ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} of {max} are used up; raise author.{}, or wait {retry_after_seconds} s", .cap.what(), .cap.key())]
pub struct OverCap {
    pub cap: Cap,
    pub max: u64,
    pub retry_after_seconds: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap {
    Calls,
    CallsOfClient,
    RoutesPerHour,
    RoutesPerDay,
    Tokens,
    Cost,
}

impl Cap {
    /// The code of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Calls => "AI_LIMIT_CALLS",
            Self::CallsOfClient => "AI_LIMIT_CLIENT",
            Self::RoutesPerHour | Self::RoutesPerDay => "AI_LIMIT_ROUTES",
            Self::Tokens => "AI_LIMIT_TOKENS",
            Self::Cost => "AI_LIMIT_COST",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Calls => "calls_per_minute",
            Self::CallsOfClient => "calls_per_minute_per_client",
            Self::RoutesPerHour => "routes_per_hour",
            Self::RoutesPerDay => "routes_per_day",
            Self::Tokens => "tokens_per_day",
            Self::Cost => "cost_per_day_cents",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Calls => "the calls of models of this minute",
            Self::CallsOfClient => "this address's calls of models of this minute",
            Self::RoutesPerHour => "the new routes of this hour",
            Self::RoutesPerDay => "the new routes of this day",
            Self::Tokens => "the tokens of this day",
            Self::Cost => "the money of this day (in millionths)",
        }
    }
}

/// What was used in the present windows. Each starts at a multiple of its length.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ledger {
    minute: i64,
    pub calls: u64,
    clients: HashMap<String, u64>,
    hour: i64,
    pub routes_of_hour: u64,
    day: i64,
    pub routes_of_day: u64,
    pub tokens: u64,
    pub cost_micros: u64,
}

impl Stored for Ledger {
    const KIND: Kind = Kind {
        number: 63,
        version: 1,
    };
}

impl Ledger {
    /// Empties the windows that are over.
    fn turn(&mut self, now: DateTime<Utc>) {
        let now = now.timestamp();
        if self.minute != now.div_euclid(MINUTE) {
            self.minute = now.div_euclid(MINUTE);
            self.calls = 0;
            self.clients.clear();
        }
        if self.hour != now.div_euclid(HOUR) {
            self.hour = now.div_euclid(HOUR);
            self.routes_of_hour = 0;
        }
        if self.day != now.div_euclid(DAY) {
            self.day = now.div_euclid(DAY);
            (self.routes_of_day, self.tokens, self.cost_micros) = (0, 0, 0);
        }
    }

    /// The first cap that forbids another call. What is `reserved` is on its way.
    fn over(
        &self,
        caps: &Caps,
        client: &str,
        reserved: Amount,
        now: DateTime<Utc>,
    ) -> Option<OverCap> {
        let of_client = self.clients.get(client).copied().unwrap_or(0);
        let checks = [
            (
                Cap::CallsOfClient,
                of_client,
                caps.calls_per_minute_per_client,
                MINUTE,
            ),
            (Cap::Calls, self.calls, caps.calls_per_minute, MINUTE),
            (
                Cap::Tokens,
                self.tokens + reserved.tokens,
                caps.tokens_per_day,
                DAY,
            ),
            (
                Cap::Cost,
                self.cost_micros + reserved.cost_micros,
                caps.cost_per_day_micros,
                DAY,
            ),
        ];
        first_over(&checks, now)
    }

    /// The cap that forbids another route while so many others are being made.
    fn over_routes(&self, caps: &Caps, making: u64, now: DateTime<Utc>) -> Option<OverCap> {
        let checks = [
            (
                Cap::RoutesPerHour,
                self.routes_of_hour + making,
                caps.routes_per_hour,
                HOUR,
            ),
            (
                Cap::RoutesPerDay,
                self.routes_of_day + making,
                caps.routes_per_day,
                DAY,
            ),
        ];
        first_over(&checks, now)
    }
}

fn first_over(checks: &[(Cap, u64, u64, i64)], now: DateTime<Utc>) -> Option<OverCap> {
    let (cap, _, max, window) = *checks.iter().find(|(_, used, max, _)| used >= max)?;
    let left = window - now.timestamp().rem_euclid(window);
    Some(OverCap {
        cap,
        max,
        retry_after_seconds: u32::try_from(left).unwrap_or(u32::MAX),
    })
}

/// What a call may use at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    pub tokens: u64,
    /// In millionths.
    pub cost_micros: u64,
}

/// What a call that is under way may use.
#[derive(Debug)]
pub struct Reservation(Amount);

/// The place of a route that is being made among the new ones.
pub struct Room(Arc<Budget>);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.books().making -= 1;
    }
}

#[derive(Debug, Default)]
struct Books {
    ledger: Ledger,
    /// Of calls under way.
    reserved: Amount,
    /// Routes that are being made.
    making: u64,
}

impl Books {
    fn release(&mut self, Reservation(amount): Reservation) {
        self.reserved.tokens -= amount.tokens;
        self.reserved.cost_micros -= amount.cost_micros;
    }
}

pub struct Budget {
    store: Store,
    caps: Caps,
    books: Mutex<Books>,
    saving: tokio::sync::Mutex<()>,
}

impl Budget {
    pub fn open(store: Store, caps: Caps) -> Result<Self, StoreError> {
        let ledger = store.get_json(KEY)?.unwrap_or_default();
        let books = Books {
            ledger,
            ..Books::default()
        };
        Ok(Self {
            store,
            caps,
            books: Mutex::new(books),
            saving: tokio::sync::Mutex::default(),
        })
    }

    /// What is used up now, and the caps.
    pub fn now(&self, now: DateTime<Utc>) -> (Ledger, &Caps) {
        let mut books = self.books();
        books.ledger.turn(now);
        (books.ledger.clone(), &self.caps)
    }

    /// Whether a call that would make a route may ask a model.
    pub fn check(&self, client: Option<IpAddr>, now: DateTime<Utc>) -> Result<(), OverCap> {
        let mut books = self.books();
        books.ledger.turn(now);
        let over = books.ledger.over_routes(&self.caps, 0, now);
        let reserved = books.reserved;
        let over = over.or_else(|| books.ledger.over(&self.caps, &name(client), reserved, now));
        over.map_or(Ok(()), Err)
    }

    /// Room for one more route, unless those that are being made have taken it.
    pub fn room(self: &Arc<Self>, now: DateTime<Utc>) -> Result<Room, OverCap> {
        let mut books = self.books();
        books.ledger.turn(now);
        if let Some(over) = books.ledger.over_routes(&self.caps, books.making, now) {
            return Err(over);
        }
        books.making += 1;
        drop(books);
        Ok(Room(self.clone()))
    }

    /// Counts a call that may use so much, unless a cap forbids it. The count
    /// is on disk when it returns: a call that goes out is never forgotten.
    pub async fn reserve(
        &self,
        client: Option<IpAddr>,
        amount: Amount,
        now: DateTime<Utc>,
    ) -> Result<Result<Reservation, OverCap>, StoreError> {
        if let Err(over) = self.count(client, amount, now) {
            return Ok(Err(over));
        }
        let reservation = Reservation(amount);
        if let Err(error) = self.save().await {
            self.books().release(reservation);
            return Err(error);
        }
        Ok(Ok(reservation))
    }

    fn count(
        &self,
        client: Option<IpAddr>,
        amount: Amount,
        now: DateTime<Utc>,
    ) -> Result<(), OverCap> {
        let mut books = self.books();
        books.ledger.turn(now);
        let mut client = name(client);
        let clients = &books.ledger.clients;
        if clients.len() >= CLIENTS_MAX && !clients.contains_key(&client) {
            client = name(None);
        }
        let reserved = books.reserved;
        if let Some(over) = books.ledger.over(&self.caps, &client, reserved, now) {
            return Err(over);
        }
        books.ledger.calls += 1;
        *books.ledger.clients.entry(client).or_default() += 1;
        books.reserved.tokens += amount.tokens;
        books.reserved.cost_micros += amount.cost_micros;
        Ok(())
    }

    /// Books what a call has used in the end; `save` follows.
    pub fn book(
        &self,
        reservation: Reservation,
        tokens: u64,
        cost_micros: u64,
        now: DateTime<Utc>,
    ) {
        let mut books = self.books();
        books.ledger.turn(now);
        books.release(reservation);
        books.ledger.tokens += tokens;
        books.ledger.cost_micros += cost_micros;
    }

    /// Counts new routes; `save` follows.
    pub fn made_routes(&self, count: u64, now: DateTime<Utc>) {
        let mut books = self.books();
        books.ledger.turn(now);
        books.ledger.routes_of_hour += count;
        books.ledger.routes_of_day += count;
    }

    /// Puts the ledger on disk, one writer at a time: a newer one is never
    /// overwritten by an older one.
    pub async fn save(&self) -> Result<(), StoreError> {
        let _writer = self.saving.lock().await;
        let ledger = self.books().ledger.clone();
        self.store.put_json(KEY, &ledger).await
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        // Numbers are added one by one; a panic elsewhere leaves them sound.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// IPv6 callers have a whole /64 each.
fn name(client: Option<IpAddr>) -> String {
    match client {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        None => "unknown".to_owned(),
    }
}
