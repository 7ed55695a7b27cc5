//! TLS and the reverse proxy, from outside: `openssl` and our own rustls client
//! shake hands, Node is the upstream.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use http::Method;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, IsCa, Issuer, KeyPair};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{Credulous, Sending, Server};

#[path = "proxy/abuse.rs"]
mod abuse;
#[path = "proxy/aliases.rs"]
mod aliases;
#[path = "proxy/broken_off.rs"]
mod broken_off;
#[path = "proxy/bundles.rs"]
mod bundles;
#[path = "proxy/early.rs"]
mod early;
#[path = "proxy/frames.rs"]
mod frames;
#[path = "proxy/lasting.rs"]
mod lasting;
#[path = "proxy/malformed.rs"]
mod malformed;
#[path = "proxy/names.rs"]
mod names;
#[path = "proxy/protocols.rs"]
mod protocols;
#[path = "proxy/scanners.rs"]
mod scanners;
#[path = "proxy/smuggling.rs"]
mod smuggling;

pub const BUNDLE: &str = "/api/v1/proxy/cert/bundle";

/// A certificate for these names from a fresh authority: chain and key, in PEM.
pub fn certificate(names: &[&str]) -> (String, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    let mut leaf = CertificateParams::new(names).unwrap();
    leaf.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate().unwrap();
    let certificate = leaf.signed_by(&key, &issuer).unwrap();
    (
        format!("{}{}", certificate.pem(), root.pem()),
        key.serialize_pem(),
    )
}

/// PATCHes the seed's body, as the seed does: without a content type.
pub fn install<'a>(server: &'a Server, domain: &str, pair: &(String, String)) -> Sending<'a> {
    let body = json!({ "d": domain, "cert": { "cert": pair.0, "key": pair.1 } });
    let request = server.request(Method::PATCH, BUNDLE).as_root();
    request.body(body.to_string())
}

/// The serial that a handshake by `openssl` shows.
pub fn openssl_serial(address: SocketAddr, name: &str) -> String {
    let shown = s_client(address, &["-servername", name]);
    let mut child = Command::new("openssl")
        .args(["x509", "-noout", "-serial"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(shown.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let serial = text.trim().strip_prefix("serial=").map(str::to_owned);
    serial.unwrap_or_else(|| panic!("no certificate: {shown}"))
}

/// What `openssl s_client` says of a connection that it closes at once.
pub fn s_client(address: SocketAddr, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &address.to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let streams = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&streams).into_owned()
}

/// Shakes hands and believes everything.
pub async fn handshake(address: SocketAddr, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    handshake_for(address, name, &[]).await
}

/// As [`handshake`], for one of these protocols.
pub async fn handshake_for(
    address: SocketAddr,
    name: &str,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

/// The certificate that a connection was shown.
pub fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    let (_, connection) = stream.get_ref();
    connection.peer_certificates().unwrap()[0].to_vec()
}

/// A Node program that listens; dropping it ends the process.
pub struct Upstream {
    child: Child,
    pub port: u16,
}

impl Upstream {
    /// None where there is no Node.
    pub fn start() -> Option<Self> {
        let mut child = Command::new("node")
            .args(["-e", include_str!("proxy/upstream.js")])
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("a port");
        Some(Self { child, port })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn has_openssl() -> bool {
    Command::new("openssl").arg("version").output().is_ok()
}

/// The data of a reply in the control plane's envelope.
pub fn data(body: &Value) -> &Value {
    &body["data"]
}
