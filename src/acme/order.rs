//! Handing out a certificate: the one in force while it is not due, else a new
//! one. The order goes on when whoever asked goes away, since the authority has
//! counted it.

use chrono::{DateTime, Utc};

use super::attempt::Failed;
use super::certificate::{Facts, facts, issuers, placeholder};
use super::due::{Life, Plan, Why, plan};
use super::error::AcmeError;
use super::issue::Issued;
use super::name::{covers, normalise};
use super::record::{CertificateRecord, OrderTrace, certificate_key};
use super::settings::{KeyType, Settings};
use super::{Acme, record};
use crate::model::cron_run::CronRun;

/// What somebody asks for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The first is the domain that the certificate is kept under.
    pub names: Vec<String>,
    /// Order although it is not due.
    pub force: bool,
    pub profile: Option<String>,
    pub key_type: Option<String>,
    /// Order nothing, and say what would be.
    pub dry_run: bool,
    /// Such as `script 1/certs/renew.ts`.
    pub requested_by: String,
    pub execution_id: Option<String>,
    pub cron_run: Option<CronRun>,
    /// A handshake with an unknown name leads to it.
    pub on_demand: bool,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Issued,
    /// The one in force is handed out; that is a success.
    NotDue,
    /// A placeholder is handed out, in the place of what would be ordered.
    DryRun,
}

/// A certificate with its key. It must not reach a log or a listing.
#[derive(Clone)]
pub struct Ordered {
    pub outcome: Outcome,
    pub domain: String,
    pub names: Vec<String>,
    /// The server's certificate and its issuers, as PEM.
    pub chain_pem: String,
    /// The issuers alone.
    pub issuers_pem: String,
    pub key_pem: String,
    pub serial: String,
    pub fingerprint: String,
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
    pub issuer: String,
    /// Why there was or would be an order; without one, when there will be.
    pub plan: Plan,
}

/// A certificate that covers what is asked for.
struct InForce {
    facts: Facts,
    chain_pem: String,
    key_pem: String,
    plan: Plan,
}

impl Acme {
    /// Hands out a certificate for these names, and orders it if it is due.
    pub async fn order(&self, request: Request) -> Result<Ordered, AcmeError> {
        let names = normalise(&request.names)?;
        let key_type = match &request.key_type {
            Some(text) => Some(KeyType::parse(text).ok_or(AcmeError::BadKeyType)?),
            None => None,
        };
        let asked_at = Utc::now();
        if let Some(ordered) = self.not_due(&names, &request, asked_at)? {
            return Ok(ordered);
        }
        let settings = self.settings()?;
        if request.dry_run {
            return self.rehearse(&names, &request);
        }
        let key_type = key_type.unwrap_or(settings.key_type);
        let acme = self.clone();
        let work = async move { acme.order_alone(names, request, key_type, asked_at).await };
        let done = tokio::spawn(work).await;
        done.unwrap_or(Err(AcmeError::Stopping))
    }

    pub(super) fn settings(&self) -> Result<&Settings, AcmeError> {
        self.0.settings.as_ref().ok_or(AcmeError::NotConfigured)
    }

    async fn order_alone(
        &self,
        names: Vec<String>,
        request: Request,
        key_type: KeyType,
        asked_at: DateTime<Utc>,
    ) -> Result<Ordered, AcmeError> {
        let domain = &names[0];
        let _alone = self.0.locks.take_all(&names).await;
        // While this waited, another one may have done the work.
        if let Some(ordered) = self.not_due(&names, &request, asked_at)? {
            return Ok(ordered);
        }
        let in_force = self.in_force(&names)?;
        let now = Utc::now();
        let was_due = in_force.as_ref().is_none_or(|one| one.plan.at <= now);
        // What only the authority's suggestion makes due counts like a forced one: an
        // authority that always says "now" must not get an order a minute.
        let ends_soon = in_force.as_ref().is_some_and(|one| one.ends_soon(now));
        let replaces = in_force.as_ref().map(|one| one.chain_pem.as_str());
        let mut ledger = record::ledger(&self.0.store, domain)?;
        ledger.may_order(&names, ends_soon, now)?;
        for name in &names[1..] {
            // The same names may have been ordered with this one first.
            record::ledger(&self.0.store, name)?.may_order(&names, ends_soon, now)?;
        }
        let after_failure = ledger.failures > 0;
        ledger.attempt(now);
        record::put_ledger(&self.0.store, domain, &ledger).await?;
        let done = self
            .ask_authority(&names, &request, key_type, replaces, after_failure)
            .await;
        match done {
            Ok(issued) => {
                let why = match (&in_force, was_due) {
                    (None, _) => Why::Missing,
                    (Some(one), true) => one.plan.why,
                    (Some(_), false) => Why::Forced,
                };
                let ordered = self.keep(&names, &request, key_type, issued, why).await?;
                // Nothing to renew is no excuse: a first one counts like a forced one.
                ledger.succeeded(&names, ends_soon, now);
                record::put_ledger(&self.0.store, domain, &ledger).await?;
                Ok(ordered)
            }
            Err(failed) => {
                let Failed { error, counts } = failed;
                tracing::warn!(domain, %error, by = request.requested_by, "no certificate was issued");
                let other = error.invalid_name().filter(|name| counts && name != domain);
                if let Some(other) = other.filter(|name| names.iter().any(|one| one == name)) {
                    // The authority counts by the name that failed.
                    let mut of_name = record::ledger(&self.0.store, other)?;
                    of_name.failed_validation(Utc::now());
                    record::put_ledger(&self.0.store, other, &of_name).await?;
                }
                ledger.failed(&error, counts, Utc::now());
                record::put_ledger(&self.0.store, domain, &ledger).await?;
                Err(error)
            }
        }
    }

    async fn keep(
        &self,
        names: &[String],
        request: &Request,
        key_type: KeyType,
        issued: Issued,
        why: Why,
    ) -> Result<Ordered, AcmeError> {
        let settings = self.settings()?;
        let (domain, facts, now) = (names[0].clone(), issued.facts, Utc::now());
        let sealed = certificate_key(&domain);
        let sealed_key = self.0.master.seal(&sealed, issued.key_pem.as_bytes())?;
        let record = CertificateRecord {
            names: names.to_vec(),
            chain_pem: issued.chain_pem.clone(),
            sealed_key,
            serial: facts.serial.clone(),
            fingerprint: facts.fingerprint.clone(),
            not_before: facts.not_before,
            not_after: facts.not_after,
            issuer: facts.issuer.clone(),
            issued_at: now,
            order: OrderTrace {
                url: issued.order_url,
                directory: settings.directory.clone(),
                profile: request.profile.clone(),
                key_type: key_type.name().to_owned(),
                requested_by: request.requested_by.clone(),
                execution_id: request.execution_id.clone(),
                cron_run: request.cron_run.clone(),
                on_demand: request.on_demand,
            },
            renewal_info: None,
            domain,
        };
        record::put_certificate(&self.0.store, &record).await?;
        tracing::info!(
            domain = record.domain,
            serial = record.serial,
            fingerprint = record.fingerprint,
            not_after = %record.not_after,
            order = record.order.url,
            by = record.order.requested_by,
            execution_id = record.order.execution_id,
            "a certificate was issued"
        );
        let in_force = InForce {
            facts,
            chain_pem: issued.chain_pem,
            key_pem: issued.key_pem,
            plan: Plan { at: now, why },
        };
        Ok(in_force.handed_out(names, Outcome::Issued))
    }

    /// The certificate in force, unless it is due. A forced order is satisfied
    /// by what was issued after it was asked for.
    fn not_due(
        &self,
        names: &[String],
        request: &Request,
        asked_at: DateTime<Utc>,
    ) -> Result<Option<Ordered>, AcmeError> {
        if request.force {
            let record = record::certificate(&self.0.store, &names[0])?;
            if record.is_none_or(|record| record.issued_at <= asked_at) {
                return Ok(None);
            }
        }
        let in_force = self.in_force(names)?;
        let lasting = in_force.filter(|one| one.plan.at > Utc::now());
        Ok(lasting.map(|one| one.handed_out(names, Outcome::NotDue)))
    }

    /// What is served for the domain, or what was issued last and is not served
    /// yet: whichever lasts longer.
    fn in_force(&self, names: &[String]) -> Result<Option<InForce>, AcmeError> {
        let domain = &names[0];
        let record = self.issued(names)?;
        let fits = |facts: &Facts| names.iter().all(|name| covers(&facts.names, name));
        let known = record.as_ref().map(|record| record.fingerprint.as_str());
        let served = self.0.table.served(domain);
        let lasts = |not_after| {
            record
                .as_ref()
                .is_none_or(|record| record.not_after <= not_after)
        };
        if let Some(served) = served
            .filter(|served| known != Some(served.fingerprint.as_str()) && lasts(served.not_after))
            && let Some(chain_pem) = self.0.table.chain_pem(domain)
        {
            let facts = facts(&chain_pem)?;
            let key_pem = self.0.table.key_pem(domain);
            let key_pem = key_pem.map_err(|reason| AcmeError::Install { reason })?;
            if let Some(key_pem) = key_pem.filter(|_| fits(&facts)) {
                let plan = plan(&Life {
                    not_before: served.not_before,
                    not_after: served.not_after,
                    window: None,
                    fingerprint: &served.fingerprint,
                });
                return Ok(Some(InForce {
                    facts,
                    chain_pem,
                    key_pem,
                    plan,
                }));
            }
        }
        let Some(record) = record else {
            return Ok(None);
        };
        let facts = facts(&record.chain_pem)?;
        if !fits(&facts) {
            return Ok(None);
        }
        Ok(Some(InForce {
            key_pem: record.key_pem(&self.0.master)?,
            plan: record.plan(),
            facts,
            chain_pem: record.chain_pem,
        }))
    }

    /// What was issued for these names, in whatever order they stood and whichever
    /// lasts longest, else for the first of them with others.
    fn issued(&self, names: &[String]) -> Result<Option<CertificateRecord>, AcmeError> {
        let mut of_all = Vec::new();
        let mut of_first = None;
        for name in names {
            let Some(record) = record::certificate(&self.0.store, name)? else {
                continue;
            };
            let has_all = names.iter().all(|name| record.names.contains(name));
            if has_all && record.names.len() == names.len() {
                of_all.push(record);
            } else if name == &names[0] {
                of_first = Some(record);
            }
        }
        let longest = of_all.into_iter().max_by_key(|record| record.not_after);
        Ok(longest.or(of_first))
    }

    fn rehearse(&self, names: &[String], request: &Request) -> Result<Ordered, AcmeError> {
        let now = Utc::now();
        let in_force = self.in_force(names)?;
        let why = match in_force {
            None => Why::Missing,
            Some(one) if one.plan.at <= now => one.plan.why,
            Some(_) => Why::Forced,
        };
        tracing::debug!(
            domain = names[0],
            ?why,
            by = request.requested_by,
            "a dry run would order"
        );
        let (chain_pem, key_pem) = placeholder(names, now)?;
        let rehearsed = InForce {
            facts: facts(&chain_pem)?,
            chain_pem,
            key_pem,
            plan: Plan { at: now, why },
        };
        Ok(rehearsed.handed_out(names, Outcome::DryRun))
    }
}

impl InForce {
    /// Whether it is due whatever the authority suggests.
    fn ends_soon(&self, now: DateTime<Utc>) -> bool {
        let life = Life {
            not_before: self.facts.not_before,
            not_after: self.facts.not_after,
            window: None,
            fingerprint: &self.facts.fingerprint,
        };
        plan(&life).at <= now
    }

    fn handed_out(self, names: &[String], outcome: Outcome) -> Ordered {
        Ordered {
            outcome,
            domain: names[0].clone(),
            issuers_pem: issuers(&self.chain_pem),
            chain_pem: self.chain_pem,
            key_pem: self.key_pem,
            names: self.facts.names,
            serial: self.facts.serial,
            fingerprint: self.facts.fingerprint,
            not_before: self.facts.not_before,
            not_after: self.facts.not_after,
            issuer: self.facts.issuer,
            plan: self.plan,
        }
    }
}
