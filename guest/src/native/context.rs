//! `native.call()` and `native.environment()`: what the host knows beyond HTTP.
//! In the portable form there is no such host, and both give null. And what the
//! JavaScript half has to say about the call: `native.leaveTraces()`.

use crate::{bindings::footpath::host::context, call, load};
use rquickjs::{Array, Ctx, IntoJs, Null, Object, Result, Value, prelude::Func};

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("call", Func::from(current))?;
    native.set("leaveTraces", Func::from(call::leave_traces))?;
    native.set("environment", Func::from(environment))
}

fn current<'js>(ctx: Ctx<'js>) -> Result<Value<'js>> {
    if load::portable() {
        return Null.into_js(&ctx);
    }
    call::leave_traces();
    let call = context::current();
    let parameters = Object::new(ctx.clone())?;
    for (name, value) in call.parameters {
        match value {
            context::Parameter::One(text) => parameters.set(name, text)?,
            context::Parameter::Many(texts) => parameters.set(name, texts)?,
        }
    }
    let object = Object::new(ctx)?;
    object.set("executionId", call.execution_id)?;
    object.set("clientIp", call.client_ip)?;
    object.set("parameters", parameters)?;
    object.set("path", call.path)?;
    object.set("depth", call.depth)?;
    Ok(object.into_value())
}

/// Name, value, name, value …
fn environment<'js>(ctx: Ctx<'js>) -> Result<Value<'js>> {
    if load::portable() {
        return Null.into_js(&ctx);
    }
    let flat = Array::new(ctx)?;
    for (index, (name, value)) in context::environment().into_iter().enumerate() {
        flat.set(2 * index, name)?;
        flat.set(2 * index + 1, value)?;
    }
    Ok(flat.into_value())
}
