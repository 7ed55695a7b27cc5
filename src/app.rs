//! The composition root: the only file that names every part. `App::build` reads
//! as the order of dependencies, `run` as the life of the server.

pub mod author;
pub mod certificates;
mod compiling;
mod proxy;
mod scheduler;
mod tasks;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use tokio::net::TcpListener;

use crate::acme::on_demand::{self, Wished};
use crate::api::access::Access;
use crate::api::dispatch::Dispatcher;
use crate::api::front::{Front, FrontParts, Gate};
use crate::api::inside::Inside;
use crate::api::{self, Api, listener};
use crate::auth::Tokens;
use crate::author::Author;
use crate::config::{Config, Secret};
use crate::cron::Cron;
use crate::egress::{Egress, Policy, Timeouts};
use crate::exec::Exec;
use crate::exec::log::LogConfig;
use crate::exec::log::reader::LogReader;
use crate::exec::log::writer::{self, LogThread};
use crate::exec::monitor::Monitor;
use crate::exec::script::Script;
use crate::exec::services::{IsolateCaps, Neighbours, Outside};
use crate::exec::unload::Keep;
use crate::exec::watcher::FolderWatcher;
use crate::proxy::aliases::Aliases;
use crate::proxy::bundle::Bundles;
use crate::proxy::challenges::{ChallengeCerts, HttpChallenges};
use crate::proxy::log::AccessLog;
use crate::proxy::tls::TlsAcceptor;
use crate::sandbox::services::ai::Models;
use crate::shutdown::{Drained, Shutdown};
use crate::store::Store;
use crate::store::sealed::MasterKey;
pub use compiling::{publisher, sandbox};

use certificates::{Answers, ForScripts, Table, Unknown};
use compiling::instances;
pub use proxy::ConfigSource;
use tasks::{
    follow_schedules, keep_certificates, keep_export, publish_waiting, report_conflicts,
    save_last_used, save_traffic, until,
};

/// How long a stopping server waits for what models used to be booked.
const BOOKING_TIME: Duration = Duration::from_secs(2);

/// A server, bound and ready to run.
pub struct App {
    listener: TcpListener,
    pub address: SocketAddr,
    https: Option<(TcpListener, TlsAcceptor)>,
    pub https_address: Option<SocketAddr>,
    front: FrontParts,
    /// Names that handshakes lack a certificate for.
    wished: Wished,
    /// The root token that the first start made; nobody can be told again.
    pub first_token: Option<String>,
    api: Api,
    /// Scripts hold it weakly.
    inside: Arc<Inside>,
    exec: Arc<Exec>,
    author: Arc<Author>,
    watcher: FolderWatcher,
    waiting: Vec<Arc<Script>>,
    cron: Arc<Cron>,
    log_thread: LogThread,
    drain: Duration,
    store: Store,
}

impl App {
    /// Opens the store, the sandbox and the folder, and binds the listener.
    /// What lives on beyond a request ends with `stop`.
    pub async fn build(config: &Config, stop: Shutdown) -> anyhow::Result<Self> {
        let store = Store::open(&config.server.data)?;
        let (sandbox, engine) = sandbox(config)?;
        let cron_settings = scheduler::settings(config, instances(config))?;
        if !config.server.scripts.exists() {
            // It may be a misspelt name.
            tracing::warn!(
                "there was no folder {}, so an empty one was made; `footpath init` makes one with examples",
                config.server.scripts.display()
            );
        }
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
        let keys = master_key.clone();
        let bundles = Bundles::open(store.clone(), keys, default_domain, Utc::now()).await?;
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
            master_key.clone(),
            Table(bundles.clone()),
            answers,
            own_dispatcher.clone(),
        )?;
        let (wishes, wished) = on_demand::wishes();
        let tls = TlsAcceptor::new(
            bundles.clone(),
            challenge_certs,
            config.proxy.refuse_unknown,
            Arc::new(Unknown(wishes)),
        )?;
        let log_config = LogConfig {
            dir: config.server.data.join("logs"),
            file_bytes_max: config.log.rotate_bytes,
            rotated_files_max: config.log.rotated_files.try_into().unwrap_or(u32::MAX),
        };
        let (log, log_thread) = writer::start(&log_config)?;
        let monitor = Monitor::new(Utc::now());
        let author = Arc::new(author::open(config, &store)?);
        let models: Arc<dyn Models> = author.clone();
        let outside = Outside {
            models,
            isolate: IsolateCaps {
                timeout: Duration::from_millis(config.author.isolate_ms),
                fuel: config.author.isolate_fuel_units,
                memory_bytes: config.author.isolate_memory_bytes as usize,
                response_bytes: config.limits.response_body_bytes,
            },
            approval: config.author.approval,
            egress: Egress::new(policy, Vec::new())?,
            timeouts: Timeouts {
                connect: Duration::from_millis(config.egress.connect_ms),
                first_byte: Duration::from_millis(config.egress.first_byte_ms),
            },
            between_bytes: Duration::from_millis(config.egress.between_bytes_ms),
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
        let keep = Keep {
            handlers_max: config.exec.loaded_handlers_max as usize,
            idle: Duration::from_millis(config.exec.loaded_idle_ms),
        };
        let exec = Exec::new(store.clone(), publisher, outside, versions_max, keep)?;
        let exec = Arc::new(exec);
        // Watching starts before the first look, so that no change falls between.
        let watcher = FolderWatcher::new(exec.folder())?;
        let waiting = exec.open().await?;
        report_conflicts(&exec);
        let upstreams = proxy::upstreams(config, own_listeners)?;
        let aliases = Aliases::open(
            store.clone(),
            master_key,
            upstreams.clone(),
            &config.proxy.aliases,
            Utc::now(),
        )?;
        let forwarder = proxy::forwarder(config, upstreams, stop.clone())?;
        let access_log = AccessLog::new(config.proxy.log_entries as usize);
        let tokens = Tokens::open(store.clone())?;
        let tokens = Arc::new(tokens.failures_per_minute(config.auth.failures_per_minute));
        let dispatcher = Arc::new(Dispatcher {
            exec: exec.clone(),
            author: author.clone(),
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
        let (caller, rows) = (dispatcher.clone(), store.clone());
        let cron = scheduler::open(config, address, rows, cron_settings, caller).await?;
        // The last that may fail, since a token that was made must be shown.
        let root = config.auth.token.as_ref().map(Secret::expose);
        let first_token = tokens.ensure_root(root, Utc::now()).await?;
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
            cron: cron.clone(),
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
            redirect_port: proxy::redirect_port(config, https_address),
            hsts_seconds: config.proxy.hsts_seconds,
        };
        Ok(Self {
            listener,
            address,
            https: https.map(|listener| (listener, tls)),
            https_address,
            front,
            wished,
            first_token,
            api,
            inside,
            exec,
            author,
            watcher,
            waiting,
            cron,
            log_thread,
            drain,
            store,
        })
    }

    /// Follows changes of the configuration, as far as they need no restart.
    pub fn follow(&self, source: ConfigSource, stop: &Shutdown) {
        let following = proxy::follow_aliases(source, self.front.gate.aliases.clone());
        stop.spawn(until(stop.clone(), following));
    }

    /// Serves until somebody asks to stop, then drains.
    pub async fn run(self, stop: Shutdown) {
        let Self {
            listener,
            https,
            front,
            wished,
            api,
            inside: _inside,
            exec,
            author,
            mut watcher,
            waiting,
            cron,
            log_thread,
            drain,
            store,
            ..
        } = self;
        stop.spawn(until(stop.clone(), publish_waiting(exec.clone(), waiting)));
        let idle = exec.clone();
        stop.spawn(until(stop.clone(), async move { idle.unload_idle().await }));
        let changing = exec.clone();
        stop.spawn(until(
            stop.clone(),
            follow_schedules(exec.clone(), cron.clone()),
        ));
        stop.spawn(cron.run(stop.clone()));
        stop.spawn(until(stop.clone(), async move {
            while let Some(changes) = watcher.next().await {
                changing.changed(changes).await;
            }
        }));
        stop.spawn(keep_certificates(api.acme.clone(), wished, stop.clone()));
        stop.spawn(keep_export(store));
        let tokens = api.tokens.clone();
        stop.spawn(until(stop.clone(), save_last_used(tokens.clone())));
        let front = Front::new(api::router(api), front);
        if let Some((listener, tls)) = https {
            let serving = listener::serve(listener, Some(tls), front.clone(), stop.clone());
            stop.spawn(serving);
        }
        stop.spawn(listener::serve(listener, None, front, stop.clone()));
        stop.spawn(until(stop.clone(), save_traffic(exec.clone())));
        stop.requested().await;
        if let Drained::Left(tasks) = stop.drain(drain).await {
            tracing::warn!(
                tasks,
                "some requests did not end within {} s",
                drain.as_secs()
            );
        }
        if let Err(error) = exec.traffic.save().await {
            tracing::warn!(%error, "what calls looked like is not stored");
        }
        // Requests to models end with the calls that made them, and book what they used.
        author.tasks.close();
        let _ = tokio::time::timeout(BOOKING_TIME, author.tasks.wait()).await;
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
