//! Renewal without anybody asking: the names of the configuration, and whatever
//! was ordered before and is served. One look a minute; what is due is ordered
//! and installed, and what fails waits its turn in the ledger.

use std::panic::AssertUnwindSafe;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt, StreamExt};
use instant_acme::CertificateIdentifier;

use super::certificate::chain;
use super::client::classify;
use super::due::Window;
use super::error::AcmeError;
use super::order::{Ordered, Request};
use super::record::{CertificateRecord, RenewalInfo};
use super::seams::Install;
use super::{Acme, record};
use crate::shutdown::Shutdown;

/// Who asks, in logs and records.
pub(super) const RENEWAL: &str = "renewal";
/// Orders under way at once.
const AT_ONCE: usize = 4;
/// How soon and how late the authority is asked again for its suggestion
/// (RFC 9773, section 4.3), whatever it says.
const ASK_AGAIN_MIN: TimeDelta = TimeDelta::minutes(1);
const ASK_AGAIN_MAX: TimeDelta = TimeDelta::days(1);
const ASK_AGAIN_AFTER_FAILURE: TimeDelta = TimeDelta::hours(6);

/// A certificate that the server looks after.
struct Managed {
    names: Vec<String>,
    /// Named in the configuration, so it is served even if nothing is yet.
    configured: bool,
}

impl Acme {
    /// Renews until the server stops.
    pub async fn run(&self, stop: Shutdown) {
        let Some(interval) = self.0.settings.as_ref().map(|one| one.check_interval) else {
            return;
        };
        loop {
            // Whatever one certificate leads to, the others need their renewal.
            let check = AssertUnwindSafe(self.check()).catch_unwind();
            tokio::select! {
                () = stop.requested() => return,
                checked = check => {
                    if checked.is_err() {
                        tracing::error!("looking after certificates has failed; it goes on");
                    }
                }
            }
            tokio::select! {
                () = stop.requested() => return,
                () = tokio::time::sleep(interval) => {}
            }
        }
    }

    /// Looks at every certificate once.
    async fn check(&self) {
        let managed = match self.managed() {
            Ok(managed) => managed,
            Err(error) => {
                tracing::warn!(%error, "certificates are not looked after now");
                return;
            }
        };
        let look = |one: Managed| async move {
            match self.look_after(&one).await {
                Ok(()) => {}
                // The ledger says so at every look, and for long.
                Err(error @ AcmeError::Refused { .. }) => {
                    tracing::debug!(domain = one.names[0], %error, "the certificate is not renewed now");
                }
                Err(error) => {
                    tracing::warn!(domain = one.names[0], %error, "the certificate is not renewed now");
                }
            }
        };
        futures_util::stream::iter(managed)
            .for_each_concurrent(AT_ONCE, look)
            .await;
    }

    /// The configuration's, and those that were ordered and are served.
    fn managed(&self) -> Result<Vec<Managed>, AcmeError> {
        let mut managed: Vec<Managed> = self
            .settings()?
            .names
            .iter()
            .map(|names| Managed {
                names: names.clone(),
                configured: true,
            })
            .collect();
        for record in record::certificates(&self.0.store)? {
            let known = managed.iter().any(|one| one.names[0] == record.domain);
            if !known && !self.served_at(&record).is_empty() {
                managed.push(Managed {
                    names: record.names,
                    configured: false,
                });
            }
        }
        Ok(managed)
    }

    /// The domains for which this very certificate is served. Another one in
    /// its place is somebody's decision.
    pub(super) fn served_at(&self, record: &CertificateRecord) -> Vec<String> {
        let is_it = |name: &&String| {
            let served = self.0.table.served(name);
            served.is_some_and(|served| served.fingerprint == record.fingerprint)
        };
        record.names.iter().filter(is_it).cloned().collect()
    }

    async fn look_after(&self, managed: &Managed) -> Result<(), AcmeError> {
        let domain = &managed.names[0];
        let before = record::certificate(&self.0.store, domain)?;
        if let Some(record) = &before {
            self.ask_renewal_info(record).await?;
        }
        let mut domains = match &before {
            Some(record) => self.served_at(record),
            None => Vec::new(),
        };
        if managed.configured {
            // Something else in the place of ours stays until it is due itself.
            domains = managed.names.clone();
        }
        if !record::ledger(&self.0.store, domain)?.may_try(Utc::now()) {
            return Ok(());
        }
        let is_due = before
            .as_ref()
            .is_none_or(|one| one.plan().at <= Utc::now());
        let previous = before.map(|record| record.order);
        let on_demand = previous.as_ref().is_some_and(|order| order.on_demand);
        if on_demand && !managed.configured && is_due && !self.may_have(domain).await? {
            tracing::debug!(
                domain,
                "not renewed: the name may have no certificate any more"
            );
            return Ok(());
        }
        let request = Request {
            names: managed.names.clone(),
            profile: previous.as_ref().and_then(|order| order.profile.clone()),
            key_type: previous.map(|order| order.key_type),
            requested_by: RENEWAL.to_owned(),
            on_demand,
            ..Request::default()
        };
        let ordered = self.order(request).await?;
        self.install(&domains, &ordered, RENEWAL).await
    }

    pub(super) async fn install(
        &self,
        domains: &[String],
        ordered: &Ordered,
        origin: &str,
    ) -> Result<(), AcmeError> {
        for domain in domains {
            let served = self.0.table.served(domain);
            if served.is_some_and(|served| served.fingerprint == ordered.fingerprint) {
                continue;
            }
            let install = Install {
                domain: domain.clone(),
                chain_pem: ordered.chain_pem.clone(),
                key_pem: ordered.key_pem.clone(),
                origin: origin.to_owned(),
            };
            let installed = self.0.table.install(install).await;
            installed.map_err(|reason| AcmeError::Install { reason })?;
        }
        Ok(())
    }

    /// Asks for the suggested window (RFC 9773) when it is time to.
    async fn ask_renewal_info(&self, record: &CertificateRecord) -> Result<(), AcmeError> {
        let now = Utc::now();
        let again = record.renewal_info.as_ref().map(|info| info.ask_again_at);
        if again.is_some_and(|again| again > now) {
            return Ok(());
        }
        let known = record.renewal_info.as_ref();
        let info = match self.renewal_info(record, now).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!(domain = record.domain, %error, "no renewal information");
                RenewalInfo {
                    window: known.and_then(|info| info.window),
                    explanation_url: known.and_then(|info| info.explanation_url.clone()),
                    ask_again_at: now + ASK_AGAIN_AFTER_FAILURE,
                }
            }
        };
        let _alone = self.0.locks.take(&record.domain).await;
        // An order may have taken its place in the meantime.
        let current = record::certificate(&self.0.store, &record.domain)?;
        if let Some(current) = current.filter(|one| one.fingerprint == record.fingerprint) {
            let updated = CertificateRecord {
                renewal_info: Some(info),
                ..current
            };
            record::put_certificate(&self.0.store, &updated).await?;
        }
        Ok(())
    }

    async fn renewal_info(
        &self,
        record: &CertificateRecord,
        now: DateTime<Utc>,
    ) -> Result<RenewalInfo, AcmeError> {
        let settings = self.settings()?;
        let chain = chain(&record.chain_pem)?;
        let id = chain
            .first()
            .and_then(|leaf| CertificateIdentifier::try_from(leaf).ok());
        let Some(id) = id.filter(|_| record.order.directory == settings.directory) else {
            return Err(AcmeError::Api {
                problem: "the certificate has no identifier for this directory".to_owned(),
            });
        };
        let account = self.0.accounts.open(&settings.directory, settings).await?;
        let (info, wait) = account.renewal_info(&id).await.map_err(classify)?;
        let time = |at: i64| DateTime::from_timestamp(at, 0).unwrap_or(now);
        let wait = TimeDelta::from_std(wait).unwrap_or(ASK_AGAIN_MAX);
        Ok(RenewalInfo {
            window: Some(Window {
                start: time(info.suggested_window.start.unix_timestamp()),
                end: time(info.suggested_window.end.unix_timestamp()),
            }),
            explanation_url: info.explanation_url,
            ask_again_at: now + wait.clamp(ASK_AGAIN_MIN, ASK_AGAIN_MAX),
        })
    }
}
