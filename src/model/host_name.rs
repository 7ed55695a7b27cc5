//! Host names as certificates and SNI know them: lower-case ASCII without a
//! final dot, perhaps with `*` as the first label.

use thiserror::Error;

/// The longest name in its text form (RFC 1035, section 2.3.4).
const NAME_CHARS_MAX: usize = 253;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    #[error("`{0}` is no host name")]
    Malformed(String),
    /// SNI carries no addresses (RFC 6066, section 3).
    #[error(
        "`{0}` is an IP address: certificates are chosen by name, and clients send no name for an address"
    )]
    Address(String),
    #[error(
        "`{0}` covers a whole top-level domain; name at least one more label, such as `*.example.com`"
    )]
    TooWide(String),
}

/// The normal form of a name; international names become their ASCII form.
pub fn normalise(name: &str) -> Result<String, NameError> {
    let shown = || name.chars().take(80).collect::<String>();
    let malformed = || NameError::Malformed(shown());
    let (wildcard, host) = match name.trim().strip_prefix("*.") {
        Some(rest) => (true, rest),
        None => (false, name.trim()),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let host = match url::Host::parse(host) {
        Ok(url::Host::Domain(host)) => host,
        Ok(url::Host::Ipv4(_) | url::Host::Ipv6(_)) => return Err(NameError::Address(shown())),
        // Without brackets, an IPv6 address is no host of a URL.
        Err(_) if host.parse::<std::net::IpAddr>().is_ok() => {
            return Err(NameError::Address(shown()));
        }
        Err(_) => return Err(malformed()),
    };
    let is_label = |label: &str| {
        let is_fine =
            |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "-_".contains(char);
        (1..=63).contains(&label.len())
            && label.chars().all(is_fine)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() > NAME_CHARS_MAX || !host.split('.').all(is_label) {
        return Err(malformed());
    }
    match wildcard {
        true if !host.contains('.') => Err(NameError::TooWide(shown())),
        true => Ok(format!("*.{host}")),
        false => Ok(host),
    }
}

/// Whether a name of a certificate covers `name` (RFC 6125, section 6.4.3): `*`
/// stands for exactly one label. Both are in normal form.
pub fn covers(pattern: &str, name: &str) -> bool {
    pattern == name
        || match (pattern.strip_prefix("*."), name.split_once('.')) {
            (Some(rest), Some((label, tail))) => label != "*" && rest == tail,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_form() {
        let long = format!("{}.example", "a".repeat(63));
        let cases = [
            ("example.com", Some("example.com")),
            ("EXAMPLE.Com.", Some("example.com")),
            ("*.Example.com", Some("*.example.com")),
            ("bücher.example", Some("xn--bcher-kva.example")),
            ("localhost", Some("localhost")),
            ("_acme.example", Some("_acme.example")),
            (&long, Some(&*long)),
            ("*.com", None),
            ("*.com.", None),
            ("*", None),
            ("a.*.com", None),
            ("*.*.com", None),
            ("", None),
            (".", None),
            ("a..b", None),
            ("a.b..", None),
            ("-a.b", None),
            ("a b", None),
            ("a/b", None),
            ("a:80", None),
            ("127.0.0.1", None),
            ("0x7f.1", None),
            ("::1", None),
            ("[::1]", None),
            ("a\0b", None),
        ];
        for (name, expected) in cases {
            assert_eq!(normalise(name).ok().as_deref(), expected, "{name:?}");
        }
        assert!(normalise(&"a".repeat(64)).is_err());
        assert!(normalise(&"a.".repeat(200)).is_err());
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let cases = [
            ("example.com", "example.com", true),
            ("*.example.com", "www.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.b.example.com", false),
            ("*.example.com", "*.example.com", true),
            ("*.example.com", "*.www.example.com", false),
            ("www.example.com", "*.example.com", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(covers(pattern, name), expected, "{pattern} {name}");
        }
    }
}
