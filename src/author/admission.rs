//! Which misses may become routes at all. Pure: paths and settings in, a verdict
//! out. It must not count; that is `budget`'s.

use http::Method;

/// What may be written by calling it.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Names of methods; none for all.
    pub methods: Vec<String>,
    /// Paths below which routes are made; none for all.
    pub prefixes: Vec<String>,
    /// Paths that only scanners ask for: a name matches at any depth, one that ends
    /// with `*` what starts like it. Compared without regard to case.
    pub scanner_paths: Vec<String>,
}

/// One segment, in bytes.
const SEGMENT_BYTES_MAX: usize = 64;
const SEGMENTS_MAX: usize = 16;

/// Names that mean something else as a file.
const RESERVED: &[&str] = &["index", "pre", "post"];
/// What the server answers itself, now or later.
const OWN: &[&str] = &["api/v1/", "scripts/"];
/// Endings of files that no handler has.
const EXTENSIONS: &[&str] = &[".ts", ".js", ".md", ".json", ".env"];

impl Admission {
    /// Whether a call of this path, still percent-encoded, may make a route. The
    /// path must be its own plain file name: what would be saved under another
    /// name than it is asked for would be made again and again.
    pub fn allows(&self, method: &Method, path: &str) -> bool {
        let named = |known: &String| known.eq_ignore_ascii_case(method.as_str());
        let below = |prefix: &String| {
            let prefix = prefix.trim_end_matches('/');
            path.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        (self.methods.is_empty() || self.methods.iter().any(named))
            && (self.prefixes.is_empty() || self.prefixes.iter().any(below))
            && is_plain(path)
            && !self.is_scanned(path)
    }

    fn is_scanned(&self, path: &str) -> bool {
        let path = path.to_ascii_lowercase();
        self.scanner_paths.iter().any(|known| {
            let known = known.to_ascii_lowercase();
            match known.strip_suffix('*') {
                Some(start) => path
                    .match_indices(start)
                    .any(|(at, _)| start.starts_with('/') || at == 0),
                None => path.ends_with(&known),
            }
        })
    }
}

/// Whether a path is made of names that are the same as a file's, in every file
/// system: ASCII letters, digits, `-`, `_`, `.` and `~`.
fn is_plain(path: &str) -> bool {
    let Some(relative) = path.strip_prefix('/') else {
        return false;
    };
    let relative = relative.strip_suffix('/').unwrap_or(relative);
    let lower = relative.to_ascii_lowercase();
    if OWN.iter().any(|own| format!("{lower}/").starts_with(own)) {
        return false;
    }
    relative.split('/').count() <= SEGMENTS_MAX && relative.split('/').all(is_plain_segment)
}

fn is_plain_segment(segment: &str) -> bool {
    let lower = segment.to_ascii_lowercase();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    !segment.is_empty()
        && segment.len() <= SEGMENT_BYTES_MAX
        && segment.bytes().all(plain)
        && !segment.starts_with(['.', '_'])
        && !segment.ends_with('.')
        && !RESERVED.contains(&lower.split('.').next().unwrap_or_default())
        && !EXTENSIONS.iter().any(|ending| lower.ends_with(ending))
        && !["test", "spec"]
            .iter()
            .any(|ending| lower.ends_with(&format!(".{ending}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn admission() -> Admission {
        Admission {
            methods: Vec::new(),
            prefixes: Vec::new(),
            scanner_paths: Config::default().author.scanner_paths,
        }
    }

    #[test]
    fn plain_paths_become_routes_and_odd_ones_do_not() {
        let allows = |path: &str| admission().allows(&Method::GET, path);
        for path in [
            "/api/weather",
            "/api/a/b-c_d~1",
            "/x.y",
            "/api/v2/exec",
            "/api/weather/",
        ] {
            assert!(allows(path), "{path}");
        }
        let long = format!("/{}", "x".repeat(65));
        let deep = "/a".repeat(17);
        for path in [
            "/",
            "//",
            "/a//b",
            "/a%2Fb",
            "/a%20b",
            "/..",
            "/a/../b",
            "/.hidden",
            "/_lib/x",
            "/a.",
            "/caf\u{e9}",
            "/\u{430}pi",
            "/[id]",
            "/a:b",
            "/index",
            "/api/INDEX",
            "/api/pre",
            "/api/v1",
            "/api/v1/exec/nope",
            "/API/V1/x",
            "/scripts/x",
            "/x.ts",
            "/x.d.ts",
            "/x.test",
            "/a\\b",
            "/%00",
            "no-slash",
            long.as_str(),
            deep.as_str(),
        ] {
            assert!(!allows(path), "{path}");
        }
    }

    #[test]
    fn scanners_learn_nothing() {
        for path in [
            "/.env",
            "/wp-login.php",
            "/blog/wp-login.php",
            "/WP-LOGIN.PHP",
            "/.git/config",
            "/xmlrpc.php",
            "/wp-admin/setup.php",
            "/phpmyadmin/index",
            "/cgi-bin/x",
            "/actuator/health",
        ] {
            assert!(!admission().allows(&Method::GET, path), "{path}");
        }
        assert!(admission().allows(&Method::GET, "/api/login"));
    }

    #[test]
    fn methods_and_prefixes_narrow_it() {
        let narrow = Admission {
            methods: vec!["get".to_owned()],
            prefixes: vec!["/api/made/".to_owned()],
            scanner_paths: Vec::new(),
        };
        assert!(narrow.allows(&Method::GET, "/api/made/x"));
        assert!(!narrow.allows(&Method::POST, "/api/made/x"));
        assert!(!narrow.allows(&Method::GET, "/api/madeup"));
        assert!(!narrow.allows(&Method::GET, "/other"));
    }
}
