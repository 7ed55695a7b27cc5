//! `pre` and `post` beside a script: what runs before and after it. A script that
//! has hooks is entered through a module of ours that calls all of them. Only the
//! script's own folder counts.

use super::shape::Shape;

/// The name of the module through which a script with hooks is entered.
pub const MODULE: &str = "hooks:entry";

/// What of a folder's hooks exists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks {
    pub pre: Option<String>,
    pub post: Option<String>,
}

impl Hooks {
    /// The hooks of a script, given which files there are.
    pub fn of(script: &str, exists: impl Fn(&str) -> bool) -> Self {
        let found = |name: &str| {
            let [typed, plain] = files(script, name);
            [typed, plain].into_iter().find(|file| exists(file))
        };
        match is_hook(script) {
            true => Self::default(),
            false => Self {
                pre: found("pre"),
                post: found("post"),
            },
        }
    }

    pub fn files(&self) -> impl Iterator<Item = &String> {
        self.pre.iter().chain(&self.post)
    }
}

/// Whether a file of this path would be a hook of the script.
pub fn could_be_of(script: &str, file: &str) -> bool {
    let hooks = ["pre", "post"].map(|name| files(script, name));
    !is_hook(script) && hooks.as_flattened().iter().any(|hook| hook == file)
}

/// Whether a file is named like a hook.
pub fn is_hook(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    ["pre.ts", "pre.js", "post.ts", "post.js"].contains(&name)
}

fn files(script: &str, name: &str) -> [String; 2] {
    let folder = script.rsplit_once('/').map(|(folder, _)| folder);
    ["ts", "js"].map(|extension| match folder {
        Some(folder) => format!("{folder}/{name}.{extension}"),
        None => format!("{name}.{extension}"),
    })
}

/// The module that calls the hooks and the script of this shape. A result of `pre`,
/// or an answer that it has begun, takes the script's place; a result of `post`
/// takes the place of both.
pub fn module(entry: &str, shape: Shape, hooks: &Hooks) -> String {
    let import = |name: &str, file: &str| {
        let file = serde_json::Value::from(file);
        format!("import {name} from {file};\n")
    };
    let mut code = import("main", entry);
    code.extend(hooks.pre.iter().map(|file| import("pre", file)));
    code.extend(hooks.post.iter().map(|file| import("post", file)));
    if shape != Shape::Body {
        let is_web = shape == Shape::Web;
        code.push_str(&format!("const isWeb = {is_web};\n{HELPERS}"));
    }
    code.push_str("export default async function (...all) {\n  let result;\n");
    if hooks.pre.is_some() {
        code.push_str("  result = await pre(...all);\n");
    }
    let call = match shape {
        // A body is over when it returns.
        Shape::Body => "await main(...all)",
        _ => "await call(all)",
    };
    code.push_str(&format!(
        "  if (result == null && !all[1].headersSent) result = {call};\n"
    ));
    if hooks.post.is_some() {
        code.push_str("  const instead = await post(...all, result);\n");
        code.push_str("  if (instead != null && !all[1].headersSent) return instead;\n");
    }
    code.push_str("  return result;\n}\n");
    code
}

/// How a handler is called that is no function body; the engine does the same for
/// scripts without hooks.
const HELPERS: &str = include_str!("helpers/hooks.js");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_folder_counts() {
        let all = ["pre.ts", "a/pre.js", "a/pre.ts", "a/post.js", "a/b/post.ts"];
        let of = |script: &str| {
            let hooks = Hooks::of(script, |file| all.contains(&file));
            hooks.files().cloned().collect::<Vec<_>>()
        };
        assert_eq!(of("x.ts"), ["pre.ts"]);
        assert_eq!(of("a/x.ts"), ["a/pre.ts", "a/post.js"]);
        assert_eq!(of("a/b/[id].ts"), ["a/b/post.ts"]);
        assert!(of("c/x.ts").is_empty());
        assert!(of("a/pre.ts").is_empty(), "a hook has none");
        assert!(could_be_of("a/x.ts", "a/pre.ts"));
        assert!(!could_be_of("a/b/x.ts", "a/pre.ts"));
    }
}
