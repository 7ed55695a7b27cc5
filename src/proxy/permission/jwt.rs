//! Groups whose members show a signed token (RFC 7519). Which algorithm signs is
//! the group's word, never the token's. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{PermissionError, TokenPlace, bearer, cookies};

/// Clocks of others may differ so much, in seconds.
const LEEWAY_SECONDS: f64 = 30.0;
/// A key, as PEM or as it is.
const SECRET_BYTES_MAX: usize = 16 << 10;
const SOURCES_MAX: usize = 8;
/// Browsers and proxies do not send longer ones.
const TOKEN_BYTES_MAX: usize = 16 << 10;

/// What a token must be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwt {
    /// The shared secret for HS256, else a public key in PEM.
    pub secret: String,
    pub algorithm: Signature,
    /// Where tokens come, such as `header:authorization` or `cookie:session`.
    pub sources: Vec<Source>,
    /// What claims must be; where the token has a list, one of it.
    #[serde(default)]
    pub claims: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signature {
    HS256,
    RS256,
    ES256,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Header(String),
    Cookie(String),
}

impl Jwt {
    /// From the contract's `{ secret, algorithm, sources, claims }`.
    pub fn new(
        secret: String,
        algorithm: &str,
        sources: &[String],
        claims: BTreeMap<String, Value>,
    ) -> Result<Self, PermissionError> {
        let bad = |reason| PermissionError::BadJwt { reason };
        let algorithm = match algorithm {
            "HS256" => Signature::HS256,
            "RS256" => Signature::RS256,
            "ES256" => Signature::ES256,
            _ => return Err(bad("its `algorithm` is none of HS256, RS256 and ES256")),
        };
        if secret.is_empty() || secret.len() > SECRET_BYTES_MAX {
            return Err(bad("its `secret` is empty or too long"));
        }
        if !(1..=SOURCES_MAX).contains(&sources.len()) {
            return Err(bad("it has no `sources`, or too many"));
        }
        let sources = sources.iter().map(|text| Source::parse(text));
        let sources = sources.collect::<Option<Vec<Source>>>();
        let jwt = Self {
            secret,
            algorithm,
            sources: sources
                .ok_or_else(|| bad("a source is not `header:NAME` or `cookie:NAME`"))?,
            claims,
        };
        match jwt.key() {
            Some(_) => Ok(jwt),
            None => Err(bad(
                "its `secret` is no public key in PEM of that algorithm",
            )),
        }
    }

    /// Whether a request shows a token that holds now.
    pub fn holds(&self, headers: &HeaderMap, now: DateTime<Utc>) -> bool {
        let Some(key) = self.key() else {
            return false;
        };
        let mut tokens = self
            .sources
            .iter()
            .flat_map(|source| source.tokens(headers));
        tokens.any(|token| self.accepts(token, &key, now))
    }

    fn accepts(&self, token: &str, key: &DecodingKey, now: DateTime<Utc>) -> bool {
        if token.len() > TOKEN_BYTES_MAX {
            return false;
        }
        let mut signature = Validation::new(match self.algorithm {
            Signature::HS256 => Algorithm::HS256,
            Signature::RS256 => Algorithm::RS256,
            Signature::ES256 => Algorithm::ES256,
        });
        // Dates are looked at below, by the clock that we are given.
        signature.required_spec_claims.clear();
        signature.validate_exp = false;
        signature.validate_aud = false;
        let Ok(decoded) = jsonwebtoken::decode::<Map<String, Value>>(token, key, &signature) else {
            return false;
        };
        let claims = &decoded.claims;
        is_in_time(claims, now)
            && self
                .claims
                .iter()
                .all(|(name, wanted)| is(claims.get(name), wanted))
    }

    fn key(&self) -> Option<DecodingKey> {
        let secret = self.secret.as_bytes();
        match self.algorithm {
            Signature::HS256 => Some(DecodingKey::from_secret(secret)),
            Signature::RS256 => DecodingKey::from_rsa_pem(secret).ok(),
            Signature::ES256 => DecodingKey::from_ec_pem(secret).ok(),
        }
    }
}

impl Source {
    fn parse(text: &str) -> Option<Self> {
        let (place, name) = text.split_once(':')?;
        let header: HeaderName = name.trim().parse().ok()?;
        match place {
            "header" => Some(Self::Header(header.as_str().to_owned())),
            // Unlike those of headers, these names differ by case.
            "cookie" => Some(Self::Cookie(name.trim().to_owned())),
            _ => None,
        }
    }

    fn tokens<'a>(&'a self, headers: &'a HeaderMap) -> Vec<&'a str> {
        match self {
            Self::Header(name) => {
                let values = headers
                    .get_all(name)
                    .iter()
                    .filter_map(|value| value.to_str().ok());
                values.map(|value| bearer(value).unwrap_or(value)).collect()
            }
            Self::Cookie(name) => {
                let named = cookies(headers).filter(|(known, _)| known == name);
                named.map(|(_, value)| value).collect()
            }
        }
    }

    /// What nobody behind the proxy needs to see.
    pub fn place(&self) -> (TokenPlace, &str) {
        match self {
            Self::Header(name) => (TokenPlace::Header, name),
            Self::Cookie(name) => (TokenPlace::Cookie, name),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header(name) => write!(formatter, "header:{name}"),
            Self::Cookie(name) => write!(formatter, "cookie:{name}"),
        }
    }
}

/// `exp` and `nbf` (RFC 7519, sections 4.1.4 and 4.1.5), where they are. One that
/// is no number is no date, and nothing that a signer meant.
fn is_in_time(claims: &Map<String, Value>, now: DateTime<Utc>) -> bool {
    let now = now.timestamp_millis() as f64 / 1000.0;
    let holds = |name: &str, holds: fn(f64, f64) -> bool| {
        claims
            .get(name)
            .is_none_or(|value| value.as_f64().is_some_and(|date| holds(date, now)))
    };
    holds("exp", |date, now| now < date + LEEWAY_SECONDS)
        && holds("nbf", |date, now| now + LEEWAY_SECONDS >= date)
}

fn is(found: Option<&Value>, wanted: &Value) -> bool {
    match found {
        Some(Value::Array(list)) => list.contains(wanted) || found == Some(wanted),
        found => found == Some(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    fn jwt(secret: &str, algorithm: &str, claims: Value) -> Jwt {
        let sources = [
            "header:Authorization".to_owned(),
            "cookie:Session".to_owned(),
        ];
        let claims = serde_json::from_value(claims).unwrap();
        Jwt::new(secret.to_owned(), algorithm, &sources, claims).unwrap()
    }

    fn holds(jwt: &Jwt, name: &'static str, value: &str) -> bool {
        let headers =
            HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())]);
        jwt.holds(&headers, DateTime::from_timestamp(NOW, 0).unwrap())
    }

    fn signed(algorithm: Algorithm, key: &EncodingKey, claims: Value) -> String {
        encode(&Header::new(algorithm), &claims, key).unwrap()
    }

    #[test]
    fn a_token_is_believed_by_signature_dates_and_claims() {
        let group = jwt("s3cret", "HS256", json!({ "aud": "app", "role": "admin" }));
        let key = EncodingKey::from_secret(b"s3cret");
        let good = json!({ "aud": ["app", "b"], "role": "admin" });
        let with = |extra: Value| {
            let mut claims = good.clone();
            claims
                .as_object_mut()
                .unwrap()
                .extend(extra.as_object().unwrap().clone());
            claims
        };
        let cases = [
            (with(json!({})), true),
            (with(json!({ "exp": NOW + 1, "nbf": NOW - 1 })), true),
            (with(json!({ "exp": NOW - 60 })), false),
            (with(json!({ "nbf": NOW + 60 })), false),
            (with(json!({ "exp": "tomorrow" })), false),
            (with(json!({ "role": "guest" })), false),
            (with(json!({ "aud": "other" })), false),
            (json!({ "role": "admin" }), false),
        ];
        for (claims, expected) in cases {
            let token = signed(Algorithm::HS256, &key, claims.clone());
            assert_eq!(
                holds(&group, "authorization", &format!("Bearer {token}")),
                expected,
                "{claims}"
            );
            assert_eq!(
                holds(&group, "cookie", &format!("a=b; Session={token}")),
                expected,
                "{claims}"
            );
            assert!(!holds(&group, "x-other", &token));
        }
        let forged = signed(
            Algorithm::HS256,
            &EncodingKey::from_secret(b"other"),
            good.clone(),
        );
        let stronger = signed(Algorithm::HS512, &key, good.clone());
        // {"alg":"none"}
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", forged.split('.').nth(1).unwrap());
        for token in [forged.as_str(), &stronger, &unsigned, "", "a.b.c", "a"] {
            assert!(!holds(&group, "authorization", token), "{token}");
        }
    }

    #[test]
    fn public_keys_check_and_are_no_shared_secrets() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let public = pair.public_key_pem();
        let group = jwt(&public, "ES256", json!({}));
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        assert!(holds(
            &group,
            "authorization",
            &signed(Algorithm::ES256, &key, json!({}))
        ));
        // The public key taken for an HMAC secret (RFC 8725, section 2.1).
        let confused = EncodingKey::from_secret(public.as_bytes());
        assert!(!holds(
            &group,
            "authorization",
            &signed(Algorithm::HS256, &confused, json!({}))
        ));
    }

    #[test]
    fn what_is_no_such_group_is_refused() {
        let source = |text: &str| vec![text.to_owned()];
        let cases = [
            ("", "HS256", source("header:a")),
            ("s", "none", source("header:a")),
            ("s", "RS256", source("header:a")),
            ("s", "ES256", source("header:a")),
            ("s", "HS256", source("param:a")),
            ("s", "HS256", source("header:a b")),
            ("s", "HS256", source("a")),
            ("s", "HS256", Vec::new()),
        ];
        for (secret, algorithm, sources) in cases {
            let found = Jwt::new(secret.to_owned(), algorithm, &sources, BTreeMap::new());
            assert!(found.is_err(), "{secret} {algorithm} {sources:?}");
        }
    }
}
