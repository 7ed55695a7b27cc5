//! The frames of the capability sets that are in use: what of a handler is code.
//! There are as many as scripts differ in what they may use, so few.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Publisher, problem};
use crate::compile::capability::Capabilities;
use crate::exec::script::Problem;
use crate::sandbox::handler::Frame;

#[derive(Debug, Default)]
pub struct Frames {
    known: Mutex<BTreeMap<Capabilities, Arc<Frame>>>,
}

impl Publisher {
    /// The frame for these capabilities. Made at the first use of each set, in
    /// which others wait for it.
    pub(super) fn frame(&self, capabilities: &Capabilities) -> Result<Arc<Frame>, Problem> {
        let mut known = self
            .frames
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(frame) = known.get(capabilities) {
            return Ok(frame.clone());
        }
        let wasm = self.linker.frame(capabilities);
        let wasm = wasm.map_err(|error| problem(&error.to_string()))?;
        let frame = self.sandbox.frame(&wasm);
        let frame = Arc::new(frame.map_err(|error| problem(&error.to_string()))?);
        known.insert(capabilities.clone(), frame.clone());
        Ok(frame)
    }
}
