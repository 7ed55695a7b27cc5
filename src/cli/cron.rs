//! `footpath cron`: entries and runs of a running server, by its API.

mod client;
mod table;
mod trust;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use client::Client;

/// Schedule calls on a running server, and see what became of them.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    server: client::ServerArguments,
    /// Whose entries; by default those of the token's own user.
    #[arg(long, default_value = "me", global = true)]
    user: String,
    /// Print the server's JSON instead of a table.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List entries with their next runs.
    List,
    /// Make an entry.
    Add(Add),
    /// Run an entry now, and wait for its end.
    Run {
        id: String,
        /// Only say what would be called.
        #[arg(long)]
        dry_run: bool,
    },
    /// List runs, newest first.
    Runs(Runs),
    /// Delete an entry.
    Rm { id: String },
}

#[derive(Args)]
struct Add {
    /// Five fields such as "0 4 * * 0", or a macro such as @weekly.
    schedule: String,
    /// Such as "curl /scripts/certs/renew".
    command: String,
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    comment: Option<String>,
    /// IANA name, such as Europe/Berlin.
    #[arg(long)]
    timezone: Option<String>,
    /// RFC 3339.
    #[arg(long)]
    expires_at: Option<String>,
    /// forbid, allow, queue or replace.
    #[arg(long)]
    overlap: Option<String>,
    /// once, skip or all.
    #[arg(long)]
    misfire: Option<String>,
    /// Of misfire all.
    #[arg(long)]
    misfire_runs_max: Option<u32>,
    #[arg(long)]
    deadline_seconds: Option<u32>,
    #[arg(long)]
    jitter_seconds: Option<u32>,
    #[arg(long)]
    retries: Option<u32>,
    #[arg(long)]
    retry_backoff_seconds: Option<u32>,
    #[arg(long)]
    timeout_seconds: Option<u32>,
    /// Make it without letting it run yet.
    #[arg(long)]
    disabled: bool,
}

#[derive(Args)]
struct Runs {
    /// Only those of this entry.
    id: Option<String>,
    /// Outcomes with commas between, such as error,timeout.
    #[arg(long)]
    outcome: Option<String>,
    /// RFC 3339.
    #[arg(long)]
    since: Option<String>,
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let client = Client::new(&arguments.server)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let text = runtime.block_on(answer(&client, arguments))?;
    use std::io::Write;
    // Whoever reads the first lines only, as `head` does, is no error.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

async fn answer(client: &Client, arguments: &Arguments) -> anyhow::Result<String> {
    let user = client::escaped(&arguments.user);
    let entries = format!("/api/v1/cron/users/{user}/entries");
    let (method, path, body) = match &arguments.verb {
        Verb::List => return list(client, &entries, arguments.json).await,
        Verb::Add(add) => (Method::POST, entries, Some(body(add))),
        Verb::Run { id, dry_run } => {
            let query = if *dry_run {
                "dry_run=true"
            } else {
                "wait=true"
            };
            let id = client::escaped(id);
            (Method::POST, format!("{entries}/{id}/run?{query}"), None)
        }
        Verb::Runs(runs) => (Method::GET, runs_path(&user, &entries, runs), None),
        Verb::Rm { id } => (
            Method::DELETE,
            format!("{entries}/{}", client::escaped(id)),
            None,
        ),
    };
    let value = client.call(method, &path, body).await?;
    if arguments.json {
        return Ok(format!("{value:#}\n"));
    }
    Ok(match &arguments.verb {
        Verb::List | Verb::Add(_) => table::entries(&[value]),
        Verb::Run { dry_run: true, .. } => format!("{:#}\n", value["would"]),
        Verb::Run { .. } => table::run(&value),
        Verb::Runs(_) => table::runs(value["runs"].as_array().map_or(&[], Vec::as_slice)),
        Verb::Rm { id } => format!("deleted {id}\n"),
    })
}

/// All pages.
async fn list(client: &Client, path: &str, as_json: bool) -> anyhow::Result<String> {
    let mut all = Vec::new();
    for page in 1.. {
        let path = format!("{path}?limit=200&page={page}");
        let mut value = client.call(Method::GET, &path, None).await?;
        let total = value["total"].as_u64().unwrap_or_default() as usize;
        let entries = value["entries"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        let is_last = entries.is_empty();
        all.extend(entries);
        if is_last || all.len() >= total {
            break;
        }
    }
    Ok(match as_json {
        true => format!("{:#}\n", Value::Array(all)),
        false => table::entries(&all),
    })
}

fn runs_path(user: &str, entries: &str, runs: &Runs) -> String {
    let base = match &runs.id {
        Some(id) => format!("{entries}/{}/runs", client::escaped(id)),
        None => format!("/api/v1/cron/users/{user}/runs"),
    };
    let mut path = format!("{base}?limit={}", runs.limit);
    for (name, value) in [("outcome", &runs.outcome), ("since", &runs.since)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", client::escaped(value)));
        }
    }
    path
}

fn body(add: &Add) -> Value {
    let mut body = Map::new();
    let given = [
        ("schedule", Some(json!(add.schedule))),
        ("command", Some(json!(add.command))),
        ("name", add.name.as_ref().map(|value| json!(value))),
        ("comment", add.comment.as_ref().map(|value| json!(value))),
        ("timezone", add.timezone.as_ref().map(|value| json!(value))),
        (
            "expires_at",
            add.expires_at.as_ref().map(|value| json!(value)),
        ),
        ("overlap", add.overlap.as_ref().map(|value| json!(value))),
        ("misfire", add.misfire.as_ref().map(|value| json!(value))),
        ("enabled", add.disabled.then_some(json!(false))),
    ];
    let numbers = [
        ("misfire_runs_max", add.misfire_runs_max),
        ("deadline_seconds", add.deadline_seconds),
        ("jitter_seconds", add.jitter_seconds),
        ("retries", add.retries),
        ("retry_backoff_seconds", add.retry_backoff_seconds),
        ("timeout_seconds", add.timeout_seconds),
    ];
    let numbers = numbers.map(|(name, value)| (name, value.map(|value| json!(value))));
    for (name, value) in given.into_iter().chain(numbers) {
        body.extend(value.map(|value| (name.to_owned(), value)));
    }
    Value::Object(body)
}
