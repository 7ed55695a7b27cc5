//! Accepts connections and serves them until the stop signal, then lets what is
//! in flight finish. Limits on connections live here; it must not look at paths.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::shutdown::Shutdown;

/// Connections at once; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 10_000;
/// A client has this long to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Header fields of one request, counted.
const HEADERS_MAX: usize = 128;
/// Streams of one HTTP/2 connection at once.
const H2_STREAMS_MAX: u32 = 250;
/// All header fields of one HTTP/2 request.
const H2_HEADER_BYTES_MAX: u32 = 64 << 10;
/// After a failed accept, such as too many open files, this long nothing is accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop`, then until the last connection has ended. The caller
/// sets a deadline around it.
pub async fn serve(listener: TcpListener, router: Router, stop: Shutdown) {
    let builder = Arc::new(builder());
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
        let router = router.clone();
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(client));
            router.clone().oneshot(request.map(axum::body::Body::new))
        });
        let (builder, watcher) = (builder.clone(), graceful.watcher());
        tokio::spawn(async move {
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            // A client that breaks off mid-way is nothing to report.
            let _ = watcher.watch(connection.into_owned()).await;
            drop(permit);
        });
    }
    drop(listener);
    graceful.shutdown().await;
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
        .max_headers(HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS_MAX)
        .max_header_list_size(H2_HEADER_BYTES_MAX);
    builder
}
