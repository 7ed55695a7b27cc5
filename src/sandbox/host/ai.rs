//! `footpath:host/ai`: passes requests on, and hands out what has come.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use super::{State, bindings::footpath::host::ai};
use crate::sandbox::services::ai::{Message, ModelError, ModelRequest, Part, Parts, Role};

/// An answer on its way.
pub struct Generation {
    parts: Parts,
    /// What `ready` has taken out, for `next`.
    taken: Option<Option<Result<Part, ModelError>>>,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Generation {
    async fn ready(&mut self) {
        if self.taken.is_none() {
            self.taken = Some(self.parts.recv().await);
        }
    }
}

impl ai::Host for State {
    fn start(&mut self, request: ai::Request) -> wasmtime::Result<Resource<Generation>> {
        let messages = request.messages.into_iter().map(|message| Message {
            role: match message.role {
                ai::Role::System => Role::System,
                ai::Role::User => Role::User,
                ai::Role::Assistant => Role::Assistant,
            },
            content: message.content,
        });
        let request = ModelRequest {
            messages: messages.collect(),
            model: request.model,
            temperature: request.temperature,
            max_tokens: request.max_tokens,
            schema: request.schema,
            prompt_file: request.prompt_file,
        };
        let parts = self.services.ask_model(&self.call, request);
        Ok(self.table.push(Generation { parts, taken: None })?)
    }
}

impl ai::HostGeneration for State {
    fn subscribe(
        &mut self,
        generation: Resource<Generation>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(&mut self.table, generation)
    }

    fn next(
        &mut self,
        generation: Resource<Generation>,
    ) -> wasmtime::Result<Result<Option<ai::Part>, ai::Error>> {
        let generation = self.table.get_mut(&generation)?;
        let next = match generation.taken.take() {
            Some(taken) => taken,
            None => match generation.parts.try_recv() {
                Ok(part) => Some(part),
                Err(tokio::sync::mpsc::error::TryRecvError::Empty) => return Ok(Ok(None)),
                Err(tokio::sync::mpsc::error::TryRecvError::Disconnected) => None,
            },
        };
        let ended = || {
            Err(ModelError::new(
                "AI_ABORTED",
                "the answer has no more parts",
            ))
        };
        Ok(match next.unwrap_or_else(ended) {
            Ok(Part::Text(text)) => Ok(Some(ai::Part::Text(text))),
            Ok(Part::Finish(finish)) => Ok(Some(ai::Part::Finish(ai::Finish {
                reason: finish.reason,
                usage: ai::Usage {
                    prompt_tokens: finish.usage.prompt_tokens,
                    completion_tokens: finish.usage.completion_tokens,
                },
                model: finish.model,
                id: finish.id,
            }))),
            Err(error) => Err(ai::Error {
                code: error.code.to_owned(),
                message: error.message,
                retry_after: error.retry_after_seconds,
            }),
        })
    }

    fn drop(&mut self, generation: Resource<Generation>) -> wasmtime::Result<()> {
        self.table.delete(generation)?;
        Ok(())
    }
}
