//! A run that somebody asks for. It never stands for an occurrence.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::task::JoinHandle;

use super::Cron;
use super::command::Target;
use super::error::CronError;
use super::run::{Outcome, Run, Trigger};

/// A run that has been asked for.
pub struct Asked {
    /// As it was when it began.
    pub run: Run,
    /// Gives the row as it ends; none if the run did not begin.
    pub end: Option<JoinHandle<Run>>,
}

impl Cron {
    /// Whether a command's call would stay in the process.
    pub fn is_own(&self, target: &Target) -> bool {
        self.caller.is_own(target)
    }

    /// Runs an entry now, under its overlap policy.
    pub async fn trigger(
        self: &Arc<Self>,
        user: &str,
        id: &str,
        asked_by: Option<String>,
        now: DateTime<Utc>,
    ) -> Result<Asked, CronError> {
        self.entry(user, id).await?;
        let mut begin = Vec::new();
        let (rows, operations) = {
            let mut table = self.table();
            let slot = table.get_mut(id).ok_or(CronError::EntryNotFound)?;
            let mut run = Run::new(&slot.entry, Trigger::Manual, now, Outcome::Running, now);
            run.asked_by = asked_by;
            let rows = self.place(slot, run, now, &mut begin);
            slot.rows += rows.len();
            let mut operations = Vec::new();
            for row in &rows {
                operations.extend(self.history.claim(row)?);
            }
            (rows, operations)
        };
        if let Err(error) = self.store.batch(operations).await {
            self.displace(id, &rows);
            return Err(error.into());
        }
        let run = rows.into_iter().next().ok_or(CronError::RunNotFound)?;
        if !run.outcome.is_open() {
            self.metrics.ended(run.outcome);
        }
        let end = begin.pop().map(|claimed| self.begin(claimed));
        Ok(Asked { run, end })
    }
}
