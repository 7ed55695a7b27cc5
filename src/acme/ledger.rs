//! The local ledger: what was tried for a name, so that neither a loop nor a
//! restart uses up what the authority allows. Pure; who calls stores it.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::error::AcmeError;
use crate::store::{Kind, Stored};

/// Identical orders in a week, renewals that were due not counted.
const ORDERS_PER_WEEK_MAX: usize = 3;
/// Failed validations in an hour.
const FAILED_PER_HOUR_MAX: usize = 3;
/// Waiting after the first, second, third failure in a row, in minutes; then a day.
const BACKOFF_MINUTES: [i64; 3] = [1, 10, 100];
const BACKOFF_MAX: TimeDelta = TimeDelta::days(1);

/// What was tried for one name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// Certificates of the last week that were not due.
    pub orders: Vec<Order>,
    /// Failed validations of the last hour.
    pub failed_validations: Vec<DateTime<Utc>>,
    /// Failures in a row.
    pub failures: u32,
    /// Nothing is tried before this without being asked.
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub last_attempt_at: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub at: DateTime<Utc>,
    pub names: Vec<String>,
}

impl Stored for Ledger {
    const KIND: Kind = Kind {
        number: 71,
        version: 1,
    };
}

impl Ledger {
    /// Whether these names may be ordered now. A certificate that ends soon may always
    /// be renewed, as long as validating it does not fail.
    pub fn may_order(
        &self,
        names: &[String],
        ends_soon: bool,
        now: DateTime<Utc>,
    ) -> Result<(), AcmeError> {
        self.may_validate(now)?;
        let identical: Vec<_> = self
            .orders
            .iter()
            .filter(|order| {
                is_same_set(&order.names, names) && now - order.at < TimeDelta::weeks(1)
            })
            .collect();
        if !ends_soon && identical.len() >= ORDERS_PER_WEEK_MAX {
            let oldest = identical.iter().map(|order| order.at).min();
            return Err(AcmeError::Refused {
                reason: "three identical certificates were ordered within a week although none was due",
                until: oldest.unwrap_or(now) + TimeDelta::weeks(1),
            });
        }
        Ok(())
    }

    /// Whether the authority may be asked to validate this name.
    pub fn may_validate(&self, now: DateTime<Utc>) -> Result<(), AcmeError> {
        let failed: Vec<_> = self
            .failed_validations
            .iter()
            .filter(|at| now - **at < TimeDelta::hours(1))
            .collect();
        if failed.len() >= FAILED_PER_HOUR_MAX {
            let oldest = failed.iter().min().map_or(now, |at| **at);
            return Err(AcmeError::Refused {
                reason: "three validations of this name have failed within an hour",
                until: oldest + TimeDelta::hours(1),
            });
        }
        Ok(())
    }

    /// Whether the server may try by itself now.
    pub fn may_try(&self, now: DateTime<Utc>) -> bool {
        self.next_attempt_at.is_none_or(|at| at <= now)
    }

    /// Before the authority is asked: a crash in between counts too.
    pub fn attempt(&mut self, now: DateTime<Utc>) {
        self.failed_validations
            .retain(|at| now - *at < TimeDelta::hours(1));
        self.last_attempt_at = Some(now);
        self.next_attempt_at = Some(now + backoff(self.failures + 1));
    }

    /// The authority counts what it has issued.
    pub fn succeeded(&mut self, names: &[String], was_due: bool, now: DateTime<Utc>) {
        self.orders
            .retain(|order| now - order.at < TimeDelta::weeks(1));
        if !was_due {
            self.orders.push(Order {
                at: now,
                names: names.to_vec(),
            });
        }
        self.failures = 0;
        self.next_attempt_at = None;
        self.last_error = None;
    }

    /// `counts`: the authority itself was asked, not its staging directory.
    pub fn failed(&mut self, error: &AcmeError, counts: bool, now: DateTime<Utc>) {
        self.failures = self.failures.saturating_add(1);
        if counts && error.invalid_name().is_some() {
            self.failed_validation(now);
        }
        let asked = error.retry_after_seconds(now).unwrap_or(0);
        let wait = backoff(self.failures).max(TimeDelta::seconds(asked.into()));
        self.next_attempt_at = Some(now + wait);
        self.last_error = Some(error.to_string());
    }

    /// Validating this name has failed, in whatever order.
    pub fn failed_validation(&mut self, now: DateTime<Utc>) {
        self.failed_validations
            .retain(|at| now - *at < TimeDelta::hours(1));
        self.failed_validations.push(now);
    }
}

/// The authority takes the names of an order for a set.
fn is_same_set(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().all(|name| other.contains(name))
}

fn backoff(failures: u32) -> TimeDelta {
    let step = failures.saturating_sub(1) as usize;
    BACKOFF_MINUTES
        .get(step)
        .map_or(BACKOFF_MAX, |minutes| TimeDelta::minutes(*minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + minute * 60, 0).unwrap()
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| name.to_string()).collect()
    }

    fn invalid() -> AcmeError {
        AcmeError::Validation {
            name: "a.test".to_owned(),
            problem: "nobody there".to_owned(),
        }
    }

    #[test]
    fn a_fourth_identical_order_in_a_week_is_refused_unless_it_is_due() {
        let mut ledger = Ledger::default();
        let a = names(&["a.test"]);
        for minute in 0..3 {
            assert_eq!(ledger.may_order(&a, false, at(minute)), Ok(()));
            ledger.attempt(at(minute));
            ledger.succeeded(&a, false, at(minute));
        }
        assert_eq!(
            ledger.may_order(&a, false, at(3)).unwrap_err().code(),
            "ACME_LEDGER"
        );
        assert_eq!(
            ledger.may_order(&names(&["a.test", "b.test"]), false, at(3)),
            Ok(())
        );
        // The authority does not look at the order of the names.
        let mut both = Ledger::default();
        for minute in 0..3 {
            both.succeeded(&names(&["a.test", "b.test"]), false, at(minute));
        }
        assert!(
            both.may_order(&names(&["b.test", "a.test"]), false, at(3))
                .is_err()
        );
        // What ends soon is not kept waiting by what somebody forced.
        assert_eq!(ledger.may_order(&a, true, at(3)), Ok(()));
        assert_eq!(ledger.may_order(&a, false, at(7 * 24 * 60)), Ok(()));
        let mut renewing = Ledger::default();
        for minute in 0..10 {
            renewing.attempt(at(minute));
            renewing.succeeded(&a, true, at(minute));
            assert_eq!(renewing.may_order(&a, true, at(minute)), Ok(()));
        }
    }

    #[test]
    fn a_fourth_failed_validation_in_an_hour_is_not_risked() {
        let mut ledger = Ledger::default();
        let a = names(&["a.test"]);
        for minute in [0, 10, 20] {
            assert_eq!(ledger.may_order(&a, false, at(minute)), Ok(()));
            ledger.attempt(at(minute));
            ledger.failed(&invalid(), true, at(minute));
        }
        let refused = ledger.may_order(&a, true, at(30)).unwrap_err();
        assert!(matches!(refused, AcmeError::Refused { until, .. } if until == at(60)));
        let mut rehearsed = Ledger::default();
        for minute in 0..9 {
            rehearsed.failed(&invalid(), false, at(minute));
        }
        assert_eq!(rehearsed.may_validate(at(9)), Ok(()));
        assert_eq!(ledger.may_order(&a, true, at(60)), Ok(()));
    }

    #[test]
    fn waiting_grows_and_a_success_ends_it() {
        let mut ledger = Ledger::default();
        for expected in [1, 10, 100, 24 * 60, 24 * 60] {
            ledger.attempt(at(0));
            // A crash now waits as long as a failure would.
            assert_eq!(ledger.next_attempt_at, Some(at(expected)));
            ledger.failed(&AcmeError::Timeout { seconds: 1 }, true, at(0));
            assert_eq!(ledger.next_attempt_at, Some(at(expected)));
            assert!(!ledger.may_try(at(expected - 1)) && ledger.may_try(at(expected)));
        }
        let busy = AcmeError::Busy {
            status: 429,
            retry_after_seconds: Some(172_800),
        };
        ledger.failed(&busy, true, at(0));
        assert_eq!(ledger.next_attempt_at, Some(at(2 * 24 * 60)));
        ledger.succeeded(&names(&["a.test"]), true, at(0));
        assert!(ledger.may_try(at(0)) && ledger.last_error.is_none());
    }
}
