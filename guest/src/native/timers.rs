//! Clocks, random bytes and timers. Timers are a queue in the guest; the driver
//! asks the host for one wake-up, for the earliest.

use crate::{
    bindings::wasi::{clocks::monotonic_clock, random::random},
    call,
};
use rquickjs::{Ctx, Function, Object, Persistent, Result, TypedArray, prelude::Func};

/// What one `randomBytes` call gives at most; `crypto.getRandomValues` has this limit.
const RANDOM_BYTES_MAX: u32 = 65_536;

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("now", Func::from(now))?;
    native.set("setTimer", Func::from(set_timer))?;
    native.set("clearTimer", Func::from(clear_timer))?;
    native.set("randomBytes", Func::from(random_bytes))?;
    native.set("random", Func::from(crate::call::random_unit))
}

/// Milliseconds of a clock that only goes forward, from an arbitrary zero.
fn now() -> f64 {
    monotonic_clock::now() as f64 / 1e6
}

fn set_timer<'js>(callback: Function<'js>, delay_ms: f64, repeat: bool) -> f64 {
    let delay_ns = (delay_ms.max(0.0) * 1e6) as u64;
    let callback = Persistent::save(callback.ctx(), callback.clone());
    call::with(|call| call.timers.add(callback, monotonic_clock::now(), delay_ns, repeat)) as f64
}

fn clear_timer(id: f64) {
    call::with(|call| call.timers.remove(id as u64));
}

fn random_bytes<'js>(ctx: Ctx<'js>, length: u32) -> Result<TypedArray<'js, u8>> {
    TypedArray::new(ctx, random::get_random_bytes(u64::from(length.min(RANDOM_BYTES_MAX))))
}
