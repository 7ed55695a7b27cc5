//! One call, from the request to the answer: run QuickJS jobs, fire timers, and
//! when nothing is left to run, block on what the host is asked for. A handler
//! that nothing can settle any more is an error with a name.

use crate::{
    bindings::wasi::{
        clocks::monotonic_clock,
        http::types::{IncomingRequest, ResponseOutparam},
        io::poll::{self, Pollable},
    },
    call, direct,
    native::hooks::hooks,
    runtime,
};
use rquickjs::{Ctx, Function, Persistent, Value};

/// Answers one request. Returns when the answer is complete.
pub fn answer(request: IncomingRequest, response_out: ResponseOutparam) {
    let has_traces = call::start(request, response_out);
    runtime::with(|ctx| {
        if has_traces {
            next(ctx);
        }
        if !direct::answer(ctx) {
            call_hook(ctx, &hooks().answer, ());
        }
    });
    loop {
        settle();
        if call::with(|call| call.finished) {
            return;
        }
        if !fire_timer() && !wait() {
            runtime::with(|ctx| call_hook(ctx, &hooks().stuck, ()));
            settle();
            return;
        }
    }
}

/// So many jobs an answer is held back for: an error that it has caused comes up within
/// few, and a script that goes on computing shall not keep its caller waiting.
const HELD_JOBS_MAX: u32 = 1_000;

/// Runs jobs, then reports the rejections that nobody took up meanwhile, and only
/// then lets an answer go that was held back for them.
fn settle() {
    loop {
        let jobs_max = if call::with(|call| call.held) { HELD_JOBS_MAX } else { runtime::ALL_JOBS };
        let all_ran = runtime::run_jobs(jobs_max);
        let (rejections, held) = call::with(|call| {
            // While jobs are left, somebody may still take them up.
            let rejections = if all_ran { std::mem::take(&mut call.rejections) } else { Vec::new() };
            let release = rejections.is_empty() && std::mem::take(&mut call.held);
            (rejections, release)
        });
        if held {
            runtime::with(|ctx| call_hook(ctx, &hooks().release, ()));
        } else if rejections.is_empty() {
            return;
        } else {
            report(rejections);
        }
    }
}

fn report(rejections: Vec<call::Rejection>) {
    runtime::with(|ctx| {
        for (promise, reason) in rejections {
            if let (Ok(promise), Ok(reason)) = (promise.restore(ctx), reason.restore(ctx)) {
                call_hook(ctx, &hooks().unhandled, (reason, promise));
            }
        }
    });
}

fn fire_timer() -> bool {
    let due = call::with(|call| {
        let next = call.timers.next_due_ns()?;
        let now = monotonic_clock::now();
        if next > now { None } else { call.timers.take_due(now) }
    });
    let Some(callback) = due else { return false };
    runtime::with(|ctx| call_hook(ctx, &callback, ()));
    true
}

/// Blocks until something is ready. False when there is nothing to wait for.
fn wait() -> bool {
    let waiting = call::with(|call| std::mem::take(&mut call.waiting));
    let timer = call::with(|call| call.timers.next_due_ns()).map(monotonic_clock::subscribe_instant);
    let mut pollables: Vec<&Pollable> = waiting.iter().map(|one| &one.pollable).collect();
    pollables.extend(timer.as_ref());
    if pollables.is_empty() {
        return false;
    }
    let ready = poll::poll(&pollables);
    let mut woken = Vec::new();
    let mut rest = Vec::new();
    for (index, one) in waiting.into_iter().enumerate() {
        if ready.contains(&(index as u32)) {
            woken.push(one.resolve);
        } else {
            rest.push(one);
        }
    }
    call::with(|call| call.waiting.extend(rest));
    runtime::with(|ctx| {
        for resolve in woken {
            call_hook(ctx, &resolve, ());
        }
    });
    true
}

/// Empties the JavaScript half of the last call.
fn next(ctx: &Ctx<'_>) {
    let hook = hooks().next.clone().restore(ctx);
    if hook.and_then(|next| next.call::<_, Value>(())).is_err() {
        panic!("next: {:?}", ctx.catch());
    }
    direct::refresh(ctx);
}

/// Calls a function; what it throws is reported like an unhandled rejection.
pub fn call_hook<'js, A: rquickjs::function::IntoArgs<'js>>(
    ctx: &Ctx<'js>,
    function: &Persistent<Function<'static>>,
    arguments: A,
) {
    call::leave_traces();
    let Ok(function) = function.clone().restore(ctx) else { return };
    if function.call::<_, Value>(arguments).is_ok() {
        return;
    }
    let thrown = ctx.catch();
    if let Ok(unhandled) = hooks().unhandled.clone().restore(ctx) {
        let _ = unhandled.call::<_, Value>((thrown,));
    }
}
