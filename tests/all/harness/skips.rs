//! Tests that need a tool that may be missing. A skip is loud, and an error where
//! `FOOTPATH_NO_SKIP` is set.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// A tool that `make peers` installs.
pub fn peer(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(".peers/bin")
        .join(name);
    path.exists().then_some(path)
}

/// The interpreter that `make peers` installs modules for, if it has this one.
pub fn peer_python(module: &str) -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".peers/python/bin/python");
    let tried = Command::new(&python)
        .args(["-c", &format!("import {module}")])
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success()).then_some(python)
}

static SKIPS_FORBIDDEN: LazyLock<bool> = LazyLock::new(|| {
    std::env::var("FOOTPATH_NO_SKIP").is_ok_and(|value| !value.is_empty() && value != "0")
});

/// Says loudly why a test does not run here; fails it where nothing may be skipped.
pub fn skipped(test: &str, reason: &str) {
    assert!(
        !*SKIPS_FORBIDDEN,
        "{test} was to be skipped, and FOOTPATH_NO_SKIP forbids that: {reason}"
    );
    // Past the capture of the test runner, which swallows what tests print.
    let _ = writeln!(std::io::stdout(), "SKIPPED {test}: {reason}");
}

/// Says loudly what a machine does not permit. No set-up of ours could, so this is
/// no failure where nothing may be skipped.
pub fn withheld(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(std::io::stdout(), "SKIPPED {test}: {reason}");
}

/// Leaves a test that cannot run here.
macro_rules! skip {
    ($($reason:tt)+) => {{
        let test = std::thread::current().name().unwrap_or(module_path!()).to_owned();
        crate::harness::skipped(&test, &format!($($reason)+));
        return;
    }};
}
pub(crate) use skip;
