//! Edits of core WebAssembly modules that move no function: imports become local
//! functions, the memory becomes an import, data and exports are replaced. It must
//! not know what the module is for.

use std::convert::Infallible;

use wasm_encoder::Module;
use wasm_encoder::reencode::{self, Reencode};
use wasmparser::{CompositeInnerType, DataKind, ExternalKind, Parser, Payload, TypeRef};

use super::image::Segment;

mod editor;
use editor::Editor;
pub use editor::{memory, table};

/// Where a module with `Memory::Around` finds what is around it: module and field.
pub const MEMORY: (&str, &str) = ("image", "memory");
/// A table with one slot, into which it puts its `cabi_realloc`: the instance that
/// has the memory is there first and needs it.
pub const REALLOC: (&str, &str) = ("image", "realloc");
/// A table with a slot for each function it would import, in their order.
pub const IMPORTS: (&str, &str) = ("imports", "table");

/// What the edited module does about its memory.
pub enum Memory<'a> {
    /// Defines it, with these initial contents and at least so many pages.
    Own {
        pages: u64,
        segments: &'a [Segment<'a>],
    },
    /// Imports it from `MEMORY`, with so many pages at least; its data is gone, but
    /// it exports the memory still. It also imports the tables `REALLOC` and `IMPORTS`.
    Around { pages: u64 },
}

/// What becomes of an imported function.
pub enum Import {
    Keep,
    /// It is imported from this module instead; twice the same is once.
    From(String),
    /// It becomes a local function that traps.
    Trap,
    /// It becomes a local function that calls what the table `IMPORTS` holds at its
    /// place; for `Memory::Around`. Wasmtime resolves imports of a module that is
    /// itself imported by name, at each instantiation: a table costs nothing then.
    Indirect,
    /// It becomes a local function `(to, offset, length)` that copies from the
    /// passive data to memory.
    ReadPassive,
}

/// An edit of a core module.
pub struct Edit<'a> {
    /// By the module it is imported from.
    pub import: &'a dyn Fn(&str) -> Import,
    pub memory: Memory<'a>,
    /// Data that is copied to memory only on request. A module that has some keeps it.
    pub passive: Option<&'a [u8]>,
    /// Exports that go away.
    pub drop_exports: &'a [&'a str],
    /// Custom sections that stay, by name.
    pub keep_section: &'a dyn Fn(&str) -> bool,
}

/// The module is not one of ours: malformed, or of a form the edits do not cover.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    #[error("the module does not parse: {0}")]
    Parse(#[from] wasmparser::BinaryReaderError),
    #[error("the module cannot be edited: {0}")]
    Edit(String),
}

impl From<reencode::Error<Infallible>> for ModuleError {
    fn from(error: reencode::Error<Infallible>) -> Self {
        Self::Edit(error.to_string())
    }
}

/// Applies the edit.
pub fn edit(module: &[u8], edit: &Edit<'_>) -> Result<Vec<u8>, ModuleError> {
    let mut kept: Vec<(String, &str, u32)> = Vec::new();
    let mut locals = Vec::new();
    let mut fates = Vec::new();
    let parameters = parameter_counts(module)?;
    for (slot, one) in imported_functions(module)?.into_iter().enumerate() {
        let mut stand_in = |body| {
            fates.push(Fate::Local(locals.len()));
            locals.push(Local { ty: one.ty, body });
        };
        let from = match (edit.import)(one.module) {
            Import::Keep => one.module.to_owned(),
            Import::From(other) => other,
            Import::Trap => {
                stand_in(Body::Trap);
                continue;
            }
            Import::ReadPassive => {
                stand_in(Body::ReadPassive);
                continue;
            }
            Import::Indirect => {
                stand_in(Body::CallSlot {
                    slot: slot as u32,
                    parameters: parameters[one.ty as usize],
                });
                continue;
            }
        };
        let known = kept
            .iter()
            .position(|(module, name, _)| *module == from && *name == one.name);
        match known {
            Some(known) => {
                // The place behind the imports must stay taken, or the defined
                // functions would move.
                locals.push(Local {
                    ty: one.ty,
                    body: Body::Trap,
                });
                fates.push(Fate::Imported(known));
            }
            None => {
                fates.push(Fate::Imported(kept.len()));
                kept.push((from, one.name, one.ty));
            }
        }
    }
    let renumbered = fates
        .iter()
        .map(|fate| match fate {
            Fate::Imported(index) => *index as u32,
            Fate::Local(index) => (kept.len() + index) as u32,
        })
        .collect();
    let passive = match edit.passive {
        Some(data) => Some(data),
        None => passive_data(module)?,
    };
    let realloc = match edit.memory {
        Memory::Own { .. } => None,
        Memory::Around { .. } => Some(exported_function(module, "cabi_realloc")?),
    };
    let mut editor = Editor {
        edit,
        passive,
        renumbered,
        kept: &kept,
        locals,
        realloc,
    };
    let mut out = Module::new();
    editor.parse_core_module(&mut out, Parser::new(0), module)?;
    Ok(out.finish())
}

/// Where an imported function is found after the edit.
enum Fate {
    /// Among the imports.
    Imported(usize),
    /// Among the local functions that stand in for imports.
    Local(usize),
}

/// A function that stands in for an import.
struct Local {
    ty: u32,
    body: Body,
}

enum Body {
    Trap,
    ReadPassive,
    CallSlot { slot: u32, parameters: u32 },
}

/// An imported function: where from, and the index of its type.
pub struct ImportedFunction<'a> {
    pub module: &'a str,
    pub name: &'a str,
    pub ty: u32,
}

/// The imported functions in index order. Our modules import nothing else.
pub fn imported_functions(module: &[u8]) -> Result<Vec<ImportedFunction<'_>>, ModuleError> {
    let mut functions = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::ImportSection(section) = payload? else {
            continue;
        };
        for import in section.into_imports() {
            let import = import?;
            match import.ty {
                TypeRef::Func(ty) => {
                    functions.push(ImportedFunction {
                        module: import.module,
                        name: import.name,
                        ty,
                    });
                }
                TypeRef::Memory(_) => {}
                other => return Err(ModuleError::Edit(format!("imports {other:?}"))),
            }
        }
    }
    Ok(functions)
}

/// How many parameters each function type has.
fn parameter_counts(module: &[u8]) -> Result<Vec<u32>, ModuleError> {
    let mut counts = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::TypeSection(section) = payload? else {
            continue;
        };
        for group in section {
            for ty in group?.into_types() {
                counts.push(match &ty.composite_type.inner {
                    CompositeInnerType::Func(function) => function.params().len() as u32,
                    _ => 0,
                });
            }
        }
    }
    Ok(counts)
}

fn exported_function(module: &[u8], name: &str) -> Result<u32, ModuleError> {
    for payload in Parser::new(0).parse_all(module) {
        let Payload::ExportSection(section) = payload? else {
            continue;
        };
        for export in section {
            let export = export?;
            if export.name == name && export.kind == ExternalKind::Func {
                return Ok(export.index);
            }
        }
    }
    Err(ModuleError::Edit(format!(
        "it exports no function {name:?}"
    )))
}

/// The data of the passive segment, which is always the first.
fn passive_data(module: &[u8]) -> Result<Option<&[u8]>, ModuleError> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::DataSection(section) = payload?
            && let Some(first) = section.into_iter().next().transpose()?
            && matches!(first.kind, DataKind::Passive)
        {
            return Ok(Some(first.data));
        }
    }
    Ok(None)
}

/// The contents of a custom section.
pub fn custom_section<'a>(module: &'a [u8], name: &str) -> Result<&'a [u8], ModuleError> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CustomSection(section) = payload?
            && section.name() == name
        {
            return Ok(section.data());
        }
    }
    Err(ModuleError::Edit(format!("it has no section {name:?}")))
}

/// The memory a module defines: its initial size in pages of 64 KiB.
pub fn memory_pages(module: &[u8]) -> Result<u64, ModuleError> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::MemorySection(section) = payload?
            && let Some(memory) = section.into_iter().next()
        {
            return Ok(memory?.initial);
        }
    }
    Err(ModuleError::Edit("it defines no memory".to_owned()))
}
