//! Forgetting what is only kept to be quick: loaded handlers and kept instances.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::{Exec, ExecError};
use crate::exec::script::{Program, Script};
use crate::model::exec_id::ExecId;

/// Which handlers stay loaded.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// So many; those that were called last.
    pub handlers_max: usize,
    /// One that was not called for this long goes.
    pub idle: Duration,
}

/// Looks for handlers to let go, when it is time or there are many.
pub struct Keeping {
    keep: Keep,
    /// Loaded since the last look, and left over from it.
    loaded: AtomicUsize,
    too_many: Notify,
}

impl Keeping {
    pub fn new(keep: Keep) -> Self {
        Self {
            keep,
            loaded: AtomicUsize::new(0),
            too_many: Notify::new(),
        }
    }

    /// One more was loaded.
    pub fn loaded(&self) {
        if self.loaded.fetch_add(1, Ordering::Relaxed) >= self.keep.handlers_max {
            self.too_many.notify_one();
        }
    }
}

/// How many handlers were let go, and how many of other deployments stay loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unloaded {
    pub cleared: usize,
    pub remaining: usize,
}

impl Exec {
    /// Lets go of handlers that nobody calls, for as long as the server runs.
    pub async fn unload_idle(&self) {
        loop {
            let more = self.keeping.too_many.notified();
            // The timeout is the other reason to look.
            let _ = tokio::time::timeout(self.keeping.keep.idle / 2, more).await;
            let live = self.live.all();
            let scripts = live.values().flat_map(|one| one.scripts.values());
            let now = Instant::now();
            let mut idle: Vec<(Duration, &Arc<Program>)> = scripts
                .filter_map(|script| script.program.as_ref())
                .filter_map(|program| Some((program.handler.idle(now)?, program)))
                .collect();
            idle.sort_by_key(|(idle, _)| *idle);
            let kept = kept(idle.iter().map(|(idle, _)| *idle), self.keeping.keep);
            for (_, program) in &idle[kept..] {
                program.handler.unload();
            }
            self.keeping.loaded.store(kept, Ordering::Relaxed);
        }
    }

    /// Drops the loaded handlers and kept instances of one deployment, or of all;
    /// the next call loads them again. Calls under way keep theirs.
    pub async fn unload(&self, exec_id: Option<&ExecId>) -> Result<Unloaded, ExecError> {
        let _changing = self.changing.lock().await;
        let mut unloaded = Unloaded::default();
        for (id, deployment) in self.live.all().iter() {
            let loaded: Vec<&Arc<Script>> = deployment
                .scripts
                .values()
                .filter(|script| is_loaded(script))
                .collect();
            if exec_id.is_some_and(|wanted| wanted != id) {
                unloaded.remaining += loaded.len();
                continue;
            }
            unloaded.cleared += loaded.len();
            let fresh = loaded.into_iter().map(|script| {
                let known = |program: &Arc<Program>| {
                    Arc::new(self.publisher.known(program.manifest.clone()))
                };
                let program = script.program.as_ref().map(known);
                Arc::new(Script {
                    program,
                    ..Script::clone(script)
                })
            });
            self.live.change(&deployment.state, fresh.collect(), &[]);
        }
        Ok(unloaded)
    }
}

/// How many of these handlers stay, the least idle first. Of too many a tenth more
/// goes, so that not each new one leads to the next look.
fn kept(idle: impl ExactSizeIterator<Item = Duration>, keep: Keep) -> usize {
    let max = match idle.len() > keep.handlers_max {
        true => keep.handlers_max - keep.handlers_max / 10,
        false => keep.handlers_max,
    };
    idle.take_while(|idle| *idle < keep.idle).take(max).count()
}

pub fn is_loaded(script: &Script) -> bool {
    script
        .program
        .as_ref()
        .is_some_and(|program| program.handler.is_loaded())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_were_called_last_stay() {
        let keep = Keep {
            handlers_max: 20,
            idle: Duration::from_secs(60),
        };
        let kept = |idle: std::ops::Range<u32>| {
            kept(idle.map(|one| Duration::from_secs(one.into())), keep)
        };
        assert_eq!(kept(0..0), 0);
        assert_eq!(kept(0..20), 20, "as many as may be");
        assert_eq!(kept(0..21), 18, "too many");
        assert_eq!(kept(50..70), 10, "idle for too long");
        assert_eq!(kept(60..90), 0, "too many, and all idle");
    }
}
