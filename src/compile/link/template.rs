//! The part of a shared-form component that all handlers with the same
//! capabilities have in common.
//!
//! It is made from the component that `wit-component` makes of the whole engine
//! (`layout`), with three core modules of its own:
//!
//! - the engine, an import: the host has it compiled;
//! - the image: the memory with the handler's data, there before all else;
//! - the imports: a table of the host's functions. Slots of what is not granted are
//!   empty, so a call of them traps.
//!
//! All that differs between handlers is the image's memory and data. A frame is the
//! same with the image as an import, too.

use wasm_encoder::reencode::{self, Reencode, ReencodeComponent};
use wasm_encoder::{
    Alias, CanonicalFunctionSection, ComponentAliasSection, ComponentImportSection,
    ComponentSection, ComponentTypeRef, CoreTypeSection, EntityType, ExportKind, InstanceSection,
    ModuleArg, ModuleSection, ModuleType,
};

use super::{LinkError, module_section};
use crate::compile::core_module::{self, IMPORTS, MEMORY, REALLOC, memory};

mod interface;
mod layout;
mod modules;

pub use modules::image;

use interface::Interface;
use layout::{CoreFunction, Item, Layout};

/// The name under which a shared-form component imports the engine.
pub const ENGINE_IMPORT: &str = "footpath-engine";

/// The name under which a frame imports its image.
pub const IMAGE_IMPORT: &str = "footpath-image";
/// Its core type, behind that of the engine.
const IMAGE_TYPE: u32 = 1;

/// The core modules.
const ENGINE: u32 = 0;
const IMAGE: u32 = 1;
const TABLE: u32 = 2;

/// The core instances, in the order in which they are made.
const IMAGE_INSTANCE: u32 = 0;
const FUNCTIONS_INSTANCE: u32 = 1;
const TABLE_INSTANCE: u32 = 2;
const ENGINE_INSTANCE: u32 = 3;

/// The first core function; those of the host follow.
const REALLOC_FUNCTION: u32 = 0;
const HOST_FUNCTIONS: u32 = 1;

pub struct Template {
    /// The component up to the image.
    head: Vec<u8>,
    /// The component behind the image.
    tail: Vec<u8>,
    /// The least that an image has, in pages of 64 KiB.
    pages: u64,
}

impl Template {
    /// Makes the other form of the component that holds the `packed` engine whole.
    pub fn new(component: &[u8], packed: &[u8]) -> Result<Self, LinkError> {
        let interface = Interface::of(packed)?;
        let layout = Layout::of(component)?;
        let mut head = layout.head.clone();
        let handle = layout.handle().ok_or_else(|| self::layout("no handler"))?;
        import_engine(&mut head, &interface, handle);
        Ok(Self {
            head,
            tail: tail(&layout, &interface, handle)?,
            pages: interface.pages,
        })
    }

    /// A component that holds this image.
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
        let mut types = CoreTypeSection::new();
        types.ty().module(&modules::image_type(self.pages));
        types.append_to_component(&mut component);
        let mut imports = ComponentImportSection::new();
        imports.import(IMAGE_IMPORT, ComponentTypeRef::Module(IMAGE_TYPE));
        imports.append_to_component(&mut component);
        component.extend_from_slice(&self.tail);
        component
    }
}

fn layout(what: &str) -> LinkError {
    LinkError::Layout(what.to_owned())
}

/// Module 0, as an import.
fn import_engine(component: &mut Vec<u8>, interface: &Interface, handle: &str) {
    let mut module = ModuleType::new();
    let (params, results) = &interface.handle;
    module
        .ty()
        .function(params.iter().copied(), results.iter().copied());
    let table = |slots| EntityType::Table(core_module::table(slots));
    let memory = EntityType::Memory(memory(interface.pages));
    module.import(MEMORY.0, MEMORY.1, memory);
    module.import(REALLOC.0, REALLOC.1, table(1));
    module.import(IMPORTS.0, IMPORTS.1, table(interface.imports.len() as u64));
    module.export(handle, EntityType::Function(0));
    let mut section = CoreTypeSection::new();
    section.ty().module(&module);
    section.append_to_component(component);
    let mut imports = ComponentImportSection::new();
    imports.import(ENGINE_IMPORT, ComponentTypeRef::Module(0));
    imports.append_to_component(component);
}

/// Everything behind the image: the host's functions, the table of them, the
/// engine's instance, and its export.
fn tail(layout: &Layout<'_>, interface: &Interface, handle: &str) -> Result<Vec<u8>, LinkError> {
    let made = layout.imports()?;
    let made: Vec<Option<u32>> = interface
        .imports
        .iter()
        .map(|(module, name, _)| made.get(&(module.as_str(), name.as_str())).copied())
        .collect();
    let slots: Vec<_> = made
        .iter()
        .zip(&interface.imports)
        .map(|(made, (_, _, signature))| made.map(|_| signature))
        .collect();
    let mut tail = Vec::new();
    ModuleSection(&modules::imports(&slots)).append_to_component(&mut tail);

    let mut instances = InstanceSection::new();
    instances.instantiate(IMAGE, [("", ModuleArg::Instance(0)); 0]);
    instances.append_to_component(&mut tail);
    let mut aliases = ComponentAliasSection::new();
    aliases.alias(core_alias(
        IMAGE_INSTANCE,
        ExportKind::Func,
        modules::CABI_REALLOC,
    ));
    aliases.alias(core_alias(IMAGE_INSTANCE, ExportKind::Memory, MEMORY.1));
    aliases.append_to_component(&mut tail);
    let mut renumber = Renumber { layout };
    for item in &layout.items {
        renumber.item(item, &mut tail).map_err(malformed)?;
    }

    let functions: Vec<_> = made
        .iter()
        .enumerate()
        .filter_map(|(slot, made)| Some((slot.to_string(), HOST_FUNCTIONS + (*made)?)))
        .collect();
    let mut instances = InstanceSection::new();
    instances.export_items(
        functions
            .iter()
            .map(|(slot, index)| (slot.as_str(), ExportKind::Func, *index)),
    );
    instances.instantiate(TABLE, [("", ModuleArg::Instance(FUNCTIONS_INSTANCE))]);
    let around = [
        (MEMORY.0, ModuleArg::Instance(IMAGE_INSTANCE)),
        (IMPORTS.0, ModuleArg::Instance(TABLE_INSTANCE)),
    ];
    instances.instantiate(ENGINE, around);
    instances.append_to_component(&mut tail);

    // The types come before what is lifted with them, and the rest behind it.
    let mut aliases = ComponentAliasSection::new();
    aliases.alias(core_alias(ENGINE_INSTANCE, ExportKind::Func, handle));
    aliases.append_to_component(&mut tail);
    tail.extend_from_slice(&layout.types);
    let lift = layout
        .lift
        .clone()
        .ok_or_else(|| self::layout("nothing is lifted"))?;
    renumber
        .item(&Item::Canonical(lift), &mut tail)
        .map_err(malformed)?;
    tail.extend_from_slice(&layout.tail);
    Ok(tail)
}

fn malformed(error: reencode::Error<std::convert::Infallible>) -> LinkError {
    layout(&error.to_string())
}

fn core_alias(instance: u32, kind: ExportKind, name: &str) -> Alias<'_> {
    Alias::CoreInstanceExport {
        instance,
        kind,
        name,
    }
}

/// Gives core functions their new numbers: the image's `cabi_realloc`, then the
/// host's, then the engine's export.
struct Renumber<'a> {
    layout: &'a Layout<'a>,
}

impl Renumber<'_> {
    fn item(
        &mut self,
        item: &Item<'_>,
        component: &mut Vec<u8>,
    ) -> Result<(), reencode::Error<std::convert::Infallible>> {
        match item {
            Item::Alias(alias) => {
                let mut section = ComponentAliasSection::new();
                section.alias(self.component_alias(alias.clone())?);
                section.append_to_component(component);
            }
            Item::Canonical(function) => {
                let mut section = CanonicalFunctionSection::new();
                self.parse_component_canonical(&mut section, function.clone())?;
                section.append_to_component(component);
            }
        }
        Ok(())
    }
}

impl Reencode for Renumber<'_> {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, reencode::Error<Self::Error>> {
        Ok(match self.layout.core_function(index) {
            Some(CoreFunction::Made(number)) => HOST_FUNCTIONS + number,
            Some(CoreFunction::Handle(_)) => HOST_FUNCTIONS + self.layout.made(),
            // Nothing else is an option of a function.
            _ => REALLOC_FUNCTION,
        })
    }
}

impl ReencodeComponent for Renumber<'_> {}
