//! `footpath:host/isolate`: runs code in an instance of its own, at its caller's
//! expense. It is linked by hand, since only so does it get at the store's fuel.

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use super::charge::charged;
use super::{State, bindings::footpath::host::isolate};
use crate::sandbox::services::isolate::Evaluation;

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
    store: StoreContextMut<'_, State>,
    evaluation: isolate::Evaluation,
) -> wasmtime::Result<Result<isolate::Outcome, isolate::Error>> {
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
    let result = charged(store, |services, call, limits| {
        services.isolate(call, evaluation, limits)
    });
    Ok(match result.await? {
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
