//! `footpath invoke`: runs a script once, on a server that lives as long as the
//! call: the same path as in production, on a port nobody knows.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::offline;
use crate::app::App;
use crate::exec::routes::mount::mount;
use crate::shutdown::Shutdown;

/// Run a script once without a server, and print its answer.
///
/// The body goes to standard output; status, headers and what the script prints go
/// to standard error. It runs as it would in development mode, under the default
/// limits, with a `kv` that is empty and gone afterwards. Exits with 1 when the
/// script answers with a 5xx status.
#[derive(Args)]
#[command(after_help = "Examples:
  footpath invoke 'scripts/1/api/users/[id].ts' --path /api/users/7
  footpath invoke scripts/1/api/echo.ts --method POST --body '{\"a\":1}' \\
    -H 'content-type: application/json'")]
pub struct Arguments {
    /// The script, such as scripts/1/hello.ts.
    file: PathBuf,
    /// The request's method.
    #[arg(long, default_value = "GET")]
    method: String,
    /// The request's path and query; by default the script's own route.
    #[arg(long)]
    path: Option<String>,
    /// The request's body.
    #[arg(long, default_value = "")]
    body: String,
    /// A header, such as "content-type: application/json"; may be repeated.
    #[arg(long = "header", short = 'H', value_name = "HEADER")]
    headers: Vec<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let script = offline::open(&arguments.file)?;
    let route = mount(script.path.relative()).map(|mount| mount.pattern.to_string());
    let path = match (&arguments.path, route) {
        (Some(path), _) => path.clone(),
        (None, Ok(route)) => route,
        (None, Err(why)) => anyhow::bail!("{} has no route: {why}", script.path),
    };
    // Behind the address of the server it would become a part of that.
    if !path.starts_with('/') {
        anyhow::bail!("--path {path:?} does not begin with a slash; write --path '/{path}'");
    }
    let data = std::env::temp_dir().join(format!("footpath-invoke-{}", std::process::id()));
    let mut config = script.config.clone();
    config.server.http = ([127, 0, 0, 1], 0).into();
    config.server.https = None;
    config.server.data.clone_from(&data);
    config.server.dev = true;
    config.log.filter = "warn,footpath::script=info".to_owned();
    super::log::start(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(async {
        let stop = Shutdown::new();
        let app = App::build(&config, stop.clone()).await?;
        let address = app.address;
        let serving = tokio::spawn(app.run(stop.clone()));
        let answer = send(
            arguments,
            &format!("http://{address}{path}"),
            script.path.exec_id().as_str(),
        )
        .await;
        stop.request();
        serving.await?;
        answer
    });
    // Only this run used it.
    let _ = std::fs::remove_dir_all(data);
    result
}

async fn send(arguments: &Arguments, url: &str, exec_id: &str) -> anyhow::Result<()> {
    let mut request = http::Request::builder()
        .method(arguments.method.as_str())
        .uri(url)
        .header("host", format!("{exec_id}.localhost"));
    for header in &arguments.headers {
        let (name, value) = header
            .split_once(':')
            .with_context(|| format!("{header:?} has no colon"))?;
        request = request.header(name.trim(), value.trim());
    }
    let request = request.body(Full::new(bytes::Bytes::from(arguments.body.clone())))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await?;
    let (head, body) = response.into_parts();
    eprintln!("{:?} {}", head.version, head.status);
    for (name, value) in &head.headers {
        eprintln!("{name}: {}", value.to_str().unwrap_or("(bytes)"));
    }
    let bytes = body.collect().await?.to_bytes();
    use std::io::Write;
    std::io::stdout().write_all(&bytes)?;
    println!();
    if head.status.is_server_error() {
        anyhow::bail!("the script answered with {}", head.status);
    }
    Ok(())
}
