//! What can be said about versions of a script without their store: how two
//! differ, and which are too many.

use std::time::Duration;

use similar::TextDiff;

use crate::exec::directives::redact::redact;

/// How long a diff may search for the shortest form. After that it is still
/// right, but longer than it need be.
const DIFF_SEARCH_TIME: Duration = Duration::from_millis(200);
/// Unchanged lines around each change.
const DIFF_CONTEXT_LINES: usize = 3;

/// A source text and what to call it.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    pub name: &'a str,
    pub source: &'a str,
}

/// The unified diff of two versions, empty if they are equal. Secrets are
/// hidden first, so a change of nothing but a secret shows no difference.
pub fn diff(old: Named<'_>, new: Named<'_>) -> String {
    let (before, after) = (redact(old.source), redact(new.source));
    let diff = TextDiff::configure()
        .timeout(DIFF_SEARCH_TIME)
        .diff_lines(&before, &after);
    let mut unified = diff.unified_diff();
    unified
        .context_radius(DIFF_CONTEXT_LINES)
        .header(old.name, new.name)
        .to_string()
}

/// The versions beyond a cap, oldest last, given the newest first. The live one
/// is never among them, however old a rollback made it; it counts.
pub fn expired<T>(newest_first: &[T], cap: usize, is_live: impl Fn(&T) -> bool) -> Vec<&T> {
    let live = newest_first.iter().any(&is_live);
    let others = newest_first.iter().filter(|version| !is_live(version));
    others.skip(cap.saturating_sub(usize::from(live))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(old: &str, new: &str) -> String {
        let old = Named {
            name: "a",
            source: old,
        };
        diff(
            old,
            Named {
                name: "b",
                source: new,
            },
        )
    }

    #[test]
    fn a_diff_shows_lines_and_no_secrets() {
        assert_eq!(between("x\ny\n", "x\ny\n"), "");
        let expected = "--- a\n+++ b\n@@ -1,3 +1,3 @@\n // @token [REDACTED]\n-x\n+z\n y\n";
        assert_eq!(
            between("// @token A\nx\ny\n", "// @token A\nz\ny\n"),
            expected
        );
        assert_eq!(between("// @token A\nx", "// @token B\nx"), "");
        let expected = "--- a\n+++ b\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+y\n\\ No newline at end of file\n";
        assert_eq!(between("x", "y"), expected);
    }

    #[test]
    fn the_oldest_expire_and_never_the_live_one() {
        let versions = [5, 4, 3, 2, 1];
        let cases: [(usize, i32, &[i32]); 6] = [
            (9, 5, &[]),
            (5, 1, &[]),
            (3, 5, &[2, 1]),
            (3, 1, &[3, 2]),
            (1, 3, &[5, 4, 2, 1]),
            (0, 3, &[5, 4, 2, 1]),
        ];
        for (cap, live, expected) in cases {
            let expired: Vec<i32> = expired(&versions, cap, |version| *version == live)
                .into_iter()
                .copied()
                .collect();
            assert_eq!(expired, expected, "cap {cap}, live {live}");
        }
        assert_eq!(expired(&versions, 2, |_| false), [&3, &2, &1]);
    }
}
