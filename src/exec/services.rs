//! What a call of a script can reach: the deployment's durable values, its
//! `shared` object, its neighbours and the world outside. It must not decide
//! limits; the sandbox counts before it asks.

mod files;
mod isolate;
mod model;
mod trial;

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use chrono::Utc;
use http_body_util::BodyExt;

use super::Exec;
use super::log::line::ExecutionLine;
use super::log::message::keeps_level;
use super::log::writer::LogWriter;
use super::monitor::Monitor;
use super::notes::Notes;
use super::script::{Program, Script};
use super::shared::Shared;
use crate::egress::{Egress, EgressError, Timeouts, watched};
use crate::model::directives::{Ai, LogLevel as Detail};
use crate::model::exec_id::ExecId;
use crate::model::script::ScriptPath;
use crate::sandbox::limits::CallLimits;
use crate::sandbox::services::acme::{OrderError, OrderRequest, OrderedCertificate};
use crate::sandbox::services::ai::{ModelRequest, Models, Parts};
use crate::sandbox::services::files::{FileEntry, FileStat, WriteOptions};
use crate::sandbox::services::isolate::{Evaluation, IsolateError, Outcome};
use crate::sandbox::services::{
    CallContext, Charged, FileResult, KvError, KvPage, Later, LogLevel, OWN_AUTHORITY,
    OutboundError, OutboundResult, Services, WasiBody, WasiError,
};
use crate::store::kv::{self, CompareAndSet, Kv};

pub use isolate::IsolateCaps;

/// Calls a route of a deployment in process, as if it came in by HTTP.
pub trait Neighbours: Send + Sync + 'static {
    fn call(
        self: Arc<Self>,
        exec_id: ExecId,
        from: CallContext,
        caller: Caller,
        request: http::Request<WasiBody>,
    ) -> Later<'static, OutboundResult>;
}

/// The script that calls.
#[derive(Debug, Clone)]
pub struct Caller {
    pub script: ScriptPath,
    /// A person wrote it, so it may act on certificates in its own name.
    pub is_persons: bool,
}

/// Orders certificates for scripts.
pub trait Certificates: Send + Sync + 'static {
    fn order(
        &self,
        from: &CallContext,
        script: &ScriptPath,
        request: OrderRequest,
    ) -> Later<'_, Result<OrderedCertificate, OrderError>>;

    /// How a domain stands, as a JSON object.
    fn status(&self, domain: &str) -> Result<Option<String>, OrderError>;
}

/// What all scripts of a deployment share.
#[derive(Debug)]
pub struct DeploymentState {
    pub exec_id: ExecId,
    pub shared: Shared,
    pub kv: Kv,
}

/// What scripts of all deployments share.
pub struct Outside {
    pub egress: Egress,
    pub timeouts: Timeouts,
    /// Longest silence in the body of an answer from outside.
    pub between_bytes: Duration,
    pub log: LogWriter,
    pub monitor: Arc<Monitor>,
    /// Development mode: what handlers print is in the program's own log too.
    pub echo: bool,
    /// Asks models for scripts with `@ai true`.
    pub models: Arc<dyn Models>,
    /// What `isolate.eval` may use at most.
    pub isolate: IsolateCaps,
    /// A script that a model wrote waits for a person's approval.
    pub approval: bool,
    /// Set once the dispatcher exists; it owns what it calls.
    pub neighbours: OnceLock<Weak<dyn Neighbours>>,
    pub certificates: Arc<dyn Certificates>,
}

/// The services of one script, for one call.
#[derive(Clone)]
pub struct ScriptServices {
    pub exec: Arc<Exec>,
    pub notes: Notes,
    pub script: ScriptPath,
    /// What runs, for the places in what it prints. A program keeps its worker's
    /// instance, which keeps this.
    pub program: Option<Weak<Program>>,
    /// See [`Caller::is_persons`].
    pub is_persons: bool,
    /// Its `@ai*`.
    pub ai: Ai,
    /// Its `@log-level`.
    pub detail: Detail,
    pub environment: Vec<(String, String)>,
    pub deployment: Arc<DeploymentState>,
    pub outside: Arc<Outside>,
}

impl Outside {
    /// An error that a call ended with.
    pub fn log_failure(
        &self,
        script: &Script,
        call: &CallContext,
        message: &str,
        stack: Option<String>,
    ) {
        if keeps_level(script.directives.log.level, LogLevel::Error) {
            self.log
                .execution(line(call, &script.path, LogLevel::Error, message, stack));
        }
    }
}

fn line(
    call: &CallContext,
    script: &ScriptPath,
    level: LogLevel,
    message: &str,
    stack: Option<String>,
) -> ExecutionLine {
    ExecutionLine {
        ts: Utc::now(),
        execution_id: call.execution_id.clone(),
        script: script.clone(),
        token: call.token.clone(),
        level,
        message: message.to_owned(),
        stack,
        request: None,
        response: None,
    }
}

impl From<kv::KvError> for KvError {
    fn from(error: kv::KvError) -> Self {
        match error {
            kv::KvError::KeyLength { .. } | kv::KvError::ValueTooLarge { .. } => {
                Self::TooLarge(error.to_string())
            }
            kv::KvError::NotAnInteger { .. } | kv::KvError::Overflow { .. } => Self::NotANumber,
            kv::KvError::Store(error) => Self::Unavailable(error.to_string()),
        }
    }
}

impl Services for ScriptServices {
    fn log(&self, call: &CallContext, level: LogLevel, message: &str) {
        // An error that is printed says where in the source it was, not in what
        // that was compiled to.
        let program = self.program.as_ref().and_then(Weak::upgrade);
        let mapped = match &program {
            Some(program) if message.contains("\n    at ") => {
                let maps = self.exec.maps_of(&self.script, program);
                Some(maps.map_text(message))
            }
            _ => None,
        };
        let message = mapped.as_deref().unwrap_or(message);
        if self.outside.echo {
            let (script, execution_id) = (&self.script, &call.execution_id);
            tracing::info!(target: "footpath::script", %script, execution_id, ?level, "{message}");
        }
        if keeps_level(self.detail, level) {
            self.outside
                .log
                .execution(line(call, &self.script, level, message, None));
        }
    }

    fn environment(&self) -> Vec<(String, String)> {
        self.environment.clone()
    }

    fn kv_get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Vec<u8>>, KvError>> {
        Box::pin(async move { Ok(self.deployment.kv.get(key)?) })
    }

    fn kv_set<'a>(&'a self, key: &'a str, value: Vec<u8>) -> Later<'a, Result<(), KvError>> {
        Box::pin(async move { Ok(self.deployment.kv.set(key, value).await?) })
    }

    fn kv_delete<'a>(&'a self, key: &'a str) -> Later<'a, Result<bool, KvError>> {
        Box::pin(async move { Ok(self.deployment.kv.delete(key).await?) })
    }

    fn kv_list<'a>(
        &'a self,
        prefix: &'a str,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> Later<'a, Result<KvPage, KvError>> {
        Box::pin(async move {
            let page = self.deployment.kv.list(prefix, cursor, limit as usize)?;
            Ok(KvPage {
                keys: page.entries,
                cursor: page.next,
            })
        })
    }

    fn kv_increment<'a>(&'a self, key: &'a str, by: i64) -> Later<'a, Result<i64, KvError>> {
        Box::pin(async move { Ok(self.deployment.kv.increment(key, by).await?) })
    }

    fn kv_compare_and_set<'a>(
        &'a self,
        key: &'a str,
        expected: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> Later<'a, Result<bool, KvError>> {
        Box::pin(async move {
            let swap = self
                .deployment
                .kv
                .compare_and_set(key, expected, new)
                .await?;
            Ok(matches!(swap, CompareAndSet::Done))
        })
    }

    fn shared_load(&self) -> Vec<(String, String)> {
        self.deployment.shared.load()
    }

    fn shared_store(&self, changes: Vec<(String, Option<String>)>) -> Result<(), u64> {
        self.deployment.shared.store(changes)
    }

    fn send(
        &self,
        call: &CallContext,
        request: http::Request<WasiBody>,
    ) -> Later<'static, OutboundResult> {
        if request
            .uri()
            .authority()
            .is_some_and(|authority| authority.as_str() == OWN_AUTHORITY)
        {
            let neighbours = self.outside.neighbours.get().and_then(Weak::upgrade);
            let Some(neighbours) = neighbours else {
                let message = "the server is stopping".to_owned();
                return Box::pin(async {
                    Err(OutboundError {
                        code: "STOPPING",
                        message,
                    })
                });
            };
            let caller = Caller {
                script: self.script.clone(),
                is_persons: self.is_persons,
            };
            let exec_id = self.deployment.exec_id.clone();
            return neighbours.call(exec_id, call.clone(), caller, request);
        }
        let Outside {
            timeouts,
            between_bytes,
            ..
        } = *self.outside;
        let egress = self.outside.egress.clone();
        Box::pin(async move {
            let sent = egress.send(request, timeouts).await;
            let response = sent.map_err(|error| OutboundError {
                code: code(&error),
                message: error.to_string(),
            })?;
            Ok(response.map(|body| {
                let failed = |error: EgressError| WasiError::InternalError(Some(error.to_string()));
                watched(body, between_bytes).map_err(failed).boxed_unsync()
            }))
        })
    }

    fn acme_order<'a>(
        &'a self,
        call: &'a CallContext,
        request: OrderRequest,
    ) -> Later<'a, Result<OrderedCertificate, OrderError>> {
        Box::pin(async move {
            let names = request.names.join(" ");
            let certificates = &self.outside.certificates;
            let ordered = certificates.order(call, &self.script, request).await;
            // The run's own log says which certificate it was about.
            let (level, message) = match &ordered {
                Ok(made) => (
                    LogLevel::Info,
                    format!(
                        "acme.order {names}: {} serial {} fingerprint {}",
                        made.outcome.name(),
                        made.serial,
                        made.fingerprint
                    ),
                ),
                Err(error) => (LogLevel::Warn, format!("acme.order {names}: {error}")),
            };
            self.log(call, level, &message);
            ordered
        })
    }

    fn acme_status<'a>(&'a self, domain: &'a str) -> Later<'a, Result<Option<String>, OrderError>> {
        Box::pin(async move { self.outside.certificates.status(domain) })
    }

    fn ask_model(&self, call: &CallContext, request: ModelRequest) -> Parts {
        self.ask(call, request)
    }

    fn isolate<'a>(
        &'a self,
        call: &'a CallContext,
        evaluation: Evaluation,
        limits: CallLimits,
    ) -> Later<'a, Charged<Result<Outcome, IsolateError>>> {
        Box::pin(self.evaluate(call, evaluation, limits))
    }

    fn file_exists<'a>(&'a self, path: &'a str) -> Later<'a, FileResult<bool>> {
        let path = path.to_owned();
        Box::pin(files::off_the_threads(self, move |own| own.exists(&path)))
    }

    fn file_read<'a>(&'a self, path: &'a str) -> Later<'a, FileResult<String>> {
        let path = path.to_owned();
        Box::pin(files::off_the_threads(self, move |own| own.read(&path)))
    }

    fn file_write<'a>(
        &'a self,
        call: &'a CallContext,
        path: String,
        text: String,
        options: WriteOptions,
        limits: CallLimits,
    ) -> Later<'a, Charged<FileResult<Option<String>>>> {
        Box::pin(self.write(call, path, text, options, limits))
    }

    fn file_list<'a>(&'a self, path: &'a str) -> Later<'a, FileResult<Vec<FileEntry>>> {
        let path = path.to_owned();
        Box::pin(files::off_the_threads(self, move |own| own.list(&path)))
    }

    fn file_stat<'a>(&'a self, path: &'a str) -> Later<'a, FileResult<FileStat>> {
        let path = path.to_owned();
        Box::pin(files::off_the_threads(self, move |own| own.stat(&path)))
    }

    fn file_delete<'a>(&'a self, path: &'a str) -> Later<'a, FileResult<()>> {
        Box::pin(self.delete(path))
    }

    fn file_mkdir<'a>(&'a self, path: &'a str) -> Later<'a, FileResult<()>> {
        let path = path.to_owned();
        Box::pin(files::off_the_threads(self, move |own| own.mkdir(&path)))
    }
}

/// The code that `fetch` shows with its error.
fn code(error: &EgressError) -> &'static str {
    match error {
        EgressError::Refused { .. } => "REFUSED",
        EgressError::Dns { .. } => "DNS",
        EgressError::Connect { .. } => "CONNECT",
        EgressError::Tls { .. } => "TLS",
        EgressError::Timeout { .. } => "TIMEOUT",
        EgressError::BadRequest { .. } => "BAD_REQUEST",
        EgressError::Protocol { .. } => "PROTOCOL",
    }
}
