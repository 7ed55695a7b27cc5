//! What compiles and runs scripts, as the configuration wants it: the sandbox and
//! the publisher.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::compile::engine::{BUILT_IN, Engine};
use crate::compile::link::Linker;
use crate::config::Config;
use crate::exec::directives::caps::Caps;
use crate::exec::folder::Folder;
use crate::exec::publish::{Frames, Publisher};
use crate::sandbox::{EngineModules, Sandbox, SandboxConfig};

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
        frames: Frames::default(),
        engine,
        sandbox,
        memory_bytes_default: config.limits.memory_bytes as usize,
        bundle_bytes_max: config.limits.bundle_bytes as usize,
        caps: caps(config),
    })
}

/// What scripts may ask for at most. A default above its maximum raises it.
fn caps(config: &Config) -> Caps {
    let limits = &config.limits;
    Caps {
        timeout: Duration::from_millis(limits.wall_clock_max_ms.max(limits.wall_clock_ms)),
        fuel: limits.fuel_max_units.max(limits.fuel_units),
        memory_bytes: limits.memory_max_bytes.max(limits.memory_bytes),
    }
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
        memory_bytes_max: caps(config).memory_bytes as usize,
        cache_dir: Some(cache_dir(config)),
        cache_bytes_max: config.server.cache_max_bytes,
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

/// As many instances as half of the machine's memory holds.
pub fn instances(config: &Config) -> u32 {
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
