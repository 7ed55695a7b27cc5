//! From the text of a script to a handler that can be called: compile, load in
//! the engine, link. It reads imports but writes nothing; saving and swapping
//! are the caller's, in this order.

mod frames;
mod isolate;
mod problem;
mod spec;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub use frames::Frames;
use problem::{problem, threw};

use super::directives::caps::Caps;
use super::directives::redact::redact;
use super::folder::{Folder, FolderError};
use super::grant::granted;
use super::history::Origin;
use super::loaded::Loaded;
use super::script::{Manifest, Problem, Program, hash};
use crate::compile::bundle::{Bundle, ReadError, bundle};
use crate::compile::capability::{Capabilities, Capability};
use crate::compile::capability_scan::scan;
use crate::compile::engine::Engine;
use crate::compile::hooks::{self, Hooks};
use crate::compile::link::{Linker, Provenance, image};
use crate::compile::shape::Shape;
use crate::compile::stack::SourceMaps;
use crate::model::directives::Directives;
use crate::model::script::ScriptPath;
use crate::sandbox::Sandbox;
use crate::sandbox::handler::Handler;
use crate::sandbox::snapshot::{LoadSpec, Snapshot, SnapshotError};
use crate::sandbox::worker::Worker;

pub struct Publisher {
    pub folder: Folder,
    pub engine: Arc<Engine>,
    pub linker: Linker,
    pub frames: Frames,
    pub sandbox: Arc<Sandbox>,
    pub memory_bytes_default: usize,
    /// A script with all that it imports.
    pub bundle_bytes_max: usize,
    pub caps: Caps,
}

/// The forms of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Shared,
    Portable,
}

impl Publisher {
    /// Compiles a text as the script at this path. Blocks for about 15 ms.
    pub fn publish(
        &self,
        path: &ScriptPath,
        source: &str,
        directives: &Directives,
        origin: Origin,
    ) -> Result<Program, Problem> {
        let (bundle, read) = self.bundle(path, source, origin)?;
        // What nobody has read takes nothing in, and must not escape a hook either.
        if origin == Origin::Script && self.hooks(path).files().next().is_some() {
            return Err(problem(
                "a script wrote this, and its folder has hooks (pre or post), which only run \
                 with what a person has read: adopt it, or let it be written to another folder",
            ));
        }
        let maps = OnceLock::from(Arc::new(SourceMaps::of(&bundle)));
        if bundle.shape == Shape::Library {
            let manifest = self.manifest(path, source, &bundle, read, true);
            return Ok(Program {
                manifest,
                capabilities: Capabilities::new(),
                handler: Loaded::later(),
                maps,
                worker: Worker::default(),
            });
        }
        let capabilities = &scan(&bundle) & &granted(origin, directives);
        let mut manifest = self.manifest(path, source, &bundle, read, false);
        manifest.capabilities = capabilities
            .iter()
            .map(|one| one.global().to_owned())
            .collect();
        let mut spec = self.spec(path, &bundle, directives, &capabilities, false);
        spec.strict = origin == Origin::Script;
        manifest.version = self.version(&spec);
        let snapshot = self.snapshot(&spec, directives, &bundle)?;
        manifest.evaluated = snapshot.evaluated;
        manifest.shape.clone_from(&snapshot.shape);
        let handler = self.handler(&manifest.version, &snapshot.memory, &capabilities)?;
        Ok(Program {
            manifest,
            capabilities,
            handler: Loaded::now(handler),
            maps,
            worker: Worker::default(),
        })
    }

    /// A program of which all is known but the code, which is loaded when called.
    pub fn known(&self, manifest: Manifest) -> Program {
        let named = |one: &Capability| {
            manifest
                .capabilities
                .iter()
                .any(|name| name == one.global())
        };
        let capabilities = Capability::ALL.into_iter().filter(named).collect();
        Program {
            manifest,
            capabilities,
            handler: Loaded::later(),
            maps: OnceLock::new(),
            worker: Worker::default(),
        }
    }

    /// Whether a manifest still describes these texts.
    pub fn is_current(&self, path: &ScriptPath, source_hash: &str, manifest: &Manifest) -> bool {
        let same = |(dependency, known): &(String, String)| {
            let path = ScriptPath::in_deployment(path.exec_id(), dependency);
            let text = path.ok().and_then(|path| self.folder.read(&path).ok());
            text.is_some_and(|text| hash(text.as_bytes()) == *known)
        };
        manifest.engine == self.engine.version
            && manifest.source_hash == source_hash
            && manifest.dependencies.iter().all(same)
            && (manifest.library || self.has_hooks_in(path, manifest))
    }

    /// Whether a manifest knows the hooks that there are now.
    fn has_hooks_in(&self, path: &ScriptPath, manifest: &Manifest) -> bool {
        let known = |file: &String| manifest.dependencies.iter().any(|(known, _)| known == file);
        self.hooks(path).files().all(known)
    }

    fn hooks(&self, path: &ScriptPath) -> Hooks {
        Hooks::of(path.relative(), |file| {
            let place = ScriptPath::in_deployment(path.exec_id(), file);
            place.is_ok_and(|place| self.folder.exists(&place))
        })
    }

    /// The code of a program that is not loaded, from the cache or made again.
    pub fn load(
        &self,
        path: &ScriptPath,
        source: &str,
        directives: &Directives,
        origin: Origin,
        program: &Program,
    ) -> Result<Handler, Problem> {
        let frame = self.frame(&program.capabilities)?;
        let known = self
            .sandbox
            .known_handler(&program.manifest.version, &frame);
        if let Some(handler) = known {
            return Ok(handler);
        }
        let again = self.publish(path, source, directives, origin)?;
        again
            .handler
            .into_inner()
            .ok_or_else(|| problem("the script has become a library"))
    }

    /// The source maps of a text; empty when it does not compile any more.
    pub fn maps(&self, path: &ScriptPath, source: &str) -> SourceMaps {
        self.bundle(path, source, Origin::Person)
            .map(|(bundle, _)| SourceMaps::of(&bundle))
            .unwrap_or_default()
    }

    /// The component itself, for whoever wants to look at it or run it elsewhere.
    pub fn component(
        &self,
        path: &ScriptPath,
        source: &str,
        directives: &Directives,
        origin: Origin,
        form: Form,
    ) -> Result<Vec<u8>, Problem> {
        let (bundle, _) = self.bundle(path, source, origin)?;
        if bundle.shape == Shape::Library {
            return Err(problem(
                "the file only exports for imports: it has no handler, and so no component",
            ));
        }
        let capabilities = &scan(&bundle) & &granted(origin, directives);
        let mut spec = self.spec(
            path,
            &bundle,
            directives,
            &capabilities,
            form == Form::Portable,
        );
        spec.strict = origin == Origin::Script;
        let snapshot = self.snapshot(&spec, directives, &bundle)?;
        let provenance = self.provenance(path, hash(source.as_bytes()));
        let linked = match form {
            Form::Shared => self
                .linker
                .shared(&snapshot.memory, &capabilities, &provenance),
            Form::Portable => self
                .linker
                .portable(&snapshot.memory, &capabilities, &provenance),
        };
        linked.map_err(|error| problem(&error.to_string()))
    }

    /// Checks a file that others import: that it and what it imports compile.
    pub fn check_import(&self, path: &ScriptPath, source: &str) -> Result<(), Problem> {
        // A file that is called has rules of its own, so another one is made up.
        let name = path.file_name().replace('\'', "\\'");
        let caller_text = match hooks::is_hook(path.relative()) {
            true => String::new(),
            false => format!("export * from './{name}';"),
        };
        let caller =
            ScriptPath::in_deployment(path.exec_id(), &format!("{}.check.ts", path.relative()));
        let caller = caller.map_err(|error| problem(&error.to_string()))?;
        let texts = [
            (caller.relative(), caller_text),
            (path.relative(), source.to_owned()),
        ];
        self.bundle_with(caller.relative(), path, &texts, Origin::Person)
            .map(|_| ())
    }

    fn bundle(
        &self,
        path: &ScriptPath,
        source: &str,
        origin: Origin,
    ) -> Result<(Bundle, BTreeMap<String, String>), Problem> {
        self.bundle_with(
            path.relative(),
            path,
            &[(path.relative(), source.to_owned())],
            origin,
        )
    }

    /// Bundles with some texts in the place of what the folder has. What is
    /// compiled has no secrets in it: it goes into components and error messages.
    fn bundle_with(
        &self,
        entry: &str,
        path: &ScriptPath,
        texts: &[(&str, String)],
        origin: Origin,
    ) -> Result<(Bundle, BTreeMap<String, String>), Problem> {
        // The compiler may read from a thread of its own.
        let hashes = Mutex::new(BTreeMap::new());
        let read = |file: &str| {
            if let Some((_, text)) = texts.iter().find(|(path, _)| *path == file) {
                return Ok(Some(redact(text)));
            }
            // What nobody has read takes nothing in from other files.
            if origin == Origin::Script {
                return Ok(None);
            }
            let Ok(place) = ScriptPath::in_deployment(path.exec_id(), file) else {
                return Ok(None);
            };
            match self.folder.read(&place) {
                Ok(text) => {
                    let mut hashes = hashes.lock().unwrap_or_else(PoisonError::into_inner);
                    hashes.insert(file.to_owned(), hash(text.as_bytes()));
                    Ok(Some(redact(&text)))
                }
                Err(FolderError::NotFound(_) | FolderError::IsFolder(_)) => Ok(None),
                Err(error) => Err(ReadError(error.to_string())),
            }
        };
        let bundle =
            bundle(entry, &read, self.bundle_bytes_max).map_err(|diagnostics| Problem {
                message: diagnostics
                    .first()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                diagnostics,
            })?;
        Ok((
            bundle,
            hashes.into_inner().unwrap_or_else(PoisonError::into_inner),
        ))
    }

    fn manifest(
        &self,
        path: &ScriptPath,
        source: &str,
        bundle: &Bundle,
        read: BTreeMap<String, String>,
        library: bool,
    ) -> Manifest {
        let source_hash = hash(source.as_bytes());
        let uses: Vec<&str> = bundle
            .dependencies()
            .filter(|file| *file != path.relative())
            .collect();
        Manifest {
            version: source_hash.clone(),
            number: 0,
            source_hash,
            engine: self.engine.version.clone(),
            dependencies: read
                .into_iter()
                .filter(|(file, _)| uses.contains(&file.as_str()))
                .collect(),
            shape: "library".to_owned(),
            evaluated: true,
            capabilities: Vec::new(),
            library,
        }
    }

    fn snapshot(
        &self,
        spec: &LoadSpec,
        directives: &Directives,
        bundle: &Bundle,
    ) -> Result<Snapshot, Problem> {
        let memory = directives
            .memory_bytes
            .map_or(self.memory_bytes_default, |bytes| bytes as usize);
        let mut unlimited = u64::MAX;
        self.sandbox
            .snapshot(spec, memory, &mut unlimited)
            .map_err(|error| match error {
                SnapshotError::Threw(error) => threw(&error, &SourceMaps::of(bundle)),
                other => problem(&other.to_string()),
            })
    }

    fn handler(
        &self,
        version: &str,
        memory: &[u8],
        capabilities: &Capabilities,
    ) -> Result<Handler, Problem> {
        let frame = self.frame(capabilities)?;
        if let Some(handler) = self.sandbox.known_handler(version, &frame) {
            return Ok(handler);
        }
        self.sandbox
            .handler(version, &frame, &image(memory))
            .map_err(|error| problem(&error.to_string()))
    }

    fn provenance(&self, path: &ScriptPath, source_hash: String) -> Provenance {
        Provenance {
            script: path.to_string(),
            source_hash,
            engine: self.engine.version.clone(),
            producer: concat!("footpath ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
