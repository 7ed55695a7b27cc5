//! Watches the scripts folder, so that a saved file is live at once. Editors save
//! in several steps; what changes within a moment is taken together. It must not
//! publish by itself: it tells which files changed.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::folder::Folder;
use crate::model::exec_id::ExecId;
use crate::model::script::ScriptPath;

/// Further changes are awaited this long.
const MOMENT: Duration = Duration::from_millis(15);
/// Changes that wait to be looked at; more of them mean a look at everything.
const EVENTS_MAX: usize = 10_000;

/// Watching ends when it is dropped.
pub struct FolderWatcher {
    _watcher: RecommendedWatcher,
    changes: mpsc::Receiver<Changed>,
}

/// What changed: a file or a folder inside a deployment, the deployment's own folder,
/// or what belongs to none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Changed {
    Inside(ScriptPath),
    Deployment(ExecId),
    /// Something else directly in the scripts folder, by its name.
    Outside(String),
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
        let root = folder.root().to_owned();
        let told = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            if matches!(event.kind, notify::EventKind::Access(_)) {
                return;
            }
            for changed in event
                .paths
                .iter()
                .filter_map(|place| what_is_at(&root, place))
            {
                // Temporary files of editors, and of our own writes.
                if matches!(&changed, Changed::Inside(path) if path.file_name().starts_with('.')) {
                    continue;
                }
                // A full queue loses changes only while thousands wait already.
                let _ = sender.try_send(changed);
            }
        };
        // A link that leads up would have changes reported by its path, and not by theirs.
        let config = notify::Config::default().with_follow_symlinks(false);
        let mut watcher = RecommendedWatcher::new(told, config).map_err(failed)?;
        watcher
            .watch(folder.root(), RecursiveMode::Recursive)
            .map_err(failed)?;
        Ok(Self {
            _watcher: watcher,
            changes,
        })
    }

    /// What changed, once something has.
    pub async fn next(&mut self) -> Option<BTreeSet<Changed>> {
        let mut changed = BTreeSet::from([self.changes.recv().await?]);
        tokio::time::sleep(MOMENT).await;
        while let Ok(more) = self.changes.try_recv() {
            changed.insert(more);
        }
        Some(changed)
    }
}

/// None if it is nobody's.
fn what_is_at(root: &Path, place: &Path) -> Option<Changed> {
    let relative = place.strip_prefix(root).ok()?.to_str()?;
    if relative.is_empty() {
        return None;
    }
    if relative.contains('/') {
        return ScriptPath::parse(relative).ok().map(Changed::Inside);
    }
    Some(ExecId::parse(relative).map_or_else(
        |_| Changed::Outside(relative.to_owned()),
        Changed::Deployment,
    ))
}
