//! `footpath serve`: parse, build, print the addresses, wait, drain.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use crate::app::App;
use crate::config::{Config, Sources};
use crate::shutdown::Shutdown;

/// Serve a folder of scripts.
#[derive(Args)]
pub struct Arguments {
    /// The folder of scripts; `scripts` by default.
    scripts: Option<PathBuf>,
    /// Folder of the store, the logs and the component cache.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address of the HTTP listener; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Address of the HTTPS listener; without it there is none.
    #[arg(long, value_name = "ADDR")]
    https: Option<String>,
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Development mode: error answers carry stacks.
    #[arg(long)]
    dev: bool,
}

pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = configuration(&arguments)?;
    super::log::start(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
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
