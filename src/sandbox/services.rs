//! What a call can reach besides its own memory: one object per deployment,
//! handed in by whoever makes the call. The sandbox checks capabilities; a
//! service that is asked was granted.

pub mod acme;
pub mod ai;
pub mod dry_run;
pub mod files;
pub mod isolate;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};

use serde::Serialize;
pub use wasmtime_wasi_http::{Error as WasiError, WasiBody};

use super::limits::CallLimits;
use crate::model::cron_run::CronRun;
use ai::{ModelError, ModelRequest, Parts};
use files::{FileEntry, FileError, FileStat, WriteOptions};
use isolate::{Evaluation, IsolateError, Outcome};

use acme::{OrderError, OrderRequest, OrderedCertificate};
use dry_run::DryRun;

pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What came of something that ran on a script's behalf, and the fuel it cost that
/// script.
#[derive(Debug)]
pub struct Charged<T> {
    pub result: T,
    pub fuel: u64,
}

impl<T> Charged<T> {
    /// Nothing ran.
    pub fn free(result: T) -> Self {
        Self { result, fuel: 0 }
    }
}

/// What is known about a call besides its request.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// UUID of the call.
    pub execution_id: String,
    pub client_ip: Option<IpAddr>,
    pub parameters: Vec<(String, Parameter)>,
    /// The URL's path as routed.
    pub path: String,
    /// How many calls of our own routes led here.
    pub depth: u32,
    /// Set when no certificate shall change.
    pub dry_run: Option<DryRun>,
    /// What this call and those that led to it are making: see `author::flights`.
    pub making: Making,
    /// The name of the management token that the caller showed.
    pub token: Option<Arc<str>>,
    /// The run of cron that led here, perhaps through other calls.
    pub cron_run: Option<Arc<CronRun>>,
    /// Shared with what runs in isolates on its behalf.
    pub spent: Arc<Spent>,
}

/// What a call has used of what is limited for all of it.
#[derive(Debug, Default)]
pub struct Spent {
    pub outbound_calls: AtomicU32,
    pub log_bytes: AtomicUsize,
    /// The log is full, and says so.
    pub log_is_full: AtomicBool,
}

/// Routes that a chain of calls is making, the outermost first.
pub type Making = Arc<[String]>;

/// The value of a route parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Parameter {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// See `footpath:host/kv` in `wit/host.wit`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    #[error("{0}")]
    TooLarge(String),
    #[error("the stored value is not a number")]
    NotANumber,
    #[error("{0}")]
    Unavailable(String),
}

/// A page of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvPage {
    pub keys: Vec<String>,
    pub cursor: Option<String>,
}

/// An outgoing request that got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct OutboundError {
    /// `REFUSED`, `DNS`, `CONNECT`, `TLS`, `TIMEOUT`, `PROTOCOL`, `LIMIT_…`.
    pub code: &'static str,
    pub message: String,
}

pub type OutboundResult = Result<http::Response<WasiBody>, OutboundError>;

pub trait Services: Send + Sync + 'static {
    /// A line of the handler's log; cut to the call's limit already.
    fn log(&self, call: &CallContext, level: LogLevel, message: &str);

    /// `process.env`.
    fn environment(&self) -> Vec<(String, String)>;

    fn kv_get<'a>(&'a self, key: &'a str) -> Later<'a, Result<Option<Vec<u8>>, KvError>>;
    fn kv_set<'a>(&'a self, key: &'a str, value: Vec<u8>) -> Later<'a, Result<(), KvError>>;
    fn kv_delete<'a>(&'a self, key: &'a str) -> Later<'a, Result<bool, KvError>>;
    fn kv_list<'a>(
        &'a self,
        prefix: &'a str,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> Later<'a, Result<KvPage, KvError>>;
    fn kv_increment<'a>(&'a self, key: &'a str, by: i64) -> Later<'a, Result<i64, KvError>>;
    fn kv_compare_and_set<'a>(
        &'a self,
        key: &'a str,
        expected: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> Later<'a, Result<bool, KvError>>;

    /// Every key of `shared` with its JSON text.
    fn shared_load(&self) -> Vec<(String, String)>;
    /// Sets or deletes keys, all or nothing; the error is the size it would have, in bytes.
    fn shared_store(&self, changes: Vec<(String, Option<String>)>) -> Result<(), u64>;

    /// A route of the same deployment (`OWN_AUTHORITY`) or the world outside.
    fn send(
        &self,
        call: &CallContext,
        request: http::Request<WasiBody>,
    ) -> Later<'static, OutboundResult>;

    /// Hands out a certificate, ordering it if it is due.
    fn acme_order<'a>(
        &'a self,
        call: &'a CallContext,
        request: OrderRequest,
    ) -> Later<'a, Result<OrderedCertificate, OrderError>>;
    /// How a domain stands, as a JSON object.
    fn acme_status<'a>(&'a self, domain: &'a str) -> Later<'a, Result<Option<String>, OrderError>>;
    /// Asks a language model. This and what follows is not there unless a service
    /// says so.
    fn ask_model(&self, _: &CallContext, _: ModelRequest) -> Parts {
        ai::failed(ModelError::new("AI_REFUSED", ABSENT))
    }

    /// Runs code in an instance of its own, within these limits and its own.
    fn isolate<'a>(
        &'a self,
        _: &'a CallContext,
        _: Evaluation,
        _: CallLimits,
    ) -> Later<'a, Charged<Result<Outcome, IsolateError>>> {
        Box::pin(std::future::ready(Charged::free(Err(
            IsolateError::refused(ABSENT),
        ))))
    }

    fn file_exists<'a>(&'a self, _: &'a str) -> Later<'a, FileResult<bool>> {
        absent()
    }

    fn file_read<'a>(&'a self, _: &'a str) -> Later<'a, FileResult<String>> {
        absent()
    }

    /// Gives the id of a draft where a person must approve it. What a model wrote is
    /// run before it is saved, within these limits and its own.
    fn file_write<'a>(
        &'a self,
        _: &'a CallContext,
        _: String,
        _: String,
        _: WriteOptions,
        _: CallLimits,
    ) -> Later<'a, Charged<FileResult<Option<String>>>> {
        Box::pin(std::future::ready(Charged::free(Err(no_file()))))
    }

    fn file_list<'a>(&'a self, _: &'a str) -> Later<'a, FileResult<Vec<FileEntry>>> {
        absent()
    }

    fn file_stat<'a>(&'a self, _: &'a str) -> Later<'a, FileResult<FileStat>> {
        absent()
    }

    fn file_delete<'a>(&'a self, _: &'a str) -> Later<'a, FileResult<()>> {
        absent()
    }

    fn file_mkdir<'a>(&'a self, _: &'a str) -> Later<'a, FileResult<()>> {
        absent()
    }
}

const ABSENT: &str = "there is no such service here";

fn no_file() -> FileError {
    FileError {
        code: "REFUSED",
        message: ABSENT.to_owned(),
        position: None,
    }
}

fn absent<'a, T: Send + 'a>() -> Later<'a, FileResult<T>> {
    Box::pin(std::future::ready(Err(no_file())))
}

/// The answer to a file operation.
pub type FileResult<T> = Result<T, FileError>;

/// The host name under which a relative `fetch` leaves the engine.
pub const OWN_AUTHORITY: &str = "self.footpath.internal";
