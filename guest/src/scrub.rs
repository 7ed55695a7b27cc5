//! Freed memory becomes zeros while an image is being made: zeros take no room
//! in a component. It must not act while a request is answered, when the whole
//! memory is dropped in the end.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};

static SCRUBBING: AtomicBool = AtomicBool::new(true);

unsafe extern "C" {
    fn __real_free(block: *mut c_void);
    fn malloc_usable_size(block: *mut c_void) -> usize;
}

/// The image is made.
pub fn end() {
    SCRUBBING.store(false, Ordering::Relaxed);
}

/// What every call of `free` becomes (`--wrap=free`, see `build.rs`).
///
/// # Safety
/// As for `free`.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_free(block: *mut c_void) {
    // SAFETY: the block is its caller's until the real `free` has it.
    unsafe {
        if SCRUBBING.load(Ordering::Relaxed) && !block.is_null() {
            block.cast::<u8>().write_bytes(0, malloc_usable_size(block));
        }
        __real_free(block);
    }
}
