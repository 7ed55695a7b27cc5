//! Commands: `curl …`, which is read here and done in process, or a line for the
//! shell, where the configuration allows that. It must not run anything.

mod curl;
mod words;

use thiserror::Error;

pub use curl::{CurlCommand, Target};

/// The longest command, in characters.
pub const COMMAND_CHARS_MAX: usize = 4096;

/// What a command's text means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// An HTTP call.
    Curl(Box<CurlCommand>),
    /// A line for `/bin/sh -c`.
    Shell(String),
}

/// Why a command is refused when its entry is written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommandError {
    #[error("command is required, such as \"curl /scripts/certs/renew\"")]
    Missing,
    #[error("command may have at most {COMMAND_CHARS_MAX} characters")]
    TooLong,
    #[error("command must be one line: U+{0:04X} is not allowed")]
    LineBreak(u32),
    #[error("the quote at position {position} has no end")]
    OpenQuote { position: usize },
    #[error(
        "`{sign}` at position {position} needs a shell: set cron.shell = true in the configuration, or quote it"
    )]
    NeedsShell { sign: char, position: usize },
    #[error(
        "`{program}` is not `curl`: other programs run only with cron.shell = true in the configuration"
    )]
    NotCurl { program: String },
    #[error(
        "curl's {flag} is not supported here; there are -X -H -d --data-raw --data-binary --json -G -u -f -s -S -i -L -k \
         -o /dev/null --max-time --retry -A -e --url"
    )]
    UnsupportedFlag { flag: String },
    #[error("curl's {flag} {problem}")]
    BadValue { flag: String, problem: String },
    #[error("curl needs a URL")]
    NoUrl,
    #[error("curl is given more than one URL: write an entry for each")]
    SeveralUrls,
    #[error("`{url}` cannot be called: {problem}")]
    BadUrl { url: String, problem: String },
}

/// Reads a command. `shell`: programs other than `curl` are allowed.
pub fn parse(text: &str, shell: bool) -> Result<Command, CommandError> {
    if text.trim().is_empty() {
        return Err(CommandError::Missing);
    }
    if text.chars().count() > COMMAND_CHARS_MAX {
        return Err(CommandError::TooLong);
    }
    if let Some(sign) = text.chars().find(|sign| breaks_line(*sign)) {
        return Err(CommandError::LineBreak(sign.into()));
    }
    let words = match words::split(text) {
        Ok(words) => words,
        // What only a shell understands goes to one, if there may be one.
        Err(CommandError::NeedsShell { .. }) if shell => {
            return Ok(Command::Shell(text.to_owned()));
        }
        Err(error) => return Err(error),
    };
    match words.split_first() {
        Some((program, arguments)) if program == "curl" => {
            Ok(Command::Curl(Box::new(curl::read(arguments)?)))
        }
        _ if shell => Ok(Command::Shell(text.to_owned())),
        Some((program, _)) => Err(CommandError::NotCurl {
            program: program.chars().take(100).collect(),
        }),
        None => Err(CommandError::Missing),
    }
}

/// What would end a line of a crontab, or hide what follows.
pub fn breaks_line(sign: char) -> bool {
    sign.is_control() && sign != '\t' || ['\u{2028}', '\u{2029}'].contains(&sign)
}

#[cfg(test)]
mod tests;
