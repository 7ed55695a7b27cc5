//! Health, for everybody: that the server is there, and what it is.

use std::fs;

use http::header;
use serde::Serialize;
use utoipa::ToSchema;

use super::endpoint::{Answer, Call, Nothing};
use super::error::ApiError;
use super::exec::view::iso;

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthAnswer {
    /// Always `ok`: a server that is not does not answer.
    pub status: &'static str,
    pub service: &'static str,
    /// When the program was built.
    pub built: Option<String>,
    pub started: String,
    pub memory: Memory,
    /// Open file descriptors.
    pub fds: Option<usize>,
    pub pid: u32,
    /// The caller's address.
    pub ip: String,
    /// The caller's `User-Agent`.
    pub user_agent: Option<String>,
}

/// In bytes; null where the system does not tell.
#[derive(Debug, Serialize, ToSchema)]
pub struct Memory {
    /// What the process has in memory.
    pub rss: Option<u64>,
    /// What of that it has allocated itself; the rest is mapped from files.
    pub heap: Option<u64>,
}

pub async fn read(call: Call<Nothing>) -> Result<Answer<HealthAnswer>, ApiError> {
    let user_agent = call
        .headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok());
    let executable = std::env::current_exe()
        .and_then(fs::metadata)
        .and_then(|metadata| metadata.modified());
    Ok(Answer::ok(HealthAnswer {
        status: "ok",
        service: concat!("footpath ", env!("CARGO_PKG_VERSION")),
        built: executable.ok().map(|time| iso(time.into())),
        started: iso(call.api.started),
        memory: Memory {
            rss: of_process("VmRSS:"),
            heap: of_process("RssAnon:"),
        },
        fds: fs::read_dir("/proc/self/fd").ok().map(Iterator::count),
        pid: std::process::id(),
        ip: call.client.ip().to_string(),
        user_agent: user_agent.map(str::to_owned),
    }))
}

/// A size in `/proc/self/status`, which counts in KiB.
fn of_process(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
