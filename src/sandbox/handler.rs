//! A published handler, ready to be called: its component, loaded and linked.

use std::fmt;

use wasmtime::component::Component;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use super::host::State;
use super::{Sandbox, SandboxError};

/// Cheap to clone and to keep: the engine's code is shared, the memory image is
/// mapped from the cache.
#[derive(Clone)]
pub struct Handler {
    pub(super) pre: ProxyPre<State>,
}

impl Sandbox {
    /// The handler that was compiled under this name before. Takes about a
    /// millisecond; call it off the async threads.
    pub fn known_handler(&self, name: &str) -> Option<Handler> {
        let component = self.cache.known(&self.engine, name)?;
        self.link(&component).ok()
    }

    /// Compiles a component in the shared form under a name that stands for all
    /// it was made from. Takes some milliseconds; call it off the async threads.
    pub fn handler(&self, name: &str, component: &[u8]) -> Result<Handler, SandboxError> {
        let code = self.code(component)?;
        // SAFETY: Wasmtime made this code just now.
        let component = unsafe { self.cache.component(&self.engine, name, &code)? };
        self.link(&component)
    }

    /// Compiles a component that is called once and not kept.
    pub fn passing_handler(&self, component: &[u8]) -> Result<Handler, SandboxError> {
        let code = self.code(component)?;
        // SAFETY: Wasmtime made this code just now.
        let component = unsafe { Component::deserialize(&self.engine, &code) };
        self.link(&component.map_err(SandboxError::Component)?)
    }

    fn code(&self, component: &[u8]) -> Result<Vec<u8>, SandboxError> {
        let code = self.quick.precompile_component(component);
        code.map_err(SandboxError::Component)
    }

    fn link(&self, component: &Component) -> Result<Handler, SandboxError> {
        let pre = self
            .linker
            .instantiate_pre(component)
            .map_err(SandboxError::Component)?;
        Ok(Handler {
            pre: ProxyPre::new(pre).map_err(SandboxError::Component)?,
        })
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handler")
    }
}
