//! The route table of one deployment: built from its files, then only read.

use std::borrow::Cow;
use std::collections::HashMap;

use super::conflict::{self, Conflict};
use super::mount::{MountKind, mount};
use super::parameters::Parameters;
use super::pattern::{RoutePattern, RouteType, Segment};
use super::tree::Tree;
use super::url_path::{self, UrlPathError};

/// The folder name that a URL may carry in front, as links to script files do.
const OPTIONAL_PREFIX: &str = "scripts";

/// One file that answers at a route. `script` is whatever the caller keeps
/// with the file.
#[derive(Debug, Clone)]
pub struct Route<T> {
    /// Path inside the deployment.
    pub file: String,
    pub pattern: RoutePattern,
    pub kind: MountKind,
    pub script: T,
}

/// The answer to a lookup.
#[derive(Debug)]
pub struct Match<'a, T> {
    pub route: &'a Route<T>,
    pub parameters: Parameters,
}

/// Routes by path. A lookup takes time in proportion to the path's length, and
/// one of a static route allocates nothing unless the path is percent-encoded.
#[derive(Debug, Clone)]
pub struct RouteTable<T> {
    routes: Vec<Route<T>>,
    conflicts: Vec<Conflict>,
    /// Static routes by their path, without slashes at the ends.
    statics: HashMap<String, usize>,
    tree: Tree,
}

impl<T> RouteTable<T> {
    /// Builds the table from paths inside the deployment. Files that are no
    /// routes are left out; of several files for one route the first by name
    /// serves; what is wrong is in [`RouteTable::conflicts`].
    pub fn build(files: impl IntoIterator<Item = (String, T)>) -> RouteTable<T> {
        let mut files: Vec<(String, T)> = files.into_iter().collect();
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut conflicts = Vec::new();
        let mut routes = Vec::new();
        for (file, script) in files {
            match mount(&file) {
                Ok(mount) => routes.push(Route {
                    file,
                    pattern: mount.pattern,
                    kind: mount.kind,
                    script,
                }),
                Err(reason) if reason.is_mistake() => {
                    conflicts.push(Conflict::not_mounted(&file, reason))
                }
                Err(_) => {}
            }
        }
        let patterns: Vec<_> = routes
            .iter()
            .map(|route| (route.file.as_str(), &route.pattern))
            .collect();
        conflicts.extend(conflict::find(&patterns));
        let mut table = RouteTable {
            routes: Vec::new(),
            conflicts,
            statics: HashMap::new(),
            tree: Tree::default(),
        };
        for route in routes {
            table.insert(route);
        }
        table
    }

    /// The routes that can answer, by file name.
    pub fn routes(&self) -> &[Route<T>] {
        &self.routes
    }

    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// Finds the route for a request's path: still percent-encoded, without a
    /// query. The module's documentation states the order of precedence.
    pub fn lookup(&self, path: &str) -> Result<Option<Match<'_, T>>, UrlPathError> {
        if !path.contains('%')
            && let Some(&found) = self.statics.get(path.trim_matches('/'))
        {
            return Ok(Some(Match {
                route: &self.routes[found],
                parameters: Parameters::default(),
            }));
        }
        let segments = url_path::segments(path)?;
        let full = self.find(&segments);
        let Some((first, rest)) = segments.split_first() else {
            return Ok(full);
        };
        if first != OPTIONAL_PREFIX
            || rest.is_empty()
            || full.as_ref().is_some_and(Match::is_in_own_folder)
        {
            return Ok(full);
        }
        let specific = |found: &Option<Match<'_, T>>| {
            found.as_ref().map_or(RouteType::Fallback, |found| {
                found.route.pattern.route_type()
            })
        };
        let shorter = self.find(rest);
        Ok(if specific(&shorter) < specific(&full) {
            shorter
        } else {
            full
        })
    }

    fn find(&self, segments: &[Cow<'_, str>]) -> Option<Match<'_, T>> {
        let route = &self.routes[self.tree.find(segments)?];
        Some(Match {
            route,
            parameters: Parameters::taken(&route.pattern, segments),
        })
    }

    fn insert(&mut self, route: Route<T>) {
        let number = self.routes.len();
        if !self.tree.insert(&route.pattern, number) {
            return;
        }
        if route.pattern.route_type() == RouteType::Static {
            let path = route.pattern.to_string();
            self.statics
                .insert(path.trim_matches('/').to_owned(), number);
        }
        self.routes.push(route);
    }
}

impl<T> Match<'_, T> {
    /// Whether the route lies in a folder that is itself named `scripts`.
    fn is_in_own_folder(&self) -> bool {
        matches!(self.route.pattern.segments().first(), Some(Segment::Static(name)) if name == OPTIONAL_PREFIX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(files: &[&str]) -> RouteTable<()> {
        RouteTable::build(files.iter().map(|file| ((*file).to_owned(), ())))
    }

    /// `file {parameters}`, or `-` without a route.
    fn answer(table: &RouteTable<()>, path: &str) -> String {
        match table.lookup(path).unwrap() {
            None => "-".to_owned(),
            Some(found) if found.parameters.0.is_empty() => found.route.file.clone(),
            Some(found) => {
                format!(
                    "{} {}",
                    found.route.file,
                    serde_json::to_string(&found.parameters).unwrap()
                )
            }
        }
    }

    fn check(files: &[&str], cases: &[(&str, &str)]) {
        let table = table(files);
        for (path, expected) in cases {
            assert_eq!(answer(&table, path), *expected, "{path} in {files:?}");
        }
    }

    #[test]
    fn files_answer_at_their_routes() {
        check(
            &[
                "index.ts",
                "hello.ts",
                "api/index.ts",
                "users/[id].ts",
                "x/[a]/[b].ts",
                "guide.md",
                "_lib/x.ts",
                "Case.js",
            ],
            &[
                ("/", "index.ts"),
                ("/index", "-"),
                ("/hello", "hello.ts"),
                ("/hello/", "hello.ts"),
                ("//hello", "hello.ts"),
                ("/hello.ts", "-"),
                ("/Hello", "-"),
                ("/Case", "Case.js"),
                ("/api", "api/index.ts"),
                ("/users", "-"),
                ("/users/123", "users/[id].ts {\"id\":\"123\"}"),
                ("/users/123/x", "-"),
                ("/x/1/2", "x/[a]/[b].ts {\"a\":\"1\",\"b\":\"2\"}"),
                ("/x//1///2/", "x/[a]/[b].ts {\"a\":\"1\",\"b\":\"2\"}"),
                ("/guide", "-"),
                ("/guide.md", "guide.md"),
                ("/_lib/x", "-"),
            ],
        );
    }

    #[test]
    fn catch_alls_take_the_rest() {
        check(
            &[
                "a/[...slug].ts",
                "b/[[...path]].ts",
                "c/index.ts",
                "c/[[...path]].ts",
                "d/[id]/[...rest].ts",
            ],
            &[
                ("/a", "-"),
                ("/a/x", "a/[...slug].ts {\"slug\":[\"x\"]}"),
                (
                    "/a/api/guide/intro",
                    "a/[...slug].ts {\"slug\":[\"api\",\"guide\",\"intro\"]}",
                ),
                ("/b", "b/[[...path]].ts {\"path\":[]}"),
                ("/b/x/y", "b/[[...path]].ts {\"path\":[\"x\",\"y\"]}"),
                ("/c", "c/index.ts"),
                ("/c/x", "c/[[...path]].ts {\"path\":[\"x\"]}"),
                ("/d/1", "-"),
                (
                    "/d/1/2/3",
                    "d/[id]/[...rest].ts {\"id\":\"1\",\"rest\":[\"2\",\"3\"]}",
                ),
            ],
        );
    }

    #[test]
    fn the_most_specific_route_that_leads_somewhere_wins() {
        check(
            &["s.ts", "[d].ts", "[...c].ts", "[[...o]].ts"],
            &[
                ("/s", "s.ts"),
                ("/x", "[d].ts {\"d\":\"x\"}"),
                ("/s/x", "[...c].ts {\"c\":[\"s\",\"x\"]}"),
                ("/", "[[...o]].ts {\"o\":[]}"),
            ],
        );
        check(
            &["a/b/d.ts", "a/[x]/c.ts"],
            &[
                ("/a/b/d", "a/b/d.ts"),
                ("/a/b/c", "a/[x]/c.ts {\"x\":\"b\"}"),
                ("/a/b", "-"),
            ],
        );
        check(
            &["a/[...r].ts", "[p]/b.ts"],
            &[
                ("/a/b", "a/[...r].ts {\"r\":[\"b\"]}"),
                ("/x/b", "[p]/b.ts {\"p\":\"x\"}"),
            ],
        );
    }

    #[test]
    fn a_segment_is_decoded_by_itself() {
        check(
            &["a/b.ts", "[id].ts", "café.ts", "100%.ts", "a b.ts"],
            &[
                ("/a%2Fb", "[id].ts {\"id\":\"a/b\"}"),
                ("/caf%C3%A9", "café.ts"),
                ("/café", "café.ts"),
                ("/100%25", "100%.ts"),
                ("/a%20b", "a b.ts"),
                ("/%61/%62", "a/b.ts"),
                ("/1+1", "[id].ts {\"id\":\"1+1\"}"),
            ],
        );
        assert_eq!(
            table(&["a.ts"]).lookup("/a/%zz").unwrap_err(),
            UrlPathError::Percent
        );
        assert_eq!(
            table(&["a.ts"]).lookup("/x/../a").unwrap_err(),
            UrlPathError::DotSegment
        );
    }

    #[test]
    fn a_leading_scripts_folder_is_optional() {
        check(
            &["certs/renew.ts", "users/[id].ts", "[...all].ts", "index.ts"],
            &[
                ("/scripts/certs/renew", "certs/renew.ts"),
                ("/scripts/users/7", "users/[id].ts {\"id\":\"7\"}"),
                ("/scripts/x", "[...all].ts {\"all\":[\"scripts\",\"x\"]}"),
                ("/scripts", "[...all].ts {\"all\":[\"scripts\"]}"),
                (
                    "/scripts/scripts/certs/renew",
                    "[...all].ts {\"all\":[\"scripts\",\"scripts\",\"certs\",\"renew\"]}",
                ),
            ],
        );
        check(
            &["x.ts", "scripts/[...own].ts"],
            &[("/scripts/x", "scripts/[...own].ts {\"own\":[\"x\"]}")],
        );
        check(
            &["[user].ts", "[user]/[repo].ts"],
            &[(
                "/scripts/x",
                "[user]/[repo].ts {\"user\":\"scripts\",\"repo\":\"x\"}",
            )],
        );
        check(
            &["a.ts"],
            &[
                ("/scripts/a", "a.ts"),
                ("/scripts", "-"),
                ("/scripts/b", "-"),
            ],
        );
    }

    #[test]
    fn of_conflicting_files_the_first_by_name_serves() {
        let files = [
            "b.ts",
            "a/index.ts",
            "a.ts",
            "a.js",
            "u/[slug].ts",
            "u/[id].ts",
            "u/[slug]/x.ts",
            "pre.ts",
        ];
        check(
            &files,
            &[
                ("/a", "a.js"),
                ("/b", "b.ts"),
                ("/u/1", "u/[id].ts {\"id\":\"1\"}"),
                ("/u/1/x", "u/[slug]/x.ts {\"slug\":\"1\"}"),
                ("/pre", "-"),
            ],
        );
        let table = table(&files);
        let served: Vec<&str> = table
            .routes()
            .iter()
            .map(|route| route.file.as_str())
            .collect();
        assert_eq!(served, ["a.js", "b.ts", "u/[id].ts", "u/[slug]/x.ts"]);
        let reported: Vec<&str> = table
            .conflicts()
            .iter()
            .map(|conflict| conflict.route.as_str())
            .collect();
        assert_eq!(reported, ["/a", "/u/[id]", "/u"], "a hook is no conflict");
    }

    proptest! {
        #[test]
        fn no_path_makes_a_lookup_panic(path in "\\PC{0,40}|(/|%|\\.|a|%2e|%2F){0,20}") {
            let table = table(&["index.ts", "a/[x]/b.ts", "[...c].ts", "a/[[...o]].ts"]);
            let _ = table.lookup(&path);
        }
    }
}
