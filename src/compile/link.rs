//! Handlers as components. The shared form imports the engine and brings only
//! its memory; the portable form brings the engine too. Both come from the same
//! component that `wit-component` makes of the engine with the imports the
//! script does not use stubbed out, so what a component imports is what its
//! script may use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use wasm_encoder::{ComponentSection, ComponentSectionId, Encode};
use wit_component::ComponentEncoder;

use super::{
    capability::{ALWAYS, Capabilities, Capability, PORTABLE_LOG, is_footpaths, unversioned},
    core_module::{self, Edit, Import, Memory, ModuleError},
    engine::Engine,
    image,
};

mod template;
use template::Template;

/// The custom section that says what a component is, as JSON (`Provenance`).
pub const SECTION: &str = "footpath";

/// What stands in a component's own section.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub struct Provenance {
    /// Deployment-relative path of the script.
    pub script: String,
    /// SHA-256 of the sources, in hex.
    pub source_hash: String,
    /// `Engine::version` of the engine it was made with.
    pub engine: String,
    /// `footpath` and its version.
    pub producer: String,
}

/// Linking failed; the engine does not fit this linker.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error(transparent)]
    Module(#[from] ModuleError),
    #[error("the component cannot be encoded: {0}")]
    Encode(String),
    #[error("the component has another layout than expected: {0}")]
    Layout(String),
}

/// Links handlers against one engine. Cheap after the first of each set of
/// capabilities.
pub struct Linker {
    engine: Arc<Engine>,
    templates: Mutex<BTreeMap<Capabilities, Arc<Template>>>,
}

impl Linker {
    pub fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            templates: Mutex::default(),
        }
    }

    /// The shared form of a memory image: needs a host that offers the engine.
    pub fn shared(
        &self,
        memory: &[u8],
        capabilities: &Capabilities,
        provenance: &Provenance,
    ) -> Result<Vec<u8>, LinkError> {
        let template = self.template(capabilities)?;
        let mut component = template.fill(&image::module(memory));
        append_provenance(&mut component, provenance);
        Ok(component)
    }

    /// The shared form of every image with these capabilities, which it imports
    /// as a module (`image::module`): what the server compiles.
    pub fn frame(&self, capabilities: &Capabilities) -> Result<Vec<u8>, LinkError> {
        Ok(self.template(capabilities)?.frame())
    }

    /// The portable form of a memory image that was loaded as portable: runs in
    /// any host of `wasi:http`.
    pub fn portable(
        &self,
        memory: &[u8],
        capabilities: &Capabilities,
        provenance: &Provenance,
    ) -> Result<Vec<u8>, LinkError> {
        let segments = image::segments(memory, image::ZEROS_MIN);
        let memory = Memory::Own {
            pages: image::pages(memory),
            segments: &segments,
        };
        let mut component = self.component(memory, &|interface| {
            interface == PORTABLE_LOG
                || interface == Capability::Fetch.interface()
                    && capabilities.contains(&Capability::Fetch)
                || ALWAYS.contains(&interface) && !is_footpaths(interface)
        })?;
        append_provenance(&mut component, provenance);
        Ok(component)
    }

    fn template(&self, capabilities: &Capabilities) -> Result<Arc<Template>, LinkError> {
        // A panic while the lock was held cannot leave half a template behind.
        let mut templates = self
            .templates
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(template) = templates.get(capabilities) {
            return Ok(template.clone());
        }
        let granted = |interface: &str| {
            ALWAYS.contains(&interface)
                || capabilities.iter().any(|one| one.interface() == interface)
        };
        let component = self.component(
            Memory::Own {
                pages: 0,
                segments: &[],
            },
            &granted,
        )?;
        let template = Arc::new(Template::new(&component, &self.engine.packed)?);
        templates.insert(capabilities.clone(), template.clone());
        Ok(template)
    }

    /// The whole engine as a component that imports what is granted.
    fn component(
        &self,
        memory: Memory<'_>,
        granted: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<u8>, LinkError> {
        let module = core_module::edit(
            &self.engine.packed,
            &Edit {
                import: &|module| {
                    if granted(unversioned(module)) {
                        Import::Keep
                    } else {
                        Import::Trap
                    }
                },
                memory,
                passive: None,
                drop_exports: &["engine_input", "engine_load"],
                keep_section: &|_| true,
            },
        )?;
        let encode = || ComponentEncoder::default().module(&module)?.encode();
        encode().map_err(|error| LinkError::Encode(format!("{error:#}")))
    }
}

fn append_provenance(component: &mut Vec<u8>, provenance: &Provenance) {
    let data = serde_json::to_vec(provenance).unwrap_or_default();
    let section = wasm_encoder::CustomSection {
        name: SECTION.into(),
        data: data.into(),
    };
    ComponentSection::append_to_component(&section, component);
    let mut producers = wasm_encoder::ProducersSection::new();
    let mut processed_by = wasm_encoder::ProducersField::new();
    processed_by.value("footpath", env!("CARGO_PKG_VERSION"));
    producers.field("processed-by", &processed_by);
    ComponentSection::append_to_component(&producers, component);
}

/// A core module as a section of a component.
fn module_section(component: &mut Vec<u8>, module: &[u8]) {
    component.push(ComponentSectionId::CoreModule as u8);
    Encode::encode(module, component);
}
