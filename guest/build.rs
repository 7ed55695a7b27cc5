//! Embeds the JavaScript half of the engine: every file of `js/` as a module
//! named `footpath:<path>`, and the pinned npm packages it is built on.

use std::{env, fmt::Write, fs, path::Path};

/// npm packages (see package.json): module name, file inside `node_modules`.
const PACKAGES: &[(&str, &str)] = &[("web-streams-polyfill", "web-streams-polyfill/dist/ponyfill.mjs")];

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let root = Path::new(&root);
    let mut list = String::from("[\n");
    let mut entry = |name: &str, file: &Path| {
        println!("cargo:rerun-if-changed={}", file.display());
        writeln!(list, "({name:?}, include_str!({file:?})),").expect("writing to a string");
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
    list.push(']');
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("prelude.rs");
    fs::write(out, list).expect("OUT_DIR is writable");
}
