//! Edits of core WebAssembly modules that move no index: imports become local
//! stubs, the memory becomes an import, data and exports are replaced. It must
//! not know what the module is for.

use std::convert::Infallible;
use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    CodeSection, DataSection, EntityType, ExportSection, Function, FunctionSection, ImportSection,
    MemoryType, Module,
};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

use super::image::Segment;

/// What the edited module does about its memory.
pub enum Memory<'a> {
    /// Defines it, with these initial contents and at least so many pages.
    Own { pages: u64, segments: &'a [Segment<'a>] },
    /// Imports it from `env` `memory`, with so many pages at least; its data is
    /// gone, but it exports the memory still.
    Imported { pages: u64 },
}

/// An edit of a core module.
pub struct Edit<'a> {
    /// Imports that become local functions which trap, by module and field name.
    pub stub: &'a dyn Fn(&str, &str) -> bool,
    pub memory: Memory<'a>,
    /// Exports that go away.
    pub drop_exports: &'a [&'a str],
    /// Custom sections that go away.
    pub drop_sections: &'a [&'a str],
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
    let functions = imported_functions(module)?;
    let stubbed: Vec<bool> = functions.iter().map(|one| (edit.stub)(one.module, one.name)).collect();
    let kept = stubbed.iter().filter(|stub| !**stub).count() as u32;
    let mut next_kept = 0;
    let mut next_stub = kept;
    let renumbered = stubbed
        .iter()
        .map(|stub| {
            let next = if *stub { &mut next_stub } else { &mut next_kept };
            *next += 1;
            *next - 1
        })
        .collect();
    let stub_types = functions.iter().zip(&stubbed).filter(|(_, stub)| **stub).map(|(one, _)| one.ty).collect();
    let mut editor = Editor { edit, renumbered, stubbed, stub_types };
    let mut out = Module::new();
    editor.parse_core_module(&mut out, Parser::new(0), module)?;
    Ok(out.finish())
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
        let Payload::ImportSection(section) = payload? else { continue };
        for import in section.into_imports() {
            let import = import?;
            match import.ty {
                TypeRef::Func(ty) => {
                    functions.push(ImportedFunction { module: import.module, name: import.name, ty });
                }
                TypeRef::Memory(_) => {}
                other => return Err(ModuleError::Edit(format!("imports {other:?}"))),
            }
        }
    }
    Ok(functions)
}

struct Editor<'a> {
    edit: &'a Edit<'a>,
    /// The new index of each function that was imported.
    renumbered: Vec<u32>,
    stubbed: Vec<bool>,
    stub_types: Vec<u32>,
}

type EditResult = Result<(), reencode::Error<Infallible>>;

impl Reencode for Editor<'_> {
    type Error = Infallible;

    /// Stubs take the places behind the kept imports, so defined functions keep
    /// their numbers.
    fn function_index(&mut self, index: u32) -> Result<u32, reencode::Error<Infallible>> {
        Ok(self.renumbered.get(index as usize).copied().unwrap_or(index))
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> EditResult {
        if let Memory::Imported { pages } = self.edit.memory {
            import_memory(imports, pages);
        }
        let mut stubbed = self.stubbed.clone().into_iter();
        for import in section.into_imports() {
            let import = import?;
            if matches!(import.ty, TypeRef::Func(_)) && stubbed.next() == Some(true) {
                continue;
            }
            utils::parse_import(self, imports, import)?;
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> EditResult {
        for ty in &self.stub_types {
            functions.function(*ty);
        }
        utils::parse_function_section(self, functions, section)
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> EditResult {
        for _ in &self.stub_types {
            let mut trap = Function::new([]);
            trap.instructions().unreachable().end();
            code.function(&trap);
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
                memories.memory(MemoryType { minimum: memory.minimum.max(*pages), ..memory });
            }
        }
        Ok(())
    }

    fn data_count(&mut self, _: u32) -> Result<u32, reencode::Error<Infallible>> {
        Ok(self.segments().len() as u32)
    }

    fn parse_data_section(
        &mut self,
        data: &mut DataSection,
        _: wasmparser::DataSectionReader<'_>,
    ) -> EditResult {
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
        if self.edit.drop_sections.contains(&section.name()) {
            return Ok(());
        }
        utils::parse_custom_section(self, module, section)
    }
}

impl<'a> Editor<'a> {
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

/// The memory a module defines: its initial size in pages of 64 KiB.
pub fn memory_pages(module: &[u8]) -> Result<u64, ModuleError> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::MemorySection(section) = payload? {
            for memory in section {
                return Ok(memory?.initial);
            }
        }
    }
    Err(ModuleError::Edit("it defines no memory".to_owned()))
}

/// The kind and index of an export.
pub fn export(module: &[u8], name: &str) -> Result<Option<(ExternalKind, u32)>, ModuleError> {
    for payload in Parser::new(0).parse_all(module) {
        let Payload::ExportSection(section) = payload? else { continue };
        for export in section {
            let export = export?;
            if export.name == name {
                return Ok(Some((export.kind, export.index)));
            }
        }
    }
    Ok(None)
}
