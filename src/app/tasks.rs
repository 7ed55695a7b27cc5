//! Work of the server that no request waits for. What starts and ends it is `app`.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use futures_util::StreamExt;

use crate::acme::Acme;
use crate::acme::on_demand::Wished;
use crate::api;
use crate::auth::Tokens;
use crate::cron::Cron;
use crate::exec::Exec;
use crate::exec::refresh::{tell_stray, tell_wrong};
use crate::exec::script::Script;
use crate::exec::stray::strays;
use crate::shutdown::Shutdown;
use crate::store::Store;

/// How long it may take until it is stored that a token was used, and what calls
/// looked like.
const LAST_USED_INTERVAL: Duration = Duration::from_secs(60);

/// Work that ends unfinished when the server stops: a start does it again.
pub async fn until(stop: Shutdown, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.requested() => {}
        () = work => {}
    }
}

/// Files that contradict each other, or that are in no deployment, are told at
/// once: they do not answer.
pub fn report_conflicts(exec: &Exec) {
    strays(exec.folder()).iter().for_each(tell_stray);
    for (exec_id, deployment) in exec.live.all().iter() {
        for conflict in deployment.routes.conflicts() {
            let files = conflict.files.join(", ");
            tracing::warn!(deployment = %exec_id, route = conflict.route, files, "{}", conflict.reason);
        }
    }
}

/// Renews certificates, and orders those that handshakes lack.
pub async fn keep_certificates(acme: Acme, wished: Wished, stop: Shutdown) {
    tokio::join!(acme.run(stop.clone()), acme.grant(wished, stop));
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

/// Scripts that are on their way at once when a start publishes many: enough to
/// compile some while others are stored, and so few that a request for one that is
/// not among them gets its turn soon.
const PUBLISHING_AHEAD: usize = 8;

/// Publishes what a start found uncompiled; a request for one of them does not wait
/// for those before it.
pub async fn publish_waiting(exec: Arc<Exec>, waiting: Vec<Arc<Script>>) {
    let started = Utc::now();
    let count = waiting.len();
    let publish = |script: Arc<Script>| {
        let exec = exec.clone();
        async move {
            let path = &script.path;
            match exec.publish_first(&script).await {
                Ok(published) => tell_wrong(&published),
                Err(error) => tracing::warn!(script = %path, %error, "not published"),
            }
        }
    };
    futures_util::stream::iter(waiting)
        .for_each_concurrent(PUBLISHING_AHEAD, publish)
        .await;
    if count > 0 {
        let took_ms = (Utc::now() - started).num_milliseconds();
        tracing::info!(count, took_ms, "published what was new");
    }
}

/// The store of a server that came up is sound: a copy of it is kept to restore
/// from. It is not broken off, since a part of a copy is of no use.
pub async fn keep_export(store: Store) {
    match store.keep_export(Utc::now()).await {
        Ok((path, summary)) => tracing::debug!(path = %path.display(), ?summary, "exported"),
        Err(error) => {
            tracing::warn!(%error, "no export of the store was made; `footpath export` makes one")
        }
    }
}

/// Stores now and then what calls looked like.
pub async fn save_traffic(exec: Arc<Exec>) {
    loop {
        tokio::time::sleep(LAST_USED_INTERVAL).await;
        if let Err(error) = exec.traffic.save().await {
            tracing::warn!(%error, "what calls looked like is not stored");
        }
    }
}

/// Entries follow the `@schedule` lines of scripts.
pub async fn follow_schedules(exec: Arc<Exec>, cron: Arc<Cron>) {
    loop {
        let scripts = api::cron::schedules::scheduled(&exec);
        match cron.follow_scripts(scripts, false, Utc::now()).await {
            Ok(reloaded) => {
                for (script, reason) in reloaded.failed {
                    tracing::warn!(script, reason, "@schedule is not used");
                }
            }
            Err(error) => tracing::error!(%error, "schedules of scripts are not stored"),
        }
        exec.live.changed().await;
    }
}
