//! How an edited module is written: section by section, from the old one. It must
//! not decide what an import becomes.

use std::borrow::Cow;
use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, Elements, EntityType,
    ExportSection, Function, FunctionSection, ImportSection, MemoryType, Module, RefType,
    SectionId, TableType,
};

use super::{Body, Edit, IMPORTS, Local, MEMORY, Memory, REALLOC};
use crate::compile::image::Segment;

/// The index of the passive segment: the first, so that it is the same in all forms.
const PASSIVE: u32 = 0;

/// The tables that `Memory::Around` imports.
const REALLOC_TABLE: u32 = 0;
const IMPORTS_TABLE: u32 = 1;
const TABLES_AROUND: u32 = 2;

/// Writes the new module while `wasm_encoder` reads the old one.
pub struct Editor<'a> {
    pub edit: &'a Edit<'a>,
    pub passive: Option<&'a [u8]>,
    /// The new index of each function that was imported.
    pub renumbered: Vec<u32>,
    /// The imports to write: module, field, type.
    pub kept: &'a [(String, &'a str, u32)],
    pub locals: Vec<Local>,
    /// What goes into the table `REALLOC`.
    pub realloc: Option<u32>,
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

    /// The imported tables come before the module's own.
    fn table_index(&mut self, index: u32) -> Result<u32, reencode::Error<Infallible>> {
        Ok(match self.edit.memory {
            Memory::Own { .. } => index,
            Memory::Around { .. } => index + TABLES_AROUND,
        })
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        _: wasmparser::ImportSectionReader<'_>,
    ) -> EditResult {
        if let Memory::Around { pages } = self.edit.memory {
            import_around(imports, pages, self.renumbered.len() as u64);
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
            code.function(&stand_in(local));
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

    fn parse_element_section(
        &mut self,
        elements: &mut ElementSection,
        section: wasmparser::ElementSectionReader<'_>,
    ) -> EditResult {
        utils::parse_element_section(self, elements, section)?;
        if let Some(realloc) = self.realloc {
            let functions = Elements::Functions(Cow::Owned(vec![realloc]));
            elements.active(Some(REALLOC_TABLE), &ConstExpr::i32_const(0), functions);
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
            Memory::Around { .. } => &[],
        }
    }
}

fn stand_in(local: &Local) -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    match local.body {
        Body::Trap => code.unreachable(),
        Body::ReadPassive => code
            .local_get(0)
            .local_get(1)
            .local_get(2)
            .memory_init(0, PASSIVE),
        Body::CallSlot { slot, parameters } => {
            for parameter in 0..parameters {
                code.local_get(parameter);
            }
            code.i32_const(slot as i32)
                .call_indirect(IMPORTS_TABLE, local.ty)
        }
    };
    code.end();
    function
}

/// Adds what `Memory::Around` imports. Memory 0 was the module's only one, so every
/// use of it means the imported one now.
fn import_around(imports: &mut ImportSection, pages: u64, functions: u64) {
    imports.import(MEMORY.0, MEMORY.1, EntityType::Memory(memory(pages)));
    for ((module, name), slots) in [(REALLOC, 1), (IMPORTS, functions)] {
        imports.import(module, name, EntityType::Table(table(slots)));
    }
}

/// A memory of so many pages of 64 KiB at first.
pub fn memory(pages: u64) -> MemoryType {
    MemoryType {
        minimum: pages,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    }
}

/// A table of so many functions that does not grow.
pub fn table(slots: u64) -> TableType {
    TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: slots,
        maximum: Some(slots),
        shared: false,
    }
}
