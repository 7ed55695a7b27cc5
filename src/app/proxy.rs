//! The proxy, from the configuration to the part. It must not decide anything
//! that the configuration does not.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use chrono::Utc;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::egress::Policy;
use crate::egress::upstream::Upstreams;
use crate::proxy::aliases::Aliases;
use crate::proxy::bundle::check;
use crate::proxy::forward::{Forwarder, Patience};
use crate::shutdown::Shutdown;

/// How often the configuration file is looked at.
const CONFIG_INTERVAL: Duration = Duration::from_secs(1);

/// Where the configuration came from, to read it again.
pub struct ConfigSource {
    pub file: Option<PathBuf>,
    pub load: Box<dyn Fn() -> anyhow::Result<Config> + Send + Sync>,
}

/// Follows the configuration file: its aliases hold soon after it was saved, and at
/// once after SIGHUP. All else in it needs a restart. One that cannot be read
/// changes nothing.
pub async fn follow_aliases(source: ConfigSource, aliases: Aliases) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => return tracing::error!(%error, "SIGHUP cannot be listened for"),
    };
    let mut seen = modified(&source).await;
    loop {
        tokio::select! {
            _ = hangup.recv() => {}
            () = tokio::time::sleep(CONFIG_INTERVAL) => {
                let now = modified(&source).await;
                if now == seen {
                    continue;
                }
                seen = now;
            }
        }
        let config = (source.load)();
        let configured = async {
            let aliases_now = config?.proxy.aliases;
            aliases.configure(&aliases_now, Utc::now()).await?;
            anyhow::Ok(aliases_now.len())
        };
        match configured.await {
            Ok(count) => tracing::info!(count, "the aliases of the configuration are read again"),
            Err(error) => tracing::error!("the configuration stays as it was: {error:#}"),
        }
    }
}

/// When the file was last saved; none when it is not there.
async fn modified(source: &ConfigSource) -> Option<(SystemTime, u64)> {
    let metadata = tokio::fs::metadata(source.file.as_ref()?).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// The way to upstreams; they are reached as `proxy.allow` says.
pub fn upstreams(config: &Config, own_listeners: Vec<SocketAddr>) -> anyhow::Result<Upstreams> {
    let policy = Policy::of("proxy.allow", &config.proxy.allow, own_listeners)?;
    let mut roots = Vec::new();
    if let Some(path) = &config.proxy.upstream_ca {
        let pem = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read proxy.upstream_ca {}", path.display()))?;
        roots = check::chain(&pem)?;
    }
    Ok(Upstreams::new(policy, roots)?)
}

pub fn forwarder(
    config: &Config,
    upstreams: Upstreams,
    stop: Shutdown,
) -> anyhow::Result<Forwarder> {
    let proxy = &config.proxy;
    let trusted = proxy.trusted.iter().map(|text| {
        let block = text.parse().or_else(|_| text.parse().map(IpAddr::into));
        block.with_context(|| format!("proxy.trusted: {text:?} is no address and no CIDR block"))
    });
    let patience = Patience {
        connect: Duration::from_millis(proxy.connect_ms),
        first_byte: Duration::from_millis(proxy.first_byte_ms),
        idle: Duration::from_millis(proxy.idle_ms),
    };
    let trusted = trusted.collect::<anyhow::Result<_>>()?;
    let requests_max = proxy.requests_max as usize;
    Ok(Forwarder::new(
        upstreams,
        patience,
        requests_max,
        trusted,
        stop,
    ))
}

/// Where plain HTTP is sent, if it is.
pub fn redirect_port(config: &Config, https: Option<SocketAddr>) -> Option<u16> {
    let configured = u16::try_from(config.proxy.https_port)
        .ok()
        .filter(|port| *port > 0);
    let port = configured.or(https.map(|address| address.port()))?;
    config.proxy.redirect_to_https.then_some(port)
}
