//! What runs on a script's behalf has no more fuel, memory and time than the script has
//! left, and the fuel that it used is the script's. It must not know what runs.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::StoreContextMut;

use super::State;
use crate::sandbox::limits::{CallLimits, FUEL_PER_TURN};
use crate::sandbox::services::{CallContext, Charged, Later, Services};

/// Has the services do something within what the caller has left, and takes what that
/// used out of the caller's fuel.
pub async fn charged<T>(
    mut store: StoreContextMut<'_, State>,
    work: impl for<'a> FnOnce(&'a dyn Services, &'a CallContext, CallLimits) -> Later<'a, Charged<T>>,
) -> wasmtime::Result<T> {
    let fuel = store.get_fuel()?;
    let state = store.data();
    let limits = what_is_left(state, fuel);
    let (services, call) = (Arc::clone(&state.services), Arc::clone(&state.call));
    let Charged { result, fuel: used } = work(&*services, &call, limits).await;
    store.set_fuel(fuel.saturating_sub(used))?;
    // With none left the caller would trap only at its next yield.
    store.fuel_async_yield_interval(Some(FUEL_PER_TURN))?;
    Ok(result)
}

/// The caller's limits less what it has used.
fn what_is_left(state: &State, fuel: u64) -> CallLimits {
    CallLimits {
        timeout: state.deadline.saturating_duration_since(Instant::now()),
        fuel,
        memory_bytes: state
            .memory
            .limit_bytes
            .saturating_sub(state.memory.used_bytes),
        ..state.limits.clone()
    }
}
