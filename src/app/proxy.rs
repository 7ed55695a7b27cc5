//! The proxy, from the configuration to the part. It must not decide anything
//! that the configuration does not.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context;

use crate::config::Config;
use crate::egress::Policy;
use crate::egress::upstream::Upstreams;
use crate::proxy::bundle::check;
use crate::proxy::forward::{Forwarder, Patience};
use crate::shutdown::Shutdown;

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
