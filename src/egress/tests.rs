//! Calls to real servers on this machine: what is refused, sent, and timed out.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::StatusCode;
use http_body_util::{Empty, Full, StreamBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::{rt::TokioIo, server::conn::auto};
use tokio::net::TcpListener;

use super::*;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);
const PATIENT: Timeouts = Timeouts {
    connect: LONG,
    first_byte: LONG,
};

/// Echoes what it got: method, version, path, headers and body as text.
async fn echo(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut text = format!(
        "{} {:?} {}\n",
        parts.method,
        parts.version,
        parts.uri.path()
    );
    for (name, value) in &parts.headers {
        text += &format!("{name}: {}\n", value.to_str().unwrap());
    }
    text += &String::from_utf8_lossy(&body);
    Response::new(Full::from(text))
}

struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

/// Serves with `handle` for as long as the test's runtime lives.
async fn serve<F, R>(handle: F, tls: Option<tokio_rustls::TlsAcceptor>) -> Server
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
            let (handle, tls) = (handle.clone(), tls.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = handle(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let server = auto::Builder::new(TokioExecutor::new());
                // A client that goes away is part of the tests.
                match tls {
                    None => drop(server.serve_connection(TokioIo::new(stream), service).await),
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            drop(server.serve_connection(TokioIo::new(stream), service).await);
                        }
                    }
                }
            });
        }
    });
    Server {
        address,
        connections,
    }
}

fn egress(allow: &[&str]) -> Egress {
    let allow: Vec<String> = allow.iter().map(|entry| entry.to_string()).collect();
    Egress::new(Policy::new(&allow, vec![]).unwrap(), vec![]).unwrap()
}

fn get(url: &str) -> Request<Empty<Bytes>> {
    Request::get(url).body(Empty::new()).unwrap()
}

async fn text(response: Response<Answer>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn a_special_address_is_refused_without_a_connection() {
    let server = serve(echo, None).await;
    let port = server.address.port();
    let own_listener = Policy::new(&["127.0.0.0/8".to_owned()], vec![server.address]).unwrap();
    let own_listener = Egress::new(own_listener, vec![]).unwrap();
    let closed = egress(&["127.0.0.1:1", "other.host"]);
    let urls = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://LOCALHOST:{port}/"),
        format!("http://user:pass@127.0.0.1:{port}/"),
        // What the C library's resolver takes for the same address.
        format!("http://127.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://0177.0.0.1:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://[::ffff:7f00:1]:{port}/"),
        format!("http://[64:ff9b::7f00:1]:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://10.0.0.1/".to_owned(),
    ];
    for url in &urls {
        let refused = closed.send(get(url), PATIENT).await.unwrap_err();
        assert!(
            matches!(refused, EgressError::Refused { .. }),
            "{url}: {refused}"
        );
    }
    let refused = own_listener.send(get(&urls[0]), PATIENT).await.unwrap_err();
    let EgressError::Refused { reason, hint, .. } = &refused else {
        panic!("{refused}");
    };
    assert_eq!(*reason, Reason::OwnListener);
    assert!(hint.contains(&format!("\"127.0.0.1:{port}\"")), "{hint}");
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_allowed_server_answers_and_its_connection_is_used_again() {
    let server = serve(echo, None).await;
    let port = server.address.port();
    let egress = egress(&[&format!("127.0.0.1:{port}")]);
    for path in ["/a", "/b", "/c"] {
        let url = format!("http://127.0.0.1:{port}{path}?q");
        let response = egress.send(get(&url), PATIENT).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let text = text(response).await;
        assert!(
            text.starts_with(&format!("GET HTTP/1.1 {path}\n")),
            "{text}"
        );
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_name_is_allowed_by_its_name() {
    let server = serve(echo, None).await;
    let egress = egress(&["localhost"]);
    let url = format!("http://localhost:{}/", server.address.port());
    let response = egress.send(get(&url), PATIENT).await.unwrap();
    assert!(text(response).await.contains("host: localhost:"));
}

#[tokio::test]
async fn the_headers_of_one_connection_do_not_pass() {
    let server = serve(echo, None).await;
    let request = Request::post(format!("http://{}/", server.address))
        .version(Version::HTTP_2)
        .header("host", "bank.example")
        .header("connection", "x-private")
        .header("x-private", "1")
        .header("transfer-encoding", "chunked")
        .header("content-length", "99")
        .header("upgrade", "websocket")
        .header("x-kept", "1")
        .body(Full::new(Bytes::from("hello")))
        .unwrap();
    let response = egress(&["127.0.0.1"]).send(request, PATIENT).await.unwrap();
    let text = text(response).await;
    for gone in [
        "bank.example",
        "x-private",
        "transfer-encoding",
        "upgrade",
        "connection",
    ] {
        assert!(!text.contains(gone), "{gone} in {text}");
    }
    for kept in [
        "content-length: 5\n",
        "x-kept: 1\n",
        &format!("host: {}\n", server.address),
    ] {
        assert!(text.contains(kept), "{kept} not in {text}");
    }
    assert!(text.ends_with("\nhello"), "{text}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let redirect = |_| async {
        let response = Response::builder()
            .status(302)
            .header("location", "http://10.0.0.1/");
        response.body(Full::default()).unwrap()
    };
    let server = serve(redirect, None).await;
    let response = egress(&["127.0.0.1"])
        .send(get(&format!("http://{}/", server.address)), PATIENT)
        .await;
    assert_eq!(response.unwrap().status(), StatusCode::FOUND);
}

#[tokio::test]
async fn a_streamed_body_arrives_whole() {
    let server = serve(echo, None).await;
    let parts =
        (0..5).map(|part| Ok::<_, Infallible>(Frame::data(Bytes::from(format!("part{part};")))));
    let body = StreamBody::new(futures_util::stream::iter(parts));
    let request = Request::put(format!("http://{}/", server.address))
        .body(body)
        .unwrap();
    let response = egress(&["127.0.0.1"]).send(request, PATIENT).await.unwrap();
    assert!(
        text(response)
            .await
            .ends_with("part0;part1;part2;part3;part4;")
    );
}

#[tokio::test]
async fn each_phase_has_its_timeout() {
    let silent = serve(|_| std::future::pending(), None).await;
    let egress = egress(&["127.0.0.1"]);
    let timeouts = Timeouts {
        connect: LONG,
        first_byte: SHORT,
    };
    let late = egress
        .send(get(&format!("http://{}/", silent.address)), timeouts)
        .await;
    let expected = timeout(Phase::FirstByte, SHORT);
    assert_eq!(late.unwrap_err(), expected);
    // A listener that never speaks TLS: the connection is never ready.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let timeouts = Timeouts {
        connect: SHORT,
        first_byte: LONG,
    };
    let url = format!("https://{}/", mute.local_addr().unwrap());
    let late = egress.send(get(&url), timeouts).await;
    assert_eq!(late.unwrap_err(), timeout(Phase::Connect, SHORT));
}

#[tokio::test]
async fn failures_have_kinds() {
    let egress = egress(&["127.0.0.1", "localhost"]);
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let plain = serve(echo, None).await;
    let rude = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rude_address = rude.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = rude.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"nonsense\r\n\r\n")
                .await
                .unwrap();
        }
    });
    let cases: [(String, fn(&EgressError) -> bool); 4] = [
        (format!("http://{closed}/"), |error| {
            matches!(error, EgressError::Connect { .. })
        }),
        (format!("https://{}/", plain.address), |error| {
            matches!(error, EgressError::Tls { .. })
        }),
        (format!("http://{rude_address}/"), |error| {
            matches!(error, EgressError::Protocol { .. })
        }),
        ("http://no-such-name.invalid/".to_owned(), |error| {
            matches!(error, EgressError::Dns { .. })
        }),
    ];
    for (url, expected) in cases {
        let error = egress.send(get(&url), PATIENT).await.unwrap_err();
        assert!(expected(&error), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn requests_that_cannot_be_sent_are_refused() {
    let egress = egress(&[]);
    let mut connect = get("http://a.example/");
    *connect.method_mut() = Method::CONNECT;
    for request in [
        get("/relative"),
        get("ftp://a.example/"),
        get("a.example:80"),
        connect,
    ] {
        let uri = request.uri().clone();
        let refused = egress.send(request, PATIENT).await.unwrap_err();
        assert!(
            matches!(refused, EgressError::BadRequest { .. }),
            "{uri}: {refused}"
        );
    }
}

/// A certificate for `localhost`, which is also its own root, and a server's side of TLS.
fn certificate(alpn: &[&str]) -> (CertificateDer<'static>, tokio_rustls::TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    (made.cert.der().clone(), Arc::new(config).into())
}

#[tokio::test]
async fn tls_chooses_the_protocol_and_checks_the_certificate() {
    for (alpn, version) in [
        (&["h2", "http/1.1"][..], "HTTP/2.0"),
        (&["http/1.1"], "HTTP/1.1"),
        (&[], "HTTP/1.1"),
    ] {
        let (root, acceptor) = certificate(alpn);
        let server = serve(echo, Some(acceptor)).await;
        let policy =
            || Policy::new(&["127.0.0.0/8".to_owned(), "localhost".to_owned()], vec![]).unwrap();
        let trusting = Egress::new(policy(), vec![root]).unwrap();
        let url = format!("https://localhost:{}/x", server.address.port());
        let response = trusting.send(get(&url), PATIENT).await.unwrap();
        let text = text(response).await;
        assert!(text.starts_with(&format!("GET {version} /x\n")), "{text}");
        let by_address = format!("https://{}/x", server.address);
        let untrusted = Egress::new(policy(), vec![]).unwrap();
        for (egress, url) in [(&untrusted, &url), (&trusting, &by_address)] {
            let refused = egress.send(get(url), PATIENT).await.unwrap_err();
            assert!(
                matches!(refused, EgressError::Tls { .. }),
                "{url}: {refused}"
            );
        }
    }
}
