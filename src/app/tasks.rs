//! Work of the server that no request waits for. What starts and ends it is `app`.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;

use crate::auth::Tokens;
use crate::exec::Exec;
use crate::exec::script::Script;
use crate::shutdown::Shutdown;

/// How long it may take until it is stored that a token was used.
const LAST_USED_INTERVAL: Duration = Duration::from_secs(60);

/// Work that ends unfinished when the server stops: a start does it again.
pub async fn until(stop: Shutdown, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.requested() => {}
        () = work => {}
    }
}

/// Files that contradict each other are told at once: some of them do not answer.
pub fn report_conflicts(exec: &Exec) {
    for (exec_id, deployment) in exec.live.all().iter() {
        for conflict in deployment.routes.conflicts() {
            let files = conflict.files.join(", ");
            tracing::warn!(deployment = %exec_id, route = conflict.route, files, "{}", conflict.reason);
        }
    }
}

/// Stores now and then when tokens were last used.
pub async fn save_last_used(tokens: Arc<Tokens>) {
    loop {
        tokio::time::sleep(LAST_USED_INTERVAL).await;
        if let Err(error) = tokens.save_last_used().await {
            tracing::warn!(%error, "when tokens were last used is not stored");
        }
    }
}

/// Publishes what a start found uncompiled; a request for one of them waits for it.
pub async fn publish_waiting(exec: Arc<Exec>, waiting: Vec<Arc<Script>>) {
    let started = Utc::now();
    let count = waiting.len();
    for script in waiting {
        let path = &script.path;
        match exec.publish_first(&script).await {
            Ok(published) => {
                if let Some(problem) = &published.problem {
                    tracing::warn!(script = %path, "{}", problem.message);
                }
            }
            Err(error) => tracing::warn!(script = %path, %error, "not published"),
        }
    }
    if count > 0 {
        let took_ms = (Utc::now() - started).num_milliseconds();
        tracing::info!(count, took_ms, "published what was new");
    }
}
