//! Stands between the server and a certificate authority: it writes down what is
//! asked, and answers in the authority's place where a test wants that.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::proxy::handshake;

/// A request to the authority.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    /// What was signed, if it was JSON.
    pub payload: Value,
}

impl Asked {
    /// Whether it is a new order.
    pub fn is_order(&self) -> bool {
        self.payload["identifiers"].is_array()
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
pub enum Then {
    Pass,
    /// Status, a header, a body.
    Answer(u16, (&'static str, &'static str), &'static str),
    /// No answer at all.
    Hang,
    /// The authority's answer with another body.
    Instead(&'static str),
}

type Plan = Box<dyn FnMut(&Asked) -> Then + Send>;

struct State {
    authority: String,
    is_tls: bool,
    asked: Mutex<Vec<Asked>>,
    plan: Mutex<Plan>,
}

/// A running one. It ends with the test.
pub struct Between {
    pub port: u16,
    state: Arc<State>,
}

impl Between {
    /// Before an authority that speaks TLS, with the certificate of its own API.
    pub async fn with_tls(port: u16, home: &Path) -> Self {
        let chain = CertificateDer::from_pem_file(home.join("api.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(home.join("api-key.pem")).expect("its key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .expect("a certificate with its key");
        Self::start(port, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    /// Before an authority that speaks plain HTTP.
    pub async fn plain(port: u16) -> Self {
        Self::start(port, None).await
    }

    async fn start(authority: u16, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(State {
            authority: format!("127.0.0.1:{authority}"),
            is_tls: tls.is_some(),
            asked: Mutex::default(),
            plan: Mutex::new(Box::new(|_| Then::Pass)),
        });
        let serving = state.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (state, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(tcp, state).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(tcp).await {
                                serve(stream, state).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, state }
    }

    /// From now on.
    pub fn plan(&self, plan: impl FnMut(&Asked) -> Then + Send + 'static) {
        *self.state.plan.lock().unwrap() = Box::new(plan);
    }

    /// Everything so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// New orders so far.
    pub fn orders(&self) -> Vec<Asked> {
        self.asked().into_iter().filter(Asked::is_order).collect()
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<State>) {
    let service = service_fn(move |request| {
        let state = state.clone();
        async move { Ok::<_, Infallible>(state.answer(request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new();
    let _ = connection
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a whole request").to_bytes();
        let signed: Value = serde_json::from_slice(&body).unwrap_or_default();
        let payload = signed["payload"].as_str().unwrap_or_default();
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
        let asked = Asked {
            path: head.uri.path().to_owned(),
            payload: serde_json::from_slice(&payload).unwrap_or_default(),
        };
        self.asked.lock().unwrap().push(asked.clone());
        let then = (self.plan.lock().unwrap())(&asked);
        match then {
            Then::Answer(status, (name, value), body) => Response::builder()
                .status(status)
                .header(name, value)
                .body(Full::from(body))
                .expect("a response"),
            Then::Hang => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                Response::default()
            }
            Then::Pass => self.passed(Request::from_parts(head, body)).await,
            Then::Instead(text) => {
                let mut response = self.passed(Request::from_parts(head, body)).await;
                response.headers_mut().remove("content-length");
                response.map(|_| Full::from(text))
            }
        }
    }

    async fn passed(&self, request: Request<Bytes>) -> Response<Full<Bytes>> {
        let tcp = TcpStream::connect(&self.authority).await;
        let answered = match (tcp, self.is_tls) {
            (Err(_), _) => None,
            (Ok(tcp), false) => exchange(tcp, request).await,
            (Ok(tcp), true) => {
                let address = tcp.peer_addr().expect("a peer");
                match handshake(address, "localhost").await {
                    Ok(stream) => exchange(stream, request).await,
                    Err(_) => None,
                }
            }
        };
        answered.unwrap_or_else(|| {
            let mut gone = Response::new(Full::from("the authority is not there"));
            *gone.status_mut() = http::StatusCode::BAD_GATEWAY;
            gone
        })
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    mut request: Request<Bytes>,
) -> Option<Response<Full<Bytes>>> {
    let close = HeaderValue::from_static("close");
    request.headers_mut().insert("connection", close);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .ok()?;
    tokio::spawn(connection);
    let response = sender.send_request(request.map(Full::new)).await.ok()?;
    let (mut head, body) = response.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    for name in ["connection", "transfer-encoding"] {
        head.headers.remove(name);
    }
    Some(Response::from_parts(head, Full::from(body)))
}
