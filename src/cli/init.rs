//! `footpath init`: a folder to start from, with three scripts and what an editor
//! needs to check them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

/// The types of everything a handler sees.
const TYPES: &str = include_str!("../../guest/footpath.d.ts");

const HELLO: &str = r#"// @description Says hello, to whoever asks.
// A file may also be nothing but statements, with a return at its top level. It runs
// the same, but an editor underlines the return, so this one is a function.
export default function (req: Footpath.Req, res: Footpath.Res, metadata: Footpath.Metadata) {
  const { name = "world" } = metadata.query;
  return { hello: name };
}
"#;

const COUNTER: &str = r#"// @description Counts its calls; the number survives a restart.
export default async function () {
  const calls = await kv.increment("calls");
  return { calls };
}
"#;

/// A path that nobody has written yet writes itself, once a model is configured.
const AUTHOR: &str = include_str!("../../scripts/1/api/[...slug].ts");

const TSCONFIG: &str = r#"{
  "compilerOptions": {
    "target": "ES2023",
    "lib": ["ES2023"],
    "module": "ESNext",
    "moduleResolution": "Bundler",
    "moduleDetection": "force",
    "allowImportingTsExtensions": true,
    "resolveJsonModule": true,
    "strict": true,
    "noEmit": true,
    "types": []
  },
  "include": ["scripts", "footpath.d.ts"]
}
"#;

/// Make a folder with three example scripts, tsconfig.json and footpath.d.ts.
///
/// The last two tell an editor, or `tsc`, what a handler sees: req, res, metadata,
/// kv, fetch and the rest. Nothing that is there already is overwritten.
#[derive(Args)]
pub struct Arguments {
    /// The folder; made if it is missing.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let files = [
        ("scripts/1/hello.ts", HELLO),
        ("scripts/1/counter.ts", COUNTER),
        ("scripts/1/api/[...slug].ts", AUTHOR),
        ("tsconfig.json", TSCONFIG),
        ("footpath.d.ts", TYPES),
    ];
    let taken: Vec<&str> = files
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| arguments.folder.join(name).exists())
        .collect();
    if !taken.is_empty() {
        bail!(
            "{} has {} already; nothing was written",
            arguments.folder.display(),
            taken.join(", ")
        );
    }
    for (name, text) in files {
        write(&arguments.folder.join(name), text)?;
    }
    let folder = arguments.folder.display();
    println!("Wrote {folder}/scripts/1/hello.ts, counter.ts and api/[...slug].ts. Serve them:\n");
    println!("    cd {folder} && footpath serve\n    curl http://127.0.0.1:8080/hello\n");
    println!("With a model, any path below /api writes itself:\n");
    println!(
        "    FOOTPATH_AI_BASE_URL=http://127.0.0.1:11434/v1 FOOTPATH_AI_MODEL=qwen2.5-coder footpath serve"
    );
    println!("    curl 'http://127.0.0.1:8080/api/dice?sides=6'");
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text));
    written.with_context(|| format!("cannot write {}", path.display()))
}
