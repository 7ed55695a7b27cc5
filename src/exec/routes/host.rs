//! Which deployment a host name means.

use std::net::{IpAddr, Ipv6Addr};

use crate::model::exec_id::ExecId;

/// What stands before the deployment in a label of the long form.
const MARK: &str = "-exec-";

/// Chooses the deployment for a request by its `Host` value (a port is
/// ignored):
///
/// 1. the leftmost label that ends in `-exec-<execId>`, as in
///    `api.project-exec-2.example.com`. It is taken at its word: if there is no
///    such deployment the request finds nothing, instead of another's routes;
/// 2. else the leftmost label that names an existing deployment, as in
///    `shop.localhost`. The last label is a domain or a machine and names none;
/// 3. else, and for IP addresses, the default deployment `1`.
pub fn deployment_for_host(host: &str, exists: impl Fn(&str) -> bool) -> ExecId {
    let host = host_name(host).to_ascii_lowercase();
    if host.parse::<IpAddr>().is_ok() {
        return ExecId::default();
    }
    let labels: Vec<&str> = host.split('.').collect();
    let marked = labels.iter().find_map(|label| {
        let (_, id) = label.rsplit_once(MARK)?;
        ExecId::parse(id).ok()
    });
    let named = || {
        let (_, inner) = labels.split_last()?;
        let label = inner.iter().find(|label| exists(label))?;
        ExecId::parse(label).ok()
    };
    marked.or_else(named).unwrap_or_default()
}

/// The host without port, brackets and the root's dot.
fn host_name(host: &str) -> &str {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    if host.parse::<Ipv6Addr>().is_ok() {
        return host;
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_chooses_its_deployment() {
        let cases = [
            ("localhost:8080", "1"),
            ("", "1"),
            ("example.com", "1"),
            ("2.localhost:8080", "2"),
            ("shop.localhost", "shop"),
            ("SHOP.localhost.", "shop"),
            ("www.shop.example.com", "shop"),
            ("shop.2.example.com", "shop"),
            ("unknown.localhost", "1"),
            ("shop", "1"),
            ("node-exec-2.containers.example.com", "2"),
            ("api.node-exec-shop.example.com:443", "shop"),
            ("shop.node-exec-2.example.com", "2"),
            ("node-exec-gone.example.com", "gone"),
            ("a-exec-b-exec-2.example.com", "2"),
            ("node-exec-.example.com", "1"),
            ("127.0.0.2", "1"),
            ("127.0.0.2:8080", "1"),
            ("2.2.2.2", "1"),
            ("[::2]:8080", "1"),
            ("::2", "1"),
        ];
        for (host, expected) in cases {
            let chosen = deployment_for_host(host, |name| ["1", "2", "shop"].contains(&name));
            assert_eq!(chosen.as_str(), expected, "{host}");
        }
    }
}
