//! `native.log(level, message)`: a line for the execution log, or for standard
//! error where no Footpath host listens. It never fails.

use crate::{
    bindings::{footpath::host::log, wasi::cli::stderr},
    load,
};
use super::text::Text;
use rquickjs::{Object, Result, prelude::Func};

pub fn add(native: &Object<'_>) -> Result<()> {
    native.set("log", Func::from(|level: u32, message: Text| write(level, message.0)))
}

/// `level`: 0 trace, 1 debug, 2 info, 3 warn, 4 error.
fn write(level: u32, message: String) {
    if load::portable() {
        // A closed standard error is nothing a handler could act on.
        let _ = stderr::get_stderr().blocking_write_and_flush(format!("{message}\n").as_bytes());
        return;
    }
    let level = match level {
        0 => log::Level::Trace,
        1 => log::Level::Debug,
        2 => log::Level::Info,
        3 => log::Level::Warn,
        _ => log::Level::Error,
    };
    log::write(level, &message);
}
