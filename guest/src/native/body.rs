//! `InBody` and `OutBody`: the two ends of a body as JavaScript objects. Neither
//! blocks: `read` and `write` do what is possible now, and `wait()` is a promise
//! for when more is. Dropping an unfinished `OutBody` tells the peer that the
//! body is incomplete.

use crate::{
    bindings::wasi::{
        http::types::{IncomingBody, OutgoingBody},
        io::{
            poll::Pollable,
            streams::{InputStream, OutputStream, StreamError},
        },
    },
    call::{self, Waiting},
};
use rquickjs::{
    Ctx, Exception, IntoJs, JsLifetime, Null, Persistent, Promise, Result, TypedArray, Undefined,
    Value,
    class::{Trace, Tracer},
};

/// The field order is the drop order: a stream is a child of its body.
#[rquickjs::class]
pub struct InBody {
    owner: u64,
    stream: Option<InputStream>,
    _body: IncomingBody,
}

// SAFETY: no field refers to a JavaScript value.
unsafe impl<'js> JsLifetime<'js> for InBody {
    type Changed<'to> = InBody;
}
impl<'js> Trace<'js> for InBody {
    fn trace<'a>(&self, _: Tracer<'a, 'js>) {}
}

impl InBody {
    pub fn new(body: IncomingBody) -> Self {
        // The stream can be taken once, and nobody else has seen the body.
        Self { owner: call::new_owner(), stream: body.stream().ok(), _body: body }
    }
}

impl InBody {
    /// Reads to the end, blocking the instance.
    pub fn read_whole(mut self, ctx: &Ctx<'_>) -> Result<Vec<u8>> {
        let mut whole = Vec::new();
        while let Some(stream) = &self.stream {
            match stream.read(READ_BYTES) {
                Ok(bytes) if bytes.is_empty() => stream.subscribe().block(),
                Ok(bytes) if whole.is_empty() => whole = bytes,
                Ok(bytes) => whole.extend(bytes),
                Err(StreamError::Closed) => self.stream = None,
                Err(StreamError::LastOperationFailed(error)) => {
                    return Err(Exception::throw_message(ctx, &error.to_debug_string()));
                }
            }
        }
        Ok(whole)
    }
}

/// How much one read of a whole body asks for.
const READ_BYTES: u64 = 256 * 1024;

#[rquickjs::methods]
impl InBody {
    /// Bytes, or null when none are there yet, or undefined at the end.
    pub fn read<'js>(&mut self, ctx: Ctx<'js>, bytes_max: u32) -> Result<Value<'js>> {
        let Some(stream) = &self.stream else { return Undefined.into_js(&ctx) };
        match stream.read(u64::from(bytes_max)) {
            Ok(bytes) if bytes.is_empty() => Null.into_js(&ctx),
            Ok(bytes) => TypedArray::new(ctx, bytes).map(TypedArray::into_value),
            Err(StreamError::Closed) => {
                self.stream = None;
                Undefined.into_js(&ctx)
            }
            Err(StreamError::LastOperationFailed(error)) => {
                self.stream = None;
                Err(Exception::throw_message(&ctx, &error.to_debug_string()))
            }
        }
    }

    /// Resolves when `read` has something to say.
    pub fn wait<'js>(&self, ctx: Ctx<'js>) -> Result<Promise<'js>> {
        wait(&ctx, self.owner, self.stream.as_ref().map(InputStream::subscribe))
    }

    /// Stops reading; the host may drop what is still to come.
    pub fn cancel(&mut self) {
        call::forget_waiting(self.owner);
        self.stream = None;
    }
}

#[rquickjs::class]
pub struct OutBody {
    owner: u64,
    stream: Option<OutputStream>,
    body: Option<OutgoingBody>,
}

// SAFETY: no field refers to a JavaScript value.
unsafe impl<'js> JsLifetime<'js> for OutBody {
    type Changed<'to> = OutBody;
}
impl<'js> Trace<'js> for OutBody {
    fn trace<'a>(&self, _: Tracer<'a, 'js>) {}
}

impl OutBody {
    pub fn new(body: OutgoingBody) -> Self {
        Self { owner: call::new_owner(), stream: body.write().ok(), body: Some(body) }
    }

    /// Writes everything, blocking the instance; for bodies that are complete.
    pub fn write_whole(mut self, mut bytes: &[u8]) -> std::result::Result<(), StreamError> {
        while let (Some(stream), false) = (&self.stream, bytes.is_empty()) {
            let room = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX).min(bytes.len());
            if room == 0 {
                stream.subscribe().block();
                continue;
            }
            stream.write(&bytes[..room])?;
            bytes = &bytes[room..];
        }
        self.complete();
        Ok(())
    }

    fn complete(&mut self) {
        call::forget_waiting(self.owner);
        self.stream = None;
        if let Some(body) = self.body.take() {
            // A peer that went away is not the handler's failure.
            let _ = OutgoingBody::finish(body, None);
        }
    }
}

#[rquickjs::methods]
impl OutBody {
    /// How many of the bytes were taken; 0 means: wait.
    pub fn write<'js>(&mut self, ctx: Ctx<'js>, bytes: TypedArray<'js, u8>) -> Result<u32> {
        let Some(stream) = &self.stream else {
            return Err(Exception::throw_type(&ctx, "the body is already finished"));
        };
        let bytes = bytes.as_bytes().unwrap_or_default();
        let written = stream.check_write().and_then(|room| {
            let room = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            if room > 0 {
                stream.write(&bytes[..room])?;
            }
            Ok(room)
        });
        written.map(|room| room as u32).map_err(|error| {
            self.stream = None;
            let why = match error {
                StreamError::Closed => "the peer went away".to_owned(),
                StreamError::LastOperationFailed(error) => error.to_debug_string(),
            };
            Exception::throw_message(&ctx, &why)
        })
    }

    /// Resolves when `write` takes more.
    pub fn wait<'js>(&self, ctx: Ctx<'js>) -> Result<Promise<'js>> {
        wait(&ctx, self.owner, self.stream.as_ref().map(OutputStream::subscribe))
    }

    /// The body is complete.
    pub fn finish(&mut self) {
        self.complete();
    }

    /// The body will never be complete; the peer sees a broken transfer.
    pub fn abort(&mut self) {
        call::forget_waiting(self.owner);
        self.stream = None;
        self.body = None;
    }
}

/// A promise that the driver resolves when the pollable is ready; at once
/// without one. It stays pending when the owner goes away first.
pub fn wait<'js>(ctx: &Ctx<'js>, owner: u64, pollable: Option<Pollable>) -> Result<Promise<'js>> {
    let (promise, resolve, _reject) = Promise::new(ctx)?;
    match pollable {
        Some(pollable) => {
            let resolve = Persistent::save(ctx, resolve);
            call::with(|call| call.waiting.push(Waiting { owner, pollable, resolve }));
        }
        None => resolve.call::<_, ()>(())?,
    }
    Ok(promise)
}
