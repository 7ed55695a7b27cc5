//! Machine code on disk, named by what it was made from, so that a restart
//! compiles nothing. Losing it costs time only, so nothing here is fsynced.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use super::SandboxError;
use super::eviction::{Budget, EXTENSION, touch};

pub struct Cache {
    folder: Option<(PathBuf, Budget)>,
    engine_version: String,
}

/// What the names of files begin with that many handlers need; without them no
/// cached image fits.
const ENGINE: &str = "engine";
const IMAGE: &str = "image";
const FRAME: &str = "frame";

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
        let version = format!("-{}-", self.engine_version);
        [ENGINE, IMAGE, FRAME]
            .into_iter()
            .any(|kind| file_name.starts_with(kind))
            && file_name.contains(&version)
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

    /// A frame: all the code that handlers with the same capabilities have of
    /// their own. Its name is what it was made from.
    pub fn frame(&self, engine: &Engine, wasm: &[u8]) -> Result<Component, SandboxError> {
        let name = format!("{FRAME}-{:x}", Sha256::digest(wasm));
        let Some(path) = self.path(engine, &name) else {
            return Component::new(engine, wasm).map_err(SandboxError::Component);
        };
        // SAFETY: as for modules.
        if let Ok(frame) = unsafe { Component::deserialize_file(engine, &path) } {
            return Ok(frame);
        }
        let code = engine
            .precompile_component(wasm)
            .map_err(SandboxError::Component)?;
        self.write(&path, &code)?;
        self.make_room(code.len());
        // SAFETY: as for modules.
        unsafe { Component::deserialize_file(engine, &path) }.map_err(SandboxError::Component)
    }

    /// An image that was stored before under this name. It is mapped from the
    /// file, so idle handlers cost disk, not memory.
    pub fn known_image(&self, engine: &Engine, name: &str) -> Option<Module> {
        let path = self.path(engine, name)?;
        // SAFETY: as for modules.
        let image = unsafe { Module::deserialize_file(engine, &path) }.ok()?;
        touch(&path);
        Some(image)
    }

    /// Takes a handler's image in, into the cache when there is one. The name must
    /// stand for everything that the image was made from.
    pub fn image(&self, engine: &Engine, name: &str, wasm: &[u8]) -> Result<Module, SandboxError> {
        let Some(path) = self.path(engine, name) else {
            return Module::new(engine, wasm).map_err(SandboxError::Component);
        };
        let code = engine
            .precompile_module(wasm)
            .map_err(SandboxError::Component)?;
        self.write(&path, &code)?;
        // SAFETY: as for modules.
        let mapped = unsafe { Module::deserialize_file(engine, &path) };
        // Another call may have made room meanwhile, and this file was in its way.
        // SAFETY: Wasmtime made this code just now.
        let loaded = mapped.or_else(|_| unsafe { Module::deserialize(engine, &code) });
        self.make_room(code.len());
        loaded.map_err(SandboxError::Component)
    }

    /// A file of so many bytes was written.
    fn make_room(&self, bytes: usize) {
        if let Some((dir, budget)) = &self.folder {
            budget.written(dir, bytes as u64, |name| self.is_own_engine(name));
        }
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
