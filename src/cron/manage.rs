//! Creating, reading, changing and deleting entries: saved first, then swapped in.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};

use super::entry::{Entry, EntryRecord, Wanted};
use super::error::CronError;
use super::history::{Filter, Listed};
use super::run::Outcome;
use super::runner::GONE;
use super::start::mark;
use super::table::Slot;
use super::{Cron, entry_key, mark_key};
use crate::store::{Operation, StoreError, to_record};

/// What a caller says about the state that he wants to change.
pub type Check<'a> = &'a (dyn Fn(&EntryRecord) -> Result<(), CronError> + Sync);

impl Cron {
    /// A user's entries, oldest first. Expired ones are swept before.
    pub async fn entries(self: &Arc<Self>, user: &str) -> Vec<Arc<Entry>> {
        let now = self.settle().await;
        let mut entries = self.table().of_user(user);
        entries.retain(|entry| !entry.is_expired(now));
        entries
    }

    /// Lets everything that is due happen first. Where the store refuses that, what is
    /// there can still be read; `run` says so and goes on trying.
    async fn settle(self: &Arc<Self>) -> DateTime<Utc> {
        self.tick().await.unwrap_or_else(|_| Utc::now())
    }

    /// Everybody who has entries.
    pub fn users(&self) -> Vec<String> {
        self.table().users().cloned().collect()
    }

    /// Whether a user has entries, or rows of entries that are gone.
    pub fn has_user(&self, user: &str) -> Result<bool, CronError> {
        let any = Filter {
            limit: 1,
            ..Filter::default()
        };
        let has_entries = self.table().users().any(|known| known == user);
        Ok(has_entries || !self.history.of_user(user, &any)?.runs.is_empty())
    }

    /// An entry of this user.
    pub async fn entry(self: &Arc<Self>, user: &str, id: &str) -> Result<Arc<Entry>, CronError> {
        let now = self.settle().await;
        let table = self.table();
        let is_there = |slot: &&Slot| slot.entry.record.user == user && !slot.entry.is_expired(now);
        let slot = table.get(id).filter(is_there);
        let slot = slot.ok_or(CronError::EntryNotFound)?;
        Ok(slot.entry.clone())
    }

    /// Makes an entry; in a dry run only says what it would be.
    pub async fn create(
        self: &Arc<Self>,
        user: &str,
        wanted: Wanted,
        dry_run: bool,
        now: DateTime<Utc>,
    ) -> Result<Arc<Entry>, CronError> {
        let entry = Arc::new(Entry::create(user, wanted, &self.settings.terms, now)?);
        let max = self.settings.entries_max;
        if self.table().count() >= max {
            return Err(CronError::TooManyEntries { max });
        }
        if !dry_run {
            self.store.batch(put(&entry, Some(now))?).await?;
            self.table().put(entry.clone(), now);
            self.changed.notify_one();
        }
        Ok(entry)
    }

    /// Changes an entry if `check` has nothing against it.
    pub async fn update(
        self: &Arc<Self>,
        user: &str,
        id: &str,
        wanted: Wanted,
        check: Check<'_>,
        dry_run: bool,
        now: DateTime<Utc>,
    ) -> Result<Arc<Entry>, CronError> {
        let _changing = self.changing(id).lock().await;
        // What came due before the change belongs to the entry as it was.
        let old = self.entry(user, id).await?;
        check(&old.record)?;
        let new = Arc::new(old.update(wanted, &self.settings.terms, now)?);
        if dry_run {
            return Ok(new);
        }
        let timing = |entry: &Entry| {
            (
                entry.schedule.clone(),
                entry.zone,
                entry.record.policy.jitter_seconds,
            )
        };
        let accounted = (timing(&old) != timing(&new)).then_some(now);
        self.store.batch(put(&new, accounted)?).await?;
        let is_there = {
            let mut table = self.table();
            let known = table.get(id).map(|slot| slot.accounted);
            if let Some(known) = known {
                table.put(new.clone(), accounted.unwrap_or(known));
            }
            known.is_some()
        };
        if !is_there {
            // It expired meanwhile, or another crontab took its place: the change came
            // too late, and must not bring it back.
            self.store.batch(deleted(user, id)).await?;
            return Err(CronError::EntryNotFound);
        }
        self.changed.notify_one();
        Ok(new)
    }

    /// Deletes an entry. Its rows stay until they are old; a run under way goes on.
    pub async fn delete(
        self: &Arc<Self>,
        user: &str,
        id: &str,
        check: Check<'_>,
        dry_run: bool,
    ) -> Result<(), CronError> {
        let _changing = self.changing(id).lock().await;
        let entry = self.entry(user, id).await?;
        check(&entry.record)?;
        if dry_run {
            return Ok(());
        }
        // Rows of what waits are closed by whoever takes them out.
        self.store.batch(deleted(user, id)).await?;
        let rows = self.take_out(id);
        self.store.batch(rows).await?;
        Ok(())
    }

    /// Takes an entry out of the table; what that has to write, its deletion included.
    pub(super) fn take_out(&self, id: &str) -> Vec<Operation> {
        let Some(slot) = self.table().remove(id) else {
            return Vec::new();
        };
        let mut operations = deleted(&slot.entry.record.user, id);
        self.waiting
            .fetch_sub(slot.waiting.len(), Ordering::Relaxed);
        for mut run in slot.waiting {
            run.close(Outcome::Expired, Some(GONE.to_owned()), Utc::now());
            self.metrics.ended(run.outcome);
            match self.history.closing(&run) {
                Ok(closing) => operations.extend(closing),
                Err(error) => tracing::error!(run = run.id, %error, "its end is not stored"),
            }
        }
        operations
    }

    /// Rows of an entry, which may be gone already.
    pub async fn runs_of_entry(
        &self,
        user: &str,
        id: &str,
        filter: &Filter,
    ) -> Result<Listed, CronError> {
        let is_own = self
            .table()
            .get(id)
            .map(|slot| slot.entry.record.user == user);
        if is_own.is_none() {
            // Whoever takes it out now has yet to store its last rows.
            drop(self.ticking.lock().await);
        }
        if is_own == Some(false) {
            return Err(CronError::EntryNotFound);
        }
        let mut listed = self.history.of_entry(id, filter)?;
        listed.runs.retain(|run| run.user == user);
        if is_own.is_none() && listed.runs.is_empty() && filter.cursor.is_none() {
            return Err(CronError::EntryNotFound);
        }
        Ok(listed)
    }

    /// Rows of all entries of a user.
    pub fn runs_of_user(&self, user: &str, filter: &Filter) -> Result<Listed, CronError> {
        self.history.of_user(user, filter)
    }
}

/// What writes an entry, and up to when it is accounted for, if that changes.
pub(super) fn put(
    entry: &Entry,
    accounted: Option<DateTime<Utc>>,
) -> Result<Vec<Operation>, StoreError> {
    let record = &entry.record;
    let key = entry_key(&record.user, &record.id);
    let mut operations = vec![Operation::Put {
        record: to_record(&key, record)?,
        key,
    }];
    if let Some(accounted) = accounted {
        operations.push(mark(&record.id, accounted)?);
    }
    Ok(operations)
}

pub(super) fn deleted(user: &str, id: &str) -> Vec<Operation> {
    let keys = [entry_key(user, id), mark_key(id)];
    keys.map(|key| Operation::Delete { key }).into()
}
