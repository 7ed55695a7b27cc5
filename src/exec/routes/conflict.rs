//! Sets of files that contradict each other, as data: for the log at load, for
//! `footpath check` and for the API. Routing goes on without the losers.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};
use thiserror::Error;

use super::mount::NotMounted;
use super::pattern::{RoutePattern, Segment, shape};
use crate::model::case;

/// Files that cannot all mean what they say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The route, or the level below which the files disagree.
    pub route: String,
    /// Paths inside the deployment, sorted.
    pub files: Vec<String>,
    pub severity: Severity,
    #[serde(rename = "message", serialize_with = "as_text")]
    pub reason: Reason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A file does not do what its name says.
    Error,
    /// Everything routes, but perhaps not as somebody expects.
    Warning,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Reason {
    #[error("more than one file answers at this route: {0} does, remove or rename the others")]
    SameRoute(String),
    #[error("one level has the parameter names {}: choose one", quoted(.0))]
    ParameterNames(Vec<String>),
    #[error("one level has both a catch-all and an optional catch-all: remove one")]
    CatchAlls,
    #[error("the names {} differ only by case and are one name on some disks", quoted(.0))]
    CaseOnly(Vec<String>),
    #[error(transparent)]
    NotMounted(NotMounted),
}

impl Conflict {
    fn new(route: String, mut files: Vec<String>, reason: Reason) -> Conflict {
        files.sort();
        let severity = match &reason {
            Reason::SameRoute(_) | Reason::ParameterNames(_) | Reason::CatchAlls => Severity::Error,
            Reason::NotMounted(NotMounted::Pattern(_)) => Severity::Error,
            Reason::NotMounted(_) | Reason::CaseOnly(_) => Severity::Warning,
        };
        Conflict {
            route,
            files,
            severity,
            reason,
        }
    }

    /// The report on a file that looks like a route and is none.
    pub fn not_mounted(file: &str, reason: NotMounted) -> Conflict {
        Conflict::new(
            format!("/{file}"),
            vec![file.to_owned()],
            Reason::NotMounted(reason),
        )
    }
}

/// Finds what contradicts itself in a set of files and their routes, in a fixed
/// order. `routes` is sorted by file name: of several files for one route the
/// first serves.
pub fn find(routes: &[(&str, &RoutePattern)]) -> Vec<Conflict> {
    let mut conflicts = same_route(routes);
    let levels = levels(routes);
    for level in levels.values() {
        for conflict in [level.parameter_names(), level.catch_alls()]
            .into_iter()
            .flatten()
        {
            // Two files for one route that also name its parameter differently
            // are one mistake, not two.
            if !conflicts
                .iter()
                .any(|earlier| earlier.files == conflict.files)
            {
                conflicts.push(conflict);
            }
        }
    }
    conflicts.extend(case_only(routes));
    conflicts
}

fn same_route(routes: &[(&str, &RoutePattern)]) -> Vec<Conflict> {
    let mut by_shape: BTreeMap<String, Vec<&(&str, &RoutePattern)>> = BTreeMap::new();
    for route in routes {
        by_shape.entry(route.1.shape()).or_default().push(route);
    }
    let several = by_shape.into_values().filter(|group| group.len() > 1);
    several
        .map(|group| {
            let (first, pattern) = group[0];
            let files = group.iter().map(|(file, _)| (*file).to_owned()).collect();
            Conflict::new(
                pattern.to_string(),
                files,
                Reason::SameRoute((*first).to_owned()),
            )
        })
        .collect()
}

/// What the routes have at one level: the names in brackets, and whose they are.
#[derive(Default)]
struct Level {
    route: String,
    parameters: BTreeMap<String, BTreeSet<String>>,
    catch_all: BTreeSet<String>,
    optional: BTreeSet<String>,
}

/// The levels with parameters, by the shape of what lies above them.
fn levels(routes: &[(&str, &RoutePattern)]) -> BTreeMap<String, Level> {
    let mut levels: BTreeMap<String, Level> = BTreeMap::new();
    for (file, pattern) in routes {
        for (at, segment) in pattern.segments().iter().enumerate() {
            if matches!(segment, Segment::Static(_)) {
                continue;
            }
            let above = &pattern.segments()[..at];
            let level = levels.entry(shape(above)).or_default();
            if level.route.is_empty() {
                level.route = display(above);
            }
            let files = match segment {
                Segment::Parameter(name) => level.parameters.entry(name.clone()).or_default(),
                Segment::CatchAll(_) => &mut level.catch_all,
                Segment::OptionalCatchAll(_) | Segment::Static(_) => &mut level.optional,
            };
            files.insert((*file).to_owned());
        }
    }
    levels
}

impl Level {
    fn parameter_names(&self) -> Option<Conflict> {
        if self.parameters.len() < 2 {
            return None;
        }
        let files: BTreeSet<String> = self.parameters.values().flatten().cloned().collect();
        let names = self.parameters.keys().cloned().collect();
        let reason = Reason::ParameterNames(names);
        Some(Conflict::new(
            self.route.clone(),
            files.into_iter().collect(),
            reason,
        ))
    }

    fn catch_alls(&self) -> Option<Conflict> {
        if self.catch_all.is_empty() || self.optional.is_empty() {
            return None;
        }
        let files = self.catch_all.union(&self.optional).cloned().collect();
        Some(Conflict::new(self.route.clone(), files, Reason::CatchAlls))
    }
}

fn case_only(routes: &[(&str, &RoutePattern)]) -> Vec<Conflict> {
    let shapes: Vec<String> = routes.iter().map(|(_, pattern)| pattern.shape()).collect();
    let trimmed = shapes.iter().map(|shape| shape.trim_start_matches('/'));
    let report = |group: Vec<&str>| {
        let below = |shape: &str, prefix: &str| {
            let rest = shape.trim_start_matches('/').strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let concerned = |shape: &str| group.iter().any(|prefix| below(shape, prefix));
        let files = routes
            .iter()
            .zip(&shapes)
            .filter(|(_, shape)| concerned(shape));
        let files = files.map(|((file, _), _)| (*file).to_owned()).collect();
        let names = group
            .iter()
            .map(|prefix| prefix.rsplit('/').next().unwrap_or(prefix));
        let reason = Reason::CaseOnly(names.map(str::to_owned).collect());
        Conflict::new(format!("/{}", group[0]), files, reason)
    };
    case::clashes(trimmed).into_iter().map(report).collect()
}

fn display(segments: &[Segment]) -> String {
    match segments {
        [] => "/".to_owned(),
        _ => segments
            .iter()
            .map(|segment| format!("/{segment}"))
            .collect(),
    }
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(" and ")
}

fn as_text<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::routes::mount::mount;

    /// The conflicts of a set of files, as `severity route [files] reason`.
    fn conflicts(files: &[&str]) -> Vec<String> {
        let mut files = files.to_vec();
        files.sort();
        let mounts: Vec<_> = files
            .iter()
            .map(|file| (*file, mount(file).unwrap().pattern))
            .collect();
        let routes: Vec<_> = mounts
            .iter()
            .map(|(file, pattern)| (*file, pattern))
            .collect();
        let line = |conflict: &Conflict| {
            let Conflict {
                route,
                files,
                severity,
                reason,
            } = conflict;
            format!("{severity:?} {route} [{}] {reason:?}", files.join(" "))
        };
        find(&routes).iter().map(line).collect()
    }

    #[test]
    fn files_that_agree_are_not_reported() {
        let files = [
            "index.ts",
            "a.ts",
            "a/b.ts",
            "[id].ts",
            "[id]/x.ts",
            "[id]/[sub].ts",
            "x/[other].ts",
            "[...all].ts",
            "docs/index.ts",
            "docs/[[...path]].ts",
            "guide.md",
            "guide.ts",
        ];
        assert_eq!(conflicts(&files), [""; 0]);
    }

    #[test]
    fn each_conflict_is_reported_once() {
        let cases: [(&[&str], &[&str]); 11] = [
            (
                &["a.ts", "a.js"],
                &["Error /a [a.js a.ts] SameRoute(\"a.js\")"],
            ),
            (
                &["a.ts", "a/index.ts"],
                &["Error /a [a.ts a/index.ts] SameRoute(\"a.ts\")"],
            ),
            (
                &["index.ts", "index.js"],
                &["Error / [index.js index.ts] SameRoute(\"index.js\")"],
            ),
            (
                &["g.md", "g.md.ts"],
                &["Error /g.md [g.md g.md.ts] SameRoute(\"g.md\")"],
            ),
            (
                &["[b].ts", "[a].ts"],
                &["Error /[a] [[a].ts [b].ts] SameRoute(\"[a].ts\")"],
            ),
            (
                &["[...a].ts", "[...b].ts"],
                &["Error /[...a] [[...a].ts [...b].ts] SameRoute(\"[...a].ts\")"],
            ),
            (
                &["u/[id].ts", "u/[slug]/x.ts"],
                &["Error /u [u/[id].ts u/[slug]/x.ts] ParameterNames([\"id\", \"slug\"])"],
            ),
            (
                &["[a]/[x].ts", "[b]/[y]/z.ts"],
                &["Error / [[a]/[x].ts [b]/[y]/z.ts] ParameterNames([\"a\", \"b\"])"],
            ),
            (
                &["d/[...a].ts", "d/[[...b]].ts"],
                &["Error /d [d/[...a].ts d/[[...b]].ts] CatchAlls"],
            ),
            (
                &["A.ts", "a.ts"],
                &["Warning /A [A.ts a.ts] CaseOnly([\"A\", \"a\"])"],
            ),
            (
                &["Api/x.ts", "api/y.ts", "apis.ts"],
                &["Warning /Api [Api/x.ts api/y.ts] CaseOnly([\"Api\", \"api\"])"],
            ),
        ];
        for (files, expected) in cases {
            assert_eq!(conflicts(files), expected, "{files:?}");
        }
    }

    #[test]
    fn a_report_reads_as_one_line_of_json() {
        let report = Conflict::not_mounted("blog/post.ts", mount("blog/post.ts").unwrap_err());
        let expected = serde_json::json!({
            "route": "/blog/post.ts",
            "files": ["blog/post.ts"],
            "severity": "warning",
            "message": "`blog/post.ts` runs before or after the scripts of its folder and is \
                        no route; a route of this name is `blog/post/index.ts`",
        });
        assert_eq!(serde_json::to_value(report).unwrap(), expected);
        let names = Reason::ParameterNames(vec!["id".into(), "slug".into()]);
        assert_eq!(
            names.to_string(),
            "one level has the parameter names `id` and `slug`: choose one"
        );
    }
}
