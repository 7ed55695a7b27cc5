//! Watches the scripts folder, so that a saved file is live at once. Editors save
//! in several steps; what changes within a moment is taken together. It must not
//! publish by itself: it tells which files changed.

use std::collections::BTreeSet;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::folder::Folder;
use crate::model::script::ScriptPath;

/// Further changes are awaited this long.
const MOMENT: Duration = Duration::from_millis(15);
/// Changes that wait to be looked at; more of them mean a look at everything.
const EVENTS_MAX: usize = 10_000;

/// Watching ends when it is dropped.
pub struct FolderWatcher {
    _watcher: RecommendedWatcher,
    changes: mpsc::Receiver<ScriptPath>,
}

/// The folder cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error(
    "the scripts folder {folder} cannot be watched: {error}; raise fs.inotify.max_user_watches"
)]
pub struct WatchError {
    folder: String,
    error: notify::Error,
}

impl FolderWatcher {
    pub fn new(folder: &Folder) -> Result<Self, WatchError> {
        let failed = |error| WatchError {
            folder: folder.root().display().to_string(),
            error,
        };
        let (sender, changes) = mpsc::channel(EVENTS_MAX);
        let paths = folder.clone();
        let told = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            if matches!(event.kind, notify::EventKind::Access(_)) {
                return;
            }
            for path in event
                .paths
                .iter()
                .filter_map(|path| paths.script_path(path))
            {
                // Temporary files of editors, and of our own writes.
                if path.file_name().starts_with('.') {
                    continue;
                }
                // A full queue loses changes only while thousands wait already.
                let _ = sender.try_send(path);
            }
        };
        let mut watcher = notify::recommended_watcher(told).map_err(failed)?;
        watcher
            .watch(folder.root(), RecursiveMode::Recursive)
            .map_err(failed)?;
        Ok(Self {
            _watcher: watcher,
            changes,
        })
    }

    /// The files that changed, once something has.
    pub async fn next(&mut self) -> Option<BTreeSet<ScriptPath>> {
        let mut changed = BTreeSet::from([self.changes.recv().await?]);
        tokio::time::sleep(MOMENT).await;
        while let Ok(path) = self.changes.try_recv() {
            changed.insert(path);
        }
        Some(changed)
    }
}
