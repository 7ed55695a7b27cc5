//! The names of a certificate, as an order takes them. It must not ask anybody
//! whether they exist.

use super::error::AcmeError;

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

fn normalise_one(name: &str) -> Result<String, &'static str> {
    let (prefix, host) = match name.trim().strip_prefix("*.") {
        Some(host) => ("*.", host),
        None => ("", name.trim()),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let host = match url::Host::parse(host) {
        Ok(url::Host::Domain(host)) => host,
        Ok(_) => return Err("it is an IP address"),
        Err(_) if host.contains(':') => return Err("it is an IP address or has a port"),
        Err(_) => return Err("it is no host name"),
    };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() > 253 || !host.split('.').all(is_label) {
        return Err("it is no host name");
    }
    if !prefix.is_empty() && !host.contains('.') {
        return Err("it covers a whole top-level domain");
    }
    Ok(format!("{prefix}{host}"))
}

/// Whether a certificate's names cover `name`; a wildcard stands for one label.
pub fn covers(names: &[String], name: &str) -> bool {
    let parent = name.split_once('.').map(|(_, parent)| parent);
    names.iter().any(|one| {
        one == name
            || one
                .strip_prefix("*.")
                .is_some_and(|rest| Some(rest) == parent)
    })
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
