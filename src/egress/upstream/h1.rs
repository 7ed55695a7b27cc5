//! Connections to upstreams that speak HTTP/1.1, kept while unused.
//!
//! A connection has no task of its own: whoever waits for its answer, and later
//! reads the body, drives it. So a request crosses no channel between threads,
//! which is a good part of what passing it on costs.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::task::noop_waker_ref;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Request, Response, Uri, Version, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use rustc_hash::FxHashMap;

use super::{HEADERS_MAX, IDLE_CONNECTIONS_PER_HOST_MAX, UpstreamBody, is_tls};
use crate::egress::connect::{Connector, Stream};
use crate::egress::error::explain;
use crate::egress::{BoxError, EgressError, IDLE, Phase, timeout};

/// Scheme and authority: whose connections may take each other's place.
type Origin = (bool, Authority);

/// Clones share the connections.
#[derive(Clone)]
pub struct Connections {
    connector: Connector,
    idle: Arc<Mutex<Idle>>,
}

#[derive(Default)]
struct Idle {
    /// Those used last come last. Who may be an upstream is for those to say who run the
    /// server: nobody chooses names whose hashes collide.
    by_origin: FxHashMap<Origin, Vec<(Instant, Connection)>>,
    /// A task closes what is too old.
    is_swept: bool,
}

impl Connections {
    pub fn new(connector: Connector) -> Self {
        Self {
            connector,
            idle: Arc::default(),
        }
    }

    /// Sends `request`, whose URL is absolute. What a kept connection had gone for,
    /// before any of it was sent, is sent on another one.
    pub async fn send(
        &self,
        mut request: Request<UpstreamBody>,
        connect: Duration,
    ) -> Result<Response<UpstreamBody>, EgressError> {
        let url = request.uri().clone();
        let authority = url.authority().cloned().ok_or_else(no_host)?;
        let origin = (is_tls(&url), authority);
        prepare(&mut request, &origin)?;
        while let Some(mut connection) = self.take(&origin) {
            match connection.exchange(request).await {
                Ok(response) => return Ok(self.lend(response, connection, origin)),
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(broken(failed.error())),
                },
            }
        }
        // Most requests find a kept connection, and need no room for making one.
        let connecting = tokio::time::timeout(connect, Box::pin(self.connect(url)));
        let connected = connecting.await;
        let mut connection = connected.map_err(|_| timeout(Phase::Connect, connect))??;
        match connection.exchange(request).await {
            Ok(response) => Ok(self.lend(response, connection, origin)),
            Err(failed) => Err(broken(failed.error())),
        }
    }

    async fn connect(&self, url: Uri) -> Result<Connection, EgressError> {
        let stream = self.connector.connect(url).await?;
        let (sender, driver) = http1::Builder::new()
            .max_headers(HEADERS_MAX)
            .handshake(stream)
            .await
            .map_err(|error| broken(&error))?;
        Ok(Connection {
            sender,
            driver: Some(Box::pin(driver)),
        })
    }

    /// One that was not closed meanwhile.
    fn take(&self, origin: &Origin) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.by_origin.get_mut(origin)?;
        loop {
            let (since, mut connection) = kept.pop()?;
            if since.elapsed() < IDLE && connection.settles() {
                return Some(connection);
            }
        }
    }

    fn lend(
        &self,
        response: Response<Incoming>,
        connection: Connection,
        origin: Origin,
    ) -> Response<UpstreamBody> {
        response.map(|body| {
            let mut lent = Lent {
                body,
                connection: Some(connection),
                idle: self.idle.clone(),
                origin: Some(origin),
            };
            if lent.body.is_end_stream() {
                lent.give_back();
            }
            lent.boxed_unsync()
        })
    }
}

/// As the upstream is asked (RFC 9112, section 3.2.1).
fn prepare(request: &mut Request<UpstreamBody>, origin: &Origin) -> Result<(), EgressError> {
    let (is_tls, authority) = origin;
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path
        .unwrap_or_else(|| PathAndQuery::from_static("/"))
        .into();
    *request.version_mut() = Version::HTTP_11;
    if !request.headers().contains_key(header::HOST) {
        let default = if *is_tls { 443 } else { 80 };
        let host = match authority.port_u16() {
            Some(port) if port != default => authority.as_str(),
            _ => authority.host(),
        };
        let host = HeaderValue::from_str(host).map_err(|_| no_host())?;
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(())
}

fn no_host() -> EgressError {
    EgressError::BadRequest {
        reason: "its URL has no host".to_owned(),
    }
}

fn broken(error: &hyper::Error) -> EgressError {
    EgressError::Protocol {
        reason: explain(error),
    }
}

type Driver = http1::Connection<Stream, UpstreamBody>;

struct Connection {
    sender: SendRequest<UpstreamBody>,
    /// None after its end. It is large, and moves from hand to hand.
    driver: Option<Pin<Box<Driver>>>,
}

impl Connection {
    async fn exchange(
        &mut self,
        request: Request<UpstreamBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<UpstreamBody>>> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let driver = &mut self.driver;
        poll_fn(|context| {
            drive(driver, context);
            answer.as_mut().poll(context)
        })
        .await
    }

    /// Whether it can take another request now.
    fn settles(&mut self) -> bool {
        // Nobody waits: who takes it next drives it again.
        drive(&mut self.driver, &mut Context::from_waker(noop_waker_ref()));
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Errors reach whoever waits for an answer or a body.
fn drive(driver: &mut Option<Pin<Box<Driver>>>, context: &mut Context<'_>) {
    if let Some(running) = driver
        && running.as_mut().poll(context).is_ready()
    {
        *driver = None;
    }
}

/// A body whose connection comes back when it has been read.
struct Lent {
    body: Incoming,
    connection: Option<Connection>,
    idle: Arc<Mutex<Idle>>,
    origin: Option<Origin>,
}

impl Lent {
    fn give_back(&mut self) {
        let (Some(mut connection), Some(origin)) = (self.connection.take(), self.origin.take())
        else {
            return;
        };
        // What is still being sent, or was closed, is of no use to the next request.
        if !connection.settles() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.by_origin.entry(origin).or_default();
        if kept.len() < IDLE_CONNECTIONS_PER_HOST_MAX {
            kept.push((Instant::now(), connection));
        }
        if !idle.is_swept {
            idle.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(&self.idle)));
        }
    }
}

/// Closes what was not used for long; ends when nothing is left, or nobody.
async fn sweep(idle: Weak<Mutex<Idle>>) {
    loop {
        tokio::time::sleep(IDLE).await;
        let Some(idle) = idle.upgrade() else {
            return;
        };
        let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.by_origin.retain(|_, kept| {
            kept.retain(|(since, _)| since.elapsed() < IDLE);
            !kept.is_empty()
        });
        if idle.by_origin.is_empty() {
            idle.is_swept = false;
            return;
        }
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let mut frame = Pin::new(&mut this.body).poll_frame(context);
        // Asking tells the connection that more is wanted; driving it may bring that.
        if frame.is_pending()
            && let Some(connection) = &mut this.connection
        {
            drive(&mut connection.driver, context);
            frame = Pin::new(&mut this.body).poll_frame(context);
        }
        if matches!(frame, Poll::Ready(None)) || this.body.is_end_stream() {
            this.give_back();
        }
        frame.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.give_back();
        }
    }
}
