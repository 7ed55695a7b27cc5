//! What can be said about every certificate, without keys: for `acme.status` and
//! the management API.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::due::{Life, Plan, Why, plan};
use super::error::AcmeError;
use super::ledger::Ledger;
use super::name::normalise;
use super::record::{CertificateRecord, OrderTrace};
use super::seams::Served;
use super::{Acme, record};

/// How a domain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A valid certificate is served and not due.
    Valid,
    /// It is time to renew.
    Due,
    /// What is served has ended.
    Expired,
    /// A certificate was issued and is not served.
    NotServed,
    /// There is none.
    Missing,
}

/// One domain.
#[derive(Debug, Clone)]
pub struct CertificateView {
    pub domain: String,
    pub names: Vec<String>,
    pub state: State,
    /// What handshakes get.
    pub served: Option<Served>,
    /// The order that it came from; none when somebody brought it.
    pub order: Option<OrderTrace>,
    pub issued_at: Option<DateTime<Utc>>,
    pub serial: Option<String>,
    pub fingerprint: Option<String>,
    pub not_before: Option<DateTime<Utc>>,
    pub not_after: Option<DateTime<Utc>>,
    pub issuer: Option<String>,
    /// The server renews it without being asked.
    pub managed: bool,
    /// Not before the ledger allows it.
    pub next_renewal_at: Option<DateTime<Utc>>,
    pub renewal_reason: Option<Why>,
    pub explanation_url: Option<String>,
    pub ledger: Ledger,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Due => "due",
            Self::Expired => "expired",
            Self::NotServed => "not_served",
            Self::Missing => "missing",
        }
    }
}

impl Why {
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::RenewalInfo => "renewal_info",
            Self::Lifetime => "lifetime",
            Self::Forced => "forced",
        }
    }
}

impl Acme {
    /// Every domain that is served, was ordered or is to be, by name.
    pub fn list(&self) -> Result<Vec<CertificateView>, AcmeError> {
        let mut domains: BTreeSet<String> = self.0.table.domains().into_iter().collect();
        let records = record::certificates(&self.0.store)?;
        domains.extend(records.into_iter().map(|record| record.domain));
        domains.extend(self.configured().map(|names| names[0].clone()));
        let now = Utc::now();
        domains
            .iter()
            .map(|domain| self.view(domain, now))
            .collect()
    }

    /// One domain; none when nothing is known of it.
    pub fn status(&self, domain: &str) -> Result<Option<CertificateView>, AcmeError> {
        let domain = normalise(&[domain.to_owned()])?.remove(0);
        let view = self.view(&domain, Utc::now())?;
        let known =
            view.state != State::Missing || view.managed || view.ledger != Ledger::default();
        Ok(Some(view).filter(|_| known))
    }

    fn configured(&self) -> impl Iterator<Item = &Vec<String>> {
        self.0.settings.iter().flat_map(|settings| &settings.names)
    }

    fn view(&self, domain: &str, now: DateTime<Utc>) -> Result<CertificateView, AcmeError> {
        let served = self.0.table.served(domain);
        let record = record::certificate(&self.0.store, domain)?;
        let ledger = record::ledger(&self.0.store, domain)?;
        let configured = self.configured().find(|names| names[0] == domain);
        let ours = |served: &Served| {
            record
                .as_ref()
                .is_some_and(|record| record.fingerprint == served.fingerprint)
        };
        let is_ours = served.as_ref().is_none_or(ours);
        let record = record.filter(|_| is_ours);
        let managed = configured.is_some() || served.is_some() && record.is_some();
        let plan = self.plan_of(served.as_ref(), record.as_ref());
        let state = match (&served, &plan) {
            (None, None) => State::Missing,
            (None, Some(_)) => State::NotServed,
            (Some(served), _) if served.not_after <= now => State::Expired,
            (Some(_), Some(plan)) if plan.at <= now => State::Due,
            (Some(_), _) => State::Valid,
        };
        let next = match (managed, &plan) {
            (false, _) => None,
            (true, None) => Some(Plan {
                at: now,
                why: Why::Missing,
            }),
            (true, Some(plan)) => Some(*plan),
        };
        let earliest = ledger.next_attempt_at.unwrap_or(DateTime::UNIX_EPOCH);
        let names = served
            .as_ref()
            .map(|served| served.names.clone())
            .or_else(|| record.as_ref().map(|record| record.names.clone()))
            .or_else(|| configured.cloned());
        let of = |from_served: fn(&Served) -> String,
                  from_record: fn(&CertificateRecord) -> String| {
            served
                .as_ref()
                .map(from_served)
                .or_else(|| record.as_ref().map(from_record))
        };
        let info = record
            .as_ref()
            .and_then(|record| record.renewal_info.as_ref());
        Ok(CertificateView {
            domain: domain.to_owned(),
            names: names.unwrap_or_else(|| vec![domain.to_owned()]),
            state,
            issued_at: record.as_ref().map(|record| record.issued_at),
            serial: of(|one| one.serial.clone(), |one| one.serial.clone()),
            fingerprint: of(|one| one.fingerprint.clone(), |one| one.fingerprint.clone()),
            issuer: of(|one| one.issuer.clone(), |one| one.issuer.clone()),
            not_before: served
                .as_ref()
                .map(|one| one.not_before)
                .or(record.as_ref().map(|one| one.not_before)),
            not_after: served
                .as_ref()
                .map(|one| one.not_after)
                .or(record.as_ref().map(|one| one.not_after)),
            managed,
            next_renewal_at: next.map(|plan| plan.at.max(earliest)),
            renewal_reason: next.map(|plan| plan.why),
            explanation_url: info.and_then(|info| info.explanation_url.clone()),
            order: record.map(|record| record.order),
            served,
            ledger,
        })
    }

    fn plan_of(&self, served: Option<&Served>, record: Option<&CertificateRecord>) -> Option<Plan> {
        if let Some(record) = record {
            return Some(record.plan());
        }
        served.map(|served| {
            plan(&Life {
                not_before: served.not_before,
                not_after: served.not_after,
                window: None,
                fingerprint: &served.fingerprint,
            })
        })
    }
}
