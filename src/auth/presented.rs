//! Finding the tokens that a request presents, and keeping them out of logs.
//!
//! A token may come as `Authorization: Bearer` (RFC 6750), in `X-Token`, as the
//! password of `Authorization: Basic` (RFC 7617) or as `?token=`. This file must
//! not know which tokens are good.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, header::AUTHORIZATION};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The header of ours that carries a token.
pub const TOKEN_HEADER: &str = "x-token";
/// The parameter of a URL that carries a token.
pub const TOKEN_PARAMETER: &str = "token";
/// How many `@token` lines of a script count.
pub const SCRIPT_TOKENS_MAX: usize = 16;

/// A token that came with a request. Its text is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented {
    pub token: String,
    /// A URL ends up in histories and in other people's logs: the answer to a
    /// request whose token came this way must not be cached or send a referrer.
    pub from_url: bool,
}

impl fmt::Debug for Presented {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from_url = &self.from_url;
        formatter
            .debug_struct("Presented")
            .field("from_url", from_url)
            .finish_non_exhaustive()
    }
}

/// All tokens of a request, at most one per way, the header `Authorization`
/// first and the URL last. Any one that is good lets the request in.
pub fn presented(headers: &HeaderMap, query: Option<&str>) -> Vec<Presented> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let authorization = header(AUTHORIZATION.as_str()).and_then(from_authorization);
    let token_header = header(TOKEN_HEADER).map(|token| token.trim().to_owned());
    let in_headers = authorization
        .into_iter()
        .chain(token_header)
        .map(|token| Presented {
            token,
            from_url: false,
        });
    let in_url = query.and_then(from_query).map(|token| Presented {
        token,
        from_url: true,
    });
    in_headers
        .chain(in_url)
        .filter(|presented| !presented.token.is_empty())
        .collect()
}

fn from_authorization(value: &str) -> Option<String> {
    let (scheme, credentials) = value.trim().split_once(' ')?;
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(credentials).ok()?).ok()?;
    let (_user, password) = decoded.split_once(':')?;
    Some(password.to_owned())
}

fn from_query(query: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let (_, token) = pairs.find(|(name, _)| name == TOKEN_PARAMETER)?;
    Some(token.into_owned())
}

/// The query as it may be logged: the value of every `token` is hidden, the
/// rest stays as it was sent.
pub fn without_tokens(query: &str) -> String {
    let pairs: Vec<&str> = query
        .split('&')
        .map(|pair| {
            let mut parsed = url::form_urlencoded::parse(pair.as_bytes());
            match parsed.next() {
                Some((name, _)) if name == TOKEN_PARAMETER => "token=[hidden]",
                _ => pair,
            }
        })
        .collect();
    pairs.join("&")
}

/// The query without its tokens, for whoever must not see them; the rest stays
/// as it was sent.
pub fn strip_tokens(query: &str) -> String {
    let is_token = |pair: &&str| {
        let mut parsed = url::form_urlencoded::parse(pair.as_bytes());
        parsed
            .next()
            .is_some_and(|(name, _)| name == TOKEN_PARAMETER)
    };
    let pairs: Vec<&str> = query.split('&').filter(|pair| !is_token(pair)).collect();
    pairs.join("&")
}

/// Whether `presented` is one of a script's `@token` texts. The time taken does
/// not depend on which one, nor on how much of it is right.
pub fn matches_any(accepted: &[String], presented: &str) -> bool {
    let presented = Sha256::digest(presented);
    let mut found = Choice::from(0);
    for token in accepted.iter().take(SCRIPT_TOKENS_MAX) {
        found |= Sha256::digest(token).ct_eq(&presented);
    }
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn tokens(headers: &[(&'static str, &str)], query: Option<&str>) -> Vec<(String, bool)> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (
                    (*name).parse().unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect();
        presented(&headers, query)
            .into_iter()
            .map(|presented| (presented.token, presented.from_url))
            .collect()
    }

    #[test]
    fn every_way_is_found() {
        let basic = format!("Basic {}", BASE64_STANDARD.encode("user:pa:ss"));
        let cases: [(&str, &str, &str); 6] = [
            ("authorization", "Bearer abc", "abc"),
            ("authorization", "bEARER   abc ", "abc"),
            ("authorization", &basic, "pa:ss"),
            ("x-token", "abc", "abc"),
            ("x-token", " abc ", "abc"),
            ("authorization", "Basic OmFiYw==", "abc"),
        ];
        for (name, value, expected) in cases {
            assert_eq!(
                tokens(&[(name, value)], None),
                [(expected.to_owned(), false)],
                "{value}"
            );
        }
        for query in ["token=a%2Bb", "x=1&token=a%2Bb&token=c", "%74oken=a%2Bb"] {
            assert_eq!(
                tokens(&[], Some(query)),
                [("a+b".to_owned(), true)],
                "{query}"
            );
        }
    }

    #[test]
    fn several_ways_come_in_order() {
        let found = tokens(
            &[("x-token", "b"), ("authorization", "Bearer a")],
            Some("token=c"),
        );
        let expected = [("a", false), ("b", false), ("c", true)];
        assert_eq!(
            found,
            expected.map(|(token, from_url)| (token.to_owned(), from_url))
        );
    }

    #[test]
    fn what_is_no_token_is_ignored() {
        let headers = [
            ("authorization", "Bearer"),
            ("authorization", "Bearer "),
            ("authorization", "Digest abc"),
            ("authorization", "Basic !!!"),
            ("authorization", "Basic YWJj"),
            ("x-token", ""),
        ];
        for header in headers {
            assert_eq!(tokens(&[header], None), [], "{header:?}");
        }
        for query in ["", "token", "token=", "tokens=a", "a=token", "Token=a"] {
            assert_eq!(tokens(&[], Some(query)), [], "{query}");
        }
    }

    #[test]
    fn a_logged_query_has_no_token() {
        let cases = [
            ("a=1&token=s3cret&b=%20", "a=1&token=[hidden]&b=%20"),
            ("%74%6Fken=s3cret", "token=[hidden]"),
            ("token=s3cret&token=s3cret", "token=[hidden]&token=[hidden]"),
            ("tok=1&&", "tok=1&&"),
        ];
        for (query, expected) in cases {
            assert_eq!(without_tokens(query), expected);
            assert!(!strip_tokens(query).contains("s3cret"), "{query}");
        }
        assert_eq!(strip_tokens("a=1&%74oken=x&b=%20&tok&"), "a=1&b=%20&tok&");
        let headers =
            HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"))]);
        assert!(!format!("{:?}", presented(&headers, None)).contains("s3cret"));
    }

    #[test]
    fn any_of_a_scripts_tokens_matches_whole() {
        let accepted: Vec<String> = (0..20).map(|index| format!("token{index}")).collect();
        assert!(matches_any(&accepted, "token0"));
        assert!(matches_any(&accepted, "token15"));
        assert!(
            !matches_any(&accepted, "token16"),
            "beyond the most that count"
        );
        for wrong in ["", "token", "token00", "TOKEN0"] {
            assert!(!matches_any(&accepted, wrong), "{wrong}");
        }
        assert!(!matches_any(&[], ""));
    }
}
