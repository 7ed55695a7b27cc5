//! The names of a certificate, as an order takes them. It must not ask anybody
//! whether they exist.

use super::error::AcmeError;
use crate::model::host_name::{self, NameError};

/// How many names a certificate may have; authorities allow about as many.
pub const NAMES_MAX: usize = 100;

/// The normal form: lower-case ASCII without a final dot, each name once, in the
/// order in which they came. The first one is the domain.
pub fn normalise(names: &[String]) -> Result<Vec<String>, AcmeError> {
    let bad = |name: &str, reason| AcmeError::BadName {
        name: name.chars().take(80).collect(),
        reason,
    };
    if names.is_empty() {
        return Err(bad("", "there is no name"));
    }
    if names.len() > NAMES_MAX {
        return Err(bad("", "there are more than 100 names"));
    }
    let mut normal: Vec<String> = Vec::new();
    for name in names {
        let one = normalise_one(name).map_err(|reason| bad(name, reason))?;
        if !normal.contains(&one) {
            normal.push(one);
        }
    }
    Ok(normal)
}

/// Authorities take no `_` either, which other names on a network may have.
fn normalise_one(name: &str) -> Result<String, &'static str> {
    match host_name::normalise(name) {
        Ok(host) if !host.contains('_') => Ok(host),
        Err(NameError::TooWide(_)) => Err("it covers a whole top-level domain"),
        Err(NameError::Address(_)) if name.contains('[') || !name.contains(':') => {
            Err("it is an IP address")
        }
        Err(_) if name.contains(':') => Err("it is an IP address or has a port"),
        Ok(_) | Err(_) => Err("it is no host name"),
    }
}

/// Whether a certificate's names cover `name`; a wildcard stands for one label.
pub fn covers(names: &[String], name: &str) -> bool {
    names.iter().any(|one| host_name::covers(one, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_one_form() {
        let normal = |name: &str| normalise(&[name.to_owned()]);
        for (name, expected) in [
            ("Example.COM.", "example.com"),
            (" a.test ", "a.test"),
            ("*.a.test", "*.a.test"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(normal(name), Ok(vec![expected.to_owned()]), "{name}");
        }
        for bad in [
            "",
            ".",
            "a..b",
            "-a.test",
            "a_b.test",
            "*.com",
            "*",
            "a.*.test",
            "192.0.2.1",
            "::1",
            "a.test:443",
            "https://a.test",
            "a b",
            &"x".repeat(64),
        ] {
            assert!(normal(bad).is_err(), "{bad}");
        }
        let twice = ["a.test", "b.test", "A.test"].map(str::to_owned);
        assert_eq!(
            normalise(&twice),
            Ok(vec!["a.test".to_owned(), "b.test".to_owned()])
        );
        assert!(normalise(&[]).is_err());
    }

    #[test]
    fn a_wildcard_covers_one_label() {
        let names = ["*.a.test", "b.test"].map(str::to_owned);
        for (name, expected) in [
            ("x.a.test", true),
            ("*.a.test", true),
            ("a.test", false),
            ("x.y.a.test", false),
            ("b.test", true),
        ] {
            assert_eq!(covers(&names, name), expected, "{name}");
        }
    }
}
