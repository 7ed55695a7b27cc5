//! `footpath:host/isolate`: runs code in an instance of its own and takes what it
//! used out of the caller's fuel, memory and time. It is linked by hand, since
//! only so does it get at the store's fuel.

use std::time::Instant;

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use super::{State, bindings::footpath::host::isolate};
use crate::sandbox::limits::CallLimits;
use crate::sandbox::services::isolate::{Evaluated, Evaluation};

/// The interface's name among a component's imports.
const INTERFACE: &str = concat!("footpath:host/isolate@", "0.1.0");

pub fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(INTERFACE)?.func_wrap_async(
        "eval",
        |store: StoreContextMut<'_, State>, (evaluation,): (isolate::Evaluation,)| {
            Box::new(async move { Ok((eval(store, evaluation).await?,)) })
        },
    )
}

async fn eval(
    mut store: StoreContextMut<'_, State>,
    evaluation: isolate::Evaluation,
) -> wasmtime::Result<Result<isolate::Outcome, isolate::Error>> {
    let fuel = store.get_fuel()?;
    let state = store.data();
    let limits = what_is_left(state, fuel);
    let (services, call) = (state.services.clone(), state.call.clone());
    let request = evaluation.request;
    let evaluation = Evaluation {
        code: evaluation.code,
        method: request.method,
        target: request.target,
        headers: request.headers,
        body: request.body.into(),
        passed: evaluation.passed,
        data: evaluation.data,
    };
    let Evaluated { result, fuel: used } = services.isolate(&call, evaluation, limits).await;
    store.set_fuel(fuel.saturating_sub(used))?;
    // With none left the caller would trap only at its next yield.
    store.fuel_async_yield_interval(Some(crate::sandbox::limits::FUEL_PER_TURN))?;
    Ok(match result {
        Ok(outcome) => Ok(isolate::Outcome {
            status: outcome.status,
            headers: outcome.headers,
            body: outcome.body.into(),
        }),
        Err(error) => Err(isolate::Error {
            code: error.code.to_owned(),
            name: error.name,
            message: error.message,
        }),
    })
}

/// The caller's limits less what it has used.
pub fn what_is_left(state: &State, fuel: u64) -> CallLimits {
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
