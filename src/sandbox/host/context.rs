//! `footpath:host/context`: what is known about the call.

use super::{State, bindings::footpath::host::context};
use crate::sandbox::services::Parameter;

impl context::Host for State {
    fn current(&mut self) -> wasmtime::Result<context::Call> {
        let call = &self.call;
        Ok(context::Call {
            execution_id: call.execution_id.clone(),
            client_ip: call.client_ip.map(|ip| ip.to_string()).unwrap_or_default(),
            parameters: call
                .parameters
                .iter()
                .map(|(name, value)| {
                    let value = match value.clone() {
                        Parameter::One(text) => context::Parameter::One(text),
                        Parameter::Many(texts) => context::Parameter::Many(texts),
                    };
                    (name.clone(), value)
                })
                .collect(),
            path: call.path.clone(),
            depth: call.depth,
        })
    }

    fn environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.services.environment())
    }
}
