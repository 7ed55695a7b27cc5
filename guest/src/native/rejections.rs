//! Promises that nobody listens to. QuickJS tells of a rejection when it happens
//! and again when a handler is attached later; what is left when the jobs have
//! run is unhandled (HTML, "unhandled promise rejections").

use crate::call;
use javy::Runtime;
use rquickjs::{Ctx, Persistent, Value};

pub fn track(runtime: &Runtime) {
    runtime
        .context()
        .runtime()
        .set_host_promise_rejection_tracker(Some(Box::new(note)));
}

fn note<'js>(ctx: Ctx<'js>, promise: Value<'js>, reason: Value<'js>, is_handled: bool) {
    if is_handled {
        call::with(|call| {
            call.rejections.retain(|(known, _)| {
                let known = known.clone().restore(&ctx);
                known.map_or(true, |known| known != promise)
            });
        });
    } else {
        let promise = Persistent::save(&ctx, promise);
        let reason = Persistent::save(&ctx, reason);
        call::with(|call| call.rejections.push((promise, reason)));
    }
}
