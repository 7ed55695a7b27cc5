//! What a request to an alias shows to be let in, and what of it nobody behind the
//! alias may see. It must not decide who is let in.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use chrono::Utc;
use http::{HeaderMap, Request, header};

use crate::auth::{self, SECRET_PREFIX, TOKEN_HEADER, TOKEN_PARAMETER};
use crate::proxy::alias::Alias;
use crate::proxy::aliases::Aliases;
use crate::proxy::forward::StillOpen;
use crate::proxy::permission::{Admission, Permissions, TokenPlace};

/// An alias with all documents that say who may use it.
#[derive(Clone, Copy)]
pub struct Papers<'a> {
    pub above: &'a [Arc<Permissions>],
    pub alias: &'a Alias,
}

impl<'a> Papers<'a> {
    pub fn all(self) -> impl Iterator<Item = &'a Permissions> {
        let above = self.above.iter().map(Arc::as_ref);
        above.chain([&self.alias.permissions])
    }

    pub fn secrets(self) -> impl Iterator<Item = (TokenPlace, &'a str)> {
        self.all().flat_map(Permissions::secrets)
    }
}

/// Whether a request brings along anything that the alias's groups ask for: who
/// brings nothing does not guess.
pub fn presents_any<'a>(
    request: &Request<Body>,
    mut secrets: impl Iterator<Item = (TokenPlace, &'a str)>,
) -> bool {
    let headers = request.headers();
    let query = request.uri().query().unwrap_or_default();
    let is_shown = |(place, name): (TokenPlace, &str)| match place {
        TokenPlace::Header => headers.contains_key(name),
        TokenPlace::Param => parameters(query).any(|(known, _)| known == name),
        TokenPlace::Cookie => has_cookie(headers, name),
    };
    secrets.any(is_shown)
}

/// Whether a request would still be let in: so a secret that was replaced ends what
/// streams, and the tunnels, that began with it.
pub fn still_open(
    aliases: &Aliases,
    request: &Request<Body>,
    papers: Papers<'_>,
    client: IpAddr,
) -> StillOpen {
    // Where no group asks for anything, nothing need be kept for another time.
    let asks = papers
        .all()
        .any(|permissions| !permissions.groups.is_empty());
    let (headers, query) = match asks {
        true => (request.headers().clone(), request.uri().query()),
        false => (HeaderMap::new(), None),
    };
    let query = query.map(str::to_owned);
    let (aliases, id) = (aliases.clone(), papers.alias.id.clone());
    Arc::new(move || {
        let now = Utc::now();
        aliases.get(&id).is_ok_and(|alias| {
            let above = aliases.documents().above(&alias);
            let papers = Papers {
                above: &above,
                alias: &alias,
            };
            let is_admitted = papers.all().all(|permissions| {
                let admission = permissions.admit(&headers, query.as_deref(), client, now);
                matches!(admission, Admission::Admitted { .. })
            });
            alias.is_on(now) && is_admitted
        })
    })
}

fn has_cookie(headers: &HeaderMap, name: &str) -> bool {
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    pairs.any(|pair| pair.trim().split('=').next() == Some(name))
}

fn parameters(query: &str) -> impl Iterator<Item = (String, String)> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.map(|(name, value)| (name.into_owned(), value.into_owned()))
}

/// Whether this part of a query is a management token.
pub fn is_ours(pair: &str) -> bool {
    parameters(pair)
        .any(|(name, value)| name == TOKEN_PARAMETER && value.starts_with(SECRET_PREFIX))
}

/// A management token that came along by habit is not an upstream's.
pub fn without_ours(mut request: Request<Body>) -> Request<Body> {
    let presented = auth::presented(request.headers(), None);
    if presented
        .iter()
        .any(|one| one.token.starts_with(SECRET_PREFIX))
    {
        request.headers_mut().remove(header::AUTHORIZATION);
        request.headers_mut().remove(TOKEN_HEADER);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_management_token_is_known_by_its_look() {
        for (pair, expected) in [
            ("token=fp_abc", true),
            ("%74oken=fp%5Fabc", true),
            ("token=voucher", false),
            ("other=fp_abc", false),
            ("token", false),
        ] {
            assert_eq!(is_ours(pair), expected, "{pair}");
        }
        let request = |name: &str, value: &str| {
            let request = Request::builder().header(name, value);
            without_ours(request.body(Body::empty()).unwrap())
        };
        assert!(
            request("authorization", "Bearer fp_abc")
                .headers()
                .is_empty()
        );
        assert!(request("x-token", "fp_abc").headers().is_empty());
        assert!(
            !request("authorization", "Bearer theirs")
                .headers()
                .is_empty()
        );
    }

    #[test]
    fn cookies_are_found_by_name() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "a=1; door=2".parse().unwrap());
        assert!(has_cookie(&headers, "door") && !has_cookie(&headers, "doo"));
    }
}
