//! `footpath serve`: parse, build, print the addresses, wait, drain.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use crate::app::{App, ConfigSource};
use crate::config::{Config, Sources};
use crate::shutdown::Shutdown;

/// Serve a folder of scripts.
///
/// Each folder in it is a deployment, and each file in a deployment a route:
/// `scripts/1/hello.ts` answers `/hello`. A saved file is live at once. The first
/// start prints a root token for the management API under `/api/v1/exec/`.
///
/// Once ready it prints `listening on http://ADDR` to standard output; logs go to
/// standard error. SIGTERM and Ctrl-C let requests under way finish; a second one
/// ends it at once.
#[derive(Args)]
#[command(
    after_help = "Every setting is a key of the configuration file and a variable, such as
limits.wall_clock_ms and FOOTPATH_LIMITS_WALL_CLOCK_MS; a flag wins over a variable,
a variable over the file. `footpath check --print` shows them all."
)]
pub struct Arguments {
    /// The folder of scripts; `scripts` by default.
    scripts: Option<PathBuf>,
    /// Folder of the store, the logs and the component cache; `data` by default. One
    /// server at a time.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address of the HTTP listener, 127.0.0.1:8080 by default; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Address of the HTTPS listener; without it there is none.
    #[arg(long, value_name = "ADDR")]
    https: Option<String>,
    /// Configuration file (TOML); also FOOTPATH_CONFIG.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Development mode: error answers carry stacks.
    #[arg(long)]
    dev: bool,
}

/// After so many turns of tasks the runtime looks at sockets. Its default, 61, is for
/// tasks that take microseconds; handlers that compute take 0.2 ms each turn, and
/// requests that came meanwhile would wait for all of them.
const EVENT_INTERVAL: u32 = 5;

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = configuration(&arguments)?;
    super::log::start(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .event_interval(EVENT_INTERVAL)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let stop = Shutdown::new();
        let app = App::build(&config, stop.clone()).await?;
        if let Some(token) = &app.first_token {
            eprintln!("{}", first_token(token, app.address));
        }
        stop.listen_for_signals()?;
        // These lines are a contract: scripts wait for them. Nothing else goes
        // to standard output.
        println!("listening on http://{}", app.address);
        if let Some(address) = app.https_address {
            println!("listening on https://{address}");
        }
        std::io::stdout().flush()?;
        let source = ConfigSource {
            file: Config::file(arguments.config.clone(), &std::env::vars().collect()),
            load: Box::new(move || configuration(&arguments)),
        };
        app.follow(source, &stop);
        app.run(stop).await;
        anyhow::Ok(())
    })?;
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    Ok(())
}

/// Ready to paste into a terminal. This is the only time that it can be shown.
fn first_token(token: &str, address: SocketAddr) -> String {
    let host = if address.ip().is_unspecified() {
        Ipv4Addr::LOCALHOST.into()
    } else {
        address.ip()
    };
    let address = SocketAddr::new(host, address.port());
    format!(
        "This is the first start: a root token was made. It is shown only now; keep it.\n\n\
         export FOOTPATH_TOKEN={token}\n\
         curl -H \"Authorization: Bearer $FOOTPATH_TOKEN\" http://{address}/api/v1/exec/scripts/list\n"
    )
}

fn configuration(arguments: &Arguments) -> anyhow::Result<Config> {
    let variables = std::env::vars().collect();
    let mut flags = Vec::new();
    let mut flag = |key, value: Option<String>| flags.extend(value.map(|value| (key, value)));
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    flag("server.scripts", path(&arguments.scripts));
    flag("server.data", path(&arguments.data));
    flag("server.http", arguments.http.clone());
    flag("server.https", arguments.https.clone());
    flag("server.dev", arguments.dev.then(|| "true".to_owned()));
    let file = Config::file(arguments.config.clone(), &variables);
    Ok(Config::load(
        file.as_deref(),
        Sources {
            flags,
            variables,
            file: None,
        },
    )?)
}
