//! `@mode worker`: the instance that is kept, and the calls that wait for their turn in
//! it. It must not know what a call is.

use std::collections::VecDeque;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;

use super::run::Run;

/// One turn.
pub struct Turn {
    /// Whether somebody still waits for it.
    pub is_wanted: Box<dyn Fn() -> bool + Send>,
    /// Gets the instance, if there is one, and gives it back if it is still good.
    pub take: Box<dyn FnOnce(Option<Run>) -> Taken + Send>,
}

pub type Taken = Pin<Box<dyn Future<Output = Option<Run>> + Send>>;

/// From here on the queue is rid of turns that nobody waits for whenever one is added:
/// their callers are gone, and with them the permits that bound its length.
const UNWANTED_MAX: usize = 64;

/// The kept instance of a script. Clones share it.
#[derive(Clone, Default)]
pub struct Worker(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    kept: Option<Run>,
    /// As many as there may be calls at once, since each waits with its permit, and
    /// `UNWANTED_MAX`.
    waiting: VecDeque<Turn>,
    /// A task takes the turns; it ends when none is left.
    at_work: bool,
}

impl Worker {
    /// Whether there is an instance, at work or waiting.
    pub fn is_kept(&self) -> bool {
        let state = self.state();
        state.at_work || state.kept.is_some()
    }

    /// Takes a turn when those before it are over. All turns are taken in one task: the
    /// next begins at once, and not only when somebody has been woken for it.
    pub fn queue(&self, turn: Turn) {
        let mut state = self.state();
        if state.waiting.len() >= UNWANTED_MAX {
            state.waiting.retain(|turn| (turn.is_wanted)());
        }
        state.waiting.push_back(turn);
        if !std::mem::replace(&mut state.at_work, true) {
            tokio::spawn(self.clone().take_turns());
        }
    }

    async fn take_turns(self) {
        while let Some((turn, kept)) = self.next() {
            // Whoever waits for a turn that panics sees it; those behind go on.
            let taken = AssertUnwindSafe((turn.take)(kept)).catch_unwind().await;
            self.state().kept = taken.ok().flatten();
        }
    }

    fn next(&self) -> Option<(Turn, Option<Run>)> {
        let mut state = self.state();
        let turn = state.waiting.pop_front();
        state.at_work = turn.is_some();
        Some((turn?, state.kept.take()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code of others runs under the lock, so it is whole whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Worker")
    }
}
