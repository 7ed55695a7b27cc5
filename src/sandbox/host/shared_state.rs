//! `footpath:host/shared-state`: passes through to the deployment's `shared`.

use super::{State, bindings::footpath::host::shared_state};

impl shared_state::Host for State {
    fn load(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.services.shared_load())
    }

    fn store(
        &mut self,
        changes: Vec<(String, Option<String>)>,
    ) -> wasmtime::Result<Result<(), shared_state::Error>> {
        Ok(self
            .services
            .shared_store(changes)
            .map_err(shared_state::Error::TooLarge))
    }
}
