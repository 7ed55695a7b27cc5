//! The engine's forms, derived from one file. `pack` makes that file from what
//! the linker gives (`make guest`); `Engine` takes it apart at start. It must not
//! run anything.

use sha2::{Digest, Sha256};
use wasm_encoder::{
    ExportKind, ExportSection, MemorySection, Module, RawSection, SectionId, TableSection,
};

use super::{
    capability::{ALWAYS, Capability, PORTABLE_LOG, unversioned},
    core_module::{self, Edit, IMPORTS, Import, MEMORY, Memory, ModuleError, REALLOC},
    image,
};

/// The engine that is built into this binary.
pub static BUILT_IN: &[u8] = include_bytes!("../../guest/engine.wasm");

/// Exports that only the three lives of the engine need, not a handler.
const LIFE_EXPORTS: &[&str] = &["_initialize", "engine_init"];

/// So many zeros in a row end a segment of the engine's own memory.
const ZEROS_MIN: usize = 64;

/// The version of WASI in `wit/deps`.
const WASI: &str = "0.2.12";

/// Names the custom section with the engine's own world; the other worlds are
/// those of the C and Rust libraries.
const WORLD: &str = "footpath:host";

/// The engine as the server uses it.
pub struct Engine {
    /// As packed: defines its memory, which holds the evaluated Web APIs.
    pub packed: Vec<u8>,
    /// Imports its memory, calls the host through a table, and has no data: what
    /// all handlers share.
    pub shared: Vec<u8>,
    /// Defines and exports what the shared form imports: that memory, and tables
    /// in which no function is.
    pub base_image: Vec<u8>,
    /// The first 16 hex digits of a SHA-256 over the packed and the shared form: what
    /// was linked for another of either does not fit.
    pub version: String,
}

impl Engine {
    /// Takes the packed engine apart.
    pub fn new(packed: &[u8]) -> Result<Self, ModuleError> {
        let pages = core_module::memory_pages(packed)?;
        let shared = core_module::edit(
            packed,
            &Edit {
                import: &|_| Import::Indirect,
                memory: Memory::Around { pages },
                passive: None,
                drop_exports: &[],
                keep_section: &|_| false,
            },
        )?;
        let version = Sha256::new()
            .chain_update(packed)
            .chain_update(&shared)
            .finalize()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Self {
            shared,
            base_image: around_module(packed, pages)?,
            version,
            packed: packed.to_vec(),
        })
    }
}

/// The JavaScript half's sources in what the linker gives, for `engine_compile`.
pub fn sources(linked: &[u8]) -> Result<&[u8], ModuleError> {
    core_module::custom_section(linked, "footpath-prelude")
}

/// Makes the packed engine from the linker's output and the memory that
/// `engine_init` left behind: what the C library drags in and nothing uses
/// becomes stubs, and the evaluated memory becomes the data. The bytecode of what
/// is not evaluated yet is passive data, which all handlers share.
pub fn pack(linked: &[u8], memory: &[u8], bytecode: &[u8]) -> Result<Vec<u8>, ModuleError> {
    let segments = image::segments(memory, ZEROS_MIN);
    core_module::edit(
        linked,
        &Edit {
            import: &one_version,
            memory: Memory::Own {
                pages: image::pages(memory),
                segments: &segments,
            },
            passive: Some(bytecode),
            drop_exports: LIFE_EXPORTS,
            keep_section: &|name| name == "producers" || name.contains(WORLD),
        },
    )
}

/// Where the engine imports the function that reads its bytecode.
const BYTECODE: &str = "footpath-bytecode";

/// The C library asks for older versions of what the engine imports anyway.
fn one_version(module: &str) -> Import {
    let interface = unversioned(module);
    if module == BYTECODE {
        return Import::ReadPassive;
    }
    if !is_of_the_engine(interface) {
        Import::Trap
    } else if interface.starts_with("wasi:") {
        Import::From(format!("{interface}@{WASI}"))
    } else {
        Import::Keep
    }
}

fn is_of_the_engine(interface: &str) -> bool {
    ALWAYS.contains(&interface)
        || interface == PORTABLE_LOG
        || Capability::ALL
            .iter()
            .any(|one| one.interface() == interface)
}

fn around_module(packed: &[u8], pages: u64) -> Result<Vec<u8>, ModuleError> {
    let mut module = Module::new();
    let mut tables = TableSection::new();
    let functions = core_module::imported_functions(packed)?.len() as u64;
    tables
        .table(core_module::table(1))
        .table(core_module::table(functions));
    let mut memories = MemorySection::new();
    memories.memory(core_module::memory(pages));
    let mut exports = ExportSection::new();
    exports.export(MEMORY.1, ExportKind::Memory, 0);
    exports.export(REALLOC.1, ExportKind::Table, 0);
    exports.export(IMPORTS.1, ExportKind::Table, 1);
    module.section(&tables).section(&memories).section(&exports);
    for payload in wasmparser::Parser::new(0).parse_all(packed) {
        if let wasmparser::Payload::DataSection(section) = payload? {
            let data = &packed[section.range()];
            module.section(&RawSection {
                id: SectionId::Data.into(),
                data,
            });
        }
    }
    Ok(module.finish())
}
