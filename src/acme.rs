//! Certificates by ACME (RFC 8555): accounts, orders, challenges, renewal.
//!
//! A script or the renewal loop asks for names; whoever is in force and not due
//! is handed out again, else there is one order at a time for a domain, after a
//! look at the local ledger. A failure never touches what is served. Keys are
//! made here, sealed in the store, and leave this module only towards the asking
//! script and the table of certificates. It must not know who serves them, nor
//! scripts; both come as the traits of `seams`.

mod account;
mod attempt;
mod certificate;
mod challenge;
mod client;
mod due;
mod error;
mod issue;
mod ledger;
mod lock;
mod name;
pub mod on_demand;
mod order;
mod overview;
mod record;
mod renewal;
pub mod seams;
mod settings;

use std::sync::Arc;

use chrono::Utc;

use crate::store::Store;
use crate::store::sealed::MasterKey;
use account::Accounts;
use challenge::Solver;
use client::AcmeHttp;
use lock::Locks;
use on_demand::Desk;
use seams::{CertificateTable, ChallengeAnswers, DnsHook};

pub use certificate::CertificateError;
pub use due::Why;
pub use error::AcmeError;
pub use name::normalise;
pub use order::{Ordered, Outcome, Request};
pub use overview::{CertificateView, State};
pub use settings::{ChallengeKind, ExternalAccount, KeyType, OnDemand, Settings};

/// The certificate client. Clones share it.
#[derive(Clone)]
pub struct Acme(Arc<Shared>);

struct Shared {
    store: Store,
    master: MasterKey,
    /// None when no directory is configured.
    settings: Option<Settings>,
    accounts: Accounts,
    /// For questions to others than the authority.
    http: AcmeHttp,
    solver: Solver,
    table: Arc<dyn CertificateTable>,
    locks: Locks,
    desk: Desk,
}

/// What [`Acme::new`] needs of other parts.
pub struct Parts {
    pub store: Store,
    pub master: MasterKey,
    pub table: Arc<dyn CertificateTable>,
    pub answers: Arc<dyn ChallengeAnswers>,
    pub dns: Option<Arc<dyn DnsHook>>,
}

impl Acme {
    /// Asks nobody yet. Without settings every order is refused, and what is
    /// served can still be looked at.
    pub fn new(parts: Parts, settings: Option<Settings>) -> Result<Self, AcmeError> {
        let roots = settings.as_ref().map(|settings| settings.roots.clone());
        let http = AcmeHttp::new(roots.unwrap_or_default())?;
        let kinds = settings
            .as_ref()
            .map(|settings| settings.challenges.clone());
        Ok(Self(Arc::new(Shared {
            accounts: Accounts::new(parts.store.clone(), parts.master.clone(), http.clone()),
            http,
            solver: Solver {
                answers: parts.answers,
                dns: parts.dns,
                kinds: kinds.unwrap_or_default(),
            },
            store: parts.store,
            master: parts.master,
            table: parts.table,
            settings,
            locks: Locks::default(),
            desk: Desk::default(),
        })))
    }

    /// Stops the server from renewing a domain, and forgets its key here. What
    /// is served stays.
    pub async fn forget(&self, domain: &str) -> Result<bool, AcmeError> {
        let domain = name::normalise(&[domain.to_owned()])?.remove(0);
        Ok(record::forget(&self.0.store, &domain).await?)
    }

    /// Metrics in the text format of Prometheus: seconds to the end of each
    /// certificate that is served, negative when it has ended.
    pub fn metrics(&self) -> String {
        let now = Utc::now();
        let mut text = String::from(
            "# HELP footpath_certificate_expiry_seconds Seconds until a served certificate ends.\n\
             # TYPE footpath_certificate_expiry_seconds gauge\n",
        );
        for domain in self.0.table.domains() {
            if let Some(served) = self.0.table.served(&domain) {
                let seconds = (served.not_after - now).num_seconds();
                // Domains are host names, which need no escapes.
                text.push_str(&format!(
                    "footpath_certificate_expiry_seconds{{domain=\"{domain}\"}} {seconds}\n"
                ));
            }
        }
        text
    }
}
