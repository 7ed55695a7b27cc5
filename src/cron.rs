//! Cron: entries, when they are due, and a row for every occurrence. Its own
//! routes it calls through [`call::Routes`], which `app` passes in; it must not
//! know HTTP surfaces.
//!
//! `table` holds all entries in memory over the store. `clock` sleeps until the
//! next one is due, `verdict` decides what happens to it, `history` claims its
//! row in the store before `runner` starts it and closes the row after.

pub mod calendar;
pub mod call;
pub mod clock;
pub mod command;
pub mod crontab;
pub mod entry;
pub mod error;
pub mod history;
pub mod manage;
pub mod manual;
pub mod metrics;
pub mod output;
pub mod run;
pub mod runner;
pub mod scripts;
pub mod shell;
pub mod start;
pub mod table;
pub mod verdict;
mod wall_clock;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::{Notify, Semaphore};

use crate::shutdown::Shutdown;
use crate::store::{Kind, Store, Stored};
use call::Caller;
use entry::Terms;
use history::{History, Kept};
use metrics::{Gauges, Metrics};
use shell::Shell;
use table::Table;
use wall_clock::Clocks;

const ENTRIES: &str = "cron/entry/";
const MARKS: &str = "cron/mark/";
const CRONTABS: &str = "cron/crontab/";

/// Entries that change one at a time share one of this many locks.
const CHANGE_LOCKS: usize = 64;

/// What the configuration says.
#[derive(Debug, Clone)]
pub struct Settings {
    pub terms: Terms,
    /// Runs under way at once.
    pub concurrent_runs_max: usize,
    /// Runs that wait at once, for a turn or for an earlier run of their entry.
    pub waiting_runs_max: usize,
    /// A run that waited longer for a turn is left out.
    pub capacity_wait: Duration,
    pub entries_max: usize,
    pub kept: Kept,
    /// Entries are swept and old rows deleted this often.
    pub prune_interval: Duration,
}

/// The scheduler.
pub struct Cron {
    store: Store,
    settings: Settings,
    history: History,
    table: Mutex<Table>,
    /// Told when there may be something to do earlier than was thought.
    changed: Notify,
    changing: Vec<tokio::sync::Mutex<()>>,
    /// Held by whoever claims what is due.
    ticking: tokio::sync::Mutex<Clocks>,
    turns: Arc<Semaphore>,
    /// Runs that wait.
    waiting: AtomicUsize,
    caller: Caller,
    shell: Shell,
    stop: Shutdown,
    pub metrics: Metrics,
}

/// Up to when occurrences are accounted for, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Mark(i64);

impl Stored for Mark {
    const KIND: Kind = Kind {
        number: 33,
        version: 1,
    };
}

impl Cron {
    pub fn new(store: Store, settings: Settings, caller: Caller, shell: Shell) -> Cron {
        Cron {
            history: History::new(store.clone(), settings.kept),
            store,
            table: Mutex::default(),
            changed: Notify::new(),
            changing: (0..CHANGE_LOCKS)
                .map(|_| tokio::sync::Mutex::new(()))
                .collect(),
            ticking: tokio::sync::Mutex::new(Clocks::now()),
            turns: Arc::new(Semaphore::new(settings.concurrent_runs_max)),
            waiting: AtomicUsize::new(0),
            settings,
            caller,
            shell,
            stop: Shutdown::new(),
            metrics: Metrics::default(),
        }
    }

    /// What `/metrics` shows.
    pub fn exposition(&self) -> String {
        let gauges = {
            let table = self.table();
            Gauges {
                entries: table.count(),
                running: table.slots().map(|slot| slot.running.len()).sum(),
                waiting: self.waiting.load(Ordering::Relaxed),
            }
        };
        self.metrics.exposition(gauges)
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change of the table is whole before anything may panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held while an entry is read, changed and written.
    fn changing(&self, id: &str) -> &tokio::sync::Mutex<()> {
        let sum = id.bytes().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        &self.changing[sum % CHANGE_LOCKS]
    }
}

fn entry_key(user: &str, id: &str) -> String {
    format!("{ENTRIES}{user}/{id}")
}

fn mark_key(id: &str) -> String {
    format!("{MARKS}{id}")
}

/// A span as the configuration gives it.
pub fn days(days: u64) -> TimeDelta {
    TimeDelta::try_days(i64::try_from(days).unwrap_or(i64::MAX)).unwrap_or(TimeDelta::MAX)
}
