//! Clients for the figures of TLS that wrk and h2load cannot take. Each prints one
//! line of text; what fails ends it. Usage:
//!
//! ```text
//! tls_clients fill HTTP_URL TOKEN COUNT         installs certificates for n1.example, n2.example, …
//! tls_clients handshakes HTTPS_ADDR COUNT NAMES one after the other, names in turn
//! tls_clients echo ADDR                         an upstream that upgrades and echoes
//! tls_clients reload HTTP_URL HTTPS_ADDR TOKEN RELOADS SOCKETS RATE
//! tls_clients slow HTTPS_ADDR COUNT SECONDS     good clients alone, then amid so many slow ones
//! ```
//!
//! `reload` and `slow` want aliases: `bench.example` to anything that answers 200, and
//! `echo.example` to `echo`. For `slow`, what answers must wait for bodies below `/slow`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rcgen::{CertificateParams, KeyPair};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

#[path = "../all/harness/credulous.rs"]
mod credulous;
#[path = "tls_clients/slow.rs"]
mod slow;
use credulous::Credulous;

/// Installing at once; the server changes its table one at a time anyway.
const FILLERS: usize = 4;
/// Connections that share the rate.
const REQUESTERS: usize = 20;
const ECHO_PAUSE: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["fill", url, token, count] => fill(url, token, number(count)).await,
        ["handshakes", address, count, names] => {
            handshakes(address, number(count), number(names)).await
        }
        ["echo", address] => echo(address).await,
        ["reload", url, address, token, reloads, sockets, rate] => {
            let load = Load {
                sockets: number(sockets),
                rate: number(rate),
            };
            reload(url, address, token, number(reloads), load).await
        }
        ["slow", address, count, seconds] => {
            slow::slow(address, number(count), number(seconds)).await;
        }
        _ => panic!("see the top of this file"),
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

/// Changes certificates by the API.
#[derive(Clone)]
struct Api {
    client: Client<HttpConnector, Full<bytes::Bytes>>,
    url: String,
    token: String,
}

impl Api {
    fn new(url: &str, token: &str) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            url: format!("{url}/api/v1/proxy/cert/bundle"),
            token: format!("Bearer {token}"),
        }
    }

    /// Installs a new certificate, and gives it.
    async fn install(&self, domain: &str) -> Vec<u8> {
        let key = KeyPair::generate().expect("a key");
        let parameters = CertificateParams::new([domain.to_owned()]).expect("a name");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        let body = serde_json::json!({
            "d": domain, "cert": { "cert": certificate.pem(), "key": key.serialize_pem() },
        });
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(&self.url)
            .header(header::AUTHORIZATION, &self.token)
            .body(Full::from(body.to_string()))
            .expect("a request");
        let response = self.client.request(request).await.expect("an answer");
        let status = response.status();
        let answer = response.into_body().collect().await.expect("a body");
        assert!(status.is_success(), "{status} {:?}", answer.to_bytes());
        certificate.der().to_vec()
    }
}

async fn fill(url: &str, token: &str, count: usize) {
    let api = Api::new(url, token);
    let fillers = (0..FILLERS).map(|part| {
        let api = api.clone();
        tokio::spawn(async move {
            for number in (part + 1..=count).step_by(FILLERS) {
                api.install(&format!("n{number}.example")).await;
            }
        })
    });
    for filler in fillers.collect::<Vec<_>>() {
        filler.await.expect("it does not panic");
    }
    println!("{count} installed");
}

async fn handshakes(address: &str, count: usize, names: usize) {
    let connector = connector();
    let mut times = Vec::with_capacity(count);
    for index in 0..count {
        let name = format!("n{}.example", index * 7919 % names + 1);
        let tcp = TcpStream::connect(address).await.expect("a connection");
        let started = Instant::now();
        let name = ServerName::try_from(name).expect("a name");
        connector.connect(name, tcp).await.expect("a handshake");
        times.push(started.elapsed());
    }
    println!("{}", percentiles(times));
}

async fn reload(url: &str, address: &str, token: &str, reloads: usize, load: Load) {
    let api = Api::new(url, token);
    let running = Running::default();
    let mut clients = Vec::new();
    for _ in 0..load.sockets {
        let stream = connect(address, "echo.example").await;
        clients.push(tokio::spawn(socket(stream, running.clone())));
    }
    let pause = Duration::from_secs_f64(REQUESTERS as f64 / load.rate as f64);
    for _ in 0..REQUESTERS {
        let stream = connect(address, "bench.example").await;
        clients.push(tokio::spawn(requests(stream, pause, running.clone())));
    }
    let (started, mut times, mut wrong) = (Instant::now(), Vec::new(), 0);
    for _ in 0..reloads {
        let begun = Instant::now();
        let installed = api.install("bench.example").await;
        times.push(begun.elapsed());
        let stream = connect(address, "bench.example").await;
        let shown = stream
            .get_ref()
            .1
            .peer_certificates()
            .expect("a certificate");
        wrong += usize::from(shown[0].as_ref() != installed);
    }
    let seconds = started.elapsed().as_secs_f64();
    let requests = running.0.requests.load(Relaxed) as f64 / seconds;
    running.0.stop.store(true, Relaxed);
    let mut failed = 0;
    for client in clients {
        failed += usize::from(client.await.is_err());
    }
    let echoes = running.0.echoes.load(Relaxed);
    println!(
        "{failed} failed, {wrong} old, {requests:.0} requests/s, {echoes} echoes, {}",
        percentiles(times)
    );
}

struct Load {
    sockets: usize,
    rate: usize,
}

#[derive(Clone, Default)]
struct Running(Arc<Counts>);

#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    requests: AtomicUsize,
    echoes: AtomicUsize,
}

/// A WebSocket as far as a proxy sees one; panics at the first thing that is not as it should be.
async fn socket(mut stream: TlsStream<TcpStream>, running: Running) {
    let ask = "GET / HTTP/1.1\r\nHost: echo.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
               Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.expect("it is sent");
    let head = head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    while !running.0.stop.load(Relaxed) {
        stream.write_all(b"ping").await.expect("it is sent");
        let mut back = [0; 4];
        stream.read_exact(&mut back).await.expect("an echo");
        assert_eq!(&back, b"ping");
        running.0.echoes.fetch_add(1, Relaxed);
        tokio::time::sleep(ECHO_PAUSE).await;
    }
}

async fn requests(mut stream: TlsStream<TcpStream>, pause: Duration, running: Running) {
    let mut next = tokio::time::interval(pause);
    while !running.0.stop.load(Relaxed) {
        next.tick().await;
        request(&mut stream).await;
        running.0.requests.fetch_add(1, Relaxed);
    }
}

/// A request and its whole answer, which is 200.
async fn request(stream: &mut TlsStream<TcpStream>) {
    let ask = "GET / HTTP/1.1\r\nHost: bench.example\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.expect("it is sent");
    let head = head(stream).await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let length = head
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let mut body = vec![0; number(length.expect("a length"))];
    stream.read_exact(&mut body).await.expect("a body");
}

/// Up to the empty line, and no byte more.
async fn head(stream: &mut TlsStream<TcpStream>) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    String::from_utf8(head).expect("text")
}

async fn echo(address: &str) {
    let listener = TcpListener::bind(address).await.expect("a free port");
    loop {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await?);
            }
            let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
            stream.write_all(answer.as_bytes()).await?;
            let (mut reader, mut writer) = stream.split();
            tokio::io::copy(&mut reader, &mut writer).await
        });
    }
}

async fn connect(address: &str, name: &'static str) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(address).await.expect("a connection");
    tcp.set_nodelay(true).expect("an option");
    let name = ServerName::try_from(name).expect("a name");
    connector().connect(name, tcp).await.expect("a handshake")
}

/// Each has no session to resume.
fn connector() -> TlsConnector {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous))
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |part: f64| times[(times.len() as f64 * part) as usize].as_secs_f64() * 1000.0;
    format!("p50 {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99))
}
