//! The clock: it sleeps until the next entry is due or an entry changes, claims
//! what is due in the store, and hands it to `runner`. It decides nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Cron;
use super::entry::{Entry, Overlap};
use super::run::{Outcome, Run, Trigger};
use super::start::mark;
use super::table::{Running, Slot};
use super::verdict::{self, Verdict};
use super::wall_clock::Setting;
use crate::shutdown::Shutdown;
use crate::store::{Operation, StoreError};

/// Entries whose occurrences are claimed by one write.
const CLAIM_ENTRIES: usize = 200;
/// The longest sleep: where the kernel does not tell that the clock was set, it is
/// noticed by then.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// After the store refused a claim, this long passes before the next try.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// Longer than any server waits for its end.
const DRAIN_MAX: Duration = Duration::from_secs(3600);

/// A run that has been claimed and may begin.
pub(super) struct Claimed {
    pub entry: Arc<Entry>,
    pub run: Run,
    pub stop: CancellationToken,
    pub turn: Option<OwnedSemaphorePermit>,
}

/// What the claim of one entry writes and begins.
#[derive(Default)]
struct Claims {
    operations: Vec<Operation>,
    begin: Vec<Claimed>,
    /// Outcomes of rows that are closed from the start.
    closed: Vec<Outcome>,
    undo: Vec<Undo>,
}

/// What a claim changed in the table, in case that the store refuses it.
struct Undo {
    entry: Arc<Entry>,
    /// What was accounted for before and, unless the claim took the entry out, after.
    before: DateTime<Utc>,
    after: Option<DateTime<Utc>>,
    rows: Vec<Run>,
}

impl Cron {
    /// Runs until `stop`.
    pub async fn run(self: Arc<Self>, stop: Shutdown) {
        let setting = Setting::watch();
        let mut next_prune = Instant::now() + self.settings.prune_interval;
        while !stop.is_requested() {
            self.metrics.woke();
            let pause = match self.tick().await {
                Ok(now) => self.sleep_until_due(now),
                Err(error) => {
                    tracing::error!(%error, "occurrences that are due cannot be claimed");
                    STORE_PAUSE
                }
            };
            if Instant::now() >= next_prune {
                next_prune = Instant::now() + self.settings.prune_interval;
                let cron = self.clone();
                self.stop.spawn(async move {
                    if let Err(error) = cron.prune(Utc::now()).await {
                        tracing::warn!(%error, "old rows are not deleted");
                    }
                });
            }
            tokio::select! {
                () = stop.requested() => {}
                () = self.changed.notified() => {}
                () = setting.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        // The caller sets a deadline around it.
        self.stop.drain(DRAIN_MAX).await;
    }

    fn sleep_until_due(&self, now: DateTime<Utc>) -> Duration {
        let wake = self.table().next_wake();
        let sleep = wake.map_or(SLEEP_MAX, |wake| (wake - now).to_std().unwrap_or_default());
        // Time has passed since `now`, so this wakes a little late, never early.
        sleep.min(SLEEP_MAX)
    }

    /// Claims and begins everything that is due; gives the time by which it was.
    pub async fn tick(self: &Arc<Self>) -> Result<DateTime<Utc>, StoreError> {
        let mut clocks = self.ticking.lock().await;
        let (now, step) = clocks.look();
        if let Some(step) = step {
            self.stepped(step, now).await?;
        }
        loop {
            let due = self.table().due(now, CLAIM_ENTRIES);
            if due.is_empty() {
                return Ok(now);
            }
            let mut all = Claims::default();
            for id in &due {
                let claims = match self.claim(id, now) {
                    Ok(claims) => claims,
                    Err(error) => {
                        all.undo.into_iter().for_each(|undo| self.undo(undo));
                        return Err(error);
                    }
                };
                all.operations.extend(claims.operations);
                all.begin.extend(claims.begin);
                all.closed.extend(claims.closed);
                all.undo.extend(claims.undo);
            }
            if let Err(error) = self.store.batch(all.operations).await {
                // Nothing of it has begun: the next tick claims it again.
                all.undo.into_iter().for_each(|undo| self.undo(undo));
                return Err(error);
            }
            for outcome in all.closed {
                self.metrics.ended(outcome);
            }
            for claimed in all.begin {
                self.begin(claimed);
            }
        }
    }

    /// Decides about the occurrences of one entry. The table says at once what the
    /// store is about to learn, so nobody claims them twice.
    fn claim(&self, id: &str, now: DateTime<Utc>) -> Result<Claims, StoreError> {
        let mut claims = Claims::default();
        let mut table = self.table();
        let Some(slot) = table.get_mut(id) else {
            return Ok(claims);
        };
        let entry = slot.entry.clone();
        let rows_max = self.settings.kept.runs_max;
        let verdicts = verdict::verdicts(&entry, slot.accounted, now, rows_max);
        let mut accounted = slot.accounted;
        let mut undo = Undo {
            entry: entry.clone(),
            before: accounted,
            after: None,
            rows: Vec::new(),
        };
        for (due, verdict) in verdicts {
            let runs = match verdict {
                Verdict::Skip(outcome) => {
                    vec![Run::new(&entry, Trigger::Schedule, due, outcome, now)]
                }
                Verdict::Run(trigger) => {
                    let run = Run::new(&entry, trigger, due, Outcome::Running, now);
                    self.place(slot, run, now, &mut claims.begin)
                }
            };
            for run in runs {
                slot.rows += 1;
                if !run.outcome.is_open() {
                    claims.closed.push(run.outcome);
                }
                claims.operations.extend(self.history.claim(&run)?);
                undo.rows.push(run);
            }
            accounted = accounted.max(due);
        }
        if entry.is_expired(now) {
            drop(table);
            claims.operations.extend(self.take_out(id));
        } else {
            claims.operations.push(mark(id, accounted)?);
            table.account(id, accounted);
            undo.after = Some(accounted);
        }
        claims.undo.push(undo);
        Ok(claims)
    }

    /// The table is again as it was before a claim, except for what an API call has
    /// changed since.
    fn undo(&self, undo: Undo) {
        let id = &undo.entry.record.id;
        self.displace(id, &undo.rows);
        let mut table = self.table();
        let accounted = table.get(id).map(|slot| slot.accounted);
        match (accounted, undo.after) {
            (Some(accounted), Some(after)) if accounted == after => table.account(id, undo.before),
            (None, None) => table.put(undo.entry, undo.before),
            // A new schedule counts from when it was set; or it has been deleted since.
            // So nobody claims these again.
            _ => self.metrics.lost(undo.rows.len()),
        }
    }

    /// Takes back what `place` did with these.
    pub(super) fn displace(&self, entry_id: &str, rows: &[Run]) {
        let waited = rows.iter().filter(|run| run.outcome == Outcome::Waiting);
        self.waiting.fetch_sub(waited.count(), Ordering::Relaxed);
        let is_one = |id: &str| rows.iter().any(|run| run.id == id);
        if let Some(slot) = self.table().get_mut(entry_id) {
            slot.running.retain(|running| !is_one(&running.run_id));
            slot.waiting.retain(|run| !is_one(&run.id));
        }
    }

    /// Where an occurrence goes that is to run: it begins, waits, or is left out.
    pub(super) fn place(
        &self,
        slot: &mut Slot,
        mut run: Run,
        now: DateTime<Utc>,
        begin: &mut Vec<Claimed>,
    ) -> Vec<Run> {
        let skip = |mut run: Run, outcome| {
            run.started_at = None;
            run.close(outcome, None, now);
            vec![run]
        };
        run.late = run.trigger == Trigger::CatchUp;
        let is_full = self.waiting.load(Ordering::Relaxed) >= self.settings.waiting_runs_max;
        if !slot.running.is_empty() {
            let may_wait = match (slot.entry.record.policy.overlap, run.trigger) {
                (Overlap::Allow, _) => None,
                // What is made up for runs one after the other.
                (Overlap::Forbid | Overlap::Queue, Trigger::CatchUp) => Some(true),
                (Overlap::Forbid, _) => Some(false),
                (Overlap::Queue, _) => Some(slot.waiting.is_empty()),
                (Overlap::Replace, _) => {
                    for running in &slot.running {
                        running.stop.cancel();
                    }
                    None
                }
            };
            match may_wait {
                None => {}
                Some(false) => return skip(run, Outcome::SkippedOverlap),
                Some(true) if is_full => return skip(run, Outcome::SkippedCapacity),
                Some(true) => {
                    self.waits(&mut run);
                    slot.waiting.push_back(run.clone());
                    return vec![run];
                }
            }
        }
        let turn = self.turns.clone().try_acquire_owned().ok();
        if turn.is_none() {
            if is_full {
                return skip(run, Outcome::SkippedCapacity);
            }
            self.waits(&mut run);
        }
        let stop = CancellationToken::new();
        slot.running.push(Running {
            run_id: run.id.clone(),
            stop: stop.clone(),
        });
        begin.push(Claimed {
            entry: slot.entry.clone(),
            run: run.clone(),
            stop,
            turn,
        });
        vec![run]
    }

    fn waits(&self, run: &mut Run) {
        run.outcome = Outcome::Waiting;
        run.started_at = None;
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Begins what has been claimed and stored.
    pub(super) fn begin(self: &Arc<Self>, claimed: Claimed) -> tokio::task::JoinHandle<Run> {
        let Claimed {
            entry,
            run,
            stop,
            turn,
        } = claimed;
        self.stop
            .spawn(self.clone().perform(entry, run, stop, turn))
    }
}
