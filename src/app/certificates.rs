//! Where certificates meet: the client that orders them (`acme`), the table that
//! serves them (`proxy`), the scripts that ask for them (`exec`). Plain adapters
//! between traits; nothing is decided here.

mod settings;

pub use settings::settings;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};

use chrono::{SecondsFormat, Utc};
use http::{Method, Request, header};
use http_body_util::{BodyExt, Limited};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use serde_json::json;

use crate::acme::on_demand::Wishes;
use crate::acme::seams::{
    CertificateTable, ChallengeAnswers, DnsAction, DnsHook, DnsRecord, Install, Served,
};
use crate::acme::{Acme, AcmeError, Ordered, Outcome, Parts};
use crate::api::dispatch::Dispatcher;
use crate::api::proxy::certs::CertificateEntry;
use crate::config;
use crate::exec::services::Certificates;
use crate::model::exec_id::ExecId;
use crate::model::script::ScriptPath;
use crate::proxy::bundle::{Bundles, NewBundle, Precondition};
use crate::proxy::challenges::{ChallengeCerts, HttpChallenges};
use crate::proxy::tls::UnknownNames;
use crate::sandbox::services::acme::{OrderError, OrderOutcome, OrderRequest, OrderedCertificate};
use crate::sandbox::services::{CallContext, Later, OWN_AUTHORITY};
use crate::store::Store;
use crate::store::files::write_atomic;
use crate::store::sealed::MasterKey;

/// How much of a DNS hook's refusal is repeated, in bytes.
const HOOK_ANSWER_BYTES_MAX: usize = 4 << 10;
/// Where a deployment finds its certificates, below its folder.
const FILES: &str = "files/certs";

/// The certificate client, with the parts that it meets through traits.
pub fn open(
    config: &config::Acme,
    store: Store,
    master: MasterKey,
    table: Table,
    answers: Answers,
    dispatcher: Arc<OnceLock<Weak<Dispatcher>>>,
) -> anyhow::Result<Acme> {
    let hook = |path| Arc::new(DnsScript { path, dispatcher }) as Arc<dyn DnsHook>;
    let parts = Parts {
        store,
        master,
        table: Arc::new(table),
        answers: Arc::new(answers),
        dns: config.dns.clone().map(hook),
    };
    Ok(Acme::new(parts, settings(config)?)?)
}

/// The proxy's certificates.
pub struct Table(pub Bundles);

impl CertificateTable for Table {
    fn served(&self, domain: &str) -> Option<Served> {
        let info = self.0.get(domain)?;
        Some(Served {
            first_handshake_at: self.0.first_handshake(&info.domain),
            names: info.names,
            serial: info.serial,
            fingerprint: info.fingerprint,
            not_before: info.not_before,
            not_after: info.not_after,
            issuer: info.issuer,
            generation: info.generation,
            origin: info.origin,
            installed_at: info.installed_at,
        })
    }

    fn chain_pem(&self, domain: &str) -> Option<String> {
        self.0.chain_pem(domain)
    }

    fn key_pem(&self, domain: &str) -> Result<Option<String>, String> {
        self.0.key_pem(domain).map_err(|error| error.to_string())
    }

    fn domains(&self) -> Vec<String> {
        let bundles = self.0.list().into_iter();
        bundles.map(|info| info.domain).collect()
    }

    fn install(&self, bundle: Install) -> Later<'_, Result<u64, String>> {
        let new = NewBundle {
            domain: bundle.domain,
            chain_pem: bundle.chain_pem,
            key_pem: Some(bundle.key_pem),
            origin: bundle.origin,
            force: false,
        };
        Box::pin(async move {
            let installed = self.0.install(new, Precondition::None).await;
            installed
                .map(|installed| installed.info.generation)
                .map_err(|error| error.to_string())
        })
    }
}

/// Handshakes with unknown names become wishes.
pub struct Unknown(pub Wishes);

impl UnknownNames for Unknown {
    fn seen(&self, name: &str) {
        self.0.leave(name);
    }
}

/// The tables that the listeners answer challenges from.
pub struct Answers {
    pub http: HttpChallenges,
    pub tls: ChallengeCerts,
}

impl ChallengeAnswers for Answers {
    fn put_http(&self, token: &str, key_authorisation: &str) {
        self.http.put(token, key_authorisation);
    }

    fn remove_http(&self, token: &str) {
        self.http.remove(token);
    }

    fn put_tls_alpn(&self, domain: &str, certificate: Vec<u8>, key: Vec<u8>) -> Result<(), String> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
        let key = any_supported_type(&key).map_err(|error| error.to_string())?;
        let certified = CertifiedKey::new(vec![CertificateDer::from(certificate)], key);
        self.tls.put(domain, Arc::new(certified));
        Ok(())
    }

    fn remove_tls_alpn(&self, domain: &str) {
        self.tls.remove(domain);
    }
}

/// `acme.dns`: a script of the default deployment that changes DNS records. It is
/// asked with POST and `{ action, domain, name, value }`; any 2xx means done.
pub struct DnsScript {
    pub path: String,
    /// Set once the dispatcher exists.
    pub dispatcher: Arc<OnceLock<Weak<Dispatcher>>>,
}

impl DnsHook for DnsScript {
    fn change(&self, action: DnsAction, record: DnsRecord) -> Later<'_, Result<(), String>> {
        let body = json!({
            "action": action.name(),
            "domain": record.domain,
            "name": record.name,
            "value": record.value,
        });
        Box::pin(async move {
            let dispatcher = self.dispatcher.get().and_then(Weak::upgrade);
            let dispatcher = dispatcher.ok_or("the server is starting or stopping")?;
            let request = Request::builder()
                .method(Method::POST)
                .uri(&self.path)
                .header(header::HOST, OWN_AUTHORITY)
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_string())
                .map_err(|error| error.to_string())?;
            let response = dispatcher.dispatch_own(ExecId::default(), request).await;
            let status = response.status();
            if status.is_success() {
                return Ok(());
            }
            let text = Limited::new(response.into_body(), HOOK_ANSWER_BYTES_MAX).collect();
            let text = text.await.map(|text| text.to_bytes()).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            Err(format!("{} answers {status}: {text}", self.path))
        })
    }
}

/// `acme.order` and `acme.status` of scripts.
pub struct ForScripts {
    pub acme: Acme,
    /// The scripts folder.
    pub scripts: PathBuf,
}

impl Certificates for ForScripts {
    fn order(
        &self,
        from: &CallContext,
        script: &ScriptPath,
        request: OrderRequest,
    ) -> Later<'_, Result<OrderedCertificate, OrderError>> {
        let request = crate::acme::Request {
            names: request.names,
            force: request.force,
            profile: request.profile,
            key_type: request.key_type,
            dry_run: from.dry_run.is_some(),
            requested_by: format!("script {script}"),
            execution_id: Some(from.execution_id.clone()),
            cron_run: from.cron_run.as_deref().cloned(),
            on_demand: false,
        };
        let (dry_run, exec_id) = (from.dry_run.clone(), script.exec_id().clone());
        Box::pin(async move {
            let ordered = self.acme.order(request).await.map_err(order_error)?;
            if let Some(dry_run) = dry_run {
                dry_run.note(&remark(&ordered));
            } else {
                let folder = self.scripts.join(exec_id.as_str()).join(FILES);
                write_files(folder, &ordered).await;
            }
            Ok(for_script(ordered))
        })
    }

    fn status(&self, domain: &str) -> Result<Option<String>, OrderError> {
        let view = self.acme.status(domain).map_err(order_error)?;
        // A view is plain data and always has a JSON form.
        Ok(view.map(|view| json!(CertificateEntry::of(view)).to_string()))
    }
}

fn order_error(error: AcmeError) -> OrderError {
    OrderError {
        code: error.code(),
        retry_after_seconds: error.retry_after_seconds(Utc::now()),
        message: error.to_string(),
    }
}

fn remark(ordered: &Ordered) -> String {
    let domain = &ordered.domain;
    let at = ordered.plan.at.to_rfc3339_opts(SecondsFormat::Secs, true);
    match ordered.outcome {
        Outcome::DryRun => format!("would order {domain} ({})", ordered.plan.why.name()),
        Outcome::NotDue | Outcome::Issued => format!("{domain} is not due until {at}"),
    }
}

fn for_script(ordered: Ordered) -> OrderedCertificate {
    OrderedCertificate {
        outcome: match ordered.outcome {
            Outcome::Issued => OrderOutcome::Issued,
            Outcome::NotDue => OrderOutcome::NotDue,
            Outcome::DryRun => OrderOutcome::DryRun,
        },
        domain: ordered.domain,
        names: ordered.names,
        cert: ordered.chain_pem,
        chain: ordered.issuers_pem,
        key: ordered.key_pem,
        serial: ordered.serial,
        fingerprint: ordered.fingerprint,
        not_before: ordered.not_before.timestamp(),
        not_after: ordered.not_after.timestamp(),
        issuer: ordered.issuer,
    }
}

/// The chain, for whoever wants a file. The key stays sealed in the store: this
/// folder is one that people commit. What cannot be written is logged; the
/// certificate is safe all the same.
async fn write_files(folder: PathBuf, ordered: &Ordered) {
    // A host name, and a wildcard's `*`, make a sound name of a folder.
    let folder = folder.join(ordered.domain.replace('*', "_"));
    let facts = json!({
        "domain": ordered.domain,
        "names": ordered.names,
        "serial": ordered.serial,
        "fingerprint": ordered.fingerprint,
        "notBefore": ordered.not_before.to_rfc3339_opts(SecondsFormat::Secs, true),
        "notAfter": ordered.not_after.to_rfc3339_opts(SecondsFormat::Secs, true),
        "issuer": ordered.issuer,
    });
    let files = [
        ("fullchain.pem", ordered.chain_pem.clone()),
        ("chain.pem", ordered.issuers_pem.clone()),
        ("certificate.json", format!("{facts:#}\n")),
    ];
    let written = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        for (name, text) in files {
            let path = folder.join(name);
            if std::fs::read_to_string(&path).ok().as_deref() != Some(&text) {
                write_atomic(&path, text.as_bytes())?;
            }
        }
        Ok::<_, std::io::Error>(())
    });
    match written.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(domain = ordered.domain, %error, "the certificate's files are not written");
        }
        Err(error) => tracing::warn!(%error, "the certificate's files are not written"),
    }
}
