//! Patterns by segment, and the order of precedence among them. Routes are
//! numbers here; the table knows what they stand for.

use std::borrow::Cow;
use std::collections::HashMap;

use super::pattern::{RoutePattern, Segment};

/// All patterns of a deployment; the first node is the root.
#[derive(Debug, Clone)]
pub struct Tree {
    nodes: Vec<Node>,
}

/// One level. Numbers are places in `nodes` (`below`, `parameter`) or routes
/// (the others).
#[derive(Debug, Clone, Default)]
struct Node {
    below: HashMap<String, usize>,
    parameter: Option<usize>,
    route: Option<usize>,
    catch_all: Option<usize>,
    optional_catch_all: Option<usize>,
}

impl Default for Tree {
    fn default() -> Self {
        Tree {
            nodes: vec![Node::default()],
        }
    }
}

impl Tree {
    /// Adds a route. False if another of the same shape has its place.
    pub fn insert(&mut self, pattern: &RoutePattern, route: usize) -> bool {
        let mut at = 0;
        for segment in pattern.segments() {
            let fresh = self.nodes.len();
            let node = &mut self.nodes[at];
            at = match segment {
                Segment::Static(name) => *node.below.entry(name.clone()).or_insert(fresh),
                Segment::Parameter(_) => *node.parameter.get_or_insert(fresh),
                Segment::CatchAll(_) | Segment::OptionalCatchAll(_) => break,
            };
            if at == fresh {
                self.nodes.push(Node::default());
            }
        }
        let node = &mut self.nodes[at];
        let place = match pattern.segments().last() {
            Some(Segment::CatchAll(_)) => &mut node.catch_all,
            Some(Segment::OptionalCatchAll(_)) => &mut node.optional_catch_all,
            Some(Segment::Static(_) | Segment::Parameter(_)) | None => &mut node.route,
        };
        let free = place.is_none();
        place.get_or_insert(route);
        free
    }

    /// The route that goes first among those that match.
    pub fn find(&self, segments: &[Cow<'_, str>]) -> Option<usize> {
        self.best(0, segments)
    }

    /// The same, below a node. Every node is visited once at most, since only
    /// one path leads to it, and the recursion is as deep as the tree.
    fn best(&self, node: usize, segments: &[Cow<'_, str>]) -> Option<usize> {
        let node = &self.nodes[node];
        let Some((first, rest)) = segments.split_first() else {
            return node.route.or(node.optional_catch_all);
        };
        let below = |next: Option<usize>| next.and_then(|next| self.best(next, rest));
        below(node.below.get(first.as_ref()).copied())
            .or_else(|| below(node.parameter))
            .or(node.catch_all)
            .or(node.optional_catch_all)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern() -> impl Strategy<Value = RoutePattern> {
        let level = prop::sample::select(vec!["a", "b", "[x]", "[y]"]);
        let last = prop::sample::select(vec![
            "", "a", "b", "[x]", "[z]", "[...c]", "[[...o]]", "[...d]",
        ]);
        (prop::collection::vec(level, 0..3), last).prop_filter_map(
            "one name twice",
            |(levels, last)| {
                let last = Some(last).filter(|last| !last.is_empty());
                RoutePattern::parse(levels.into_iter().chain(last)).ok()
            },
        )
    }

    /// The most specific pattern by comparing every one with the path; among
    /// those of one shape the first.
    fn reference(patterns: &[RoutePattern], path: &[Cow<'_, str>]) -> Option<usize> {
        let matches = |pattern: &RoutePattern| {
            let segments = pattern.segments();
            let fits = |(at, segment): (usize, &Segment)| match segment {
                Segment::Static(name) => path.get(at).is_some_and(|segment| segment == name),
                Segment::Parameter(_) | Segment::CatchAll(_) => at < path.len(),
                Segment::OptionalCatchAll(_) => true,
            };
            let last = segments.last();
            let open = matches!(
                last,
                Some(Segment::CatchAll(_) | Segment::OptionalCatchAll(_))
            );
            segments.iter().enumerate().all(fits) && (open || segments.len() == path.len())
        };
        let rank = |segment: &Segment| match segment {
            Segment::Static(_) => 0,
            Segment::Parameter(_) => 1,
            Segment::CatchAll(_) => 2,
            Segment::OptionalCatchAll(_) => 3,
        };
        let ranks = |at: &usize| -> Vec<u8> { patterns[*at].segments().iter().map(rank).collect() };
        let fitting = (0..patterns.len()).filter(|at| matches(&patterns[*at]));
        fitting.min_by_key(|at| (ranks(at), *at))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn the_tree_finds_what_comparing_every_pattern_finds(
            patterns in prop::collection::vec(pattern(), 0..12),
            path in prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "[x]"]), 0..5),
        ) {
            let mut tree = Tree::default();
            for (route, pattern) in patterns.iter().enumerate() {
                let first = !patterns[..route].iter().any(|earlier| earlier.shape() == pattern.shape());
                prop_assert_eq!(tree.insert(pattern, route), first);
            }
            let path: Vec<Cow<'_, str>> = path.into_iter().map(Cow::Borrowed).collect();
            prop_assert_eq!(tree.find(&path), reference(&patterns, &path));
        }
    }
}
