//! Runs a function on a thread whose stack is as large as it asks for.
//!
//! Knows nothing of what runs there.

use std::thread;

#[derive(Debug, thiserror::Error)]
pub enum DeepStackError {
    #[error("no thread with a stack of {stack_bytes} bytes could be started: {source}")]
    Spawn {
        stack_bytes: usize,
        source: std::io::Error,
    },
    #[error("the compiler stopped at an internal error; please report this file")]
    Panicked,
}

/// Runs `work` to its end. The stack is address space until it is touched. A
/// panic inside `work` ends only that thread.
pub fn run<T: Send>(
    stack_bytes: usize,
    work: impl FnOnce() -> T + Send,
) -> Result<T, DeepStackError> {
    thread::scope(|scope| {
        thread::Builder::new()
            .name("compile".to_owned())
            .stack_size(stack_bytes)
            .spawn_scoped(scope, work)
            .map_err(|source| DeepStackError::Spawn {
                stack_bytes,
                source,
            })?
            .join()
            .map_err(|_| DeepStackError::Panicked)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn recurse(levels: usize) -> usize {
        let frame = std::hint::black_box([0_u8; 1024]);
        if levels == 0 {
            0
        } else {
            recurse(levels - 1) + 1 + usize::from(frame[0])
        }
    }

    #[test]
    fn the_stack_is_as_large_as_asked_for() {
        assert_eq!(run(64 * 1024 * 1024, || recurse(30_000)).unwrap(), 30_000);
    }

    #[test]
    fn a_panic_is_an_error() {
        let result = run(1024 * 1024, || -> () { panic!("expected by this test") });
        assert!(matches!(result, Err(DeepStackError::Panicked)));
    }
}
