//! The house rules that a compiler does not know: who may import whom, which
//! crate belongs to whom, how long a file may be, and that nothing is left to do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of `src/`, the lowest floor first. A module imports from floors
/// below its own. `config` and `shutdown` are what the parts are set up with.
const FLOORS: &[&[&str]] = &[
    &["model", "shutdown"],
    &["compile", "sandbox", "egress", "store"],
    &["exec", "author", "cron", "proxy", "acme", "auth"],
    &["config"],
    &["api"],
    &["app"],
    &["cli"],
    &["main"],
];

/// Which modules may use a crate, as the beginnings of their paths.
const OWNERS: &[(&str, &[&str])] = &[
    ("anyhow", &["main", "cli", "app"]),
    (
        "arc_swap",
        &["exec/live", "exec/loaded", "auth", "cron", "proxy", "acme"],
    ),
    ("async_openai", &["author"]),
    ("aws_lc_rs", &["store/sealed", "proxy", "acme"]),
    ("axum", &["api"]),
    (
        "base64",
        &[
            "exec/log",
            "auth/presented",
            "store/sealed",
            "cron/command",
            "acme",
            "proxy",
            "app/certificates",
        ],
    ),
    ("chrono_tz", &["cron"]),
    ("clap", &["cli", "main"]),
    ("crc32fast", &["store"]),
    ("cron", &["model/schedule/times"]),
    ("hyper", &["api", "egress", "proxy"]),
    ("hyper_rustls", &["egress", "acme", "cli/cron"]),
    ("hyper_util", &["api", "egress", "proxy", "acme", "cli"]),
    ("instant_acme", &["acme"]),
    ("ipnet", &["egress", "auth", "proxy"]),
    ("jsonwebtoken", &["proxy/permission"]),
    ("mimalloc", &["main"]),
    ("notify", &["exec/watcher"]),
    ("oxc", &["compile"]),
    ("oxc_sourcemap", &["compile"]),
    (
        "percent_encoding",
        &["exec/log", "exec/routes", "api", "cli/cron"],
    ),
    (
        "rand",
        &["auth/token", "store", "cron", "proxy", "acme", "api/proxy"],
    ),
    ("rcgen", &["proxy", "acme"]),
    ("reqwest", &["author"]),
    ("regex", &["exec/log"]),
    ("reqwest", &["author/client"]),
    ("rustc_hash", &["egress/upstream"]),
    (
        "rustix",
        &["cron/wall_clock", "exec/log", "sandbox/lane", "store"],
    ),
    (
        "rustls",
        &[
            "egress",
            "author/client",
            "proxy",
            "acme",
            "app/certificates",
            "cli/cron/trust",
        ],
    ),
    ("serde_norway", &["api/openapi", "api/exec/user_openapi"]),
    ("similar", &["exec/versions"]),
    ("sled", &["store"]),
    ("strsim", &["config", "api/extract"]),
    ("subtle", &["auth", "proxy"]),
    ("tokio_rustls", &["proxy"]),
    ("tokio_stream", &["api/proxy"]),
    ("toml", &["config"]),
    ("tower", &["api", "egress/connect", "author/client"]),
    ("tracing_subscriber", &["cli/log"]),
    (
        "url",
        &[
            "auth/presented",
            "api",
            "cron",
            "acme",
            "author",
            "proxy",
            "model/host_name",
        ],
    ),
    ("utoipa", &["api"]),
    ("wasm_encoder", &["compile"]),
    ("wasmparser", &["compile"]),
    ("wasmtime", &["sandbox"]),
    ("wasmtime_wasi", &["sandbox"]),
    ("wasmtime_wasi_http", &["sandbox"]),
    (
        "webpki_roots",
        &["egress", "author/client", "cli/cron/trust"],
    ),
    ("wit_component", &["compile"]),
    ("x509_parser", &["proxy", "acme"]),
];

/// Crates that are vocabulary: their types are what the parts say to each other.
const EVERYBODYS: &[&str] = &[
    "bytes",
    "chrono",
    "futures_util",
    "http",
    "http_body",
    "http_body_util",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "tokio",
    "tokio_util",
    "tracing",
    "uuid",
];

const LINES_MAX: usize = 400;

/// A file of `src/`.
struct Source {
    /// Below `src/`, without `.rs`, as in the tables above.
    module: String,
    text: String,
}

impl Source {
    /// The folder of `src/` that it belongs to.
    fn part(&self) -> &str {
        self.module.split('/').next().unwrap_or_default()
    }

    fn is_test(&self) -> bool {
        self.module.split('/').any(|name| name == "tests")
    }

    /// Its code without comments and without the tests inside it.
    fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]\nmod tests {").next();
        code.unwrap_or_default()
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    gather(&root().join("src"), &mut files);
    assert!(files.len() > 100, "only {} files", files.len());
    files
        .into_iter()
        .map(|file| {
            let below = file.strip_prefix(root().join("src")).expect("below src");
            Source {
                module: below.with_extension("").display().to_string(),
                text: fs::read_to_string(&file).expect("UTF-8"),
            }
        })
        .collect()
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            gather(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

/// The names that follow `before` as whole words: `crate::exec` has `exec`, and
/// `crate::{exec, model::x}` has both.
fn names_after(code: &str, before: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        let ends = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        text.split(ends).next().unwrap_or_default().to_owned()
    };
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(before) {
        let rest = &code[at + before.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut begins = true;
        for (at, letter) in group.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                letter if begins && !letter.is_whitespace() => {
                    names.insert(word(&group[at..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    names
}

/// Whether the code names a crate: `wasmtime::` and not `my_wasmtime::`.
fn uses(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    code.match_indices(&path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
    })
}

fn floor(part: &str) -> Option<usize> {
    FLOORS.iter().position(|parts| parts.contains(&part))
}

#[test]
fn a_module_imports_from_the_floors_below_it() {
    let mut wrong = Vec::new();
    for source in sources() {
        let part = source.part();
        if part == "lib" {
            continue;
        }
        let own = floor(part).unwrap_or_else(|| panic!("src/{part} is on no floor: add it"));
        // The binary sees the library from outside.
        let prefix = if part == "main" {
            "footpath::"
        } else {
            "crate::"
        };
        for imported in names_after(&source.code(), prefix) {
            let below = floor(&imported).is_some_and(|floor| floor < own);
            if imported != part && !below {
                wrong.push(format!("src/{}.rs imports {imported}", source.module));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_foreign_crate_is_used_by_its_owners_only() {
    let owners: BTreeMap<&str, &[&str]> = OWNERS.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let code = source.code();
        for (name, owners) in &owners {
            let owned = |owner: &&str| {
                let rest = source.module.strip_prefix(*owner);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            // A part may bear the name of a crate: `cron::` is then the part.
            if !owners.iter().any(owned) && uses(&code, name) && floor(name).is_none() {
                wrong.push(format!("src/{}.rs uses {name}", source.module));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_dependency_has_an_owner() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    let section = manifest.split("\n[dependencies]\n").nth(1);
    let section = section.and_then(|rest| rest.split("\n[").next());
    let declared: BTreeSet<String> = section
        .expect("a section of dependencies")
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.replace('-', "_"))
        .collect();
    let known = OWNERS
        .iter()
        .map(|(name, _)| *name)
        .chain(EVERYBODYS.iter().copied());
    let known: BTreeSet<String> = known.map(str::to_owned).collect();
    assert_eq!(declared, known);
}

#[test]
fn every_file_says_what_it_is_and_is_one_page_long() {
    let mut wrong = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//! ") {
            wrong.push(format!("src/{}.rs does not begin with //!", source.module));
        }
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("src/{}.rs has {lines} lines", source.module));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_to_do() {
    let mut files = Vec::new();
    for folder in ["src", "guest/src"] {
        gather(&root().join(folder), &mut files);
    }
    for file in files {
        let text = fs::read_to_string(&file).expect("UTF-8");
        for macro_name in ["todo", "unimplemented", "dbg"] {
            assert!(
                !uses(&text.replace(&format!("{macro_name}!("), "LEFT::"), "LEFT"),
                "{} has {macro_name}!",
                file.display()
            );
        }
    }
}

#[test]
fn the_readers_of_imports_see_them_all() {
    let code = "use crate::{exec::{a, b}, model};\nlet x = crate::store::Store;";
    let found: Vec<String> = names_after(code, "crate::").into_iter().collect();
    assert_eq!(found, ["exec", "model", "store"]);
    assert!(uses("use wasmtime::Store", "wasmtime"));
    assert!(!uses(
        "use my_wasmtime::Store; super::wasmtime::x",
        "wasmtime"
    ));
}
