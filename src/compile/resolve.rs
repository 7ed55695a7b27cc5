//! Which files a relative specifier may mean, in the order in which they are
//! tried.
//!
//! Pure: works on names. Whether a file exists, the caller finds out.

use super::imports::{Unresolved, is_relative};
use super::node;
use crate::model::script::RESERVED_SEGMENTS;

/// The place of a specifier relative to the file that imports it, without `.`,
/// `..` and empty segments. Empty for the deployment's own folder.
pub fn join(importer: &str, specifier: &str) -> Result<String, Unresolved> {
    if !is_relative(specifier) {
        return Err(not_relative(specifier));
    }
    let mut segments: Vec<&str> = importer.split('/').collect();
    segments.pop();
    for segment in specifier.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                if segments.pop().is_none() {
                    return Err(Unresolved {
                        message: format!("`{specifier}` leads out of the deployment"),
                        hint: "move the file into the deployment's folder".to_owned(),
                    });
                }
            }
            name => segments.push(name),
        }
    }
    let is_reserved = |name: &&&str| RESERVED_SEGMENTS.contains(name);
    if let Some(name) = segments.iter().find(is_reserved) {
        return Err(Unresolved {
            message: format!("`{specifier}` leads through `{name}`, which is a reserved name"),
            hint: format!(
                "call it something else; reserved are {}",
                RESERVED_SEGMENTS.join(", ")
            ),
        });
    }
    Ok(segments.join("/"))
}

/// Files that `place` may mean, the best first.
pub fn candidates(place: &str) -> Vec<String> {
    let mut candidates = vec![];
    if !place.is_empty() {
        if is_importable(place) {
            candidates.push(place.to_owned());
        }
        // TypeScript's own convention: `./x.js` is written for `./x.ts`.
        for (written, meant) in [(".js", ".ts"), (".mjs", ".mts"), (".cjs", ".cts")] {
            if let Some(stem) = place.strip_suffix(written) {
                candidates.push(format!("{stem}{meant}"));
            }
        }
        candidates.push(format!("{place}.ts"));
        candidates.push(format!("{place}.js"));
    }
    let folder = if place.is_empty() {
        String::new()
    } else {
        format!("{place}/")
    };
    candidates.push(format!("{folder}index.ts"));
    candidates.push(format!("{folder}index.js"));
    candidates
}

/// Whether a file of this name can be imported.
fn is_importable(path: &str) -> bool {
    is_json(path) || super::typescript::Language::of(path).is_some()
}

pub fn is_json(path: &str) -> bool {
    path.ends_with(".json")
}

fn not_relative(specifier: &str) -> Unresolved {
    Unresolved {
        message: format!("cannot import `{specifier}`: only relative imports are supported"),
        hint: instead(specifier),
    }
}

/// What to do about a specifier that is not relative.
pub fn instead(specifier: &str) -> String {
    if node::is_absent(specifier) {
        return format!(
            "of Node's modules there are only {}; use the Web APIs (`fetch`, `URL`, …) and the \
             injected globals (`fs`, `kv`, …)",
            node::names()
        );
    }
    let hint = if specifier.starts_with('/') {
        "write the path relative to this file, starting with `./` or `../`"
    } else if specifier.contains("://") || specifier.starts_with("data:") {
        "download the module into the deployment and import it with a relative path"
    } else {
        "packages are not installed; copy the code you need into the deployment and import it \
         with a relative path"
    };
    hint.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_relative_to_the_importer() {
        let table = [
            ("a.ts", "./b", "b"),
            ("api/users/[id].ts", "./b", "api/users/b"),
            ("api/users/[id].ts", "../b.json", "api/b.json"),
            ("api/users/[id].ts", "../../lib/db", "lib/db"),
            ("api/a.ts", "..", ""),
            ("api/a.ts", ".", "api"),
            ("api/a.ts", "./", "api"),
            ("api/a.ts", ".//b/./c/../d", "api/b/d"),
            ("api/a.ts", "../api/a", "api/a"),
        ];
        for (importer, specifier, expected) in table {
            assert_eq!(
                join(importer, specifier).unwrap(),
                expected,
                "{importer} {specifier}"
            );
        }
    }

    #[test]
    fn what_is_not_in_the_deployment_is_refused() {
        let outside = ["../b", "./../b", "./x/../../b", "../../../etc/passwd"];
        for specifier in outside {
            let message = join("a.ts", specifier).unwrap_err().message;
            assert_eq!(
                message,
                format!("`{specifier}` leads out of the deployment")
            );
        }
        let bare = [
            ("lodash", "packages are not installed"),
            ("@scope/x", "packages are not installed"),
            ("node:fs", "of Node's modules there are only"),
            ("fs", "of Node's modules there are only"),
            ("https://esm.sh/x", "download the module"),
            ("data:text/javascript,1", "download the module"),
            ("/lib/x", "write the path relative"),
            ("", "packages are not installed"),
            (".x", "packages are not installed"),
            ("...", "packages are not installed"),
        ];
        for (specifier, hint) in bare {
            let unresolved = join("a.ts", specifier).unwrap_err();
            assert!(
                unresolved.message.contains("only relative imports"),
                "{specifier}"
            );
            assert!(
                unresolved.hint.starts_with(hint),
                "{specifier}: {}",
                unresolved.hint
            );
        }
    }

    #[test]
    fn candidates_in_order() {
        let table: [(&str, &[&str]); 6] = [
            ("db", &["db.ts", "db.js", "db/index.ts", "db/index.js"]),
            (
                "db.ts",
                &[
                    "db.ts",
                    "db.ts.ts",
                    "db.ts.js",
                    "db.ts/index.ts",
                    "db.ts/index.js",
                ],
            ),
            (
                "db.js",
                &[
                    "db.js",
                    "db.ts",
                    "db.js.ts",
                    "db.js.js",
                    "db.js/index.ts",
                    "db.js/index.js",
                ],
            ),
            (
                "x.json",
                &[
                    "x.json",
                    "x.json.ts",
                    "x.json.js",
                    "x.json/index.ts",
                    "x.json/index.js",
                ],
            ),
            ("a.b", &["a.b.ts", "a.b.js", "a.b/index.ts", "a.b/index.js"]),
            ("", &["index.ts", "index.js"]),
        ];
        for (place, expected) in table {
            assert_eq!(candidates(place), expected, "{place}");
        }
    }
}
