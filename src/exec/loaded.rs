//! The loaded handler of a program: there while it is called now and then, and
//! loaded again when it is needed after that. It must not know how to load one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use crate::sandbox::handler::Handler;

pub struct Loaded {
    handler: ArcSwapOption<Handler>,
    /// Held by whoever loads it; the others wait for what it gets.
    loading: Mutex<()>,
    made: Instant,
    /// When it was last asked for, in milliseconds since it was made.
    used_ms: AtomicU64,
}

impl Loaded {
    /// Not loaded yet.
    pub fn later() -> Self {
        Self {
            handler: ArcSwapOption::empty(),
            loading: Mutex::default(),
            made: Instant::now(),
            used_ms: AtomicU64::new(0),
        }
    }

    pub fn now(handler: Handler) -> Self {
        let loaded = Self::later();
        loaded.handler.store(Some(Arc::new(handler)));
        loaded
    }

    /// The handler, from `load` if it is not loaded.
    pub async fn get<E>(
        &self,
        load: impl AsyncFnOnce() -> Result<Handler, E>,
    ) -> Result<Handler, E> {
        let used_ms = self.made.elapsed().as_millis() as u64;
        self.used_ms.store(used_ms, Ordering::Relaxed);
        if let Some(handler) = &*self.handler.load() {
            return Ok(Handler::clone(handler));
        }
        let _loading = self.loading.lock().await;
        if let Some(handler) = &*self.handler.load() {
            return Ok(Handler::clone(handler));
        }
        let handler = load().await?;
        self.handler.store(Some(Arc::new(handler.clone())));
        Ok(handler)
    }

    pub fn into_inner(self) -> Option<Handler> {
        self.handler.load_full().as_deref().cloned()
    }

    pub fn is_loaded(&self) -> bool {
        self.handler.load().is_some()
    }

    /// For how long nobody has asked for it; none if it is not loaded.
    pub fn idle(&self, now: Instant) -> Option<Duration> {
        let used = self.made + Duration::from_millis(self.used_ms.load(Ordering::Relaxed));
        self.is_loaded()
            .then(|| now.saturating_duration_since(used))
    }

    /// Forgets the handler. Calls under way keep theirs.
    pub fn unload(&self) {
        self.handler.store(None);
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loaded({})", self.is_loaded())
    }
}
