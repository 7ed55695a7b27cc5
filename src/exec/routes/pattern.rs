//! What a route's path looks like: `/users/[id]/[...rest]`.

use std::fmt;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// One level of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Exactly this text.
    Static(String),
    /// `[name]`: any one segment.
    Parameter(String),
    /// `[...name]`: one segment or more.
    CatchAll(String),
    /// `[[...name]]`: any number of segments, also none.
    OptionalCatchAll(String),
}

/// A route: its segments from the left. The empty list is `/`. A catch-all is
/// last, and no parameter name occurs twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePattern(Vec<Segment>);

/// How specific a route is; the names of the route API. The order is the
/// priority: what comes first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteType {
    Static,
    Dynamic,
    #[serde(rename = "catchall")]
    CatchAll,
    #[serde(rename = "optional-catchall")]
    OptionalCatchAll,
    /// The script that answers for a scope when no route does. No table gives
    /// it: without a route the answer is 404. The name is the API's.
    Fallback,
}

/// Why a file name is no route.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    #[error("`{0}` mixes brackets with other text: a parameter is a whole name, such as `[id]`")]
    Brackets(String),
    #[error(
        "`{0}` needs a name of letters, digits, `_`, `$` or `-` in its brackets, such as `[id]`"
    )]
    Name(String),
    #[error("`{0}` takes every further segment, so nothing can lie below it")]
    NotLast(String),
    #[error("the parameter `{0}` occurs twice: give each its own name")]
    Repeated(String),
}

impl RoutePattern {
    /// Reads the levels of a file path, without the extension and without
    /// `index`.
    pub fn parse<'a>(
        levels: impl IntoIterator<Item = &'a str>,
    ) -> Result<RoutePattern, PatternError> {
        let mut pattern = RoutePattern(Vec::new());
        for level in levels {
            pattern.check_open()?;
            let segment = Segment::parse(level)?;
            if let Some(name) = segment.parameter()
                && pattern.parameter_names().contains(&name)
            {
                return Err(PatternError::Repeated(name.to_owned()));
            }
            pattern.0.push(segment);
        }
        Ok(pattern)
    }

    /// Adds a last segment that is taken literally, brackets and all.
    pub fn below(mut self, name: &str) -> Result<RoutePattern, PatternError> {
        self.check_open()?;
        self.0.push(Segment::Static(name.to_owned()));
        Ok(self)
    }

    fn check_open(&self) -> Result<(), PatternError> {
        match self.0.last() {
            Some(last @ (Segment::CatchAll(_) | Segment::OptionalCatchAll(_))) => {
                Err(PatternError::NotLast(last.to_string()))
            }
            _ => Ok(()),
        }
    }

    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The type of the least specific segment.
    pub fn route_type(&self) -> RouteType {
        self.0
            .iter()
            .map(Segment::route_type)
            .max()
            .unwrap_or(RouteType::Static)
    }

    /// The path above the last segment, if that is all the pattern leaves open.
    pub fn static_start(&self) -> Option<String> {
        let (_, above) = self.0.split_last()?;
        let name = |segment: &Segment| match segment {
            Segment::Static(name) => Some(format!("/{name}")),
            _ => None,
        };
        above.iter().map(name).collect()
    }

    /// The names of the parameters, from the left.
    pub fn parameter_names(&self) -> Vec<&str> {
        self.0.iter().filter_map(Segment::parameter).collect()
    }

    /// The pattern with its parameter names left out. Two patterns of one shape
    /// answer the same paths.
    pub fn shape(&self) -> String {
        shape(&self.0)
    }
}

/// See [`RoutePattern::shape`]. No two kinds of segments share one, since a
/// static segment is either without brackets or ends in `.md`, and has no slash.
pub fn shape(segments: &[Segment]) -> String {
    let mut shape = String::new();
    for segment in segments {
        shape.push('/');
        shape.push_str(match segment {
            Segment::Static(name) => name,
            Segment::Parameter(_) => "[]",
            Segment::CatchAll(_) => "[...]",
            Segment::OptionalCatchAll(_) => "[[...]]",
        });
    }
    shape
}

impl Segment {
    fn parse(level: &str) -> Result<Segment, PatternError> {
        if !level.contains(['[', ']']) {
            return Ok(Segment::Static(level.to_owned()));
        }
        let inside = |open: &str, close: &str| level.strip_prefix(open)?.strip_suffix(close);
        let (name, segment): (&str, fn(String) -> Segment) =
            if let Some(name) = inside("[[...", "]]") {
                (name, Segment::OptionalCatchAll)
            } else if let Some(name) = inside("[...", "]") {
                (name, Segment::CatchAll)
            } else if let Some(name) = inside("[", "]") {
                (name, Segment::Parameter)
            } else {
                return Err(PatternError::Brackets(level.to_owned()));
            };
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '-');
        if name.is_empty() || !name.chars().all(fits) {
            return Err(PatternError::Name(level.to_owned()));
        }
        Ok(segment(name.to_owned()))
    }

    /// The name of a parameter.
    pub fn parameter(&self) -> Option<&str> {
        match self {
            Segment::Static(_) => None,
            Segment::Parameter(name)
            | Segment::CatchAll(name)
            | Segment::OptionalCatchAll(name) => Some(name),
        }
    }

    fn route_type(&self) -> RouteType {
        match self {
            Segment::Static(_) => RouteType::Static,
            Segment::Parameter(_) => RouteType::Dynamic,
            Segment::CatchAll(_) => RouteType::CatchAll,
            Segment::OptionalCatchAll(_) => RouteType::OptionalCatchAll,
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Segment::Static(name) => f.write_str(name),
            Segment::Parameter(name) => write!(f, "[{name}]"),
            Segment::CatchAll(name) => write!(f, "[...{name}]"),
            Segment::OptionalCatchAll(name) => write!(f, "[[...{name}]]"),
        }
    }
}

impl fmt::Display for RoutePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("/");
        }
        self.0
            .iter()
            .try_for_each(|segment| write!(f, "/{segment}"))
    }
}

impl Serialize for RoutePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Result<RoutePattern, PatternError> {
        RoutePattern::parse(path.split('/').filter(|level| !level.is_empty()))
    }

    #[test]
    fn a_pattern_is_read_and_shown_alike() {
        let cases = [
            ("/", RouteType::Static, vec![], ""),
            ("/api/users", RouteType::Static, vec![], "/api/users"),
            ("/users/[id]", RouteType::Dynamic, vec!["id"], "/users/[]"),
            ("/[a]/[b]", RouteType::Dynamic, vec!["a", "b"], "/[]/[]"),
            (
                "/[a]/[...rest]",
                RouteType::CatchAll,
                vec!["a", "rest"],
                "/[]/[...]",
            ),
            (
                "/x/[[...path]]",
                RouteType::OptionalCatchAll,
                vec!["path"],
                "/x/[[...]]",
            ),
            (
                "/[größe]/[user-id]/[$x_1]",
                RouteType::Dynamic,
                vec!["größe", "user-id", "$x_1"],
                "/[]/[]/[]",
            ),
        ];
        for (text, route_type, names, shape) in cases {
            let pattern = parse(text).unwrap();
            assert_eq!(pattern.to_string(), text);
            assert_eq!(pattern.route_type(), route_type, "{text}");
            assert_eq!(pattern.parameter_names(), names, "{text}");
            assert_eq!(pattern.shape(), shape, "{text}");
        }
    }

    #[test]
    fn a_name_that_is_no_pattern_says_why() {
        let brackets = |text: &str| PatternError::Brackets(text.to_owned());
        let name = |text: &str| PatternError::Name(text.to_owned());
        let cases = [
            ("x[id]", brackets("x[id]")),
            ("[id", brackets("[id")),
            ("id]", brackets("id]")),
            ("[]", name("[]")),
            ("[...]", name("[...]")),
            ("[[...]]", name("[[...]]")),
            ("[[id]]", name("[[id]]")),
            ("[a.b]", name("[a.b]")),
            ("[a][b]", name("[a][b]")),
            ("[...a]/b", PatternError::NotLast("[...a]".into())),
            ("[[...a]]/[...b]", PatternError::NotLast("[[...a]]".into())),
            ("[id]/x/[id]", PatternError::Repeated("id".into())),
            ("[id]/[...id]", PatternError::Repeated("id".into())),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn types_have_the_names_of_the_api() {
        let names = serde_json::to_value([
            RouteType::Static,
            RouteType::Dynamic,
            RouteType::CatchAll,
            RouteType::OptionalCatchAll,
            RouteType::Fallback,
        ]);
        let expected = serde_json::json!([
            "static",
            "dynamic",
            "catchall",
            "optional-catchall",
            "fallback"
        ]);
        assert_eq!(names.unwrap(), expected);
    }
}
