//! Performs a run that has been claimed: its turn, its attempts, its end. It
//! must not decide whether an occurrence runs; that has been done.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderName, HeaderValue};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::Cron;
use super::call::{Attempted, CronHeaders};
use super::command::Command;
use super::entry::{BACKOFF_SECONDS_MAX, Entry};
use super::run::{Outcome, Run, Trigger};
use super::table::Running;

/// How often the end of a run is tried to be stored.
const CLOSE_TRIES: u32 = 5;

/// Takes a run off the list of those under way, whatever happens to its task.
struct Listed {
    cron: Arc<Cron>,
    entry_id: String,
    run_id: String,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.cron.forget_running(&self.entry_id, &self.run_id);
    }
}

impl Cron {
    /// Runs what was claimed, and whatever waited for its end.
    pub(super) async fn perform(
        self: Arc<Self>,
        entry: Arc<Entry>,
        run: Run,
        stop: CancellationToken,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Run {
        let listed = Listed {
            cron: self.clone(),
            entry_id: run.entry_id.clone(),
            run_id: run.id.clone(),
        };
        let done = self.one(&entry, run, stop, turn).await;
        drop(listed);
        while let Some((entry, next, stop)) = self.next_waiting(&done.entry_id) {
            let _listed = Listed {
                cron: self.clone(),
                entry_id: next.entry_id.clone(),
                run_id: next.id.clone(),
            };
            self.one(&entry, next, stop, None).await;
        }
        done
    }

    async fn one(
        self: &Arc<Self>,
        entry: &Entry,
        mut run: Run,
        stop: CancellationToken,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Run {
        let turn = match turn {
            Some(turn) => {
                // Its claim had to be stored in between, with many others perhaps.
                run.started_at = Some(Utc::now());
                Some(turn)
            }
            None => {
                let turn = self.wait_for_turn(&mut run, &stop).await;
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                turn
            }
        };
        if turn.is_some() {
            if run.trigger == Trigger::Schedule
                && let Some(started) = run.started_at
            {
                let due = run.scheduled_at + super::verdict::jitter(entry);
                self.metrics
                    .started((started - due).to_std().unwrap_or_default());
            }
            self.attempts(entry, &mut run, &stop).await;
        }
        // The next one may begin while this one's row is written.
        drop(turn);
        if !run.outcome.is_open() {
            self.metrics.ended(run.outcome);
        }
        self.close(&run).await;
        run
    }

    /// A run that could not begin at once waits for its turn, and the store learns
    /// that it begins before it does.
    async fn wait_for_turn(
        &self,
        run: &mut Run,
        stop: &CancellationToken,
    ) -> Option<OwnedSemaphorePermit> {
        let acquire = self.turns.clone().acquire_owned();
        let turn = tokio::select! {
            turn = tokio::time::timeout(self.settings.capacity_wait, acquire) => turn,
            () = stop.cancelled() => {
                run.close(Outcome::SkippedOverlap, Some(REPLACED.to_owned()), Utc::now());
                return None;
            }
            // The row stays open: the next start makes up for it.
            () = self.stop.requested() => return None,
        };
        let now = Utc::now();
        let Ok(Ok(turn)) = turn else {
            run.close(Outcome::SkippedCapacity, None, now);
            return None;
        };
        if let Some((outcome, why)) = self.after_wait(run, now) {
            run.close(outcome, why.map(str::to_owned), now);
            return None;
        }
        run.outcome = Outcome::Running;
        run.started_at = Some(now);
        if let Err(error) = self.history.save(run).await {
            tracing::error!(run = run.id, %error, "that a run begins is not stored");
        }
        Some(turn)
    }

    /// Why a run does not begin that has waited: its entry may have changed.
    fn after_wait(&self, run: &Run, now: DateTime<Utc>) -> Option<(Outcome, Option<&str>)> {
        let table = self.table();
        let Some(slot) = table.get(&run.entry_id) else {
            return Some((Outcome::Expired, Some(GONE)));
        };
        let entry = &slot.entry;
        let is_occurrence = run.trigger != Trigger::Manual;
        if entry.is_expired(now) {
            return Some((Outcome::Expired, None));
        }
        if is_occurrence && !entry.record.enabled {
            return Some((Outcome::SkippedDisabled, None));
        }
        let is_too_late = super::verdict::is_too_late(entry, run.scheduled_at, now);
        (is_occurrence && is_too_late).then_some((Outcome::SkippedMissed, Some(WAITED)))
    }

    async fn attempts(&self, entry: &Entry, run: &mut Run, stop: &CancellationToken) {
        let policy = &entry.record.policy;
        let own = match &entry.command {
            Some(Command::Curl(curl)) => curl.retries,
            Some(Command::Shell(_)) | None => 0,
        };
        let retries = policy.retries.max(own);
        loop {
            run.attempt += 1;
            let attempted = tokio::select! {
                attempted = self.attempt(entry, run) => attempted,
                () = stop.cancelled() => {
                    return run.close(Outcome::Error, Some(REPLACED.to_owned()), Utc::now());
                }
            };
            let now = Utc::now();
            run.result = attempted.result;
            run.close(attempted.outcome, None, now);
            if attempted.outcome == Outcome::Ok || run.attempt > retries {
                return;
            }
            let wait = backoff(policy.retry_backoff_seconds, run.attempt);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
                () = self.stop.requested() => return,
            }
            if !self.may_repeat(run) {
                return;
            }
        }
    }

    /// Whether the entry, as it is now, wants another attempt.
    fn may_repeat(&self, run: &Run) -> bool {
        let table = self.table();
        table.get(&run.entry_id).is_some_and(|slot| {
            let is_wanted = slot.entry.record.enabled || run.trigger == Trigger::Manual;
            is_wanted && !slot.entry.is_expired(Utc::now())
        })
    }

    async fn attempt(&self, entry: &Entry, run: &Run) -> Attempted {
        let headers = headers(run);
        let timeout = Duration::from_secs(u64::from(entry.record.policy.timeout_seconds));
        match (&entry.command, &entry.record.script) {
            (Some(Command::Curl(curl)), _) => self.caller.curl(curl, &headers, timeout).await,
            (Some(Command::Shell(line)), _) => self.shell.run(line, &headers, timeout).await,
            (None, script) => {
                let script = script.as_deref().unwrap_or_default();
                self.caller.script(script, &headers, timeout).await
            }
        }
    }

    /// Stores what became of a run; a store that refuses is asked again.
    async fn close(&self, run: &Run) {
        let mut wait = Duration::from_millis(100);
        for _ in 0..CLOSE_TRIES {
            match self.history.save(run).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::error!(run = run.id, %error, "the end of a run is not stored")
                }
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }

    /// The run that waited for the last one of its entry to end.
    fn next_waiting(&self, entry_id: &str) -> Option<(Arc<Entry>, Run, CancellationToken)> {
        if self.stop.is_requested() {
            return None;
        }
        let mut table = self.table();
        let slot = table.get_mut(entry_id)?;
        if !slot.running.is_empty() {
            return None;
        }
        let run = slot.waiting.pop_front()?;
        let stop = CancellationToken::new();
        slot.running.push(Running {
            run_id: run.id.clone(),
            stop: stop.clone(),
        });
        Some((slot.entry.clone(), run, stop))
    }

    pub(super) fn forget_running(&self, entry_id: &str, run_id: &str) {
        if let Some(slot) = self.table().get_mut(entry_id) {
            slot.running.retain(|running| running.run_id != run_id);
        }
    }
}

/// Of a run whose entry was deleted before it began.
pub(super) const GONE: &str = "its entry is gone";
const REPLACED: &str = "a later run took its place";
const WAITED: &str = "it waited for longer than its deadline_seconds";

fn backoff(first_seconds: u32, attempt: u32) -> Duration {
    let doubled = first_seconds.saturating_mul(1 << (attempt - 1).min(20));
    Duration::from_secs(u64::from(doubled.min(BACKOFF_SECONDS_MAX)))
}

/// What tells a handler which call this is.
pub fn headers(run: &Run) -> CronHeaders {
    let named = [
        ("x-cron-entry", run.entry_id.clone()),
        ("x-cron-run", run.id.clone()),
        ("x-cron-scheduled-at", iso(run.scheduled_at)),
        ("x-cron-attempt", run.attempt.to_string()),
    ];
    let header = |(name, value): (&'static str, String)| {
        let value = HeaderValue::try_from(value).ok()?;
        Some((HeaderName::from_static(name), value))
    };
    named.into_iter().filter_map(header).collect()
}

fn iso(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
