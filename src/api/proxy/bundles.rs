//! `cert/bundle`: certificates. A 200 is the receipt: the next handshake shows it.

use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::auth::{Envelope, wrapped};
use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::api::exec::view::iso;
use crate::api::extract::{Place, required};
use crate::api::reply::Answer;
use crate::proxy::bundle::{BundleError, BundleInfo, Bundles, Installed, NewBundle, Precondition};
use crate::store::StoreError;

/// A certificate without its key.
#[derive(Debug, Serialize, ToSchema)]
pub struct BundleView {
    pub domain: String,
    /// What the certificate covers.
    pub names: Vec<String>,
    /// Hexadecimal, as `openssl x509 -serial` shows it.
    pub serial: String,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
    pub issuer: String,
    pub not_before: String,
    pub not_after: String,
    /// Counts the changes of this domain; `If-Match` takes it.
    pub generation: u64,
    pub previous_fingerprint: Option<String>,
    pub installed_at: String,
    pub installed_by: String,
    /// When a handshake first showed it; null since the last start.
    pub first_handshake_at: Option<String>,
    /// PEM, the server's own certificate first; only when one bundle is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
}

impl BundleView {
    fn of(bundles: &Bundles, info: BundleInfo) -> Self {
        let first_handshake = bundles.first_handshake(&info.domain);
        Self {
            first_handshake_at: first_handshake.map(iso),
            domain: info.domain,
            names: info.names,
            serial: info.serial,
            fingerprint: info.fingerprint,
            issuer: info.issuer,
            not_before: iso(info.not_before),
            not_after: iso(info.not_after),
            generation: info.generation,
            previous_fingerprint: info.previous_fingerprint,
            installed_at: iso(info.installed_at),
            installed_by: info.origin,
            chain: None,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BundleList {
    /// By domain.
    pub bundles: Vec<BundleView>,
    pub count: usize,
}

/// The receipt of a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct Receipt {
    #[serde(flatten)]
    pub bundle: BundleView,
    /// False when this certificate was served already, and in a dry run.
    pub changed: bool,
    /// From then on every new handshake shows it.
    pub reloaded_at: String,
    pub dry_run: bool,
}

/// `{ d, cert }`, where `cert` is what `acme.order` gave, or `{ cert, key }`, or
/// `{ domain, cert, key }`; all in PEM.
#[derive(Deserialize, ToSchema)]
pub struct InstallRequest {
    /// The host name.
    pub d: Option<String>,
    /// The same as `d`.
    pub domain: Option<String>,
    /// `{ cert, key, chain? }`, or the chain as PEM.
    #[schema(value_type = Value)]
    pub cert: Value,
    /// The private key as PEM, when `cert` is a text.
    pub key: Option<String>,
    /// The issuers' certificates as PEM, when they do not follow in `cert`.
    pub chain: Option<String>,
    /// Install it although its dates say no.
    pub force: Option<bool>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct InstallQuery {
    /// Install it although its dates say no.
    #[serde(default)]
    pub force: bool,
}

pub async fn install(
    call: Call<InstallQuery, InstallRequest>,
) -> Result<Answer<Envelope<Receipt>>, ApiError> {
    let precondition = precondition(&call.headers)?;
    let origin = origin(&call);
    let Call {
        api,
        query,
        body,
        scope,
        ..
    } = call;
    let new = body.into_bundle(origin, query.force)?;
    let installed = match scope.dry_run {
        true => api.bundles.rehearse(&new, precondition)?,
        false => api.bundles.install(new, precondition).await?,
    };
    Ok(receipt(&api.bundles, installed, scope.dry_run))
}

impl InstallRequest {
    /// The texts, wherever they stand.
    pub fn into_bundle(self, origin: String, force: bool) -> Result<NewBundle, ApiError> {
        let domain = self.domain.or(self.d).filter(|domain| !domain.is_empty());
        let inner = |name: &str| {
            let found = self.cert.get(name).and_then(Value::as_str);
            found.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let (cert, key, chain, named) = match &self.cert {
            Value::String(cert) => (Some(cert.clone()), None, None, None),
            Value::Object(_) => (inner("cert"), inner("key"), inner("chain"), inner("domain")),
            _ => {
                let error = "cert must be PEM text, or an object with the fields cert and key";
                return Err(ApiError::bad_request(error));
            }
        };
        let issuers = chain.or(self.chain).unwrap_or_default();
        // Some clients send the whole chain in both.
        let cert = cert.or_else(|| Some(issuers.clone()).filter(|text| !text.is_empty()));
        let cert = cert.ok_or_else(|| required("cert.cert", Place::Body))?;
        Ok(NewBundle {
            domain: domain.or(named).ok_or_else(|| required("d", Place::Body))?,
            chain_pem: format!("{cert}\n{issuers}"),
            key_pem: key.or(self.key),
            origin,
            force: force || self.force == Some(true),
        })
    }
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ListQuery {
    /// Read this one, with its chain.
    pub domain: Option<String>,
}

pub async fn list(call: Call<ListQuery>) -> Result<Answer<Envelope<Value>>, ApiError> {
    if let Some(domain) = &call.query.domain {
        let view = json!(read(&call.api.bundles, domain)?);
        return Ok(wrapped(StatusCode::OK, "Certificate", view));
    }
    let bundles = &call.api.bundles;
    let views = bundles.list().into_iter();
    let views: Vec<BundleView> = views.map(|info| BundleView::of(bundles, info)).collect();
    let list = BundleList {
        count: views.len(),
        bundles: views,
    };
    Ok(wrapped(StatusCode::OK, "Certificates", json!(list)))
}

pub async fn get(call: Call<Nothing>) -> Result<Answer<Envelope<BundleView>>, ApiError> {
    let view = read(&call.api.bundles, call.parameter("domain"))?;
    let etag = etag(view.generation);
    Ok(wrapped(StatusCode::OK, "Certificate", view).with_etag(etag))
}

fn read(bundles: &Bundles, domain: &str) -> Result<BundleView, ApiError> {
    let info = bundles.get(domain).ok_or_else(|| BundleError::NotFound {
        domain: domain.to_owned(),
    })?;
    let chain = bundles.chain_pem(&info.domain);
    Ok(BundleView {
        chain,
        ..BundleView::of(bundles, info)
    })
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct DomainQuery {
    pub domain: String,
}

pub async fn remove(call: Call<DomainQuery>) -> Result<Answer<Envelope<BundleView>>, ApiError> {
    removed(&call, &call.query.domain).await
}

pub async fn remove_one(call: Call<Nothing>) -> Result<Answer<Envelope<BundleView>>, ApiError> {
    removed(&call, call.parameter("domain")).await
}

async fn removed<Q>(
    call: &Call<Q>,
    domain: &str,
) -> Result<Answer<Envelope<BundleView>>, ApiError> {
    let precondition = precondition(&call.headers)?;
    let bundles = &call.api.bundles;
    let dry_run = call.scope.dry_run;
    let info = bundles.remove(domain, precondition, dry_run).await?;
    let view = BundleView::of(bundles, info);
    Ok(wrapped(StatusCode::OK, "Certificate deleted", view))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct RollbackRequest {
    pub d: Option<String>,
    /// The same as `d`.
    pub domain: Option<String>,
}

pub async fn roll_back(
    call: Call<Nothing, RollbackRequest>,
) -> Result<Answer<Envelope<Receipt>>, ApiError> {
    let domain = call.body.domain.clone().or(call.body.d.clone());
    let domain = domain.ok_or_else(|| required("d", Place::Body))?;
    rolled_back(&call, &domain).await
}

pub async fn roll_back_one(call: Call<Nothing>) -> Result<Answer<Envelope<Receipt>>, ApiError> {
    rolled_back(&call, call.parameter("domain")).await
}

async fn rolled_back<B>(
    call: &Call<Nothing, B>,
    domain: &str,
) -> Result<Answer<Envelope<Receipt>>, ApiError> {
    let precondition = precondition(&call.headers)?;
    let bundles = &call.api.bundles;
    let dry_run = call.scope.dry_run;
    let origin = origin(call);
    let installed = bundles
        .roll_back(domain, &origin, precondition, dry_run)
        .await?;
    Ok(receipt(bundles, installed, dry_run))
}

fn receipt(bundles: &Bundles, installed: Installed, dry_run: bool) -> Answer<Envelope<Receipt>> {
    let message = match (dry_run, installed.changed) {
        (true, _) => "The certificate is fit to be served; nothing was changed",
        (false, true) => "The certificate is served from now on",
        (false, false) => "The certificate was served already",
    };
    let etag = etag(installed.info.generation);
    let receipt = Receipt {
        changed: installed.changed,
        reloaded_at: iso(installed.reloaded_at),
        dry_run,
        bundle: BundleView::of(bundles, installed.info),
    };
    wrapped(StatusCode::OK, message, receipt).with_etag(etag)
}

fn etag(generation: u64) -> Option<String> {
    Some(format!("\"{generation}\""))
}

fn origin<Q, B>(call: &Call<Q, B>) -> String {
    let token = call.token.as_ref();
    token.map_or_else(String::new, |token| format!("token {}", token.alias))
}

/// `If-Match: "3"`, and 3 without quotes too; `*` for any; `If-None-Match: *` for none.
fn precondition(headers: &HeaderMap) -> Result<Precondition, ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(text) = text(header::IF_NONE_MATCH) {
        return match text.trim() {
            "*" => Ok(Precondition::Absent),
            _ => Err(ApiError::bad_request("If-None-Match can only be `*` here")),
        };
    }
    let Some(text) = text(header::IF_MATCH).map(str::trim) else {
        return Ok(Precondition::None);
    };
    if text == "*" {
        return Ok(Precondition::Exists);
    }
    let generation = text.trim_matches('"').parse();
    let expected = "If-Match must be a generation in double quotes, such as \"3\", or `*`";
    Ok(Precondition::Generation(
        generation.map_err(|_| ApiError::bad_request(expected))?,
    ))
}

impl From<BundleError> for ApiError {
    fn from(error: BundleError) -> Self {
        let (status, code) = match &error {
            BundleError::Name(_) => (StatusCode::BAD_REQUEST, "BAD_DOMAIN"),
            BundleError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE"),
            BundleError::BadChain { .. } | BundleError::BadCertificate { .. } => {
                (StatusCode::BAD_REQUEST, "BAD_CHAIN")
            }
            BundleError::BadOrder { .. }
            | BundleError::BadSignature
            | BundleError::AuthorityFirst
            | BundleError::TooManyCertificates { .. } => (StatusCode::BAD_REQUEST, "BAD_CHAIN"),
            BundleError::BadKey { .. } | BundleError::NoKey => (StatusCode::BAD_REQUEST, "BAD_KEY"),
            BundleError::EncryptedKey => (StatusCode::BAD_REQUEST, "KEY_ENCRYPTED"),
            BundleError::UnsupportedKey { .. } => (StatusCode::BAD_REQUEST, "KEY_UNSUPPORTED"),
            BundleError::KeyMismatch => (StatusCode::BAD_REQUEST, "KEY_MISMATCH"),
            BundleError::NotForServers => (StatusCode::BAD_REQUEST, "NOT_FOR_SERVERS"),
            BundleError::NotCovered { .. } => (StatusCode::BAD_REQUEST, "NAME_NOT_COVERED"),
            BundleError::Expired { .. } => (StatusCode::BAD_REQUEST, "CERTIFICATE_EXPIRED"),
            BundleError::NotYetValid { .. } => {
                (StatusCode::BAD_REQUEST, "CERTIFICATE_NOT_YET_VALID")
            }
            BundleError::NotFound { .. } => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            BundleError::NoPrevious { .. } => (StatusCode::CONFLICT, "NO_PREVIOUS"),
            BundleError::Changed { .. } => (StatusCode::PRECONDITION_FAILED, "GENERATION_CHANGED"),
            BundleError::TooMany { .. } => (StatusCode::CONFLICT, "TOO_MANY"),
            BundleError::Sealed(_) | BundleError::Tls { .. } => {
                (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL")
            }
            BundleError::Store(error) => return StoreError::clone(error).into(),
        };
        // The control plane's envelope has no code; it goes with the details.
        Self::new(status, error.to_string()).details(json!({ "code": code }))
    }
}
