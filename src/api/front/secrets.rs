//! What a request to an alias shows to be let in, and what of it nobody behind the
//! alias may see. It must not decide who is let in.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use chrono::Utc;
use http::{HeaderMap, HeaderValue, Request, header};

use crate::auth::{self, SECRET_PREFIX, TOKEN_HEADER, TOKEN_PARAMETER, Tokens};
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
                let admission =
                    permissions.admit(&headers, query.as_deref(), client, alias.program(), now);
                matches!(admission, Admission::Admitted { .. })
            });
            alias.is_on(now) && is_admitted
        })
    })
}

/// Takes a cookie out; the others stay as they were sent.
pub fn remove_cookie(headers: &mut HeaderMap, name: &str) {
    if !has_cookie(headers, name) {
        return;
    }
    let is_other = |pair: &&str| pair.trim().split('=').next() != Some(name);
    let without = |value: &HeaderValue| match value.to_str() {
        Ok(text) => {
            let left: Vec<&str> = text.split(';').map(str::trim).filter(is_other).collect();
            left.join("; ").try_into().ok()
        }
        Err(_) => Some(value.clone()),
    };
    let all = headers.get_all(header::COOKIE).iter();
    let left: Vec<HeaderValue> = all.filter_map(without).collect();
    headers.remove(header::COOKIE);
    for value in left.into_iter().filter(|value| !value.is_empty()) {
        headers.append(header::COOKIE, value);
    }
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
pub fn is_ours(pair: &str, tokens: &Tokens) -> bool {
    let mut parameters = parameters(pair);
    parameters.any(|(name, value)| name == TOKEN_PARAMETER && is_management(&value, tokens))
}

/// By its look, or because it is one: that of the configuration may look like anything.
fn is_management(text: &str, tokens: &Tokens) -> bool {
    text.starts_with(SECRET_PREFIX) || tokens.authenticate(text, Utc::now()).is_some()
}

/// A management token that came along by habit is not an upstream's.
pub fn without_ours(mut request: Request<Body>, tokens: &Tokens) -> Request<Body> {
    let presented = auth::presented(request.headers(), None);
    if presented
        .iter()
        .any(|one| is_management(&one.token, tokens))
    {
        request.headers_mut().remove(header::AUTHORIZATION);
        request.headers_mut().remove(TOKEN_HEADER);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn a_management_token_is_known_by_its_look_or_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(Store::open(dir.path()).unwrap()).unwrap();
        let of_configuration = Some("chosen-by-the-operator");
        tokens
            .ensure_root(of_configuration, Utc::now())
            .await
            .unwrap();
        for (pair, expected) in [
            ("token=fp_abc", true),
            ("%74oken=fp%5Fabc", true),
            ("token=voucher", false),
            ("token=chosen-by-the-operator", true),
            ("other=fp_abc", false),
            ("token", false),
        ] {
            assert_eq!(is_ours(pair, &tokens), expected, "{pair}");
        }
        let request = |name: &str, value: &str| {
            let request = Request::builder().header(name, value);
            without_ours(request.body(Body::empty()).unwrap(), &tokens)
        };
        assert!(
            request("authorization", "Bearer fp_abc")
                .headers()
                .is_empty()
        );
        assert!(request("x-token", "fp_abc").headers().is_empty());
        let chosen = request("x-token", "chosen-by-the-operator");
        assert!(chosen.headers().is_empty());
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
        remove_cookie(&mut headers, "door");
        assert_eq!(headers[header::COOKIE], "a=1");
        remove_cookie(&mut headers, "a");
        assert!(headers.is_empty());
    }
}
