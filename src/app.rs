//! The composition root: the only file that names every part. `App::build` reads
//! as the order of dependencies, `run` as the life of the server.

mod certificates;
mod tasks;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use tokio::net::TcpListener;

use crate::api::access::Access;
use crate::api::dispatch::Dispatcher;
use crate::api::front::{Front, FrontParts, Gate};
use crate::api::inside::Inside;
use crate::api::{self, Api, listener};
use crate::auth::Tokens;
use crate::compile::engine::{BUILT_IN, Engine};
use crate::compile::link::Linker;
use crate::config::{Config, Secret};
use crate::egress::upstream::Upstreams;
use crate::egress::{Egress, Policy, Timeouts};
use crate::exec::Exec;
use crate::exec::folder::Folder;
use crate::exec::log::LogConfig;
use crate::exec::log::reader::LogReader;
use crate::exec::log::writer::{self, LogThread};
use crate::exec::monitor::Monitor;
use crate::exec::publish::Publisher;
use crate::exec::script::Script;
use crate::exec::services::{Neighbours, Outside};
use crate::exec::watcher::FolderWatcher;
use crate::proxy::aliases::Aliases;
use crate::proxy::bundle::{Bundles, check};
use crate::proxy::challenges::{ChallengeCerts, HttpChallenges};
use crate::proxy::forward::{Forwarder, Patience};
use crate::proxy::log::AccessLog;
use crate::proxy::tls::TlsAcceptor;
use crate::sandbox::{EngineModules, Sandbox, SandboxConfig};
use crate::shutdown::{Drained, Shutdown};
use crate::store::Store;
use crate::store::sealed::MasterKey;
use certificates::{Answers, ForScripts, Table};
use tasks::{publish_waiting, report_conflicts, save_last_used, until};

/// The largest `@memory`, as a multiple of the default.
const MEMORY_FACTOR_MAX: u64 = 4;

/// A server, bound and ready to run.
pub struct App {
    listener: TcpListener,
    pub address: SocketAddr,
    https: Option<(TcpListener, TlsAcceptor)>,
    pub https_address: Option<SocketAddr>,
    front: FrontParts,
    /// The root token that the first start made; nobody can be told again.
    pub first_token: Option<String>,
    api: Api,
    /// Scripts hold it weakly.
    inside: Arc<Inside>,
    exec: Arc<Exec>,
    watcher: FolderWatcher,
    waiting: Vec<Arc<Script>>,
    log_thread: LogThread,
    drain: Duration,
}

/// The publisher without a server, for the verbs that need no more.
pub fn publisher(
    config: &Config,
    sandbox: Arc<Sandbox>,
    engine: Arc<Engine>,
) -> anyhow::Result<Publisher> {
    let scripts = &config.server.scripts;
    let folder = Folder::new(scripts, config.limits.source_bytes)
        .with_context(|| format!("cannot open the scripts folder {}", scripts.display()))?;
    Ok(Publisher {
        folder,
        linker: Linker::new(engine.clone()),
        engine,
        sandbox,
        memory_bytes_default: config.limits.memory_bytes as usize,
    })
}

/// The sandbox with the built-in engine.
pub fn sandbox(config: &Config) -> anyhow::Result<(Arc<Sandbox>, Arc<Engine>)> {
    let engine = Arc::new(Engine::new(BUILT_IN)?);
    let modules = EngineModules {
        shared: &engine.shared,
        base_image: &engine.base_image,
        version: &engine.version,
    };
    let sandbox_config = SandboxConfig {
        instances_max: instances(config),
        memory_bytes_max: (config.limits.memory_bytes * MEMORY_FACTOR_MAX) as usize,
        cache_dir: Some(cache_dir(config)),
    };
    Ok((Arc::new(Sandbox::new(&sandbox_config, &modules)?), engine))
}

fn cache_dir(config: &Config) -> PathBuf {
    config
        .server
        .cache
        .clone()
        .unwrap_or_else(|| config.server.data.join("components"))
}

impl App {
    /// Opens the store, the sandbox and the folder, and binds the listener.
    /// What lives on beyond a request ends with `stop`.
    pub async fn build(config: &Config, stop: Shutdown) -> anyhow::Result<Self> {
        let store = Store::open(&config.server.data)?;
        let (sandbox, engine) = sandbox(config)?;
        std::fs::create_dir_all(&config.server.scripts)
            .with_context(|| format!("cannot create {}", config.server.scripts.display()))?;
        let listener = bind(config.server.http, "--http").await?;
        let address = listener.local_addr()?;
        let https = match config.server.https {
            Some(address) => Some(bind(address, "--https").await?),
            None => None,
        };
        let https_address = https.as_ref().map(TcpListener::local_addr).transpose()?;
        let own_listeners: Vec<SocketAddr> = [address].into_iter().chain(https_address).collect();
        let policy = Policy::new(&config.egress.allow, own_listeners.clone())?;
        let master_key = config.server.master_key.as_ref().map(Secret::expose);
        let master_key = MasterKey::open(&config.server.data, master_key)?;
        let default_domain = config.proxy.default_domain.as_deref();
        let bundles = Bundles::open(
            store.clone(),
            master_key.clone(),
            default_domain,
            Utc::now(),
        )
        .await?;
        // What `acme` puts here, the listeners answer.
        let (challenge_certs, http_challenges) =
            (ChallengeCerts::default(), HttpChallenges::default());
        let own_dispatcher = Arc::new(OnceLock::new());
        let answers = Answers {
            http: http_challenges.clone(),
            tls: challenge_certs.clone(),
        };
        let acme = certificates::open(
            &config.acme,
            store.clone(),
            master_key,
            Table(bundles.clone()),
            answers,
            own_dispatcher.clone(),
        )?;
        let tls = TlsAcceptor::new(
            bundles.clone(),
            challenge_certs,
            config.proxy.refuse_unknown,
        )?;
        let log_config = LogConfig {
            dir: config.server.data.join("logs"),
            file_bytes_max: config.log.rotate_bytes,
            rotated_files_max: config.log.rotated_files.try_into().unwrap_or(u32::MAX),
        };
        let (log, log_thread) = writer::start(&log_config)?;
        let monitor = Monitor::new(Utc::now());
        let outside = Outside {
            egress: Egress::new(policy, Vec::new())?,
            timeouts: Timeouts {
                connect: Duration::from_millis(config.egress.connect_ms),
                first_byte: Duration::from_millis(config.egress.first_byte_ms),
            },
            log: log.clone(),
            monitor: monitor.clone(),
            echo: config.server.dev,
            neighbours: OnceLock::new(),
            certificates: Arc::new(ForScripts {
                acme: acme.clone(),
                scripts: config.server.scripts.clone(),
            }),
        };
        let publisher = publisher(config, sandbox.clone(), engine)?;
        let versions_max = config.exec.versions_per_script_max as usize;
        let exec = Arc::new(Exec::new(store.clone(), publisher, outside, versions_max));
        // Watching starts before the first look, so that no change falls between.
        let watcher = FolderWatcher::new(exec.folder())?;
        let waiting = exec.open().await?;
        report_conflicts(&exec);
        let upstreams = upstreams(config, own_listeners)?;
        let aliases = Aliases::open(
            store.clone(),
            upstreams.clone(),
            &config.proxy.aliases,
            Utc::now(),
        )?;
        let forwarder = forwarder(config, upstreams, stop.clone())?;
        let access_log = AccessLog::new(config.proxy.log_entries as usize);
        // Last, since a token that was made must be shown: nothing may fail any more.
        let root = config.auth.token.as_ref().map(Secret::expose);
        let (tokens, first_token) = Tokens::open(store, root, Utc::now()).await?;
        let tokens = Arc::new(tokens.failures_per_minute(config.auth.failures_per_minute));
        let dispatcher = Arc::new(Dispatcher {
            exec: exec.clone(),
            access: Arc::new(Access {
                log: log.clone(),
                monitor,
            }),
            sandbox,
            tokens: tokens.clone(),
            token_required: config.auth.scripts_need_token,
            limits: config.limits.clone(),
            dev: config.server.dev,
        });
        let _ = own_dispatcher.set(Arc::downgrade(&dispatcher));
        let drain = Duration::from_millis(config.server.drain_ms);
        let api = Api {
            dispatcher: dispatcher.clone(),
            tokens,
            logs: Arc::new(LogReader::new(&log_config, log)),
            bundles,
            acme,
            aliases: aliases.clone(),
            access_log: access_log.clone(),
            proxy_domain: config.proxy.domain.clone(),
            stop,
            started: Utc::now(),
            body_bytes_max: config.limits.bundle_bytes,
            body_read_timeout: Duration::from_millis(config.limits.body_read_ms),
        };
        let router = api::router(api.clone());
        let inside = Arc::new(Inside { router, dispatcher });
        let neighbours: Arc<dyn Neighbours> = inside.clone();
        let _ = exec.outside.neighbours.set(Arc::downgrade(&neighbours));
        let first_token = first_token.map(|token| token.secret);
        let front = FrontParts {
            challenges: http_challenges,
            gate: Gate {
                aliases,
                forwarder,
                log: access_log,
                dispatcher: api.dispatcher.clone(),
            },
            redirect_port: redirect_port(config, https_address),
            hsts_seconds: config.proxy.hsts_seconds,
        };
        Ok(Self {
            listener,
            address,
            https: https.map(|listener| (listener, tls)),
            https_address,
            front,
            first_token,
            api,
            inside,
            exec,
            watcher,
            waiting,
            log_thread,
            drain,
        })
    }

    /// Serves until somebody asks to stop, then drains.
    pub async fn run(self, stop: Shutdown) {
        let Self {
            listener,
            https,
            front,
            api,
            inside: _inside,
            exec,
            mut watcher,
            waiting,
            log_thread,
            drain,
            ..
        } = self;
        stop.spawn(until(stop.clone(), publish_waiting(exec.clone(), waiting)));
        stop.spawn(until(stop.clone(), async move {
            while let Some(changes) = watcher.next().await {
                exec.changed(changes).await;
            }
        }));
        let acme = api.acme.clone();
        let renewing = stop.clone();
        stop.spawn(async move { acme.run(renewing).await });
        let tokens = api.tokens.clone();
        stop.spawn(until(stop.clone(), save_last_used(tokens.clone())));
        let front = Front::new(api::router(api), front);
        if let Some((listener, tls)) = https {
            let serving = listener::serve(listener, Some(tls), front.clone(), stop.clone());
            stop.spawn(serving);
        }
        stop.spawn(listener::serve(listener, None, front, stop.clone()));
        stop.requested().await;
        if let Drained::Left(tasks) = stop.drain(drain).await {
            tracing::warn!(
                tasks,
                "some requests did not end within {} s",
                drain.as_secs()
            );
        }
        if let Err(error) = tokens.save_last_used().await {
            tracing::warn!(%error, "when tokens were last used is not stored");
        }
        // After all that may still log.
        let _ = tokio::task::spawn_blocking(|| log_thread.stop()).await;
    }
}

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on {address}: choose another address with {flag}"))
}

/// The way to upstreams; they are reached as `proxy.allow` says.
fn upstreams(config: &Config, own_listeners: Vec<SocketAddr>) -> anyhow::Result<Upstreams> {
    let policy = Policy::of("proxy.allow", &config.proxy.allow, own_listeners)?;
    let mut roots = Vec::new();
    if let Some(path) = &config.proxy.upstream_ca {
        let pem = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read proxy.upstream_ca {}", path.display()))?;
        roots = check::chain(&pem)?;
    }
    Ok(Upstreams::new(policy, roots)?)
}

fn forwarder(config: &Config, upstreams: Upstreams, stop: Shutdown) -> anyhow::Result<Forwarder> {
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
fn redirect_port(config: &Config, https: Option<SocketAddr>) -> Option<u16> {
    let configured = u16::try_from(config.proxy.https_port)
        .ok()
        .filter(|port| *port > 0);
    let port = configured.or(https.map(|address| address.port()))?;
    config.proxy.redirect_to_https.then_some(port)
}

/// As many instances as half of the machine's memory holds.
fn instances(config: &Config) -> u32 {
    if config.limits.instances > 0 {
        return config.limits.instances as u32;
    }
    let memory_kib = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        });
    let half = memory_kib.unwrap_or(4 << 20) * 1024 / 2;
    (half / config.limits.memory_bytes).clamp(16, 512) as u32
}
