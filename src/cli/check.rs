//! `footpath check`: reads configuration and scripts as `serve` would, and says
//! what is wrong, without serving.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use crate::app;
use crate::config::{Config, Sources};
use crate::egress::Policy;
use crate::exec::history::Origin;
use crate::exec::routes::table::RouteTable;
use crate::exec::stray::strays;
use crate::model::script::ScriptPath;

/// Check configuration and scripts without starting.
///
/// Compiles every script as `serve` would, and says what does not compile, which
/// files want the same route, which directives have no effect, and what lies in no
/// deployment. Exits with 1 when something would not answer. A server may be
/// running meanwhile.
#[derive(Args)]
pub struct Arguments {
    /// The folder of scripts; `scripts` by default.
    scripts: Option<PathBuf>,
    /// Configuration file (TOML); also FOOTPATH_CONFIG.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print all settings with their explanations and values, as TOML.
    #[arg(long)]
    print: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let variables = std::env::vars().collect();
    let file = Config::file(arguments.config.clone(), &variables);
    let mut config = Config::load(
        file.as_deref(),
        Sources {
            flags: Vec::new(),
            variables,
            file: None,
        },
    )?;
    if let Some(scripts) = &arguments.scripts {
        config.server.scripts.clone_from(scripts);
    }
    Policy::new(&config.egress.allow, Vec::new())?;
    app::certificates::settings(&config.acme)?;
    app::author::settings(&config.ai)?;
    if arguments.print {
        print!("{}", config.document());
        return Ok(());
    }
    config.server.cache = super::offline::cache_dir();
    let (sandbox, engine) = app::sandbox(&config)?;
    let publisher = app::publisher(&config, sandbox, engine)?;
    let (mut scripts, mut problems) = (0, 0);
    for stray in strays(&publisher.folder) {
        problems += 1;
        println!("{}: {}\n", stray.name, stray.reason);
    }
    for exec_id in publisher.folder.deployments() {
        let files: Vec<String> = publisher.folder.files(&exec_id).into_keys().collect();
        let table = RouteTable::build(files.into_iter().map(|file| (file, ())));
        for conflict in table.conflicts() {
            problems += 1;
            println!("{}: {}\n", conflict.files.join(", "), conflict.reason);
        }
        for route in table
            .routes()
            .iter()
            .filter(|route| !route.file.ends_with(".md"))
        {
            scripts += 1;
            let path = ScriptPath::in_deployment(&exec_id, &route.file)?;
            let source = match publisher.folder.read(&path) {
                Ok(source) => source,
                Err(error) => {
                    problems += 1;
                    println!("{error}\n");
                    continue;
                }
            };
            let parsed = publisher.caps.parse(&source);
            for warning in &parsed.warnings {
                println!(
                    "{path}: warning: {} {}: {}\n",
                    warning.directive, warning.value, warning.message
                );
            }
            if let Err(problem) =
                publisher.publish(&path, &source, &parsed.directives, Origin::Person)
            {
                problems += 1;
                println!("{path}: {}\n", problem.message);
            }
        }
    }
    let counted = format!(
        "{}, {}",
        count(scripts, "script"),
        count(problems, "problem")
    );
    if problems > 0 {
        bail!(counted);
    }
    println!("{counted}");
    Ok(())
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
