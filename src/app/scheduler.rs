//! From the configuration to what cron is told. It decides nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;

use crate::api::dispatch::Dispatcher;
use crate::config::Config;
use crate::cron::call::Caller;
use crate::cron::entry::Terms;
use crate::cron::history::Kept;
use crate::cron::shell::Shell;
use crate::cron::{self, Cron, Settings};
use crate::store::Store;

/// Old rows are deleted this often.
const CRON_PRUNE_INTERVAL: Duration = Duration::from_secs(600);

/// What cron is told; `instances` is how many calls may run at once.
pub fn settings(config: &Config, instances: u32) -> anyhow::Result<Settings> {
    let section = &config.cron;
    let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let seconds = u32::try_from(section.timeout_seconds).unwrap_or(u32::MAX);
    let timeout_seconds = seconds.clamp(1, cron::entry::TIMEOUT_SECONDS_MAX);
    Ok(Settings {
        terms: Terms {
            timezone: cron::entry::zone_of(&section.timezone).context("cron.timezone")?,
            timeout_seconds,
            shell: section.shell,
        },
        // The other half is for those who come in by HTTP.
        concurrent_runs_max: size(section.concurrent_runs_max)
            .clamp(1, (instances as usize / 2).max(1)),
        waiting_runs_max: size(section.waiting_runs_max),
        capacity_wait: Duration::from_millis(section.capacity_wait_ms),
        entries_max: size(section.entries_max),
        kept: Kept {
            runs_max: size(section.runs_per_entry_max).max(1),
            age_max: cron::days(section.runs_age_days_max.max(1)),
        },
        prune_interval: CRON_PRUNE_INTERVAL,
    })
}

/// Cron, with its entries read. It calls routes through the dispatcher.
pub async fn open(
    config: &Config,
    address: SocketAddr,
    store: Store,
    settings: Settings,
    dispatcher: Arc<Dispatcher>,
) -> anyhow::Result<Arc<Cron>> {
    let outside = &dispatcher.exec.outside;
    let caller = Caller {
        egress: outside.egress.clone(),
        timeouts: outside.timeouts,
        own_hosts: Arc::new(own_hosts(config, address)),
        response_bytes_max: config.limits.response_body_bytes,
        routes: dispatcher.clone(),
    };
    let shell = Shell {
        dir: config.server.data.join("cron"),
    };
    let cron = Arc::new(Cron::new(store, settings, caller, shell));
    cron.open(Utc::now()).await?;
    Ok(cron)
}

/// The names and addresses under which this server is reached.
fn own_hosts(config: &Config, address: SocketAddr) -> Vec<String> {
    let port = address.port();
    let own = [
        address.to_string(),
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
    ];
    let named = config
        .cron
        .hosts
        .iter()
        .map(|host| host.to_ascii_lowercase());
    own.into_iter().chain(named).collect()
}
