//! Which headers a cross-origin request is answered with.
//!
//! Owns the decision for the `@cors*` directives, after the Fetch standard,
//! section 3.3. It must not touch requests or responses itself.
//!
//! Without a `@cors` line, and with `@cors none`, nothing is allowed: no header
//! is sent, and a browser keeps the answer from other origins. Headers that
//! such a script sets itself are left alone. A preflight is always answered
//! here and never by the script; it comes without credentials, so before any
//! `@token` is asked for.

use crate::exec::directives::value::http::is_token;
use crate::model::directives::{Cors, CorsPolicy};

/// The methods that are allowed unless `@cors-methods` names others.
const DEFAULT_METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// In a list of methods or headers: whatever the browser asks for.
const ANY: &str = "*";

/// What to do with the headers of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorsHeaders {
    /// To be set, in place of the script's own.
    pub set: Vec<(&'static str, String)>,
    /// To be added to `Vary`, since a cache must not give one origin the answer
    /// of another.
    pub vary: &'static [&'static str],
}

/// What a browser asks before a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preflight<'a> {
    pub origin: &'a str,
    /// `Access-Control-Request-Method`.
    pub method: &'a str,
    /// `Access-Control-Request-Headers`.
    pub headers: Option<&'a str>,
}

impl<'a> Preflight<'a> {
    /// Tells a preflight from an `OPTIONS` request that is the script's to
    /// answer, by the headers that only browsers send.
    pub fn of(
        method: &str,
        origin: Option<&'a str>,
        requested_method: Option<&'a str>,
        requested_headers: Option<&'a str>,
    ) -> Option<Preflight<'a>> {
        if method != "OPTIONS" {
            return None;
        }
        Some(Preflight {
            origin: origin?,
            method: requested_method?,
            headers: requested_headers,
        })
    }
}

/// The headers for the answer to a request itself. `origin` is its `Origin`.
pub fn for_response(cors: &Cors, origin: Option<&str>) -> CorsHeaders {
    let vary: &[&str] = if cors.policy == CorsPolicy::None {
        &[]
    } else {
        &["origin"]
    };
    let set = origin.map_or_else(Vec::new, |origin| allow_origin(cors, origin));
    CorsHeaders { set, vary }
}

/// The headers for the answer to a preflight, whose status is 204. What is not
/// allowed is left out, and the browser refuses.
pub fn for_preflight(cors: &Cors, preflight: Preflight<'_>) -> CorsHeaders {
    if cors.policy == CorsPolicy::None {
        return CorsHeaders::default();
    }
    let vary = &[
        "origin",
        "access-control-request-method",
        "access-control-request-headers",
    ];
    let mut set = allow_origin(cors, preflight.origin);
    if set.is_empty() {
        return CorsHeaders { set, vary };
    }
    set.push((
        "access-control-allow-methods",
        methods(cors, preflight.method),
    ));
    if let Some(headers) = headers(cors, preflight.headers) {
        set.push(("access-control-allow-headers", headers));
    }
    if let Some(seconds) = cors.max_age_seconds {
        set.push(("access-control-max-age", seconds.to_string()));
    }
    CorsHeaders { set, vary }
}

/// Names the origin if it is allowed. Never `*`, which credentials forbid.
fn allow_origin(cors: &Cors, origin: &str) -> Vec<(&'static str, String)> {
    let allowed = match &cors.policy {
        CorsPolicy::None => false,
        // It goes into a header, so it has to look like an origin or `null`.
        CorsPolicy::Reflective => {
            !origin.is_empty()
                && origin
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b',')
        }
        CorsPolicy::Origin(only) => origin.eq_ignore_ascii_case(only),
    };
    if !allowed {
        return Vec::new();
    }
    let mut set = vec![("access-control-allow-origin", origin.to_owned())];
    if cors.credentials {
        set.push(("access-control-allow-credentials", "true".to_owned()));
    }
    set
}

fn methods(cors: &Cors, requested: &str) -> String {
    match cors.methods.as_deref() {
        Some(methods) if !methods.iter().any(|method| method == ANY) => methods.join(", "),
        // Every method reaches a script, so one that is not usual does too.
        _ => {
            let unusual = is_token(requested) && !DEFAULT_METHODS.contains(&requested);
            DEFAULT_METHODS
                .into_iter()
                .chain(unusual.then_some(requested))
                .collect::<Vec<_>>()
                .join(", ")
        }
    }
}

fn headers(cors: &Cors, requested: Option<&str>) -> Option<String> {
    match cors.headers.as_deref() {
        Some(headers) if !headers.iter().any(|header| header == ANY) => Some(headers.join(", ")),
        _ => {
            let names = requested?
                .split(',')
                .map(str::trim)
                .filter(|name| is_token(name));
            let names: Vec<String> = names.map(str::to_ascii_lowercase).collect();
            (!names.is_empty()).then(|| names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::directives::parse;

    fn cors(lines: &str) -> Cors {
        let source: String = lines
            .lines()
            .map(|line| format!("// {}\n", line.trim()))
            .collect();
        let parsed = parse(&source);
        assert_eq!(parsed.warnings, [], "{lines}");
        parsed.directives.cors
    }

    /// `name: value` for each header that is set, without the common prefix.
    fn shown(headers: &CorsHeaders) -> Vec<String> {
        let name = |name: &str| name.strip_prefix("access-control-").unwrap().to_owned();
        headers
            .set
            .iter()
            .map(|(key, value)| format!("{}: {value}", name(key)))
            .collect()
    }

    #[test]
    fn an_answer_names_the_origin_that_may_read_it() {
        let me = Some("https://me.example");
        let cases: [(&str, Option<&str>, &[&str]); 10] = [
            ("", me, &[]),
            ("@cors none", me, &[]),
            (
                "@cors reflective",
                me,
                &["allow-origin: https://me.example"],
            ),
            ("@cors *", me, &["allow-origin: https://me.example"]),
            (
                "@cors *\n@cors-credentials true",
                me,
                &[
                    "allow-origin: https://me.example",
                    "allow-credentials: true",
                ],
            ),
            ("@cors *", None, &[]),
            ("@cors *", Some("null"), &["allow-origin: null"]),
            ("@cors *", Some("a, b"), &[]),
            (
                "@cors https://Me.example:443/",
                me,
                &["allow-origin: https://me.example"],
            ),
            (
                "@cors https://other.example\n@cors-credentials true",
                me,
                &[],
            ),
        ];
        for (lines, origin, expected) in cases {
            let cors = cors(lines);
            let headers = for_response(&cors, origin);
            assert_eq!(shown(&headers), expected, "{lines} {origin:?}");
            let vary: &[&str] = if cors.policy == CorsPolicy::None {
                &[]
            } else {
                &["origin"]
            };
            assert_eq!(headers.vary, vary, "{lines} {origin:?}");
        }
    }

    #[test]
    fn a_preflight_is_told_what_is_allowed() {
        let usual = "allow-methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
        let origin = "allow-origin: https://me.example";
        let cases: [(&str, &str, Option<&str>, &[&str]); 7] = [
            ("", "PUT", Some("x-a"), &[]),
            ("@cors https://other.example", "PUT", Some("x-a"), &[]),
            (
                "@cors *",
                "PUT",
                Some("X-A,x-b , bad name"),
                &[origin, usual, "allow-headers: x-a, x-b"],
            ),
            (
                "@cors *",
                "PURGE",
                None,
                &[origin, &format!("{usual}, PURGE")],
            ),
            ("@cors *", "bad method", Some("bad name"), &[origin, usual]),
            (
                "@cors *\n@cors-methods get, put\n@cors-headers X-A\n@cors-max-age 600",
                "DELETE",
                Some("x-other"),
                &[
                    origin,
                    "allow-methods: GET, PUT",
                    "allow-headers: x-a",
                    "max-age: 600",
                ],
            ),
            (
                "@cors https://me.example\n@cors-credentials true\n@cors-methods *\n@cors-headers *",
                "GET",
                Some("x-b"),
                &[
                    origin,
                    "allow-credentials: true",
                    usual,
                    "allow-headers: x-b",
                ],
            ),
        ];
        for (lines, method, headers, expected) in cases {
            let preflight = Preflight {
                origin: "https://me.example",
                method,
                headers,
            };
            assert_eq!(
                shown(&for_preflight(&cors(lines), preflight)),
                expected,
                "{lines} {method}"
            );
        }
    }

    #[test]
    fn only_browsers_send_preflights() {
        let preflight = Preflight {
            origin: "https://a",
            method: "PUT",
            headers: None,
        };
        assert_eq!(
            Preflight::of("OPTIONS", Some("https://a"), Some("PUT"), None),
            Some(preflight)
        );
        assert_eq!(Preflight::of("OPTIONS", None, Some("PUT"), None), None);
        assert_eq!(
            Preflight::of("OPTIONS", Some("https://a"), None, None),
            None
        );
        assert_eq!(
            Preflight::of("GET", Some("https://a"), Some("PUT"), None),
            None
        );
    }
}
