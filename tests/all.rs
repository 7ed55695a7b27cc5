//! The one integration test binary: each Wasmtime-linked binary costs a link.
//!
//! - `harness`: starts the real program and talks to it; read it first.
//! - `api`: the management API, one file a surface.
//! - `author`: routes that write themselves.
//! - `badinput`: malformed, oversized and misleading input.
//! - `callers`: hostile callers.
//! - `certificates`: certificates renew themselves, against a real authority.
//! - `cli`: the verbs of the program.
//! - `cron`: entries, what comes due, and the rows.
//! - `directives`: what the `// @name value` lines do.
//! - `disk`: a disk that is full.
//! - `errors`: what the caller and the log learn of a failure.
//! - `examples`: what stands in `scripts/`, and what `init` makes.
//! - `hooks`: what runs before and after the scripts of a folder.
//! - `imports`: files that import files.
//! - `limits`: hostile handlers.
//! - `neighbours`: routes that call routes, and the world outside.
//! - `portable`: components outside of Footpath.
//! - `proxy`: TLS, certificates, aliases, and what is no HTTP.
//! - `rejections`: promises that nobody listens to, in handlers that have returned.
//! - `reload`: a saved file is live; what a restart finds.
//! - `routes`: from a URL to a script.
//! - `shapes`: how a script may be written.
//! - `shutdown`: how a server ends, and what the next one finds.
//! - `tokens`: who may call scripts, and when an old URL is dead.
//! - `tidy`: the house rules that a compiler does not know.
//! - `upkeep`: what a server does without being asked.
//! - `values`: what goes into a handler, and what its result means.
//! - `web`: the Web APIs inside the engine.
//! - `worker`: one instance that is kept.

#[path = "all/harness.rs"]
mod harness;

#[path = "all/api.rs"]
mod api;
#[path = "all/author.rs"]
mod author;
#[path = "all/badinput.rs"]
mod badinput;
#[path = "all/callers.rs"]
mod callers;
#[path = "all/certificates.rs"]
mod certificates;
#[path = "all/cli.rs"]
mod cli;
#[path = "all/cron.rs"]
mod cron;
#[path = "all/directives.rs"]
mod directives;
#[path = "all/disk.rs"]
mod disk;
#[path = "all/errors.rs"]
mod errors;
#[path = "all/examples.rs"]
mod examples;
#[path = "all/hooks.rs"]
mod hooks;
#[path = "all/imports.rs"]
mod imports;
#[path = "all/limits.rs"]
mod limits;
#[path = "all/neighbours.rs"]
mod neighbours;
#[path = "all/node.rs"]
mod node;
#[path = "all/portable.rs"]
mod portable;
#[path = "all/proxy.rs"]
mod proxy;
#[path = "all/rejections.rs"]
mod rejections;
#[path = "all/reload.rs"]
mod reload;
#[path = "all/routes.rs"]
mod routes;
#[path = "all/shapes.rs"]
mod shapes;
#[path = "all/shutdown.rs"]
mod shutdown;
#[path = "all/tidy.rs"]
mod tidy;
#[path = "all/tokens.rs"]
mod tokens;
#[path = "all/upkeep.rs"]
mod upkeep;
#[path = "all/values.rs"]
mod values;
#[path = "all/web.rs"]
mod web;
#[path = "all/worker.rs"]
mod worker;
