//! Accepts connections, plain and with TLS, and serves them until the stop signal,
//! then lets what is in flight finish. Limits on connections live here; it must
//! not look at paths.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::BytesMut;
use http::{Method, StatusCode, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::front::{Front, Peer};
use crate::egress::Whole;
use crate::proxy::tls::{TlsAcceptor, TlsInfo, TlsStream};
use crate::shutdown::Shutdown;
use guard::{Guarded, Upgrade};
use refusal::Refusals;
use unread::Unread;

mod gather;
mod guard;
mod h1;
mod linger;
mod refusal;
mod unread;

/// Connections at once; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 10_000;
/// A client has this long to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Header fields of one request, counted.
const HEADERS_MAX: usize = 128;
/// Request line and header fields of one request together; more is answered with 431.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Streams of one HTTP/2 connection at once.
const H2_STREAMS_MAX: u32 = 250;
/// A silent HTTP/2 connection is asked whether it is there after this, and closed
/// if it does not say so within as long.
const H2_PING_INTERVAL: Duration = Duration::from_secs(30);
/// What an HTTP/2 client sends first (RFC 9113, section 3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// After a failed accept, such as too many open files, this long nothing is accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What all connections of a listener share.
struct Shared {
    front: Front,
    tls: Option<TlsAcceptor>,
    http1: Builder<TokioExecutor>,
    http2: Builder<TokioExecutor>,
}

/// Serves until `stop`, then until the last connection has ended. The caller
/// sets a deadline around it.
pub async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, front: Front, stop: Shutdown) {
    let shared = Arc::new(Shared {
        front,
        tls,
        http1: builder().http1_only(),
        http2: builder().http2_only(),
    });
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    loop {
        let (stream, client, permit) = tokio::select! {
            () = stop.requested() => break,
            accepted = accept(&listener, &connections) => match accepted {
                Some(accepted) => accepted,
                None => continue,
            },
        };
        let (shared, watcher, stop) = (shared.clone(), graceful.watcher(), stop.clone());
        tokio::spawn(async move {
            // A client that has not said anything yet has nothing in flight.
            let begun = tokio::select! {
                begun = begin(&shared, stream) => begun,
                () = stop.requested() => None,
            };
            match begun {
                Some(Begun::Plain {
                    stream,
                    start,
                    is_h2,
                }) => {
                    let peer = Peer { client, tls: None };
                    converse(&shared, stream, start, is_h2, peer, watcher).await;
                }
                Some(Begun::Tls { stream, info }) => {
                    let is_h2 = info.is_h2;
                    let peer = Peer {
                        client,
                        tls: Some(info),
                    };
                    shared.front.connected(&peer);
                    converse(&shared, stream, BytesMut::new(), is_h2, peer, watcher).await;
                }
                None => {}
            }
            drop(permit);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// A connection on which HTTP can begin.
enum Begun {
    Plain {
        stream: TcpStream,
        /// What was read to find out which HTTP it is.
        start: BytesMut,
        is_h2: bool,
    },
    Tls {
        stream: Box<TlsStream<TcpStream>>,
        info: Arc<TlsInfo>,
    },
}

async fn begin(shared: &Shared, mut stream: TcpStream) -> Option<Begun> {
    if let Some(tls) = &shared.tls {
        let (stream, info) = tls.accept(stream).await?;
        return Some(Begun::Tls {
            stream: Box::new(stream),
            info: Arc::new(info),
        });
    }
    let mut start = BytesMut::with_capacity(1024);
    let is_h2 = tokio::time::timeout(HEAD_TIMEOUT, async {
        loop {
            let known = start.len().min(H2_PREFACE.len());
            if start[..known] != H2_PREFACE[..known] {
                return Some(false);
            }
            if known == H2_PREFACE.len() {
                return Some(true);
            }
            match stream.read_buf(&mut start).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    });
    let is_h2 = is_h2.await.ok()??;
    Some(Begun::Plain {
        stream,
        start,
        is_h2,
    })
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    shared: &Arc<Shared>,
    stream: S,
    start: BytesMut,
    is_h2: bool,
    peer: Peer,
    watcher: Watcher,
) {
    let (upgrade, refusals) = (Arc::<Upgrade>::default(), Arc::<Refusals>::default());
    let stream = match is_h2 {
        true => Guarded::http2(stream, start),
        false => Guarded::http1(stream, start, upgrade.clone(), refusals.clone()),
    };
    let builder = if is_h2 { &shared.http2 } else { &shared.http1 };
    let service = hyper::service::service_fn(|request: hyper::Request<Incoming>| {
        let (shared, peer, upgrade) = (shared.clone(), peer.clone(), upgrade.clone());
        let asks =
            request.headers().contains_key(header::UPGRADE) || *request.method() == Method::CONNECT;
        let refused = refusals.next();
        // In a box, since HTTP/2 moves it about until it runs.
        Box::pin(async move {
            if let Some(violation) = refused {
                return Ok(shared.front.refuse(violation.into(), &peer));
            }
            let is_empty = request.body().is_end_stream();
            let unread = (is_h2 && !is_empty).then(Unread::default);
            let request = request.map(|body| match &unread {
                Some(unread) => unread.of(Body::new(Whole::new(body, Version::HTTP_2))),
                None if is_empty => Body::empty(),
                None => Body::new(body),
            });
            let mut response = shared.front.answer(request, peer).await;
            if let Some(unread) = unread {
                response = response.map(|answer| unread.after(answer));
            }
            if asks {
                upgrade.decide(response.status() == StatusCode::SWITCHING_PROTOCOLS);
            }
            Ok::<_, Infallible>(response)
        })
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    // A client that breaks off mid-way is nothing to report.
    let _ = watcher.watch(connection).await;
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, connections: &Arc<Semaphore>) -> Option<Accepted> {
    let permit = connections.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, client)) => {
            // Answers are written whole; waiting for more only delays them.
            let _ = stream.set_nodelay(true);
            Some((stream, client, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(H2_PING_INTERVAL)
        .keep_alive_timeout(H2_PING_INTERVAL)
        .enable_connect_protocol()
        .max_concurrent_streams(H2_STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32);
    builder
}
