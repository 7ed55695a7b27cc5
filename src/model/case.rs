//! Names that a case-insensitive disk takes for one.

use std::collections::BTreeMap;

/// Finds names that differ from each other only by case, which are one name on
/// a case-insensitive disk. Names are paths with `/`; a folder that differs is
/// reported once, at the depth where it differs. Groups and their members are
/// sorted.
pub fn clashes<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Vec<&'a str>> {
    let mut groups: BTreeMap<(&str, String), Vec<&str>> = BTreeMap::new();
    for name in names {
        let ends = name
            .match_indices('/')
            .map(|(at, _)| at)
            .chain([name.len()]);
        for end in ends {
            let prefix = &name[..end];
            let (parent, last) = prefix.rsplit_once('/').unwrap_or(("", prefix));
            let group = groups.entry((parent, last.to_lowercase())).or_default();
            if let Err(at) = group.binary_search(&prefix) {
                group.insert(at, prefix);
            }
        }
    }
    groups
        .into_values()
        .filter(|group| group.len() > 1)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_only_by_case_are_grouped_where_they_differ() {
        let none: Vec<Vec<&str>> = Vec::new();
        assert_eq!(clashes(["a.ts", "b.ts", "a.ts"]), none);
        assert_eq!(clashes(["b.ts", "a.ts", "A.ts"]), [["A.ts", "a.ts"]]);
        assert_eq!(clashes(["api/x", "Api/y", "Api/z"]), [["Api", "api"]]);
        assert_eq!(clashes(["a/É", "a/é", "b/é"]), [["a/É", "a/é"]]);
        assert_eq!(clashes(["a/b", "A/B"]), [["A", "a"]]);
    }
}
