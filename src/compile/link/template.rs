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

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{
    ComponentImportSection, ComponentSection, ComponentSectionId, ComponentTypeRef,
    CoreTypeSection, Encode, EntityType, InstanceSection, MemorySection, MemoryType, ModuleArg,
    ModuleType,
};
use wasmparser::{Instance, Parser, Payload};

use super::{LinkError, module_section};
use crate::compile::core_module::ModuleError;

mod interface;
mod shim;

use interface::{Interface, Signature};
use shim::split_shim;

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
