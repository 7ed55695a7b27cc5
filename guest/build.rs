//! Embeds the JavaScript half of the engine: every file of `js/` as a module
//! named `footpath:<path>`, and the pinned npm packages it is built on.

use std::{env, fmt::Write, fs, path::Path};

/// npm packages (see package.json): module name, file inside `node_modules`.
const PACKAGES: &[(&str, &str)] = &[
    ("footpath:npm/urlpattern-polyfill", "urlpattern-polyfill/dist/urlpattern.js"),
    ("footpath:npm/web-streams-polyfill", "web-streams-polyfill/dist/ponyfill.mjs"),
];

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let root = Path::new(&root);
    let mut text = Vec::new();
    let mut list = String::from("const FILES: &[(&str, usize, usize)] = &[\n");
    let mut entry = |name: &str, file: &Path| {
        println!("cargo:rerun-if-changed={}", file.display());
        let start = text.len();
        text.extend(fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())));
        writeln!(list, "({name:?}, {start}, {}),", text.len()).expect("writing to a string");
    };
    for (name, file) in PACKAGES {
        entry(name, &root.join("node_modules").join(file));
    }
    let mut folders = vec![root.join("js")];
    while let Some(folder) = folders.pop() {
        println!("cargo:rerun-if-changed={}", folder.display());
        let mut files: Vec<_> = fs::read_dir(&folder)
            .expect("guest/js is readable")
            .map(|file| file.expect("guest/js is readable").path())
            .collect();
        files.sort();
        for file in files {
            if file.is_dir() {
                folders.push(file);
            } else if file.extension().is_some_and(|extension| extension == "js") {
                let name = file.strip_prefix(root.join("js")).expect("found below it");
                entry(&format!("footpath:{}", name.display()), &file);
            }
        }
    }
    writeln!(list, "];\nconst TEXT_BYTES: usize = {};", text.len()).expect("writing to a string");
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("prelude.rs"), list).expect("OUT_DIR is writable");
    fs::write(Path::new(&out).join("prelude.txt"), text).expect("OUT_DIR is writable");
}
