//! The part of a shared-form component that all handlers with the same
//! capabilities have in common.
//!
//! `wit-component` lays a component out as three core modules: 0 is main (here
//! the engine), 1 a shim that is instantiated first and through whose table main
//! reaches the imports that need main's memory, 2 a fixup that fills the table.
//! The shared form keeps that layout and adds one module, the image:
//!
//! - module 0 becomes an import of the same type, the engine that the host has;
//! - the image is module 1 and core instance 0. It defines and exports the memory,
//!   and main gets it as `env` `memory` (main exports it again, so its alias still
//!   holds). What came behind moves by one (`Shift`);
//! - the shim also exports a trap for each import that is not granted.
//!
//! A frame is the same with the image as an import, too: all of a handler that is
//! code, and so compiled once for all handlers with the same capabilities.

use wasm_encoder::reencode::{self, Reencode, ReencodeComponent};
use wasm_encoder::{
    ComponentAliasSection, ComponentImportSection, ComponentSection, ComponentSectionId,
    ComponentTypeRef, CoreTypeSection, Encode, EntityType, InstanceSection, MemoryType, ModuleArg,
    ModuleType,
};
use wasmparser::{Instance, Parser, Payload};

use super::{LinkError, module_section};
use crate::compile::core_module::ModuleError;
use crate::compile::image::IMAGE_MEMORY;

mod interface;
mod shim;

use interface::{Interface, Signature};
use shim::with_stubs;

/// The name under which a shared-form component imports the engine.
pub const ENGINE_IMPORT: &str = "footpath-engine";

/// The name under which a frame imports its image.
pub const IMAGE_IMPORT: &str = "footpath-image";

/// Where the image is in both forms.
const IMAGE_INSTANCE: u32 = 0;
const IMAGE_MODULE: u32 = 1;

/// Core instance 0 and core module 1 in `wit-component`'s layout.
const SHIM_INSTANCE: u32 = 0;
const SHIM_MODULE: u32 = 1;

pub struct Template {
    /// The component up to the image.
    head: Vec<u8>,
    /// The component behind the image.
    tail: Vec<u8>,
    /// The memory that the image has to define and export.
    memory: MemoryType,
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
        let mut modules = 0;
        let mut instances = Instances::new(&interface, granted);
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
                        SHIM_MODULE => module_section(&mut tail, &with_stubs(module, &stubs)?),
                        _ => module_section(&mut tail, module),
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
                Payload::InstanceSection(section) => instances.copy(&mut tail, section.clone())?,
                Payload::ComponentAliasSection(section) => {
                    let part = if modules == 0 { &mut head } else { &mut tail };
                    copy_aliases(part, section.clone())?;
                }
                Payload::CustomSection(_) => {}
                other => {
                    if let Some((id, range)) = other.as_section() {
                        let part = if modules == 0 { &mut head } else { &mut tail };
                        part.push(id);
                        Encode::encode(&component[range], part);
                    }
                }
            }
        }
        if modules <= SHIM_MODULE {
            return Err(layout("no shim"));
        }
        Ok(Self {
            head,
            tail,
            memory: interface.memory,
        })
    }

    /// A component that holds this image, a module (`image::module`).
    pub fn fill(&self, image: &[u8]) -> Vec<u8> {
        let size = self.head.len() + image.len() + self.tail.len();
        let mut component = Vec::with_capacity(size + 1024);
        component.extend_from_slice(&self.head);
        module_section(&mut component, image);
        component.extend_from_slice(&self.tail);
        component
    }

    /// A component that imports its image, and so is the same for all scripts with
    /// the same capabilities.
    pub fn frame(&self) -> Vec<u8> {
        let mut component = self.head.clone();
        let mut module = ModuleType::new();
        module.export(IMAGE_MEMORY, EntityType::Memory(self.memory));
        let mut section = CoreTypeSection::new();
        section.ty().module(&module);
        ComponentSection::append_to_component(&section, &mut component);
        let mut imports = ComponentImportSection::new();
        imports.import(IMAGE_IMPORT, ComponentTypeRef::Module(1));
        ComponentSection::append_to_component(&imports, &mut component);
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

/// Copies core instances, behind that of the image; main gets the memory from the
/// image and the stubs from the shim.
struct Instances<'a> {
    interface: &'a Interface,
    granted: &'a dyn Fn(&str) -> bool,
    begun: bool,
}

impl<'a> Instances<'a> {
    fn new(interface: &'a Interface, granted: &'a dyn Fn(&str) -> bool) -> Self {
        Self {
            interface,
            granted,
            begun: false,
        }
    }

    fn copy(
        &mut self,
        component: &mut Vec<u8>,
        section: wasmparser::InstanceSectionReader<'_>,
    ) -> Result<(), LinkError> {
        let mut instances = InstanceSection::new();
        if !self.begun {
            instances.instantiate(IMAGE_MODULE, std::iter::empty::<(&str, ModuleArg)>());
            self.begun = true;
        }
        for instance in section {
            match instance.map_err(ModuleError::from)? {
                Instance::Instantiate { module_index, args } => {
                    let mut args: Vec<(&str, ModuleArg)> = args
                        .iter()
                        .map(|arg| {
                            (
                                arg.name,
                                ModuleArg::Instance(Shift.instance_index(arg.index)),
                            )
                        })
                        .collect();
                    if module_index == 0 {
                        args.extend(self.of_main());
                    }
                    instances.instantiate(Shift.module_index(module_index), args);
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
        ComponentSection::append_to_component(&instances, component);
        Ok(())
    }

    /// What main imports besides what the component has for it.
    fn of_main(&self) -> impl Iterator<Item = (&'a str, ModuleArg)> + use<'a> {
        let stubs = self.interface.ungranted(self.granted).into_iter();
        let memory = ("env", ModuleArg::Instance(IMAGE_INSTANCE));
        let shim = ModuleArg::Instance(Shift.instance_index(SHIM_INSTANCE));
        std::iter::once(memory).chain(stubs.map(move |name| (name, shim)))
    }
}

fn copy_aliases(
    component: &mut Vec<u8>,
    section: wasmparser::SectionLimited<'_, wasmparser::ComponentAlias<'_>>,
) -> Result<(), LinkError> {
    let mut aliases = ComponentAliasSection::new();
    Shift
        .parse_component_alias_section(&mut aliases, section)
        .map_err(|error| layout(&error.to_string()))?;
    ComponentSection::append_to_component(&aliases, component);
    Ok(())
}

/// The image goes in between main and the shim, and is instantiated first.
struct Shift;

impl Reencode for Shift {
    type Error = std::convert::Infallible;
}

impl ReencodeComponent for Shift {
    fn module_index(&mut self, module: u32) -> u32 {
        if module < IMAGE_MODULE {
            module
        } else {
            module + 1
        }
    }

    fn instance_index(&mut self, instance: u32) -> u32 {
        instance + 1
    }
}
