//! Which files of a deployment become routes.
//!
//! Everything else in the folder is a library, data or a companion file, and
//! most of it is nobody's mistake; [`NotMounted::is_mistake`] tells the rest.

use serde::Serialize;
use thiserror::Error;

use super::pattern::{PatternError, RoutePattern};

/// What answers at a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A `.ts` or `.js` file that is run.
    Script,
    /// A `.md` file that is sent as it is.
    Markdown,
}

/// A file and the route it answers at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub pattern: RoutePattern,
    pub kind: MountKind,
}

/// Why a file answers at no route.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotMounted {
    #[error("only `.ts`, `.js` and `.md` files are routes")]
    Extension,
    #[error("`{0}` starts with `_` or `.`, which keeps a file or folder out of the routes")]
    Hidden(String),
    #[error("packages in `node_modules` are not routes")]
    Packages,
    #[error("type declarations are not routes")]
    Declaration,
    #[error("`*.test` and `*.spec` files are not routes")]
    Test,
    #[error("`*.system.md` is a prompt for a model, not a page")]
    Prompt,
    #[error(
        "`{0}` runs before or after the scripts of its folder and is no route; a route of this name is `{1}`"
    )]
    Hook(String, String),
    #[error("`.{0}` files are not routes: rename the file to `.ts` or `.js`")]
    Dialect(String),
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl NotMounted {
    /// Whether whoever made the file probably expects a route, so that it must
    /// be reported and not just left out.
    pub fn is_mistake(&self) -> bool {
        matches!(self, NotMounted::Dialect(_) | NotMounted::Pattern(_))
    }
}

/// Finds the route of a file, given by its path inside the deployment. The
/// extension of a script is stripped and the case of names kept. Markdown keeps
/// its extension (`/guide.md`), and its file name is never a pattern, so that
/// `users/[id].md` can describe `users/[id].ts`.
pub fn mount(file: &str) -> Result<Mount, NotMounted> {
    let levels: Vec<&str> = file.split('/').collect();
    if levels.contains(&"node_modules") {
        return Err(NotMounted::Packages);
    }
    if let Some(hidden) = levels.iter().find(|level| level.starts_with(['_', '.'])) {
        return Err(NotMounted::Hidden((*hidden).to_owned()));
    }
    let (name, folders) = levels
        .split_last()
        .expect("splitting text gives at least one part");
    let Some((stem, extension)) = name.rsplit_once('.') else {
        return Err(NotMounted::Extension);
    };
    match extension {
        "ts" | "js" => {
            check_stem(file, stem, extension)?;
            let last = (stem != "index").then_some(stem);
            let pattern = RoutePattern::parse(folders.iter().copied().chain(last))?;
            Ok(Mount {
                pattern,
                kind: MountKind::Script,
            })
        }
        "md" if stem.ends_with(".system") => Err(NotMounted::Prompt),
        "md" => {
            let pattern = RoutePattern::parse(folders.iter().copied())?.below(name)?;
            Ok(Mount {
                pattern,
                kind: MountKind::Markdown,
            })
        }
        "tsx" | "jsx" | "mts" | "cts" | "mjs" | "cjs" => {
            Err(NotMounted::Dialect(extension.to_owned()))
        }
        _ => Err(NotMounted::Extension),
    }
}

/// The scripts whose `@token` protects a Markdown file: those that differ from
/// it only by the extension. None if the file is not Markdown.
pub fn sibling_scripts(file: &str) -> Option<[String; 2]> {
    let stem = file.strip_suffix(".md")?;
    Some([format!("{stem}.ts"), format!("{stem}.js")])
}

fn check_stem(file: &str, stem: &str, extension: &str) -> Result<(), NotMounted> {
    if extension == "ts" && stem.ends_with(".d") {
        return Err(NotMounted::Declaration);
    }
    if stem.ends_with(".test") || stem.ends_with(".spec") {
        return Err(NotMounted::Test);
    }
    if stem == "pre" || stem == "post" {
        let folder = file.strip_suffix(&format!(".{extension}")).unwrap_or(file);
        let instead = format!("{folder}/index.{extension}");
        return Err(NotMounted::Hook(file.to_owned(), instead));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_pages_mount() {
        use MountKind::{Markdown, Script};
        let cases = [
            ("hello.ts", "/hello", Script),
            ("hello.js", "/hello", Script),
            ("MyTool.ts", "/MyTool", Script),
            ("index.ts", "/", Script),
            ("api/index.js", "/api", Script),
            ("index/index.ts", "/index", Script),
            ("api/a.b.ts", "/api/a.b", Script),
            ("users/[id].ts", "/users/[id]", Script),
            ("users/[id]/index.ts", "/users/[id]", Script),
            ("[a]/[b].ts", "/[a]/[b]", Script),
            ("api/[...slug].ts", "/api/[...slug]", Script),
            ("api/[...slug]/index.ts", "/api/[...slug]", Script),
            ("[[...path]].ts", "/[[...path]]", Script),
            ("a b/ü.ts", "/a b/ü", Script),
            ("posts/post/index.ts", "/posts/post", Script),
            ("guide.md", "/guide.md", Markdown),
            ("docs/index.md", "/docs/index.md", Markdown),
            ("users/[id].md", "/users/[id].md", Markdown),
            ("[lang]/guide.md", "/[lang]/guide.md", Markdown),
        ];
        for (file, route, kind) in cases {
            let mount = mount(file).unwrap();
            assert_eq!(
                (mount.pattern.to_string().as_str(), mount.kind),
                (route, kind),
                "{file}"
            );
        }
    }

    #[test]
    fn the_rest_does_not_and_says_why() {
        let hidden = |name: &str| NotMounted::Hidden(name.to_owned());
        let cases = [
            ("data.json", NotMounted::Extension, false),
            ("run.sh", NotMounted::Extension, false),
            ("Makefile", NotMounted::Extension, false),
            ("X.TS", NotMounted::Extension, false),
            ("_lib.ts", hidden("_lib.ts"), false),
            ("_lib/x.ts", hidden("_lib"), false),
            (".ts", hidden(".ts"), false),
            ("a/.cache/x.ts", hidden(".cache"), false),
            ("a/node_modules/x/index.js", NotMounted::Packages, false),
            ("footpath.d.ts", NotMounted::Declaration, false),
            ("x.test.ts", NotMounted::Test, false),
            ("x.spec.js", NotMounted::Test, false),
            ("x.system.md", NotMounted::Prompt, false),
            ("_system.md", hidden("_system.md"), false),
            (
                "blog/post.ts",
                NotMounted::Hook("blog/post.ts".into(), "blog/post/index.ts".into()),
                false,
            ),
            (
                "pre.js",
                NotMounted::Hook("pre.js".into(), "pre/index.js".into()),
                false,
            ),
            ("app.tsx", NotMounted::Dialect("tsx".into()), true),
            ("x.mjs", NotMounted::Dialect("mjs".into()), true),
            (
                "x[id].ts",
                PatternError::Brackets("x[id]".into()).into(),
                true,
            ),
            (
                "[...a]/b.ts",
                PatternError::NotLast("[...a]".into()).into(),
                true,
            ),
            (
                "[...a]/b.md",
                PatternError::NotLast("[...a]".into()).into(),
                true,
            ),
        ];
        for (file, reason, mistake) in cases {
            assert_eq!(mount(file), Err(reason.clone()), "{file}");
            assert_eq!(reason.is_mistake(), mistake, "{file}");
        }
    }

    #[test]
    fn a_page_is_protected_by_the_script_beside_it() {
        let siblings = sibling_scripts("docs/[id].md");
        assert_eq!(
            siblings,
            Some(["docs/[id].ts".into(), "docs/[id].js".into()])
        );
        assert_eq!(sibling_scripts("docs/x.ts"), None);
    }
}
