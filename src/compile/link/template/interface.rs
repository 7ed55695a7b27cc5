//! What the engine needs and gives, as the linker needs to know it. It must not
//! write components.

use wasm_encoder::ValType;
use wasm_encoder::reencode::{self, Reencode};
use wasmparser::{CompositeInnerType, Parser, Payload, TypeRef};

use super::layout;
use crate::compile::{core_module::ModuleError, link::LinkError};

/// The type of a core function.
pub type Signature = (Vec<ValType>, Vec<ValType>);

/// What the engine needs and gives.
pub struct Interface {
    /// The functions it calls, in the order of their slots: module, name, type.
    pub imports: Vec<(String, String, Signature)>,
    /// The least it needs, in pages of 64 KiB.
    pub pages: u64,
    /// The type of what answers a request.
    pub handle: Signature,
}

/// The export that answers a request, without its version.
const HANDLE: &str = "wasi:http/incoming-handler@";

impl Interface {
    /// Reads the packed engine.
    pub fn of(engine: &[u8]) -> Result<Self, LinkError> {
        let mut types: Vec<Signature> = Vec::new();
        let mut imports = Vec::new();
        let mut pages = 0;
        let mut defined = Vec::new();
        let mut handle = None;
        for payload in Parser::new(0).parse_all(engine) {
            match payload.map_err(ModuleError::from)? {
                Payload::TypeSection(section) => {
                    for group in section {
                        for ty in group.map_err(ModuleError::from)?.into_types() {
                            types.push(signature(&ty)?);
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.map_err(ModuleError::from)?;
                        let TypeRef::Func(ty) = import.ty else {
                            return Err(layout("the engine imports more than functions"));
                        };
                        let (module, name) = (import.module.to_owned(), import.name.to_owned());
                        imports.push((module, name, types[ty as usize].clone()));
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        defined.push(ty.map_err(ModuleError::from)?);
                    }
                }
                Payload::MemorySection(section) => {
                    for memory in section {
                        pages = memory.map_err(ModuleError::from)?.initial;
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.map_err(ModuleError::from)?;
                        if export.name.starts_with(HANDLE) {
                            let defined = (export.index as usize)
                                .checked_sub(imports.len())
                                .and_then(|index| defined.get(index));
                            handle = defined.map(|ty| types[*ty as usize].clone());
                        }
                    }
                }
                _ => {}
            }
        }
        let handle = handle.ok_or_else(|| layout("the engine answers no requests"))?;
        Ok(Self {
            imports,
            pages,
            handle,
        })
    }
}

fn signature(ty: &wasmparser::SubType) -> Result<Signature, LinkError> {
    let CompositeInnerType::Func(function) = &ty.composite_type.inner else {
        return Err(layout("the engine has types that are not functions"));
    };
    let convert = |types: &[wasmparser::ValType]| -> Result<Vec<ValType>, LinkError> {
        types
            .iter()
            .map(|ty| {
                reencode::RoundtripReencoder
                    .val_type(*ty)
                    .map_err(|error| layout(&error.to_string()))
            })
            .collect()
    };
    Ok((convert(function.params())?, convert(function.results())?))
}
