//! What a start finds: entries, up to when they are accounted for, and rows that
//! an earlier process left open.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::entry::{Entry, EntryRecord, Misfire};
use super::error::CronError;
use super::run::{Outcome, Run, Trigger};
use super::verdict::{self, Rebase};
use super::{Cron, ENTRIES, MARKS, Mark, mark_key};
use crate::store::{Operation, StoreError, from_record, to_record};

impl Cron {
    /// Reads the store. An entry that cannot be read any more is kept, reported
    /// and not run.
    pub async fn open(self: &Arc<Self>, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut marks = HashMap::new();
        for entry in self.store.range(MARKS, None, usize::MAX)?.entries {
            let Mark(at) = from_record(&entry.key, &entry.record?)?;
            let at = DateTime::from_timestamp_millis(at).unwrap_or(now);
            marks.insert(entry.key[MARKS.len()..].to_owned(), at);
        }
        for entry in self.store.range(ENTRIES, None, usize::MAX)?.entries {
            let record: EntryRecord = from_record(&entry.key, &entry.record?)?;
            let (id, accounted) = (record.id.clone(), marks.get(&record.id).copied());
            match Entry::of(record, self.settings.terms.shell) {
                Ok(entry) => {
                    let accounted = accounted.unwrap_or(entry.record.created_at);
                    let accounted = set_back(&entry, accounted, now);
                    self.table().put(Arc::new(entry), accounted);
                }
                Err(error) => {
                    tracing::warn!(entry = id, %error, "an entry does not run any more");
                }
            }
        }
        self.close_open_rows(now).await
    }

    /// A run that had begun is not begun again; one that only waited is made up for.
    async fn close_open_rows(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        for mut run in self.history.open_runs()? {
            let had_begun = run.outcome == Outcome::Running;
            let error = match had_begun {
                true => "the server ended before it did",
                false => "the server ended before it began",
            };
            run.close(Outcome::Interrupted, Some(error.to_owned()), now);
            self.history.save(&run).await?;
            self.metrics.ended(run.outcome);
            if !had_begun && run.trigger != Trigger::Manual {
                self.make_up_for(&run, now);
            }
        }
        Ok(())
    }

    fn make_up_for(&self, run: &Run, now: DateTime<Utc>) {
        let mut table = self.table();
        let Some(slot) = table.get_mut(&run.entry_id) else {
            return;
        };
        if slot.entry.record.policy.misfire == Misfire::Skip || slot.entry.is_expired(now) {
            return;
        }
        let due = run.scheduled_at - TimeDelta::milliseconds(1);
        let accounted = slot.accounted.min(due);
        table.account(&run.entry_id, accounted);
    }

    /// The system's clock was set while the server ran. The caller holds `ticking`.
    pub(super) async fn stepped(
        &self,
        step: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        tracing::warn!(
            step_ms = step.num_milliseconds(),
            "the system's clock was set"
        );
        let mut operations = Vec::new();
        {
            let mut table = self.table();
            let slots = table.slots();
            let rebased: Vec<_> = slots
                .map(|slot| {
                    let rebase = verdict::rebase(&slot.entry, slot.accounted, step, now);
                    (slot.entry.clone(), slot.accounted, rebase)
                })
                .collect();
            for (entry, accounted, rebase) in rebased {
                let to = match rebase {
                    Rebase::Keep => continue,
                    Rebase::To(to) => to,
                    Rebase::SkipTo(to) => {
                        operations.extend(self.skipped_rows(&entry, accounted, to)?);
                        to
                    }
                };
                let id = &entry.record.id;
                table.account(id, to);
                operations.push(mark(id, to)?);
            }
        }
        self.store.batch(operations).await?;
        self.changed.notify_one();
        Ok(())
    }

    /// Rows for what a correction of the clock left out.
    fn skipped_rows(
        &self,
        entry: &Entry,
        accounted: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Operation>, StoreError> {
        let rows_max = self.settings.kept.runs_max;
        let mut operations = Vec::new();
        for (due, _) in verdict::verdicts(entry, accounted, now, rows_max) {
            let outcome = Outcome::SkippedMissed;
            let mut run = Run::new(entry, Trigger::Schedule, due, outcome, now);
            run.result.error = Some("the system's clock was corrected".to_owned());
            operations.extend(self.history.claim(&run)?);
            self.metrics.ended(outcome);
        }
        Ok(operations)
    }

    /// What keeps the rows to a number and an age, now and then.
    pub async fn prune(&self, now: DateTime<Utc>) -> Result<usize, CronError> {
        let rows_max = self.settings.kept.runs_max;
        let full: Vec<(String, String)> = {
            let mut table = self.table();
            let ids: Vec<String> = table
                .slots()
                .filter(|slot| slot.rows > rows_max / 8)
                .map(|slot| slot.entry.record.id.clone())
                .collect();
            ids.into_iter()
                .filter_map(|id| {
                    let slot = table.get_mut(&id)?;
                    slot.rows = 0;
                    Some((id, slot.entry.record.user.clone()))
                })
                .collect()
        };
        let mut deleted = 0;
        for (id, user) in full {
            deleted += self.history.prune_entry(&id, &user).await?;
        }
        Ok(deleted + self.history.prune_old(now).await?)
    }
}

/// A clock that was set back while the server was down must not silence an entry.
fn set_back(entry: &Entry, accounted: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    if accounted <= now {
        return accounted;
    }
    match verdict::rebase(entry, accounted, now - accounted, now) {
        Rebase::Keep => accounted,
        Rebase::To(to) | Rebase::SkipTo(to) => to,
    }
}

/// What writes up to when an entry's occurrences are accounted for.
pub(super) fn mark(id: &str, at: DateTime<Utc>) -> Result<Operation, StoreError> {
    let key = mark_key(id);
    let record = to_record(&key, &Mark(at.timestamp_millis()))?;
    Ok(Operation::Put { key, record })
}
