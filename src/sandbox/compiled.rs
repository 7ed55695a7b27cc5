//! Machine code on disk, named by what it was made from, so that a restart
//! compiles nothing. Losing it costs time only, so nothing here is fsynced.

use std::fs;
use std::path::{Path, PathBuf};

use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use super::SandboxError;
use super::eviction::{Budget, EXTENSION, touch};

pub struct Cache {
    folder: Option<(PathBuf, Budget)>,
    engine_version: String,
}

/// The modules that every handler needs; without them no cached component fits.
const ENGINE: &str = "engine";
const IMAGE: &str = "image";

impl Cache {
    pub fn new(
        dir: Option<PathBuf>,
        bytes_max: u64,
        engine_version: &str,
    ) -> Result<Self, SandboxError> {
        let mut cache = Self {
            folder: None,
            engine_version: engine_version.to_owned(),
        };
        if let Some(dir) = dir {
            private_folder(&dir).map_err(|error| SandboxError::Cache {
                path: dir.clone(),
                error,
            })?;
            let budget = Budget::new(&dir, bytes_max, |name| cache.is_own_engine(name));
            cache.folder = Some((dir, budget));
        }
        Ok(cache)
    }

    /// Of this version, so that those of earlier ones go in time.
    fn is_own_engine(&self, file_name: &str) -> bool {
        [ENGINE, IMAGE].into_iter().any(|kind| {
            let rest = file_name.strip_prefix(kind);
            let rest = rest.and_then(|rest| rest.strip_prefix('-'));
            rest.is_some_and(|rest| rest.starts_with(&self.engine_version))
        })
    }

    /// The shared engine.
    pub fn engine(&self, engine: &Engine, wasm: &[u8]) -> Result<Module, SandboxError> {
        self.module(engine, ENGINE, wasm)
    }

    /// The module that scripts are loaded in.
    pub fn base_image(&self, engine: &Engine, wasm: &[u8]) -> Result<Module, SandboxError> {
        self.module(engine, IMAGE, wasm)
    }

    fn module(&self, engine: &Engine, kind: &str, wasm: &[u8]) -> Result<Module, SandboxError> {
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
        self.write(&path, &code)?;
        // SAFETY: as above.
        unsafe { Module::deserialize_file(engine, &path) }.map_err(SandboxError::Start)
    }

    /// A component that was compiled before under this name. The code is mapped
    /// from the file, so idle handlers cost disk, not memory.
    pub fn known(&self, engine: &Engine, name: &str) -> Option<Component> {
        let path = self.path(engine, name)?;
        // SAFETY: as for modules.
        let component = unsafe { Component::deserialize_file(engine, &path) }.ok()?;
        touch(&path);
        Some(component)
    }

    /// Keeps the code of a component, when there is a cache, and loads it. The name
    /// must stand for everything that the component was made from.
    ///
    /// # Safety
    /// The code is what Wasmtime made, and nobody has changed it.
    pub unsafe fn component(
        &self,
        engine: &Engine,
        name: &str,
        code: &[u8],
    ) -> Result<Component, SandboxError> {
        let Some(path) = self.path(engine, name) else {
            // SAFETY: the caller's.
            let loaded = unsafe { Component::deserialize(engine, code) };
            return loaded.map_err(SandboxError::Component);
        };
        self.write(&path, code)?;
        // SAFETY: as for modules.
        let mapped = unsafe { Component::deserialize_file(engine, &path) };
        // Another call may have made room meanwhile, and this file was in its way.
        // SAFETY: the caller's.
        let loaded = mapped.or_else(|_| unsafe { Component::deserialize(engine, code) });
        if let Some((dir, budget)) = &self.folder {
            budget.written(dir, code.len() as u64, |name| self.is_own_engine(name));
        }
        loaded.map_err(SandboxError::Component)
    }

    fn path(&self, engine: &Engine, name: &str) -> Option<PathBuf> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let (dir, _) = self.folder.as_ref()?;
        let mut settings = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut settings);
        let settings = settings.finish();
        Some(dir.join(format!(
            "{name}-{}-{settings:016x}.{EXTENSION}",
            self.engine_version
        )))
    }

    fn write(&self, path: &Path, code: &[u8]) -> Result<(), SandboxError> {
        // Two requests, or two servers, may write the same file at once.
        let temporary = path.with_extension(format!("{}.tmp", uuid::Uuid::new_v4().simple()));
        let written = fs::write(&temporary, code).and_then(|()| fs::rename(&temporary, path));
        written.map_err(|error| {
            // A half of it would only take the room that is missing.
            let _ = fs::remove_file(&temporary);
            SandboxError::Cache {
                path: path.to_owned(),
                error,
            }
        })
    }
}

/// Nobody else may put code where it is loaded from.
fn private_folder(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}
