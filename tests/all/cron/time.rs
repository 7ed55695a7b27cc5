//! Other times than now, by Debian's `faketime`.

use std::path::{Path, PathBuf};

use crate::harness::Setup;

const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// Sets the clock of a server that is yet to start, and of one that runs.
pub struct Clock {
    file: PathBuf,
}

/// The library, if it is there.
pub fn library() -> Option<&'static str> {
    LIBRARIES.into_iter().find(|path| Path::new(path).exists())
}

/// Lets a server start at a time (UTC), such as `2026-03-01 00:00:57`; it may go
/// on faster, as in `2026-03-01 00:00:57 x60`.
pub fn starting_at(setup: Setup, library: &str, time: &str) -> (Setup, Clock) {
    let clock = Clock {
        file: setup.data().with_extension("time"),
    };
    clock.set(time);
    let setup = setup
        .variable("LD_PRELOAD", library)
        .variable("TZ", "UTC")
        .variable("FAKETIME_TIMESTAMP_FILE", clock.file.display())
        .variable("FAKETIME_CACHE_DURATION", 1);
    (setup, clock)
}

impl Clock {
    /// For the next start, or for a server that runs: a moment later it is this time.
    pub fn set(&self, time: &str) {
        std::fs::write(&self.file, format!("@{time}\n")).expect("a written file");
    }
}

/// A server that starts at a time, or a loud skip.
macro_rules! at {
    ($setup:expr, $time:expr) => {{
        let Some(library) = $crate::cron::time::library() else {
            $crate::harness::skip!("faketime is not there (Debian package faketime)");
        };
        $crate::cron::time::starting_at($setup, library, $time)
    }};
}
pub(crate) use at;
