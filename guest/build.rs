//! Collects the JavaScript half of the engine: every file of `js/` as a module
//! named `footpath:<path>`, and the pinned npm packages it is built on. For each:
//! length and bytes of the name, length and bytes of the text; lengths are 32
//! bits, little endian.

use std::{env, fs, path::Path};

/// npm packages (see package.json): module name, file inside `node_modules`.
const PACKAGES: &[(&str, &str)] = &[
    ("footpath:npm/urlpattern-polyfill", "urlpattern-polyfill/dist/urlpattern.js"),
    ("footpath:npm/web-streams-polyfill", "web-streams-polyfill/dist/ponyfill.mjs"),
];

fn main() {
    // Every call of `free` goes through src/scrub.rs.
    println!("cargo:rustc-link-arg=--wrap=free");
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let root = Path::new(&root);
    let mut text = Vec::new();
    let mut entry = |name: &str, file: &Path| {
        println!("cargo:rerun-if-changed={}", file.display());
        let source = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for part in [name.as_bytes(), &source] {
            text.extend((part.len() as u32).to_le_bytes());
            text.extend(part);
        }
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
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("prelude.bin"), text).expect("OUT_DIR is writable");
}
