//! What calls looked like: for each script and method the query keys, the
//! statuses, and the shape of JSON answers with one example each. Documents are
//! made from it. Values that may be secret or long never get in. It is kept in
//! memory, bounded, and saved now and then.

pub mod shape;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::script::ScriptPath;
use crate::store::{Kind, Store, StoreError, Stored, from_record};

/// Pairs of script and method.
pub const ROWS_MAX: usize = 10_000;
/// Query keys and statuses of one row.
const KEYS_MAX: usize = 32;
/// Answers of one status that are looked into; then its shape is known.
const SAMPLES_MAX: u32 = 8;
/// An answer that is looked into, in bytes.
pub const SAMPLE_BYTES_MAX: u64 = 16 << 10;

const PREFIX: &str = "exec/traffic/";

/// What was seen of one method of a script.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Seen {
    pub calls: u64,
    pub last_status: u16,
    pub last_at: DateTime<Utc>,
    pub query_keys: BTreeSet<String>,
    /// Bodies of requests that were answered well.
    pub request: SeenBody,
    pub statuses: BTreeMap<u16, SeenStatus>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeenStatus {
    pub calls: u64,
    #[serde(flatten)]
    pub answer: SeenBody,
}

/// What bodies look like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeenBody {
    pub samples: u32,
    pub content_type: Option<String>,
    /// JSON Schema of those that were looked into.
    pub schema: Option<Value>,
    /// The first of them, without secrets.
    pub example: Option<Value>,
}

impl Stored for Seen {
    const KIND: Kind = Kind {
        number: 64,
        version: 1,
    };
}

/// One answered call.
#[derive(Debug)]
pub struct Observed<'a> {
    /// False when the script was being made, and its maker answered.
    pub is_own: bool,
    pub query_keys: Vec<String>,
    pub request_type: Option<&'a str>,
    /// The request's body, when it was asked for (`wants_request`) and is JSON.
    pub request: Option<Value>,
    pub status: u16,
    pub content_type: Option<&'a str>,
    /// The body, when it was asked for (`wants_sample`) and is JSON.
    pub body: Option<Value>,
}

impl Observed<'_> {
    /// A call of which nothing is known but how it ended.
    pub fn of_status(status: u16) -> Self {
        Self {
            is_own: true,
            query_keys: Vec::new(),
            request_type: None,
            request: None,
            status,
            content_type: None,
            body: None,
        }
    }
}

#[derive(Debug, Default)]
struct Row {
    seen: Mutex<Seen>,
    changed: AtomicBool,
}

#[derive(Debug, Default)]
struct Rows {
    /// By script, then by method.
    by_script: HashMap<ScriptPath, BTreeMap<String, Arc<Row>>>,
    count: usize,
}

impl Rows {
    fn get(&self, path: &ScriptPath, method: &str) -> Option<&Arc<Row>> {
        self.by_script.get(path)?.get(method)
    }

    fn insert(&mut self, path: ScriptPath, method: &str, row: Row) -> Arc<Row> {
        let row = Arc::new(row);
        let methods = self.by_script.entry(path).or_default();
        let before = methods.insert(method.to_owned(), row.clone());
        self.count += usize::from(before.is_none());
        row
    }
}

pub struct Traffic {
    store: Store,
    rows: RwLock<Rows>,
    dropped: AtomicU64,
}

impl Traffic {
    pub fn open(store: Store) -> Result<Self, StoreError> {
        let page = store.range(PREFIX, None, ROWS_MAX)?;
        let mut rows = Rows::default();
        for entry in page.entries {
            let name = entry
                .key
                .strip_prefix(PREFIX)
                .and_then(|name| name.split_once('\0'));
            let Some((path, method)) = name else { continue };
            let Ok(path) = ScriptPath::parse(path) else {
                continue;
            };
            let seen: Seen = from_record(&entry.key, &entry.record?)?;
            let row = Row {
                seen: Mutex::new(seen),
                changed: AtomicBool::new(false),
            };
            rows.insert(path, method, row);
        }
        Ok(Self {
            store,
            rows: RwLock::new(rows),
            dropped: AtomicU64::new(0),
        })
    }

    /// Whether an answer of this status is worth looking into.
    pub fn wants_sample(&self, path: &ScriptPath, method: &str, status: u16) -> bool {
        let Some(row) = self.row(path, method) else {
            return true;
        };
        let seen = lock(&row.seen);
        let samples = seen
            .statuses
            .get(&status)
            .map_or(0, |one| one.answer.samples);
        samples < SAMPLES_MAX
    }

    /// Whether a request's body is worth looking into.
    pub fn wants_request(&self, path: &ScriptPath, method: &str) -> bool {
        let row = self.row(path, method);
        row.is_none_or(|row| lock(&row.seen).request.samples < SAMPLES_MAX)
    }

    pub fn observe(
        &self,
        path: &ScriptPath,
        method: &str,
        observed: Observed<'_>,
        now: DateTime<Utc>,
    ) {
        let Some(row) = self.row(path, method).or_else(|| self.add(path, method)) else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        lock(&row.seen).add(observed, now);
        row.changed.store(true, Ordering::Relaxed);
    }

    /// What was seen of a script, by method.
    pub fn of(&self, path: &ScriptPath) -> BTreeMap<String, Seen> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let own = rows.by_script.get(path).into_iter().flatten();
        own.map(|(method, row)| (method.clone(), lock(&row.seen).clone()))
            .collect()
    }

    /// Saves what has changed.
    pub async fn save(&self) -> Result<(), StoreError> {
        let changed: Vec<_> = {
            let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
            let all = rows.by_script.iter().flat_map(|(path, methods)| {
                (methods.iter()).map(move |(method, row)| (path, method, row))
            });
            all.filter(|(.., row)| row.changed.swap(false, Ordering::Relaxed))
                .map(|(path, method, row)| {
                    (format!("{PREFIX}{path}\0{method}"), lock(&row.seen).clone())
                })
                .collect()
        };
        for (key, seen) in changed {
            self.store.put_json(&key, &seen).await?;
        }
        Ok(())
    }

    fn row(&self, path: &ScriptPath, method: &str) -> Option<Arc<Row>> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.get(path, method).cloned()
    }

    fn add(&self, path: &ScriptPath, method: &str) -> Option<Arc<Row>> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = rows.get(path, method) {
            return Some(row.clone());
        }
        (rows.count < ROWS_MAX).then(|| rows.insert(path.clone(), method, Row::default()))
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    // Counters and whole values; a panic elsewhere leaves them sound.
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    fn add(&mut self, observed: Observed<'_>, now: DateTime<Utc>) {
        self.calls += u64::from(observed.is_own);
        self.last_status = observed.status;
        self.last_at = now;
        for key in observed.query_keys {
            if self.query_keys.len() < KEYS_MAX {
                self.query_keys.insert(key);
            }
        }
        // What was refused says nothing of what the route wants.
        if observed.status < 400 {
            self.request.add(observed.request_type, observed.request);
        }
        let known = self.statuses.contains_key(&observed.status);
        if !known && self.statuses.len() >= KEYS_MAX {
            return;
        }
        let status = self.statuses.entry(observed.status).or_default();
        status.calls += u64::from(observed.is_own);
        status.answer.add(observed.content_type, observed.body);
    }
}

impl SeenBody {
    fn add(&mut self, content_type: Option<&str>, body: Option<Value>) {
        if self.content_type.is_none() {
            self.content_type = content_type.map(str::to_owned);
        }
        let Some(body) = body.filter(|_| self.samples < SAMPLES_MAX) else {
            return;
        };
        self.samples += 1;
        let schema = shape::schema_of(&body);
        self.schema = Some(match self.schema.take() {
            Some(before) => shape::merged(before, schema),
            None => schema,
        });
        if self.example.is_none() {
            self.example = Some(shape::example_of(&body));
        }
    }
}
