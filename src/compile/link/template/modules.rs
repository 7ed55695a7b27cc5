//! The two small core modules of a component in the shared form: the image, with
//! the memory, and the imports, with the table through which the engine calls the
//! host. It must not know what the functions are.

use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, Function, FunctionSection, ImportSection, MemorySection, Module, ModuleType,
    TableSection, TypeSection, ValType,
};

use super::interface::Signature;
use crate::compile::core_module::{IMPORTS, MEMORY, REALLOC, memory, table};
use crate::compile::image;

/// The name of the image's function that stands in for the engine's `cabi_realloc`.
pub const CABI_REALLOC: &str = "cabi_realloc";

/// The image: a module that defines and exports a memory of this content.
///
/// The host's functions are lowered before the engine is there, so they get a
/// `cabi_realloc` that calls what the engine will have put into a table.
pub fn image(content: &[u8]) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32; 4], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut tables = TableSection::new();
    tables.table(table(1));
    let mut memories = MemorySection::new();
    memories.memory(memory(image::pages(content)));
    let mut exports = ExportSection::new();
    exports.export(MEMORY.1, ExportKind::Memory, 0);
    exports.export(REALLOC.1, ExportKind::Table, 0);
    exports.export(CABI_REALLOC, ExportKind::Func, 0);
    let mut realloc = Function::new([]);
    let mut body = realloc.instructions();
    for parameter in 0..4 {
        body.local_get(parameter);
    }
    body.i32_const(0).call_indirect(0, 0).end();
    let mut code = CodeSection::new();
    code.function(&realloc);
    let mut data = DataSection::new();
    for segment in image::segments(content, image::ZEROS_MIN) {
        segment.encode(&mut data);
    }
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&tables)
        .section(&memories)
        .section(&exports)
        .section(&code)
        .section(&data);
    module.finish()
}

/// The type of an image, for a component that imports it.
pub fn image_type(pages: u64) -> ModuleType {
    let mut module = ModuleType::new();
    module.ty().function([ValType::I32; 4], [ValType::I32]);
    module.export(MEMORY.1, EntityType::Memory(memory(pages)));
    module.export(REALLOC.1, EntityType::Table(table(1)));
    module.export(CABI_REALLOC, EntityType::Function(0));
    module
}

/// The imports: a function for each slot that is granted, by the slot's number as
/// its name. The other slots stay empty: calling one traps.
pub fn imports(slots: &[Option<&Signature>]) -> Module {
    let mut types = TypeSection::new();
    let mut imports = ImportSection::new();
    let mut elements = ElementSection::new();
    let mut count = 0;
    for (slot, signature) in slots.iter().enumerate() {
        let Some((params, results)) = signature else {
            continue;
        };
        types
            .ty()
            .function(params.iter().copied(), results.iter().copied());
        imports.import("", &slot.to_string(), EntityType::Function(count));
        let function = Elements::Functions(vec![count].into());
        elements.active(None, &ConstExpr::i32_const(slot as i32), function);
        count += 1;
    }
    let mut tables = TableSection::new();
    tables.table(table(slots.len() as u64));
    let mut exports = ExportSection::new();
    exports.export(IMPORTS.1, ExportKind::Table, 0);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&imports)
        .section(&tables)
        .section(&exports)
        .section(&elements);
    module
}
