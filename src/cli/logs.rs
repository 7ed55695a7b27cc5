//! `footpath logs`: what scripts printed and what was asked for, read from the
//! files of the data folder, whether a server runs or not.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, ValueEnum};

use super::offline::data_folder;
use crate::exec::log::file_name::LogKind;
use crate::exec::log::tail::{self, LineFilter, Tail};
use crate::sandbox::services::LogLevel;

/// How often new lines are looked for; the server writes them within 200 ms.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Show what scripts printed, or the requests, and follow as more comes.
///
/// Reads the log files of the data folder, rotated ones too; a server may be
/// running or not. The log of executions has what scripts print and the errors
/// they end with, stacks in TypeScript lines. The access log has one line per
/// request. Both name a request by the same id, which answers carry as
/// `x-execution-id` and error bodies as `requestId`.
#[derive(Args)]
#[command(after_help = "Examples:
  footpath logs --follow
  footpath logs --level error --script api/users
  footpath logs access -n 20
  footpath logs --request 3f0c2a4e")]
pub struct Arguments {
    /// The log to show.
    #[arg(value_enum, default_value_t = Log::Executions)]
    log: Log,
    /// Go on with what is written from now on, until you stop it.
    #[arg(long, short)]
    follow: bool,
    /// The last so many lines that fit.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 100)]
    lines: usize,
    /// Only of scripts whose path has this in it, such as 1/hello.ts or api/.
    #[arg(long, value_name = "PATH")]
    script: Option<String>,
    /// Only this level and worse; of requests, 4xx is warn and 5xx error.
    #[arg(long, value_enum)]
    level: Option<Level>,
    /// Only of the request with this id, or whose id starts so.
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// The lines as they are in the files, one JSON object each.
    #[arg(long)]
    json: bool,
    /// The server's data folder, if the configuration does not name it.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Log {
    /// What scripts print, and the errors they end with.
    Executions,
    /// One line per request.
    Access,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let kind = match arguments.log {
        Log::Executions => LogKind::Executions,
        Log::Access => LogKind::Access,
    };
    let filter = LineFilter {
        script: arguments.script,
        level: arguments.level.map(Into::into),
        request_id: arguments.request,
    };
    let dir = data_folder(arguments.data)?.join("logs");
    if !dir.is_dir() {
        bail!(
            "{} does not exist: give the server's data folder with --data",
            dir.display()
        );
    }
    let mut tail = Tail::open(&dir, kind, filter.clone(), arguments.lines)?;
    loop {
        for line in tail.take_new()? {
            let line = if arguments.json {
                line
            } else {
                tail::readable(&line)
            };
            // Whoever reads may have seen enough, as `head` does.
            if writeln!(std::io::stdout(), "{line}").is_err() {
                return Ok(());
            }
        }
        if !arguments.follow {
            return Ok(());
        }
        std::thread::sleep(LOOK_INTERVAL);
        if !tail.exists() {
            tail = Tail::open(&dir, kind, filter.clone(), usize::MAX)?;
        }
    }
}
