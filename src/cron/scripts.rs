//! `@schedule` in scripts: entries that follow the scripts instead of an API,
//! with the same clock and the same rows. They are always in UTC.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Cron;
use super::entry::{Entry, EntryRecord, MISFIRE_RUNS_MAX, Misfire, Overlap, Policy};
use super::error::CronError;
use super::manage::{deleted, put};
use crate::store::StoreError;

/// Whose entries these are; no user can be called that.
pub const SCRIPTS_USER: &str = "@scripts";

/// A script that wants to run on a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// Deployment and path, such as `1/certs/renew.ts`.
    pub script: String,
    pub expression: String,
    pub timeout_seconds: u32,
    pub enabled: bool,
}

/// What a reload changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    pub added: Vec<String>,
    pub kept: Vec<String>,
    pub removed: Vec<String>,
    /// Scripts and why their schedules cannot be read.
    pub failed: Vec<(String, String)>,
}

/// The name of a script's entry.
pub fn entry_id(script: &str) -> String {
    format!("script:{}", script.replace('/', ":"))
}

impl Cron {
    /// Makes the entries of scripts be what the scripts say now.
    pub async fn follow_scripts(
        self: &Arc<Self>,
        scripts: Vec<Scheduled>,
        dry_run: bool,
        now: DateTime<Utc>,
    ) -> Result<Reloaded, StoreError> {
        let _changing = self.changing(SCRIPTS_USER).lock().await;
        let known = self.table().of_user(SCRIPTS_USER);
        let mut known: BTreeMap<String, Arc<Entry>> = known
            .into_iter()
            .map(|entry| (entry.record.id.clone(), entry))
            .collect();
        let mut reloaded = Reloaded::default();
        let mut operations = Vec::new();
        let mut changed = Vec::new();
        for script in scripts {
            let old = known.remove(&entry_id(&script.script));
            match of_script(&script, old.as_deref(), now) {
                Ok(new) if old.as_ref().is_some_and(|old| **old == new) => {
                    reloaded.kept.push(script.script);
                }
                Ok(new) => {
                    let moved = old.as_ref().is_none_or(|old| old.schedule != new.schedule);
                    operations.extend(put(&new, moved.then_some(now))?);
                    changed.push((Arc::new(new), moved));
                    match old {
                        Some(_) => reloaded.kept.push(script.script),
                        None => reloaded.added.push(script.script),
                    }
                }
                Err(error) => {
                    // What it said before does not hold any more.
                    known.extend(old.map(|old| (old.record.id.clone(), old)));
                    reloaded.failed.push((script.script, error.to_string()));
                }
            }
        }
        let gone: Vec<Arc<Entry>> = known.into_values().collect();
        reloaded.removed = gone
            .iter()
            .filter_map(|entry| entry.record.script.clone())
            .collect();
        if dry_run {
            return Ok(reloaded);
        }
        let ids = || gone.iter().map(|entry| &entry.record.id);
        operations.extend(ids().flat_map(|id| deleted(SCRIPTS_USER, id)));
        if !operations.is_empty() {
            self.store.batch(operations).await?;
            let rows = ids().flat_map(|id| self.take_out(id)).collect();
            {
                let mut table = self.table();
                for (entry, moved) in changed {
                    let known = table.get(&entry.record.id).map(|slot| slot.accounted);
                    let accounted = known.filter(|_| !moved).unwrap_or(now);
                    table.put(entry, accounted);
                }
            }
            self.store.batch(rows).await?;
            self.changed.notify_one();
        }
        Ok(reloaded)
    }

    /// The entries of scripts with when they are due next.
    pub fn scheduled_scripts(&self) -> Vec<Arc<Entry>> {
        self.table().of_user(SCRIPTS_USER)
    }
}

fn of_script(
    script: &Scheduled,
    old: Option<&Entry>,
    now: DateTime<Utc>,
) -> Result<Entry, CronError> {
    let created_at = old.map_or(now, |old| old.record.created_at);
    let record = EntryRecord {
        id: entry_id(&script.script),
        user: SCRIPTS_USER.to_owned(),
        name: None,
        comment: None,
        schedule: script.expression.clone(),
        command: format!("@schedule {}", script.script),
        enabled: script.enabled,
        timezone: "UTC".to_owned(),
        policy: Policy {
            overlap: Overlap::Forbid,
            misfire: Misfire::Once,
            misfire_runs_max: MISFIRE_RUNS_MAX,
            deadline_seconds: None,
            retries: 0,
            retry_backoff_seconds: 1,
            timeout_seconds: script.timeout_seconds,
            jitter_seconds: 0,
        },
        expires_at: None,
        created_at,
        updated_at: created_at,
        revision: 1,
        raw_line: None,
        script: Some(script.script.clone()),
    };
    Entry::of(record, false)
}
