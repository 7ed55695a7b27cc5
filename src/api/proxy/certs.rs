//! `certs`: how every certificate stands: names, dates, what is served, when it is
//! renewed and why then, what went wrong, and the trace from request to handshake.

use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::acme::{AcmeError, CertificateView};
use crate::api::auth::{Envelope, wrapped};
use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::api::exec::view::iso;
use crate::api::reply::Answer;

/// One domain.
#[derive(Debug, Serialize, ToSchema)]
pub struct CertificateEntry {
    pub domain: String,
    pub names: Vec<String>,
    /// `valid`, `due`, `expired`, `not_served` or `missing`.
    pub status: String,
    pub serial: Option<String>,
    /// SHA-256, hexadecimal.
    pub fingerprint: Option<String>,
    pub issuer: Option<String>,
    pub not_before: Option<String>,
    pub not_after: Option<String>,
    /// Negative when it has ended.
    pub seconds_to_expiry: Option<i64>,
    /// The server renews it without being asked.
    pub managed: bool,
    pub next_renewal_at: Option<String>,
    /// `missing`, `renewal_info`, `lifetime` or `forced`.
    pub renewal_reason: Option<String>,
    /// Where the authority explains its suggestion.
    pub explanation_url: Option<String>,
    pub trace: Trace,
    pub last_attempt_at: Option<String>,
    pub last_error: Option<String>,
    /// In a row.
    pub failures: u32,
}

/// From the run of cron and the request to the handshake.
#[derive(Debug, Serialize, ToSchema)]
pub struct Trace {
    /// The entry of cron whose run led to the request; null when none did.
    pub cron_entry_id: Option<String>,
    /// That run, as in `GET /users/{user}/entries/{id}/runs`.
    pub cron_run_id: Option<String>,
    pub requested_by: Option<String>,
    /// The request that asked: `executionId` of its lines in the logs.
    pub execution_id: Option<String>,
    pub order_url: Option<String>,
    pub directory: Option<String>,
    pub issued_at: Option<String>,
    pub generation: Option<u64>,
    pub installed_by: Option<String>,
    pub installed_at: Option<String>,
    /// Null since the last start until a handshake shows it.
    pub first_handshake_at: Option<String>,
}

impl CertificateEntry {
    pub fn of(view: CertificateView) -> Self {
        let at = |time: Option<DateTime<Utc>>| time.map(iso);
        let (order, served) = (view.order.as_ref(), view.served.as_ref());
        let cron_run = order.and_then(|order| order.cron_run.as_ref());
        Self {
            trace: Trace {
                cron_entry_id: cron_run.map(|run| run.entry_id.clone()),
                cron_run_id: cron_run.map(|run| run.run_id.clone()),
                requested_by: order.map(|order| order.requested_by.clone()),
                execution_id: order.and_then(|order| order.execution_id.clone()),
                order_url: order.map(|order| order.url.clone()),
                directory: order.map(|order| order.directory.clone()),
                issued_at: at(view.issued_at),
                generation: served.map(|served| served.generation),
                installed_by: served.map(|served| served.origin.clone()),
                installed_at: at(served.map(|served| served.installed_at)),
                first_handshake_at: at(served.and_then(|served| served.first_handshake_at)),
            },
            domain: view.domain,
            names: view.names,
            status: view.state.name().to_owned(),
            serial: view.serial,
            fingerprint: view.fingerprint,
            issuer: view.issuer,
            not_before: at(view.not_before),
            not_after: at(view.not_after),
            seconds_to_expiry: view.not_after.map(|end| (end - Utc::now()).num_seconds()),
            managed: view.managed,
            next_renewal_at: at(view.next_renewal_at),
            renewal_reason: view.renewal_reason.map(|why| why.name().to_owned()),
            explanation_url: view.explanation_url,
            last_attempt_at: at(view.ledger.last_attempt_at),
            last_error: view.ledger.last_error,
            failures: view.ledger.failures,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CertificateEntries {
    /// By domain.
    pub certificates: Vec<CertificateEntry>,
    pub count: usize,
}

pub async fn list(call: Call<Nothing>) -> Result<Answer<Envelope<CertificateEntries>>, ApiError> {
    let views = call.api.acme.list()?.into_iter();
    let certificates: Vec<CertificateEntry> = views.map(CertificateEntry::of).collect();
    let entries = CertificateEntries {
        count: certificates.len(),
        certificates,
    };
    Ok(wrapped(StatusCode::OK, "Certificates", entries))
}

pub async fn get(call: Call<Nothing>) -> Result<Answer<Envelope<CertificateEntry>>, ApiError> {
    let domain = call.parameter("domain");
    let view = call.api.acme.status(domain)?;
    let view =
        view.ok_or_else(|| ApiError::not_found(format!("nothing is known of {domain:?}")))?;
    let entry = CertificateEntry::of(view);
    Ok(wrapped(StatusCode::OK, "Certificate", entry))
}

/// Nothing.
#[derive(Debug, Serialize, ToSchema)]
pub struct Forgotten {
    /// False when the server did not look after it.
    pub forgotten: bool,
}

pub async fn forget(call: Call<Nothing>) -> Result<Answer<Envelope<Forgotten>>, ApiError> {
    let domain = call.parameter("domain");
    let known = call
        .api
        .acme
        .status(domain)?
        .is_some_and(|view| view.order.is_some());
    let forgotten = match call.scope.dry_run {
        true => known,
        false => call.api.acme.forget(domain).await?,
    };
    let message = "The server does not renew this certificate by itself; what is served stays";
    Ok(wrapped(StatusCode::OK, message, Forgotten { forgotten }))
}

impl From<AcmeError> for ApiError {
    fn from(error: AcmeError) -> Self {
        let status = match &error {
            AcmeError::BadName { .. } | AcmeError::BadKeyType | AcmeError::BadProfile { .. } => {
                StatusCode::BAD_REQUEST
            }
            AcmeError::Refused { .. } => StatusCode::TOO_MANY_REQUESTS,
            AcmeError::NotConfigured | AcmeError::Busy { .. } | AcmeError::Stopping => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            AcmeError::Api { .. }
            | AcmeError::NoAccount
            | AcmeError::Validation { .. }
            | AcmeError::NoChallenge { .. }
            | AcmeError::Dns { .. }
            | AcmeError::Connection { .. }
            | AcmeError::Certificate(_) => StatusCode::BAD_GATEWAY,
            AcmeError::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            AcmeError::Install { .. } | AcmeError::Sealed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            AcmeError::Store(error) => return error.clone().into(),
        };
        let retry_after_seconds = error.retry_after_seconds(Utc::now());
        Self {
            retry_after_seconds,
            ..Self::new(status, error.to_string()).code(error.code())
        }
    }
}
