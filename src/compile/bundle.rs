//! A script and everything it imports, as JavaScript modules that name each
//! other by their paths.
//!
//! Reads files only through the function it is given, and only files of the
//! deployment. Nothing is joined into one file: each module keeps its own source
//! map, and the engine loads them by name.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::hooks::{self, Hooks};
use super::imports::Unresolved;
use super::resolve;
use super::shape::Shape;
use super::typescript::{self, HELPERS_MODULE, Language, Role};
use super::{diagnostics::DIAGNOSTICS_MAX, jsx, node};
use crate::model::diagnostic::Diagnostic;

/// Modules in one bundle, the entry included.
pub const MODULES_MAX: usize = 512;

/// A script with all it imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The name of the module to call: the path of the script, or
    /// [`hooks::MODULE`].
    pub entry: String,
    pub shape: Shape,
    /// The script first, the others in the order in which they were found.
    pub modules: Vec<JsModule>,
}

/// One ECMAScript module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsModule {
    /// The file, relative to the deployment, with `/`. The specifiers in `code`
    /// are such paths too, so that the engine resolves nothing.
    pub path: String,
    pub code: String,
    /// Source map, JSON, version 3. None for data and for our own helpers.
    pub source_map: Option<String>,
    /// The modules that this one imports, statically or not.
    pub imports: Vec<String>,
}

/// Why a file that exists cannot be read, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(pub String);

/// Gives the text of a file of the deployment; None if there is no such file
/// (or it is a folder).
pub type Read<'r> = dyn Fn(&str) -> Result<Option<String>, ReadError> + Sync + 'r;

impl Bundle {
    /// The files that the script depends on, apart from itself.
    pub fn dependencies(&self) -> impl Iterator<Item = &str> {
        let paths = self
            .modules
            .iter()
            .skip(1)
            .map(|module| module.path.as_str());
        paths.filter(|path| {
            let is_ours = path.starts_with(HELPERS_MODULE) || node::module(path).is_some();
            !is_ours && *path != hooks::MODULE
        })
    }
}

/// Compiles the script `entry`, its hooks and everything they import. Reports the problems
/// of all files at once, at most 20. `bytes_max` is of all source text together.
pub fn bundle(entry: &str, read: &Read, bytes_max: usize) -> Result<Bundle, Vec<Diagnostic>> {
    let files = Files {
        read,
        texts: Mutex::new(HashMap::new()),
    };
    let source = match files.text(entry) {
        Ok(Some(source)) if Language::of(entry).is_none() => {
            return Err(vec![not_a_script(entry, &source)]);
        }
        Ok(Some(source)) => source,
        Ok(None) => return Err(vec![Diagnostic::whole_file(entry, "there is no such file")]),
        Err(error) => return Err(vec![Diagnostic::whole_file(entry, error.to_string())]),
    };
    let mut bundler = Bundler {
        files: &files,
        found: vec![entry.to_owned()],
        pending: VecDeque::new(),
        modules: vec![],
        source_bytes: 0,
        bytes_max,
        problems: vec![],
    };
    let shape = bundler.add(entry, &source, Role::Entry);
    let hooks = Hooks::of(entry, |file| {
        matches!(files.text(file), Ok(Some(_)) | Err(_))
    });
    for hook in hooks.files().filter(|_| shape != Some(Shape::Library)) {
        bundler.add_hook(hook);
    }
    while let Some(path) = bundler.pending.pop_front() {
        if bundler.problems.len() >= DIAGNOSTICS_MAX {
            break;
        }
        // It was read when it was found, and is kept; our helpers are no files.
        let source = files.text(&path).ok().flatten();
        bundler.add(&path, source.as_deref().unwrap_or_default(), Role::Import);
    }
    match shape {
        Some(shape) if bundler.problems.is_empty() => Ok(bundler.finish(entry, shape, &hooks)),
        _ => {
            bundler.problems.truncate(DIAGNOSTICS_MAX);
            Err(bundler.problems)
        }
    }
}

struct Bundler<'f> {
    files: &'f Files<'f>,
    /// Every module so far, compiled or pending.
    found: Vec<String>,
    pending: VecDeque<String>,
    modules: Vec<JsModule>,
    source_bytes: usize,
    bytes_max: usize,
    problems: Vec<Diagnostic>,
}

impl Bundler<'_> {
    /// Compiles one module and queues what it imports. None if it has problems.
    fn add(&mut self, path: &str, source: &str, role: Role) -> Option<Shape> {
        self.source_bytes += source.len();
        if self.source_bytes > self.bytes_max {
            let message = format!(
                "with this file the script has more than {} bytes; import less, or raise limits.bundle_bytes",
                self.bytes_max
            );
            self.pending.clear();
            return self.fail(Diagnostic::whole_file(path, message));
        }
        if let Some(code) = node::source(path) {
            self.push(path, code, None, vec![]);
            return None;
        }
        if path.starts_with(HELPERS_MODULE) {
            match helper(path) {
                Some(code) => self.push(path, code.to_owned(), None, vec![]),
                None => return self.fail(Diagnostic::whole_file(path, "there is no such helper")),
            }
            return None;
        }
        if resolve::is_json(path) {
            match json_module(path, source) {
                Ok(code) => self.push(path, code, None, vec![]),
                Err(problem) => return self.fail(problem),
            }
            return None;
        }
        let Some(language) = Language::of(path) else {
            return self.fail(not_a_script(path, source));
        };
        let resolve = |specifier: &str| self.files.resolve(path, specifier);
        match typescript::compile_noted(path, source, language, role, &resolve) {
            Ok(compiled) => {
                self.queue(path, &compiled.imports);
                self.push(
                    path,
                    compiled.code,
                    Some(compiled.source_map),
                    compiled.imports,
                );
                Some(compiled.shape)
            }
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }

    fn add_hook(&mut self, path: &str) {
        self.found.push(path.to_owned());
        let source = match self.files.text(path) {
            Ok(source) => source.unwrap_or_default(),
            Err(error) => {
                self.fail(Diagnostic::whole_file(path, error.to_string()));
                return;
            }
        };
        let shape = self.add(path, &source, Role::Hook);
        if matches!(shape, Some(Shape::Library | Shape::Web)) {
            let message = "a hook is called as (req, res, metadata, shared), and this is no such \
                           function";
            let hint = "write its body at top level, or `export default` a function of (req, res)";
            self.fail(Diagnostic::whole_file(path, message).with_hint(hint));
        }
    }

    fn finish(mut self, entry: &str, shape: Shape, hooks: &Hooks) -> Bundle {
        if shape == Shape::Library || hooks.files().next().is_none() {
            return Bundle {
                entry: entry.to_owned(),
                shape,
                modules: self.modules,
            };
        }
        let code = hooks::module(entry, shape, hooks);
        let imports = std::iter::once(entry.to_owned()).chain(hooks.files().cloned());
        self.push(hooks::MODULE, code, None, imports.collect());
        Bundle {
            entry: hooks::MODULE.to_owned(),
            shape: Shape::Node,
            modules: self.modules,
        }
    }

    fn queue(&mut self, importer: &str, imports: &[String]) {
        for path in imports {
            if self.found.contains(path) {
                continue;
            }
            if self.found.len() == MODULES_MAX {
                let message =
                    format!("with its imports the script has more than {MODULES_MAX} modules");
                self.fail(Diagnostic::whole_file(importer, message));
                self.pending.clear();
                return;
            }
            self.found.push(path.clone());
            self.pending.push_back(path.clone());
        }
    }

    fn push(&mut self, path: &str, code: String, source_map: Option<String>, imports: Vec<String>) {
        self.modules.push(JsModule {
            path: path.to_owned(),
            code,
            source_map,
            imports,
        });
    }

    fn fail(&mut self, problem: Diagnostic) -> Option<Shape> {
        self.problems.push(problem);
        None
    }
}

/// The deployment's files, each read once.
struct Files<'r> {
    read: &'r Read<'r>,
    texts: Mutex<HashMap<String, Result<Option<Arc<str>>, ReadError>>>,
}

impl Files<'_> {
    fn text(&self, path: &str) -> Result<Option<Arc<str>>, ReadError> {
        // A reader that panicked has left nothing half done.
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || (self.read)(path).map(|text| text.map(Arc::from));
        texts.entry(path.to_owned()).or_insert_with(read).clone()
    }

    /// The file that a specifier means.
    fn resolve(&self, importer: &str, specifier: &str) -> Result<String, Unresolved> {
        if let Some(module) = node::module(specifier) {
            return Ok(module);
        }
        let place = resolve::join(importer, specifier)?;
        for candidate in resolve::candidates(&place) {
            match self.text(&candidate) {
                Ok(Some(_)) => return Ok(candidate),
                Ok(None) => {}
                Err(error) => {
                    return Err(Unresolved {
                        message: format!("cannot import `{specifier}`: {error}"),
                        hint: format!("mend or replace `{candidate}`"),
                    });
                }
            }
        }
        Err(self.nothing_found(specifier, &place))
    }

    fn nothing_found(&self, specifier: &str, place: &str) -> Unresolved {
        let exists = |end: &&str| matches!(self.text(&format!("{place}{end}")), Ok(Some(_)));
        if !place.is_empty() && ["", ".tsx", ".jsx"].iter().any(exists) {
            return Unresolved {
                message: format!("cannot import `{specifier}`: it is not a `.ts`, `.js` or `.json` file"),
                hint: "JSX and other kinds of files are not supported; move the code into a `.ts` file \
                       or the data into a `.json` file"
                    .to_owned(),
            };
        }
        Unresolved {
            message: format!("cannot find `{specifier}`"),
            hint: format!("looked for {}", resolve::candidates(place).join(", ")),
        }
    }
}

/// JSON is parsed by the engine's own `JSON.parse`: as an object literal, a key
/// `__proto__` would mean something else.
fn json_module(path: &str, source: &str) -> Result<String, Diagnostic> {
    let source = source.trim_start_matches('\u{FEFF}');
    match serde_json::from_str::<serde_json::Value>(source) {
        Ok(_) => {
            let text = serde_json::Value::String(source.to_owned());
            Ok(format!("export default JSON.parse({text});\n"))
        }
        Err(error) => {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or(&message);
            let offset = offset_of(source, error.line(), error.column());
            Err(Diagnostic::at(
                path,
                source,
                offset,
                format!("invalid JSON: {message}"),
            ))
        }
    }
}

/// The byte offset of serde_json's position: a line counted from 1 and how many
/// of its bytes had been read.
fn offset_of(source: &str, line: usize, column: usize) -> usize {
    let start: usize = source
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    start + column.saturating_sub(1)
}

fn not_a_script(path: &str, source: &str) -> Diagnostic {
    if path.ends_with(".tsx") || path.ends_with(".jsx") {
        return jsx::unsupported(path, source, 0);
    }
    Diagnostic::whole_file(path, "this is not a script").with_hint("name it `.ts` or `.js`")
}

/// Our own modules, which lowered code imports.
fn helper(path: &str) -> Option<&'static str> {
    match path.strip_prefix(HELPERS_MODULE)? {
        "/helpers/decorate" => Some(include_str!("helpers/decorate.js")),
        "/helpers/decorateParam" => Some(include_str!("helpers/decorateParam.js")),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
