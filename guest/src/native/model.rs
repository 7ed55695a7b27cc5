//! `native.aiStart`: a request to a language model, and the `Generation` that its
//! answer comes through. Which model, and whether, is the host's decision.

use super::body::wait;
use super::failure;
use crate::bindings::footpath::host::ai;
use crate::call;
use rquickjs::{
    Ctx, IntoJs, JsLifetime, Null, Object, Promise, Result, Value,
    class::{Trace, Tracer},
    prelude::Func,
};

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("aiStart", Func::from(start))
}

#[rquickjs::class]
pub struct Generation {
    owner: u64,
    inner: Option<ai::Generation>,
}

// SAFETY: no field refers to a JavaScript value.
unsafe impl<'js> JsLifetime<'js> for Generation {
    type Changed<'to> = Generation;
}
impl<'js> Trace<'js> for Generation {
    fn trace<'a>(&self, _: Tracer<'a, 'js>) {}
}

/// Messages are role, content, role, content …
fn start(
    messages: Vec<String>,
    model: Option<String>,
    temperature: Option<f64>,
    max_tokens: Option<u32>,
    schema: Option<String>,
    prompt_file: bool,
) -> Generation {
    let messages = messages.chunks_exact(2).map(|pair| ai::Message {
        role: match pair[0].as_str() {
            "system" => ai::Role::System,
            "assistant" => ai::Role::Assistant,
            _ => ai::Role::User,
        },
        content: pair[1].clone(),
    });
    let request = ai::Request {
        messages: messages.collect(),
        model,
        temperature,
        max_tokens,
        schema,
        prompt_file,
    };
    Generation { owner: call::new_owner(), inner: Some(ai::start(&request)) }
}

#[rquickjs::methods]
impl Generation {
    /// Resolves when `next` has something to say.
    pub fn wait<'js>(&self, ctx: Ctx<'js>) -> Result<Promise<'js>> {
        wait(&ctx, self.owner, self.inner.as_ref().map(ai::Generation::subscribe))
    }

    /// `{ text }` or `{ reason, promptTokens, completionTokens, model, id }`, the
    /// latter at the end; null when nothing is there yet.
    pub fn next<'js>(&self, ctx: Ctx<'js>) -> Result<Value<'js>> {
        let Some(inner) = &self.inner else { return Null.into_js(&ctx) };
        let part = inner.next().map_err(|error| failure(&ctx, &error.code, &error.message, error.retry_after))?;
        let object = Object::new(ctx.clone())?;
        match part {
            None => return Null.into_js(&ctx),
            Some(ai::Part::Text(text)) => object.set("text", text)?,
            Some(ai::Part::Finish(finish)) => {
                object.set("reason", finish.reason)?;
                object.set("promptTokens", finish.usage.prompt_tokens as f64)?;
                object.set("completionTokens", finish.usage.completion_tokens as f64)?;
                object.set("model", finish.model)?;
                object.set("id", finish.id)?;
            }
        }
        Ok(object.into_value())
    }

    /// Ends the request.
    pub fn abort(&mut self) {
        call::forget_waiting(self.owner);
        self.inner = None;
    }
}
