//! Edits of core WebAssembly modules that move no index: imports become local
//! stubs, the memory becomes an import, data and exports are replaced. It must
//! not know what the module is for.

use std::convert::Infallible;
use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    CodeSection, DataCountSection, DataSection, EntityType, ExportSection, Function,
    FunctionSection, ImportSection, MemoryType, Module, SectionId,
};
use wasmparser::{DataKind, Parser, Payload, TypeRef};

use super::image::Segment;

/// The index of the passive segment: the first, so that it is the same in all forms.
const PASSIVE: u32 = 0;

/// What the edited module does about its memory.
pub enum Memory<'a> {
    /// Defines it, with these initial contents and at least so many pages.
    Own {
        pages: u64,
        segments: &'a [Segment<'a>],
    },
    /// Imports it from `env` `memory`, with so many pages at least; its data is
    /// gone, but it exports the memory still.
    Imported { pages: u64 },
}

/// What becomes of an imported function.
pub enum Import {
    Keep,
    /// It is imported from this module instead; twice the same is once.
    From(String),
    /// It becomes a local function that traps.
    Trap,
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
    for one in imported_functions(module)? {
        let from = match (edit.import)(one.module) {
            Import::Keep => one.module.to_owned(),
            Import::From(other) => other,
            Import::Trap | Import::ReadPassive => {
                fates.push(Fate::Local(locals.len()));
                let reads = matches!((edit.import)(one.module), Import::ReadPassive);
                locals.push(Local { ty: one.ty, reads });
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
                    reads: false,
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
    let mut editor = Editor {
        edit,
        passive,
        renumbered,
        kept: &kept,
        locals,
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

/// A function that stands in for an import: it traps, or reads the passive data.
struct Local {
    ty: u32,
    reads: bool,
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

struct Editor<'a> {
    edit: &'a Edit<'a>,
    passive: Option<&'a [u8]>,
    /// The new index of each function that was imported.
    renumbered: Vec<u32>,
    /// The imports to write: module, field, type.
    kept: &'a [(String, &'a str, u32)],
    locals: Vec<Local>,
}

type EditResult = Result<(), reencode::Error<Infallible>>;

impl Reencode for Editor<'_> {
    type Error = Infallible;

    /// Stand-ins take the places behind the kept imports, so defined functions
    /// keep their numbers.
    fn function_index(&mut self, index: u32) -> Result<u32, reencode::Error<Infallible>> {
        Ok(self
            .renumbered
            .get(index as usize)
            .copied()
            .unwrap_or(index))
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        _: wasmparser::ImportSectionReader<'_>,
    ) -> EditResult {
        if let Memory::Imported { pages } = self.edit.memory {
            import_memory(imports, pages);
        }
        for (module, name, ty) in self.kept {
            imports.import(module, name, EntityType::Function(*ty));
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> EditResult {
        for local in &self.locals {
            functions.function(local.ty);
        }
        utils::parse_function_section(self, functions, section)
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> EditResult {
        for local in &self.locals {
            let mut body = Function::new([]);
            if local.reads {
                body.instructions()
                    .local_get(0)
                    .local_get(1)
                    .local_get(2)
                    .memory_init(0, PASSIVE)
                    .end();
            } else {
                body.instructions().unreachable().end();
            }
            code.function(&body);
        }
        utils::parse_code_section(self, code, section)
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> EditResult {
        for export in section {
            let export = export?;
            if !self.edit.drop_exports.contains(&export.name) {
                utils::parse_export(self, exports, export)?;
            }
        }
        Ok(())
    }

    fn parse_memory_section(
        &mut self,
        memories: &mut wasm_encoder::MemorySection,
        section: wasmparser::MemorySectionReader<'_>,
    ) -> EditResult {
        if let Memory::Own { pages, .. } = &self.edit.memory {
            for memory in section {
                let memory = MemoryType::from(memory?);
                memories.memory(MemoryType {
                    minimum: memory.minimum.max(*pages),
                    ..memory
                });
            }
        }
        Ok(())
    }

    fn data_count(&mut self, _: u32) -> Result<u32, reencode::Error<Infallible>> {
        Ok(self.segment_count())
    }

    /// Code that reads passive data needs the count of segments in front of it;
    /// linkers leave that out when nothing needs it.
    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> EditResult {
        if before == Some(SectionId::Code)
            && after != Some(SectionId::DataCount)
            && self.passive.is_some()
        {
            module.section(&DataCountSection {
                count: self.segment_count(),
            });
        }
        Ok(())
    }

    fn parse_data_section(
        &mut self,
        data: &mut DataSection,
        _: wasmparser::DataSectionReader<'_>,
    ) -> EditResult {
        if let Some(passive) = self.passive {
            data.passive(passive.iter().copied());
        }
        for segment in self.segments() {
            segment.encode(data);
        }
        Ok(())
    }

    fn parse_custom_section(
        &mut self,
        module: &mut Module,
        section: wasmparser::CustomSectionReader<'_>,
    ) -> EditResult {
        if !(self.edit.keep_section)(section.name()) {
            return Ok(());
        }
        utils::parse_custom_section(self, module, section)
    }
}

impl<'a> Editor<'a> {
    fn segment_count(&self) -> u32 {
        self.segments().len() as u32 + u32::from(self.passive.is_some())
    }

    fn segments(&self) -> &'a [Segment<'a>] {
        match &self.edit.memory {
            Memory::Own { segments, .. } => segments,
            Memory::Imported { .. } => &[],
        }
    }
}

/// Adds a memory import in front of the others. Memory 0 was the module's only
/// one, so every use of it means the imported one now.
fn import_memory(imports: &mut ImportSection, pages: u64) {
    imports.import(
        "env",
        "memory",
        EntityType::Memory(MemoryType {
            minimum: pages,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        }),
    );
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
