//! `native.isolateEval`: code in a fresh instance. What goes in and out as data
//! is JavaScript's to encode; limits are the host's.

use super::{
    failure,
    respond::{header_list, latin1},
};
use crate::bindings::footpath::host::isolate;
use rquickjs::{Array, Ctx, Object, Result, TypedArray, prelude::Func};

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("isolateEval", Func::from(eval))
}

/// `{ method, target, headers: [name, value, …], body }` and names of what was
/// passed, then name and encoded value of data; gives `{ status, headers, body }`.
fn eval<'js>(
    ctx: Ctx<'js>,
    code: String,
    request: Object<'js>,
    passed: Vec<String>,
    data: Vec<String>,
) -> Result<Object<'js>> {
    let body: TypedArray<'js, u8> = request.get("body")?;
    let evaluation = isolate::Evaluation {
        code,
        request: isolate::Request {
            method: request.get("method")?,
            target: request.get("target")?,
            headers: header_list(request.get("headers")?)?,
            body: body.as_bytes().unwrap_or_default().to_vec(),
        },
        passed,
        data: data.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
    };
    let outcome = isolate::eval(&evaluation).map_err(|error| {
        let message = if error.name.is_empty() { error.message } else { format!("{}: {}", error.name, error.message) };
        failure(&ctx, &error.code, &message, None)
    })?;
    let flat = Array::new(ctx.clone())?;
    for (index, (name, value)) in outcome.headers.into_iter().enumerate() {
        flat.set(2 * index, name)?;
        flat.set(2 * index + 1, latin1(&ctx, &value)?)?;
    }
    let object = Object::new(ctx.clone())?;
    object.set("status", outcome.status)?;
    object.set("headers", flat)?;
    object.set("body", TypedArray::new(ctx, outcome.body)?)?;
    Ok(object)
}
