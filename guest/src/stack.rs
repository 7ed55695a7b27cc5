//! The depth of JavaScript calls. QuickJS knows how to limit its stack, but
//! switches that off on WASI, so that recursion without end would run over the
//! shadow stack and trap. This file sets the limit where QuickJS reads it.

use rquickjs::qjs;

/// The shadow stack (`-zstack-size`). It lies at the start of the memory and
/// grows down from here to 0.
const STACK_BYTES: usize = 1024 * 1024;

/// What stays free for native code below a JavaScript frame when QuickJS raises
/// its RangeError.
const MARGIN_BYTES: usize = 384 * 1024;

/// Set as the stack size, to be found again; a size no one would choose.
const MARK: usize = 0x5AFE_57AC;

/// How far into the runtime the search goes.
const SEARCH_WORDS: usize = 512;

/// Sets the limit. Panics when QuickJS has another layout than expected: the
/// engine is being built then, and must not be.
pub fn limit(runtime: *mut qjs::JSRuntime) {
    // In `struct JSRuntime` stand `stack_size`, `stack_top` and `stack_limit`,
    // one after the other, each a word; on WASI the last is always 0.
    let words = runtime.cast::<usize>();
    // SAFETY: the runtime is larger than what is searched, and nothing else runs.
    let at = unsafe {
        qjs::JS_SetMaxStackSize(runtime, MARK as _);
        (0..SEARCH_WORDS).find(|at| words.add(*at).read() == MARK && words.add(at + 2).read() == 0)
    };
    let at = at.expect("JSRuntime holds stack_size, stack_top and stack_limit in a row");
    // SAFETY: as above; the word is the limit, an address on the shadow stack.
    unsafe {
        words.add(at).write(STACK_BYTES - MARGIN_BYTES);
        words.add(at + 2).write(MARGIN_BYTES);
    }
}
