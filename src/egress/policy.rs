//! What scripts may reach: the public Internet, and what the operator allows.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::address::{Reason, special};

/// Decides about addresses. Pure: it resolves nothing and asks nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    allowed: Vec<Allowed>,
    own_listeners: Vec<SocketAddr>,
    /// The key of the configuration that holds the allow list, for messages.
    key: Option<&'static str>,
}

/// What scripts may reach is set there.
const KEY: &str = "egress.allow";

/// An entry of the allow list that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{key}: {entry:?} is not a host, an IP address or a CIDR block, each optionally with a port, \
     such as \"db.internal:5432\", \"10.1.2.3\", \"10.0.0.0/8\" or \"[fd00::1]:80\""
)]
pub struct PolicyError {
    pub key: &'static str,
    pub entry: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Allowed {
    target: Target,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// Lower-case, without a final dot.
    Host(String),
    Network(IpNet),
}

impl Policy {
    /// `own_listeners` are this server's addresses, as they were bound.
    pub fn new(allow: &[String], own_listeners: Vec<SocketAddr>) -> Result<Policy, PolicyError> {
        Policy::of(KEY, allow, own_listeners)
    }

    /// As [`Policy::new`], for an allow list under another key.
    pub fn of(
        key: &'static str,
        allow: &[String],
        own_listeners: Vec<SocketAddr>,
    ) -> Result<Policy, PolicyError> {
        let allowed = allow
            .iter()
            .map(|entry| parse(key, entry))
            .collect::<Result<_, _>>()?;
        Ok(Policy {
            allowed,
            own_listeners,
            key: Some(key),
        })
    }

    /// The key of the configuration that could allow more.
    pub fn key(&self) -> &'static str {
        self.key.unwrap_or(KEY)
    }

    /// Why `host`, which resolved to `address`, must not be dialled; `None` if it may.
    ///
    /// What the allow list names is allowed. This server's own listeners are
    /// allowed only by an entry with a port, so that a block like `127.0.0.0/8`
    /// does not let scripts call themselves past the limit on self-calls.
    pub fn refused(&self, host: &str, address: SocketAddr) -> Option<Reason> {
        let ip = address.ip().to_canonical();
        let host = normal_host(host);
        let mut matching = self
            .allowed
            .iter()
            .filter(|allowed| allowed.matches(&host, ip, address.port()));
        if self.is_own_listener(ip, address.port()) {
            return (!matching.any(|allowed| allowed.port.is_some()))
                .then_some(Reason::OwnListener);
        }
        match matching.next() {
            Some(_) => None,
            None => special(ip),
        }
    }

    fn is_own_listener(&self, ip: IpAddr, port: u16) -> bool {
        self.own_listeners.iter().any(|own| {
            let own_ip = own.ip().to_canonical();
            own.port() == port
                && (own_ip == ip
                    || own_ip.is_unspecified() && (ip.is_loopback() || ip.is_unspecified()))
        })
    }
}

impl Allowed {
    fn matches(&self, host: &str, ip: IpAddr, port: u16) -> bool {
        let target = match &self.target {
            Target::Host(name) => name == host,
            Target::Network(network) => network.contains(&ip),
        };
        target && self.port.is_none_or(|allowed| allowed == port)
    }
}

fn parse(key: &'static str, entry: &str) -> Result<Allowed, PolicyError> {
    let (target, port) = split_port(entry.trim());
    let refused = || PolicyError {
        key,
        entry: entry.to_owned(),
    };
    let target = parse_target(target).ok_or_else(refused)?;
    let port = port
        .map(|port| port.parse().map_err(|_| refused()))
        .transpose()?;
    Ok(Allowed { target, port })
}

/// IPv6 needs brackets to have a port.
fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some((inner, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return match rest {
            "" => (inner, None),
            // Without its colon this is no port, and is refused as one.
            rest => (inner, Some(rest.strip_prefix(':').unwrap_or(rest))),
        };
    }
    match text.split_once(':') {
        Some((target, port)) if !port.contains(':') => (target, Some(port)),
        _ => (text, None),
    }
}

fn parse_target(text: &str) -> Option<Target> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(Target::Network(ip.into()));
    }
    if let Ok(network) = text.parse::<IpNet>() {
        return Some(Target::Network(network));
    }
    let is_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_');
    // A name that ends in digits would be a misspelt address.
    let is_host =
        text.chars().all(is_name) && text.contains(|char: char| char.is_ascii_alphabetic());
    is_host.then(|| Target::Host(normal_host(text)))
}

fn normal_host(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[&str], own: &[&str]) -> Policy {
        let allow: Vec<String> = allow.iter().map(|entry| entry.to_string()).collect();
        Policy::new(&allow, own.iter().map(|own| own.parse().unwrap()).collect()).unwrap()
    }

    fn refused(policy: &Policy, host: &str, address: &str) -> Option<Reason> {
        policy.refused(host, address.parse().unwrap())
    }

    #[test]
    fn without_an_allow_list_only_public_addresses_pass() {
        let policy = policy(&[], &[]);
        assert_eq!(refused(&policy, "example.com", "93.184.216.34:443"), None);
        assert_eq!(
            refused(&policy, "localhost", "127.0.0.1:80"),
            Some(Reason::Loopback)
        );
        assert_eq!(
            refused(&policy, "public.name", "10.0.0.1:80"),
            Some(Reason::Private)
        );
        assert_eq!(
            refused(&policy, "x", "[::ffff:10.0.0.1]:80"),
            Some(Reason::Private)
        );
    }

    #[test]
    fn the_allow_list_opens_exactly_what_it_names() {
        let cases = [
            ("db.internal", "db.internal", "10.0.0.1:1", true),
            ("DB.Internal.", "db.internal", "10.0.0.1:1", true),
            ("db.internal", "DB.INTERNAL.", "10.0.0.1:1", true),
            ("db.internal", "x.db.internal", "10.0.0.1:1", false),
            ("db.internal:5432", "db.internal", "10.0.0.1:5432", true),
            ("db.internal:5432", "db.internal", "10.0.0.1:5433", false),
            ("10.0.0.1", "any", "10.0.0.1:9", true),
            ("10.0.0.1", "any", "[::ffff:10.0.0.1]:9", true),
            ("10.0.0.1", "any", "10.0.0.2:9", false),
            ("10.0.0.1:80", "any", "10.0.0.1:80", true),
            ("10.0.0.1:80", "any", "10.0.0.1:81", false),
            ("10.0.0.0/8", "any", "10.9.9.9:9", true),
            ("10.0.0.0/8:80", "any", "10.9.9.9:80", true),
            ("10.0.0.0/8:80", "any", "10.9.9.9:81", false),
            ("10.0.0.0/8", "any", "192.168.0.1:9", false),
            ("fd00::/8", "any", "[fd12::1]:9", true),
            ("fd00::1", "any", "[fd00::1]:9", true),
            ("[fd00::1]", "any", "[fd00::1]:9", true),
            ("[fd00::1]:80", "any", "[fd00::1]:80", true),
            ("[fd00::1]:80", "any", "[fd00::1]:81", false),
            ("[fd00::/8]:80", "any", "[fd12::1]:80", true),
            ("127.0.0.1", "10.0.0.1", "10.0.0.1:80", false),
        ];
        for (entry, host, address, expected) in cases {
            let allowed = refused(&policy(&[entry], &[]), host, address).is_none();
            assert_eq!(allowed, expected, "{entry} {host} {address}");
        }
    }

    #[test]
    fn own_listeners_need_an_entry_with_a_port() {
        let own = &["127.0.0.1:8080", "0.0.0.0:8443", "93.184.216.34:443"];
        let own_listener = Some(Reason::OwnListener);
        let open = policy(&["127.0.0.0/8", "93.184.216.34"], own);
        assert_eq!(refused(&open, "x", "127.0.0.1:8080"), own_listener);
        assert_eq!(refused(&open, "x", "127.0.0.1:8443"), own_listener);
        assert_eq!(refused(&open, "x", "93.184.216.34:443"), own_listener);
        assert_eq!(refused(&open, "x", "127.0.0.1:5432"), None);
        let with_port = policy(&["127.0.0.1:8080", "localhost:8443"], own);
        assert_eq!(refused(&with_port, "x", "127.0.0.1:8080"), None);
        assert_eq!(refused(&with_port, "localhost", "127.0.0.1:8443"), None);
        assert_eq!(refused(&with_port, "x", "127.0.0.1:8443"), own_listener);
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        let entries = [
            "",
            ":",
            ":80",
            "a:b",
            "a:99999",
            "http://a",
            "a/b",
            "10.0.0.0/33",
            "10.0.0",
            "1.2.3.4.5",
            "[::1",
            "[::1]80x",
            "[::1]x",
            "*.a",
            "a b",
        ];
        for entry in entries {
            let refused = Policy::new(&[entry.to_owned()], vec![]);
            assert!(refused.is_err(), "{entry} {refused:?}");
        }
    }
}
