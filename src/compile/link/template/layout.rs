//! Reads the component that `wit-component` makes of the whole engine: what comes
//! before its modules, the functions it lowers, which of them is which import of
//! the engine, and what lifts the export. It must not write the other form.
//!
//! `wit-component` lays a component out as three core modules: 0 is main, here the
//! engine, 1 a shim that is instantiated first and through whose table main reaches
//! the imports that need main's memory, 2 a fixup that fills the table.

use std::collections::BTreeMap;

use wasm_encoder::Encode;
use wasmparser::{CanonicalFunction, ComponentAlias, ExternalKind, Instance, Parser, Payload};

use super::layout;
use crate::compile::core_module::ModuleError;
use crate::compile::link::LinkError;

const MAIN: u32 = 0;
const FIXUP: u32 = 2;

#[derive(Default)]
pub struct Layout<'a> {
    /// The component up to its first module: types and imports.
    pub head: Vec<u8>,
    /// Names for what the component imports, and core functions made of it, in order.
    pub items: Vec<Item<'a>>,
    /// The types of what is lifted.
    pub types: Vec<u8>,
    /// The engine's export, lifted.
    pub lift: Option<CanonicalFunction>,
    /// The component around what is lifted, and its export.
    pub tail: Vec<u8>,
    core_functions: Vec<CoreFunction<'a>>,
    instances: Vec<Instance<'a>>,
}

pub enum Item<'a> {
    Alias(ComponentAlias<'a>),
    Canonical(CanonicalFunction),
}

/// What a core function is.
#[derive(Clone, Copy)]
pub enum CoreFunction<'a> {
    /// So many are made of the host's functions before it.
    Made(u32),
    /// The shim's stand-in for one that is made later.
    Shim(&'a str),
    Realloc,
    /// What answers a request.
    Handle(&'a str),
}

impl<'a> Layout<'a> {
    pub fn of(component: &'a [u8]) -> Result<Self, LinkError> {
        let mut read = Self {
            head: component[..8].to_vec(),
            ..Self::default()
        };
        let (mut modules, mut depth) = (0, 0u32);
        for payload in Parser::new(0).parse_all(component) {
            let payload = payload.map_err(ModuleError::from)?;
            match payload {
                Payload::ModuleSection { .. } => (modules, depth) = (modules + 1, depth + 1),
                // wit-component wraps the exports in a component of their own.
                Payload::ComponentSection {
                    unchecked_range, ..
                } => {
                    if depth == 0 {
                        read.tail
                            .push(wasm_encoder::ComponentSectionId::Component as u8);
                        Encode::encode(&component[unchecked_range], &mut read.tail);
                    }
                    depth += 1;
                }
                Payload::End(_) => depth = depth.saturating_sub(1),
                _ if depth > 0 => {}
                Payload::CustomSection(_) => {}
                Payload::InstanceSection(section) => {
                    for instance in section {
                        read.instances.push(instance.map_err(ModuleError::from)?);
                    }
                }
                Payload::ComponentAliasSection(section) if modules > 0 => {
                    for alias in section {
                        read.alias(alias.map_err(ModuleError::from)?)?;
                    }
                }
                Payload::ComponentCanonicalSection(section) => {
                    for function in section {
                        read.canonical(function.map_err(ModuleError::from)?);
                    }
                }
                other => {
                    if let Some((id, range)) = other.as_section() {
                        let part = match (modules, &read.lift) {
                            (0, _) => &mut read.head,
                            (_, None) => &mut read.types,
                            (_, Some(_)) => &mut read.tail,
                        };
                        part.push(id);
                        Encode::encode(&component[range], part);
                    }
                }
            }
        }
        Ok(read)
    }

    fn alias(&mut self, alias: ComponentAlias<'a>) -> Result<(), LinkError> {
        let ComponentAlias::CoreInstanceExport {
            instance_index,
            name,
            kind,
        } = alias
        else {
            // The types would move.
            if !self.types.is_empty() {
                return Err(layout("a name for an import after the first type"));
            }
            self.items.push(Item::Alias(alias));
            return Ok(());
        };
        // The memory and the table are made anew.
        if kind == ExternalKind::Func {
            let is_main = matches!(
                self.instances.get(instance_index as usize),
                Some(Instance::Instantiate {
                    module_index: MAIN,
                    ..
                })
            );
            self.core_functions.push(match (is_main, name) {
                (false, stand_in) => CoreFunction::Shim(stand_in),
                (true, "cabi_realloc") => CoreFunction::Realloc,
                (true, handle) => CoreFunction::Handle(handle),
            });
        }
        Ok(())
    }

    fn canonical(&mut self, function: CanonicalFunction) {
        if matches!(function, CanonicalFunction::Lift { .. }) {
            self.lift = Some(function);
            return;
        }
        let made = self.made();
        self.core_functions.push(CoreFunction::Made(made));
        self.items.push(Item::Canonical(function));
    }

    /// How many core functions are made of the host's.
    pub fn made(&self) -> u32 {
        let is_made = |item: &&Item<'_>| matches!(item, Item::Canonical(_));
        self.items.iter().filter(is_made).count() as u32
    }

    pub fn core_function(&self, index: u32) -> Option<CoreFunction<'a>> {
        self.core_functions.get(index as usize).copied()
    }

    pub fn handle(&self) -> Option<&'a str> {
        self.core_functions
            .iter()
            .find_map(|function| match function {
                CoreFunction::Handle(name) => Some(*name),
                _ => None,
            })
    }

    /// By module and name what the engine imports: the number of the core function
    /// that is made for it.
    pub fn imports(&self) -> Result<BTreeMap<(&'a str, &'a str), u32>, LinkError> {
        let fixed: BTreeMap<_, _> = self
            .arguments(FIXUP)?
            .into_iter()
            .map(|((_, name), index)| (name, index))
            .collect();
        self.arguments(MAIN)?
            .into_iter()
            .map(|(import, index)| {
                let index = match self.core_function(index) {
                    Some(CoreFunction::Shim(name)) => fixed.get(name).copied(),
                    _ => Some(index),
                };
                match index.and_then(|index| self.core_function(index)) {
                    Some(CoreFunction::Made(number)) => Ok((import, number)),
                    _ => Err(layout("an import of the engine is not a host function")),
                }
            })
            .collect()
    }

    /// The core functions that a module is instantiated with.
    fn arguments(&self, module: u32) -> Result<BTreeMap<(&'a str, &'a str), u32>, LinkError> {
        let mut functions = BTreeMap::new();
        let arguments = self.instances.iter().find_map(|instance| match instance {
            Instance::Instantiate { module_index, args } if *module_index == module => Some(args),
            _ => None,
        });
        for argument in arguments.into_iter().flatten() {
            let Some(Instance::FromExports(exports)) = self.instances.get(argument.index as usize)
            else {
                return Err(layout("an instance is made of another module"));
            };
            for export in exports {
                if export.kind == ExternalKind::Func {
                    functions.insert((argument.name, export.name), export.index);
                }
            }
        }
        Ok(functions)
    }
}
