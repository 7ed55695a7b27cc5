//! A published handler, ready to be called: its component, loaded and linked.

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
    /// Loads a component in the shared form. Blocks for some milliseconds when
    /// it is not in the cache; call it off the async threads.
    pub fn handler(&self, component: &[u8]) -> Result<Handler, SandboxError> {
        let component = self.cache.component(&self.engine, component)?;
        let pre = self.linker.instantiate_pre(&component).map_err(SandboxError::Component)?;
        Ok(Handler { pre: ProxyPre::new(pre).map_err(SandboxError::Component)? })
    }
}
