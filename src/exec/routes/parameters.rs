//! What the brackets of a route stand for in one request.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::pattern::{RoutePattern, Segment};

/// Parameters by name, in the order in which they stand in the path; serialised
/// as the object `metadata.parameters`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters(pub Vec<(String, Parameter)>);

/// `[id]` gives text; the two catch-alls give a list, which the optional one
/// may leave empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Parameter {
    One(String),
    Many(Vec<String>),
}

impl Parameters {
    /// Takes the parameters from the segments of a path that the pattern matches:
    /// every segment of a pattern but a last catch-all takes exactly one.
    pub fn taken(pattern: &RoutePattern, segments: &[Cow<'_, str>]) -> Parameters {
        let take = |(at, segment): (usize, &Segment)| match segment {
            Segment::Static(_) => None,
            Segment::Parameter(name) => {
                Some((name.clone(), Parameter::One(segments[at].to_string())))
            }
            Segment::CatchAll(name) | Segment::OptionalCatchAll(name) => {
                let rest = segments[at..]
                    .iter()
                    .map(|segment| segment.to_string())
                    .collect();
                Some((name.clone(), Parameter::Many(rest)))
            }
        };
        Parameters(
            pattern
                .segments()
                .iter()
                .enumerate()
                .filter_map(take)
                .collect(),
        )
    }
}

impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
