//! Certificates for names that nobody has named before: a handshake says which one
//! it lacks, gets what there is for unknown names, and the order begins behind it.
//! Only names of a list, or that an URL of the operator's says yes to, and only so
//! many in an hour. It must not keep a handshake waiting.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::error::AcmeError;
use super::name::{covers, normalise};
use super::order::Request;
use super::{Acme, record};
use crate::shutdown::Shutdown;

/// Who asks, in logs and records.
const ON_DEMAND: &str = "on demand";
/// Wishes that wait; more are forgotten, and the next handshake says them again.
const WISHES_MAX: usize = 64;
/// Names that are looked at at once.
const AT_ONCE: usize = 4;
/// Questions to the operator's URL in a minute: anybody can make up names.
const ASKS_PER_MINUTE_MAX: usize = 60;
/// So long a no counts.
const REFUSED_FOR: TimeDelta = TimeDelta::minutes(10);
/// How many names that got a no are remembered.
const REFUSED_MAX: usize = 10_000;

/// Where handshakes leave the names that they lack. Clones share it.
#[derive(Debug, Clone)]
pub struct Wishes(mpsc::Sender<String>);

/// The names, for [`Acme::grant`].
#[derive(Debug)]
pub struct Wished(mpsc::Receiver<String>);

pub fn wishes() -> (Wishes, Wished) {
    let (sender, receiver) = mpsc::channel(WISHES_MAX);
    (Wishes(sender), Wished(receiver))
}

impl Wishes {
    /// Never waits; when too many are waiting, this one is forgotten.
    pub fn leave(&self, name: &str) {
        let _ = self.0.try_send(name.to_owned());
    }
}

/// What is under way, and what was said lately.
#[derive(Debug, Default)]
pub(super) struct Desk(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    busy: HashSet<String>,
    refused_until: HashMap<String, DateTime<Utc>>,
    asks: VecDeque<DateTime<Utc>>,
    orders: VecDeque<DateTime<Utc>>,
}

impl State {
    /// Whether this name is to be looked at now.
    fn begin(&mut self, name: &str, now: DateTime<Utc>) -> bool {
        let is_refused = self.refused_until.get(name).is_some_and(|at| now < *at);
        !is_refused && self.busy.insert(name.to_owned())
    }

    fn refuse(&mut self, name: &str, now: DateTime<Utc>) {
        if self.refused_until.len() >= REFUSED_MAX {
            self.refused_until.retain(|_, until| now < *until);
        }
        // Who fills this up pays with the limit of asks.
        if self.refused_until.len() < REFUSED_MAX {
            self.refused_until
                .insert(name.to_owned(), now + REFUSED_FOR);
        }
    }
}

/// Counts one more in a window, if it has room.
fn take(
    window: &mut VecDeque<DateTime<Utc>>,
    span: TimeDelta,
    max: usize,
    now: DateTime<Utc>,
) -> bool {
    while window.front().is_some_and(|at| now - *at >= span) {
        window.pop_front();
    }
    let has_room = window.len() < max;
    if has_room {
        window.push_back(now);
    }
    has_room
}

impl Acme {
    /// Gives names what they wish for, until the server stops.
    pub async fn grant(&self, wished: Wished, stop: Shutdown) {
        if self
            .0
            .settings
            .as_ref()
            .is_none_or(|settings| settings.on_demand.is_none())
        {
            return;
        }
        let names = futures_util::stream::unfold(wished, |mut wished| async {
            let name = wished.0.recv().await?;
            Some((name, wished))
        });
        let stopped = stop.clone();
        names
            .take_until(Box::pin(async move { stopped.requested().await }))
            .for_each_concurrent(AT_ONCE, |name| async move {
                let Ok(mut names) = normalise(&[name]) else {
                    return;
                };
                let name = names.remove(0);
                if !self.desk().begin(&name, Utc::now()) {
                    return;
                }
                if let Err(error) = self.grant_one(&name).await {
                    tracing::warn!(domain = name, %error, "no certificate on demand");
                }
                self.desk().busy.remove(&name);
            })
            .await;
    }

    async fn grant_one(&self, name: &str) -> Result<(), AcmeError> {
        // Another handshake may have led to it meanwhile.
        if self.0.table.served(name).is_some() || !self.may_have(name).await? {
            return Ok(());
        }
        if !record::ledger(&self.0.store, name)?.may_try(Utc::now()) {
            return Ok(());
        }
        let max = self
            .settings()?
            .on_demand
            .as_ref()
            .map_or(0, |one| one.per_hour_max);
        if !take(
            &mut self.desk().orders,
            TimeDelta::hours(1),
            max,
            Utc::now(),
        ) {
            tracing::warn!(
                domain = name,
                max,
                "no certificate on demand: acme.on_demand_per_hour is used up"
            );
            return Ok(());
        }
        let request = Request {
            names: vec![name.to_owned()],
            requested_by: ON_DEMAND.to_owned(),
            on_demand: true,
            ..Request::default()
        };
        let ordered = self.order(request).await?;
        self.install(&[name.to_owned()], &ordered, ON_DEMAND).await
    }

    /// Whether a name may have a certificate without having been named before. A no
    /// of the operator's URL counts for a while; when it cannot be asked, that is an error.
    pub(super) async fn may_have(&self, name: &str) -> Result<bool, AcmeError> {
        let Some(rules) = &self.settings()?.on_demand else {
            return Ok(false);
        };
        if covers(&rules.names, name) {
            return Ok(true);
        }
        let Some(ask) = &rules.ask else {
            self.desk().refuse(name, Utc::now());
            return Ok(false);
        };
        let now = Utc::now();
        if !take(
            &mut self.desk().asks,
            TimeDelta::minutes(1),
            ASKS_PER_MINUTE_MAX,
            now,
        ) {
            return Ok(false);
        }
        // A host name in normal form needs no escapes.
        let mark = if ask.contains('?') { '&' } else { '?' };
        let says_yes = self
            .0
            .http
            .says_yes(&format!("{ask}{mark}domain={name}"))
            .await?;
        if !says_yes {
            self.desk().refuse(name, now);
        }
        Ok(says_yes)
    }

    fn desk(&self) -> MutexGuard<'_, State> {
        // Each change leaves it whole.
        self.0.desk.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_name_is_looked_at_once_at_a_time_and_a_no_counts_for_a_while() {
        let mut state = State::default();
        assert!(state.begin("a.test", at(0)));
        assert!(!state.begin("a.test", at(0)));
        state.refuse("a.test", at(0));
        state.busy.remove("a.test");
        assert!(!state.begin("a.test", at(599)));
        assert!(state.begin("b.test", at(599)));
        assert!(state.begin("a.test", at(600)));
        for number in 0..REFUSED_MAX + 10 {
            state.refuse(&format!("{number}.test"), at(0));
        }
        assert_eq!(state.refused_until.len(), REFUSED_MAX);
    }

    #[test]
    fn a_window_takes_so_many_and_then_waits() {
        let mut window = VecDeque::new();
        let mut at_second = |second| take(&mut window, TimeDelta::minutes(1), 2, at(second));
        let taken = [0, 1, 2, 59, 60, 60, 61, 62].map(&mut at_second);
        assert_eq!(taken, [true, true, false, false, true, false, true, false]);
    }

    #[test]
    fn more_wishes_than_there_is_room_for_are_forgotten() {
        let (wishes, mut wished) = wishes();
        for number in 0..WISHES_MAX * 2 {
            wishes.leave(&format!("{number}.test"));
        }
        let mut count = 0;
        while wished.0.try_recv().is_ok() {
            count += 1;
        }
        assert_eq!(count, WISHES_MAX);
    }
}
