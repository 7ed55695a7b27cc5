//! The part of a shared-form component that all handlers with the same
//! capabilities have in common.
//!
//! `wit-component` lays a component out as three core modules: 0 is main (here
//! the engine), 1 a shim that is instantiated first and through whose table main
//! reaches the imports that need main's memory, 2 a fixup that fills the table.
//! The shared form keeps that layout, so no index moves:
//!
//! - module 0 becomes an import of the same type, the engine that the host has;
//! - the shim also defines and exports the memory with the image, and main gets
//!   it as `env` `memory` (main exports it again, so its alias still holds);
//! - the shim also exports a trap for each import that is not granted.

use std::collections::BTreeMap;

use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    CodeSection, ComponentImportSection, ComponentSection, ComponentSectionId, ComponentTypeRef,
    CoreTypeSection, Encode, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    InstanceSection, MemorySection, MemoryType, Module, ModuleArg, ModuleType, SectionId,
    TypeSection, ValType,
};
use wasmparser::{CompositeInnerType, Instance, Parser, Payload, TypeRef};

use super::{LinkError, module_section};
use crate::compile::{capability::unversioned, core_module::ModuleError};

/// The name under which a shared-form component imports the engine.
pub const ENGINE_IMPORT: &str = "footpath-engine";

/// Core instance 0 and core module 1 in `wit-component`'s layout.
const SHIM_INSTANCE: u32 = 0;
const SHIM_MODULE: u32 = 1;

pub struct Template {
    /// The component up to the shim.
    head: Vec<u8>,
    /// The shim up to where the memory section belongs, and from there to the data.
    shim: [Vec<u8>; 2],
    /// The component behind the shim.
    tail: Vec<u8>,
}

/// The type of a core function.
type Signature = (Vec<ValType>, Vec<ValType>);

impl Template {
    /// Takes apart the component that holds the engine whole. `engine` is the
    /// form of it that imports its memory.
    pub fn new(
        component: &[u8],
        engine: &[u8],
        granted: &dyn Fn(&str) -> bool,
    ) -> Result<Self, LinkError> {
        let interface = Interface::of(engine)?;
        let stubs = interface.stubs(granted)?;
        let mut head = component[..8].to_vec();
        let mut tail = Vec::new();
        let mut shim = None;
        let mut modules = 0;
        let mut depth = 0u32;
        for payload in Parser::new(0).parse_all(component) {
            let payload = payload.map_err(ModuleError::from)?;
            match &payload {
                Payload::ModuleSection {
                    unchecked_range, ..
                } => {
                    depth += 1;
                    let module = &component[unchecked_range.clone()];
                    match modules {
                        0 => import_engine(&mut head, &interface),
                        SHIM_MODULE => shim = Some(split_shim(module, &stubs)?),
                        _ => module_section(&mut tail, &[module]),
                    }
                    modules += 1;
                }
                // wit-component wraps the exports in a component of their own.
                Payload::ComponentSection {
                    unchecked_range, ..
                } => {
                    if depth == 0 {
                        tail.push(ComponentSectionId::Component as u8);
                        Encode::encode(&component[unchecked_range.clone()], &mut tail);
                    }
                    depth += 1;
                }
                Payload::End(_) if depth > 0 => depth -= 1,
                _ if depth > 0 => {}
                Payload::InstanceSection(section) if modules > SHIM_MODULE => {
                    instances(&mut tail, section.clone(), &interface, granted)?;
                }
                Payload::CustomSection(_) => {}
                other => {
                    if let Some((id, range)) = other.as_section() {
                        let part = if shim.is_none() { &mut head } else { &mut tail };
                        part.push(id);
                        Encode::encode(&component[range], part);
                    }
                }
            }
        }
        let shim = shim.ok_or_else(|| layout("no shim"))?;
        Ok(Self { head, shim, tail })
    }

    /// A component with this memory: its size, and its content as a data section.
    pub fn fill(&self, pages: u64, data_section: &[u8]) -> Vec<u8> {
        let mut memory = Vec::new();
        let mut section = MemorySection::new();
        section.memory(MemoryType {
            minimum: pages,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        wasm_encoder::Section::append_to(&section, &mut memory);
        let [before, behind] = &self.shim;
        let size =
            self.head.len() + before.len() + behind.len() + data_section.len() + self.tail.len();
        let mut component = Vec::with_capacity(size + 1024);
        component.extend_from_slice(&self.head);
        module_section(&mut component, &[before, &memory, behind, data_section]);
        component.extend_from_slice(&self.tail);
        component
    }
}

fn layout(what: &str) -> LinkError {
    LinkError::Layout(what.to_owned())
}

/// What the engine imports and exports.
struct Interface {
    functions: Vec<(String, String, Signature)>,
    memory: MemoryType,
    exports: Vec<(String, Option<Signature>)>,
}

impl Interface {
    fn of(engine: &[u8]) -> Result<Self, LinkError> {
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
    fn stubs(
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
    fn ungranted(&self, granted: &dyn Fn(&str) -> bool) -> Vec<&str> {
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

/// Module 0, as an import.
fn import_engine(component: &mut Vec<u8>, interface: &Interface) {
    let mut module = ModuleType::new();
    let mut types = 0;
    let mut ty = |module: &mut ModuleType, (params, results): &Signature| {
        module
            .ty()
            .function(params.iter().copied(), results.iter().copied());
        types += 1;
        types - 1
    };
    for (from, name, signature) in &interface.functions {
        let index = ty(&mut module, signature);
        module.import(from, name, EntityType::Function(index));
    }
    module.import("env", "memory", EntityType::Memory(interface.memory));
    for (name, signature) in &interface.exports {
        match signature {
            Some(signature) => {
                let index = ty(&mut module, signature);
                module.export(name, EntityType::Function(index));
            }
            None => {
                module.export(name, EntityType::Memory(interface.memory));
            }
        }
    }
    let mut section = CoreTypeSection::new();
    section.ty().module(&module);
    ComponentSection::append_to_component(&section, component);
    let mut imports = ComponentImportSection::new();
    imports.import(ENGINE_IMPORT, ComponentTypeRef::Module(0));
    ComponentSection::append_to_component(&imports, component);
}

/// Copies core instances; main's gets the memory and the stubs, all from the shim.
fn instances(
    component: &mut Vec<u8>,
    section: wasmparser::InstanceSectionReader<'_>,
    interface: &Interface,
    granted: &dyn Fn(&str) -> bool,
) -> Result<(), LinkError> {
    let mut instances = InstanceSection::new();
    for instance in section {
        match instance.map_err(ModuleError::from)? {
            Instance::Instantiate { module_index, args } => {
                let mut args: Vec<(&str, ModuleArg)> = args
                    .iter()
                    .map(|arg| (arg.name, ModuleArg::Instance(arg.index)))
                    .collect();
                if module_index == 0 {
                    args.push(("env", ModuleArg::Instance(SHIM_INSTANCE)));
                    let stubs = interface.ungranted(granted);
                    args.extend(
                        stubs
                            .into_iter()
                            .map(|name| (name, ModuleArg::Instance(SHIM_INSTANCE))),
                    );
                }
                instances.instantiate(module_index, args);
            }
            Instance::FromExports(exports) => {
                let exports: Vec<_> = exports
                    .iter()
                    .map(|export| {
                        let kind = reencode::RoundtripReencoder
                            .export_kind(export.kind)
                            .map_err(|error| layout(&error.to_string()))?;
                        Ok((export.name, kind, export.index))
                    })
                    .collect::<Result<_, LinkError>>()?;
                instances.export_items(exports);
            }
        }
    }
    let mut bytes = Vec::new();
    Encode::encode(&instances, &mut bytes);
    component.push(ComponentSectionId::CoreInstance as u8);
    component.extend_from_slice(&bytes);
    Ok(())
}

/// The shim with stubs and an exported memory, cut where the memory goes.
fn split_shim(shim: &[u8], stubs: &BTreeMap<String, Signature>) -> Result<[Vec<u8>; 2], LinkError> {
    let mut editor = Shim {
        stubs,
        types: 0,
        functions: 0,
        cut: 0,
    };
    let mut module = Module::new();
    editor
        .parse_core_module(&mut module, Parser::new(0), shim)
        .map_err(|error| layout(&format!("the shim: {error}")))?;
    let bytes = module.finish();
    if editor.cut == 0 {
        return Err(layout("the shim exports nothing"));
    }
    let (before, behind) = bytes.split_at(editor.cut);
    Ok([before.to_vec(), behind.to_vec()])
}

struct Shim<'a> {
    stubs: &'a BTreeMap<String, Signature>,
    types: u32,
    functions: u32,
    /// Length of the module before its export section.
    cut: usize,
}

type ShimResult = Result<(), reencode::Error<std::convert::Infallible>>;

impl Reencode for Shim<'_> {
    type Error = std::convert::Infallible;

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> ShimResult {
        utils::parse_type_section(self, types, section)?;
        self.types = types.len();
        for (params, results) in self.stubs.values() {
            types
                .ty()
                .function(params.iter().copied(), results.iter().copied());
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> ShimResult {
        utils::parse_function_section(self, functions, section)?;
        self.functions = functions.len();
        for index in 0..self.stubs.len() as u32 {
            functions.function(self.types + index);
        }
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> ShimResult {
        utils::parse_export_section(self, exports, section)?;
        exports.export("memory", ExportKind::Memory, 0);
        for (index, name) in self.stubs.keys().enumerate() {
            exports.export(name, ExportKind::Func, self.functions + index as u32);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> ShimResult {
        utils::parse_code_section(self, code, section)?;
        for _ in self.stubs {
            let mut trap = Function::new([]);
            trap.instructions().unreachable().end();
            code.function(&trap);
        }
        Ok(())
    }

    fn parse_custom_section(
        &mut self,
        _: &mut Module,
        _: wasmparser::CustomSectionReader<'_>,
    ) -> ShimResult {
        Ok(())
    }

    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _: Option<SectionId>,
        before: Option<SectionId>,
    ) -> ShimResult {
        if before == Some(SectionId::Export) {
            self.cut = module.as_slice().len();
        }
        Ok(())
    }
}
