//! A published handler, ready to be called: its frame, which is all the code it has
//! of its own, linked with its image.

use std::fmt;

use wasmtime::Module;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use super::host::State;
use super::{Sandbox, SandboxError};

/// The name of the image among a frame's imports (`compile::link`).
const IMAGE_IMPORT: &str = "footpath-image";

/// What all handlers with the same capabilities have in common, compiled.
pub struct Frame {
    component: Component,
}

/// Cheap to clone and to keep: the code is shared with other handlers, the memory
/// image is mapped from the cache.
#[derive(Clone)]
pub struct Handler {
    pub(super) pre: ProxyPre<State>,
}

impl Sandbox {
    /// A frame, compiled or from the cache. Takes some 15 ms once; call it off the
    /// async threads.
    pub fn frame(&self, wasm: &[u8]) -> Result<Frame, SandboxError> {
        let component = self.cache.frame(&self.engine, wasm)?;
        Ok(Frame { component })
    }

    /// The handler whose image was stored under this name before. Takes less than a
    /// millisecond; call it off the async threads.
    pub fn known_handler(&self, name: &str, frame: &Frame) -> Option<Handler> {
        let image = self.cache.known_image(&self.engine, name)?;
        self.link(frame, &image).ok()
    }

    /// Makes a handler of an image, and stores the image under a name that stands
    /// for all it was made from. Takes some milliseconds; call it off the async threads.
    pub fn handler(
        &self,
        name: &str,
        frame: &Frame,
        image: &[u8],
    ) -> Result<Handler, SandboxError> {
        let image = self.cache.image(&self.engine, name, image)?;
        self.link(frame, &image)
    }

    /// A handler that is called once and not kept.
    pub fn passing_handler(&self, frame: &Frame, image: &[u8]) -> Result<Handler, SandboxError> {
        let image = Module::new(&self.engine, image).map_err(SandboxError::Component)?;
        self.link(frame, &image)
    }

    fn link(&self, frame: &Frame, image: &Module) -> Result<Handler, SandboxError> {
        let link = |mut linker: Linker<State>| {
            linker.root().module(IMAGE_IMPORT, image)?;
            ProxyPre::new(linker.instantiate_pre(&frame.component)?)
        };
        let pre = link(self.linker.clone()).map_err(SandboxError::Component)?;
        Ok(Handler { pre })
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handler")
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Frame")
    }
}
