//! What the engine imports and exports, as the linker needs to know it. It must
//! not write components.

use std::collections::BTreeMap;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{MemoryType, ValType};
use wasmparser::{CompositeInnerType, Parser, Payload, TypeRef};

use super::layout;
use crate::compile::{capability::unversioned, core_module::ModuleError, link::LinkError};

/// The type of a core function.
pub type Signature = (Vec<ValType>, Vec<ValType>);

/// What the engine imports and exports.
pub struct Interface {
    pub functions: Vec<(String, String, Signature)>,
    pub memory: MemoryType,
    pub exports: Vec<(String, Option<Signature>)>,
}

impl Interface {
    pub fn of(engine: &[u8]) -> Result<Self, LinkError> {
        let mut types: Vec<Signature> = Vec::new();
        let mut functions = Vec::new();
        let mut memory = None;
        let mut defined = Vec::new();
        let mut exports = Vec::new();
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
                        match import.ty {
                            TypeRef::Func(ty) => functions.push((
                                import.module.to_owned(),
                                import.name.to_owned(),
                                types[ty as usize].clone(),
                            )),
                            TypeRef::Memory(ty) => memory = Some(MemoryType::from(ty)),
                            other => {
                                return Err(LinkError::Layout(format!(
                                    "the engine imports {other:?}"
                                )));
                            }
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        defined.push(ty.map_err(ModuleError::from)?);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.map_err(ModuleError::from)?;
                        let of = |index: u32| {
                            let index = (index as usize).checked_sub(functions.len())?;
                            Some(types[*defined.get(index)? as usize].clone())
                        };
                        match export.kind {
                            wasmparser::ExternalKind::Func => {
                                exports.push((export.name.to_owned(), of(export.index)));
                            }
                            wasmparser::ExternalKind::Memory => {
                                exports.push((export.name.to_owned(), None))
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        let memory = memory.ok_or_else(|| layout("the engine does not import its memory"))?;
        Ok(Self {
            functions,
            memory,
            exports,
        })
    }

    /// The imports that are not granted, by field name. The shim is one instance
    /// for all their interfaces, so equal names must have equal types.
    pub fn stubs(
        &self,
        granted: &dyn Fn(&str) -> bool,
    ) -> Result<BTreeMap<String, Signature>, LinkError> {
        let mut stubs = BTreeMap::new();
        for (module, name, signature) in &self.functions {
            if granted(unversioned(module)) {
                continue;
            }
            let known = stubs.insert(name.clone(), signature.clone());
            if known.is_some_and(|known| known != *signature) {
                return Err(LinkError::Layout(format!(
                    "two optional imports are called {name:?}"
                )));
            }
        }
        Ok(stubs)
    }

    /// The interfaces that main imports and the component does not.
    pub fn ungranted(&self, granted: &dyn Fn(&str) -> bool) -> Vec<&str> {
        let mut modules: Vec<&str> = Vec::new();
        for (module, _, _) in &self.functions {
            if !granted(unversioned(module)) && !modules.contains(&module.as_str()) {
                modules.push(module);
            }
        }
        modules
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
