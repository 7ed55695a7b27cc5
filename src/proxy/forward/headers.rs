//! Which header fields pass, and what is added about the way. Pure.

use std::net::IpAddr;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, header};
use hyper::ext::Protocol;

use super::text;
use crate::egress::{remove_hop_by_hop, remove_where};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// Who sent a request, as far as the upstream is told.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// The other end of the connection.
    pub peer: IpAddr,
    /// The same, or who is behind it if it is a trusted proxy.
    pub client: IpAddr,
    /// What a trusted peer says of those before it is kept.
    pub is_trusted: bool,
    pub is_tls: bool,
    /// The `Host` that was asked for.
    pub host: &'a str,
}

/// Makes the fields of a client's request those of ours. Says nothing of upgrades.
pub fn for_upstream(headers: &mut HeaderMap, sender: &Sender<'_>, via: &HeaderValue) {
    // The one thing that `TE` may still say in HTTP/2 and gRPC needs (RFC 9110, section 10.1.4).
    let trailers = headers
        .get_all(header::TE)
        .iter()
        .any(|value| text(value).split(',').any(|one| one.trim() == "trailers"));
    remove_hop_by_hop(headers);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    if !sender.is_trusted {
        remove_where(headers, is_of_the_way);
    }
    let proto = if sender.is_tls { "https" } else { "http" };
    let host = sender.host;
    let peer = sender.peer.to_string();
    append_to_list(
        headers,
        header::FORWARDED,
        value(&forwarded(sender, &peer, proto)),
    );
    let peer = value(&peer);
    append_to_list(headers, X_FORWARDED_FOR, peer.clone());
    // The first proxy knows these; those behind it would only say what it asked.
    if !headers.contains_key(X_FORWARDED_PROTO) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    }
    if !headers.contains_key(X_FORWARDED_HOST) {
        insert(headers, X_FORWARDED_HOST, host);
    }
    match (sender.client == sender.peer, peer) {
        (true, Some(peer)) => {
            headers.insert(X_REAL_IP, peer);
        }
        _ => insert(headers, X_REAL_IP, &sender.client.to_string()),
    }
    append_to_list(headers, header::VIA, Some(via.clone()));
    if !headers.contains_key(header::HOST) {
        insert(headers, header::HOST, host);
    }
    join_cookies(headers);
}

/// Whether a field is what each proxy tells the next of those before it. Many servers
/// behind take `_` for `-`.
fn is_of_the_way(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    let is_like = |(one, other): (&u8, &u8)| one == other || *one == b'_' && *other == b'-';
    let begins = |with: &[u8]| name.len() >= with.len() && name.iter().zip(with).all(is_like);
    begins(b"x-forwarded-") || begins(b"x-real-ip") || name == b"forwarded"
}

/// Makes the fields of an upstream's answer those of ours.
pub fn for_client(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
}

/// Tells a client of HTTP/1 to send no more (RFC 9112, section 9.6).
pub fn close(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
}

/// A client's wish to go on in another protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub protocol: HeaderValue,
    /// It came as an extended CONNECT (RFC 8441), whose answer is 200, not 101.
    pub is_connect: bool,
}

/// The protocol that a client wants to go on in.
pub fn upgrade<B>(request: &Request<B>) -> Option<Wish> {
    if is_extended_connect(request) {
        let protocol = request.extensions().get::<Protocol>()?;
        return Some(Wish {
            protocol: HeaderValue::from_str(protocol.as_str()).ok()?,
            is_connect: true,
        });
    }
    let headers = request.headers();
    let mut options = headers.get_all(header::CONNECTION).iter();
    let wants = options.any(|value| {
        let mut options = text(value).split(',');
        options.any(|option| option.trim().eq_ignore_ascii_case("upgrade"))
    });
    let protocol = headers.get(header::UPGRADE).filter(|_| wants)?;
    // Both sides would speak HTTP/2 past us, and what they ask there we would not see.
    let is_h2 = text(protocol).to_ascii_lowercase().contains("h2c");
    (!is_h2 && request.version() == Version::HTTP_11).then(|| Wish {
        protocol: protocol.clone(),
        is_connect: false,
    })
}

/// A WebSocket over HTTP/2, and the like (RFC 8441, section 4).
pub fn is_extended_connect<B>(request: &Request<B>) -> bool {
    *request.method() == Method::CONNECT && request.extensions().get::<Protocol>().is_some()
}

/// What a handshake in HTTP/1.1 has and an extended CONNECT has not (RFC 8441, section 5.1).
pub fn add_websocket_key(headers: &mut HeaderMap) {
    let key = BASE64_STANDARD.encode(rand::random::<[u8; 16]>());
    insert(headers, header::SEC_WEBSOCKET_KEY, &key);
}

pub fn ask_to_upgrade(headers: &mut HeaderMap, protocol: &HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol.clone());
}

/// Whether this process has passed the request on before.
pub fn went_through(headers: &HeaderMap, pseudonym: &str) -> bool {
    let mut steps = headers
        .get_all(header::VIA)
        .iter()
        .flat_map(|value| text(value).split(','));
    steps.any(|step| step.split_whitespace().nth(1) == Some(pseudonym))
}

/// The last address of the list that is not itself a trusted proxy's.
pub fn trusted_client(
    peer: IpAddr,
    headers: &HeaderMap,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let values: Vec<&HeaderValue> = headers.get_all(X_FORWARDED_FOR).iter().collect();
    let mut client = peer;
    let steps = values
        .into_iter()
        .rev()
        .flat_map(|value| text(value).rsplit(','));
    for step in steps {
        let Some(address) = address(step.trim()) else {
            break;
        };
        client = address;
        if !is_trusted(address) {
            break;
        }
    }
    client
}

/// Some proxies write a port too.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.split(']').next());
    let ip = bare.unwrap_or(text).parse::<IpAddr>().ok();
    ip.or_else(|| {
        text.parse::<std::net::SocketAddr>()
            .ok()
            .map(|address| address.ip())
    })
}

/// RFC 7239, sections 4 and 6.
fn forwarded(sender: &Sender<'_>, peer: &str, proto: &str) -> String {
    let (open, close) = match sender.peer {
        IpAddr::V4(_) => ("", ""),
        IpAddr::V6(_) => ("\"[", "]\""),
    };
    match sender
        .host
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    {
        true if !sender.host.is_empty() => {
            let host = sender.host;
            format!("for={open}{peer}{close};host=\"{host}\";proto={proto}")
        }
        _ => format!("for={open}{peer}{close};proto={proto}"),
    }
}

fn append_to_list(headers: &mut HeaderMap, name: HeaderName, item: Option<HeaderValue>) {
    let Some(item) = item else {
        return;
    };
    if !headers.contains_key(&name) {
        headers.insert(name, item);
        return;
    }
    let mut list: Vec<&str> = headers.get_all(&name).iter().map(text).collect();
    list.retain(|value| !value.is_empty());
    list.push(text(&item));
    let list = list.join(", ");
    insert(headers, name, &list);
}

fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// HTTP/2 clients may send one field a cookie; HTTP/1.1 has one field (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if cookies.len() > 1 {
        let joined = cookies.join(&b"; "[..]);
        if let Ok(joined) = HeaderValue::from_bytes(&joined) {
            headers.insert(header::COOKIE, joined);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn sender(is_trusted: bool) -> Sender<'static> {
        Sender {
            peer: "1.2.3.4".parse().unwrap(),
            client: "1.2.3.4".parse().unwrap(),
            is_trusted,
            is_tls: true,
            host: "a.example",
        }
    }

    #[test]
    fn what_a_stranger_says_of_himself_is_not_passed_on() {
        let list = [
            ("x-forwarded-for", "9.9.9.9"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-prefix", "/evil"),
            ("x_forwarded_port", "1"),
            ("forwarded", "for=9.9.9.9"),
            ("x-real-ip", "9.9.9.9"),
            ("connection", "close, x-secret"),
            ("x-secret", "1"),
            ("transfer-encoding", "chunked"),
            ("te", "gzip, trailers"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("x-other", "stays"),
        ];
        let mut found = headers(&list);
        for_upstream(
            &mut found,
            &sender(false),
            &HeaderValue::from_static("2 me"),
        );
        let expected = [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "a.example"),
            ("forwarded", "for=1.2.3.4;host=\"a.example\";proto=https"),
            ("x-real-ip", "1.2.3.4"),
            ("te", "trailers"),
            ("connection", "te"),
            ("cookie", "a=1; b=2"),
            ("x-other", "stays"),
            ("via", "2 me"),
            ("host", "a.example"),
        ];
        for (name, value) in expected {
            assert_eq!(found.get(name).map(text), Some(value), "{name}");
        }
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(went_through(&found, "me") && !went_through(&found, "m"));
    }

    #[test]
    fn a_trusted_proxy_is_believed() {
        let list = [
            ("x-forwarded-for", "9.9.9.9"),
            ("x-forwarded-proto", "http"),
            ("via", "1.1 other"),
        ];
        let mut found = headers(&list);
        for_upstream(
            &mut found,
            &sender(true),
            &HeaderValue::from_static("1.1 me"),
        );
        let value = |name: &str| found.get(name).map(text);
        assert_eq!(value("x-forwarded-for"), Some("9.9.9.9, 1.2.3.4"));
        assert_eq!(value("x-forwarded-proto"), Some("http"));
        assert_eq!(value("via"), Some("1.1 other, 1.1 me"));
    }

    #[test]
    fn the_client_is_the_last_that_is_not_trusted() {
        let trusted = |ip: IpAddr| ip.to_string().starts_with("10.");
        let cases = [
            ("9.9.9.9", "9.9.9.9"),
            ("8.8.8.8, 9.9.9.9, 10.0.0.2", "9.9.9.9"),
            ("nonsense, 10.0.0.2", "10.0.0.2"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("9.9.9.9:80", "9.9.9.9"),
            ("", "10.0.0.1"),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(X_FORWARDED_FOR, value.parse().unwrap());
            let found = trusted_client("10.0.0.1".parse().unwrap(), &headers, trusted);
            assert_eq!(found.to_string(), expected, "{value}");
        }
    }

    #[test]
    fn only_a_clear_wish_is_an_upgrade() {
        let cases = [
            (Some("Upgrade"), Some("websocket"), true),
            (Some("keep-alive, upgrade"), Some("websocket"), true),
            (Some("keep-alive"), Some("websocket"), false),
            (None, Some("websocket"), false),
            (Some("upgrade"), None, false),
            (Some("upgrade, http2-settings"), Some("h2c"), false),
        ];
        for (connection, protocol, expected) in cases {
            let mut request = Request::new(());
            for (name, value) in [
                (header::CONNECTION, connection),
                (header::UPGRADE, protocol),
            ] {
                if let Some(value) = value {
                    request
                        .headers_mut()
                        .insert(name, HeaderValue::from_static(value));
                }
            }
            assert_eq!(
                upgrade(&request).is_some(),
                expected,
                "{connection:?} {protocol:?}"
            );
        }
    }
}
