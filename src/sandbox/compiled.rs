//! Machine code on disk, named by what it was made from, so that a restart
//! compiles nothing. Losing it costs time only, so nothing here is fsynced.

use std::fs;
use std::path::PathBuf;

use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use super::SandboxError;

pub struct Cache {
    dir: Option<PathBuf>,
    engine_version: String,
}

impl Cache {
    pub fn new(dir: Option<PathBuf>, engine_version: &str) -> Result<Self, SandboxError> {
        if let Some(dir) = &dir {
            private_folder(dir).map_err(|error| SandboxError::Cache {
                path: dir.clone(),
                error,
            })?;
        }
        Ok(Self {
            dir,
            engine_version: engine_version.to_owned(),
        })
    }

    pub fn module(&self, engine: &Engine, kind: &str, wasm: &[u8]) -> Result<Module, SandboxError> {
        let Some(path) = self.path(engine, kind) else {
            return Module::new(engine, wasm).map_err(SandboxError::Start);
        };
        // SAFETY: the file is ours; its name says what it was made from, and
        // Wasmtime checks version and settings in its header.
        if let Ok(module) = unsafe { Module::deserialize_file(engine, &path) } {
            return Ok(module);
        }
        let code = engine
            .precompile_module(wasm)
            .map_err(SandboxError::Start)?;
        write(&path, &code)?;
        // SAFETY: as above.
        unsafe { Module::deserialize_file(engine, &path) }.map_err(SandboxError::Start)
    }

    /// A component that was compiled before under this name. The code is mapped
    /// from the file, so idle handlers cost disk, not memory.
    pub fn known(&self, engine: &Engine, name: &str) -> Option<Component> {
        let path = self.path(engine, name)?;
        // SAFETY: as for modules.
        unsafe { Component::deserialize_file(engine, &path) }.ok()
    }

    /// Compiles a component, into the cache when there is one. The name must
    /// stand for everything that the component was made from.
    pub fn component(
        &self,
        engine: &Engine,
        name: &str,
        wasm: &[u8],
    ) -> Result<Component, SandboxError> {
        let Some(path) = self.path(engine, name) else {
            return Component::new(engine, wasm).map_err(SandboxError::Component);
        };
        let code = engine
            .precompile_component(wasm)
            .map_err(SandboxError::Component)?;
        write(&path, &code)?;
        // SAFETY: as for modules.
        unsafe { Component::deserialize_file(engine, &path) }.map_err(SandboxError::Component)
    }

    fn path(&self, engine: &Engine, name: &str) -> Option<PathBuf> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let dir = self.dir.as_ref()?;
        let mut settings = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut settings);
        let settings = settings.finish();
        Some(dir.join(format!(
            "{name}-{}-{settings:016x}.cwasm",
            self.engine_version
        )))
    }
}

fn write(path: &PathBuf, code: &[u8]) -> Result<(), SandboxError> {
    // Two requests, or two servers, may write the same file at once.
    let temporary = path.with_extension(format!("{}.tmp", uuid::Uuid::new_v4().simple()));
    fs::write(&temporary, code)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|error| SandboxError::Cache {
            path: path.clone(),
            error,
        })
}

/// Nobody else may put code where it is loaded from.
fn private_folder(dir: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}
