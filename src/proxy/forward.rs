//! Passing a request on to an upstream and its answer back, as they stream.
//!
//! Nothing is buffered whole: a body is read as fast as the other side takes it.
//! Timeouts are about silence, not about length. Which upstream it is was decided
//! before; this must not know aliases' hosts, nor who may use them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body::Body as _;
use http_body_util::{BodyExt, Empty};
use ipnet::IpNet;
use thiserror::Error;
use tokio::sync::Semaphore;

use super::alias::dialled;
use super::log::Pending;
use crate::egress::EgressError;
use crate::egress::upstream::{UpstreamBody, Upstreams};
use crate::shutdown::Shutdown;
use body::{Failure, Progress, Watched};

mod body;
mod headers;
mod tunnel;

pub use headers::{Sender, is_extended_connect, trusted_client};
pub use tunnel::StillOpen;

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Name resolution, TCP and TLS together.
    pub connect: Duration,
    /// Without a byte in either direction, before the answer begins.
    pub first_byte: Duration,
    /// Without a byte within a body, or on an upgraded connection.
    pub idle: Duration,
}

/// Where a request goes.
#[derive(Clone)]
pub struct Destination {
    /// Scheme and authority.
    pub url: String,
    pub preserve_host: bool,
    pub path_and_query: String,
    /// Whether a tunnel may go on.
    pub still_open: StillOpen,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ForwardError {
    #[error("the request came back to this server: an alias leads to itself")]
    Loop,
    #[error(transparent)]
    Upstream(#[from] EgressError),
    #[error("the upstream was silent for {} ms", after.as_millis())]
    Silent { after: Duration },
    #[error("{max} requests wait for upstreams already")]
    Busy { max: usize },
    #[error("the client broke the request's body off")]
    BrokenOff,
    #[error("nothing of the request's body came for too long")]
    ClientSilent,
    #[error("the request cannot be passed on: {reason}")]
    BadRequest { reason: String },
    #[error("the upstream changed the protocol although nobody had asked")]
    UnaskedUpgrade,
    #[error("the upstream answered as if nobody had asked for another protocol")]
    NoUpgrade,
}

/// Passes requests on. Clones share connections and limits.
#[derive(Clone)]
pub struct Forwarder(Arc<Shared>);

struct Shared {
    upstreams: Upstreams,
    patience: Patience,
    permits: Arc<Semaphore>,
    requests_max: usize,
    /// Marks what went through this very process (RFC 9110, section 7.6.3).
    pseudonym: String,
    via: Via,
    trusted: Vec<IpNet>,
    stop: Shutdown,
}

impl Forwarder {
    /// `trusted`: proxies in front whose word is taken. `stop` ends upgraded connections.
    pub fn new(
        upstreams: Upstreams,
        patience: Patience,
        requests_max: usize,
        trusted: Vec<IpNet>,
        stop: Shutdown,
    ) -> Self {
        let pseudonym = format!("footpath-{:016x}", rand::random::<u64>());
        Self(Arc::new(Shared {
            upstreams,
            patience,
            permits: Arc::new(Semaphore::new(requests_max)),
            requests_max,
            via: Via::new(&pseudonym),
            pseudonym,
            trusted,
            stop,
        }))
    }

    pub fn is_trusted(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.trusted.iter().any(|network| network.contains(&peer))
    }

    /// Who the client is, behind proxies that are trusted.
    pub fn client(&self, peer: IpAddr, headers: &http::HeaderMap) -> IpAddr {
        match self.is_trusted(peer) {
            true => trusted_client(peer, headers, |ip| self.is_trusted(ip)),
            false => peer,
        }
    }

    /// Sends a request on. `pending` is written when the last byte has gone.
    pub async fn forward(
        &self,
        request: Request<UpstreamBody>,
        to: &Destination,
        sender: &Sender<'_>,
        mut pending: Pending,
    ) -> Result<Response<UpstreamBody>, (ForwardError, Pending)> {
        match self.exchange(request, to, sender, &mut pending).await {
            Ok(Exchange::Answer(response, permit)) => {
                let idle = self.0.patience.idle;
                pending.answered(response.status());
                let out = pending.bytes_out();
                Ok(response.map(|body| {
                    Watched::new(body, idle, out)
                        .holding((pending, permit))
                        .boxed_unsync()
                }))
            }
            Ok(Exchange::Upgraded(response, sides)) => {
                pending.answered(response.status());
                let (idle, stop) = (self.0.patience.idle, self.0.stop.clone());
                let open = to.still_open.clone();
                self.0
                    .stop
                    .spawn(tunnel::run(sides, idle, stop, pending, open));
                Ok(response)
            }
            Err(error) => Err((error, pending)),
        }
    }

    async fn exchange(
        &self,
        mut request: Request<UpstreamBody>,
        to: &Destination,
        sender: &Sender<'_>,
        pending: &mut Pending,
    ) -> Result<Exchange, ForwardError> {
        let shared = &self.0;
        if headers::went_through(request.headers(), &shared.pseudonym) {
            return Err(ForwardError::Loop);
        }
        let max = shared.requests_max;
        let permit = shared.permits.clone().try_acquire_owned();
        let permit = permit.map_err(|_| ForwardError::Busy { max })?;
        let upgrade = headers::upgrade(&request);
        let on_client = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
        let (url, protocol) = dialled(&to.url, to.preserve_host, upgrade.is_some());
        let uri = url + &to.path_and_query;
        let uri = Uri::try_from(uri).map_err(|error| ForwardError::BadRequest {
            reason: error.to_string(),
        })?;
        let progress = Progress::new();
        let outgoing = {
            let (mut head, body) = request.into_parts();
            headers::for_upstream(&mut head.headers, sender, shared.via.of(head.version));
            if !to.preserve_host {
                head.headers.remove(header::HOST);
            }
            if let Some(wish) = &upgrade {
                headers::ask_to_upgrade(&mut head.headers, &wish.protocol);
                if wish.is_connect {
                    head.method = Method::GET;
                    headers::add_websocket_key(&mut head.headers);
                }
            }
            head.uri = uri;
            // What hyper knows of the connection from the client ends here.
            head.extensions.clear();
            let body = match body.is_end_stream() {
                true => {
                    progress.end();
                    nothing()
                }
                false => Watched::new(body, shared.patience.idle, pending.bytes_in())
                    .reporting(progress.clone())
                    .boxed_unsync(),
            };
            Request::from_parts(head, body)
        };
        let sending = shared
            .upstreams
            .send(outgoing, protocol, shared.patience.connect);
        let after = shared.patience.first_byte;
        let mut response = tokio::select! {
            // To the upstream's side it looks as if that had failed.
            answered = sending => answered.map_err(|error| match progress.failure() {
                Some(Failure::BrokenOff) => ForwardError::BrokenOff,
                Some(Failure::Silent) => ForwardError::ClientSilent,
                None => error.into(),
            })?,
            () = progress.silent_for(after) => return Err(ForwardError::Silent { after }),
        };
        let is_connect = upgrade.as_ref().is_some_and(|wish| wish.is_connect);
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some((on_client, asked)) = on_client.zip(upgrade) else {
                return Err(ForwardError::UnaskedUpgrade);
            };
            let chosen = response.headers().get(header::UPGRADE).cloned();
            let on_upstream = hyper::upgrade::on(&mut response);
            let (mut head, _) = response.into_parts();
            headers::for_client(&mut head.headers);
            if is_connect {
                head.status = StatusCode::OK;
                head.headers.remove(header::SEC_WEBSOCKET_ACCEPT);
            } else {
                headers::ask_to_upgrade(&mut head.headers, &chosen.unwrap_or(asked.protocol));
            }
            head.version = Version::HTTP_11;
            head.extensions.clear();
            let sides = tunnel::Sides {
                client: on_client,
                upstream: on_upstream,
                permit,
            };
            return Ok(Exchange::Upgraded(
                Response::from_parts(head, nothing()),
                sides,
            ));
        }
        if is_connect && response.status().is_success() {
            // To the client it would mean that the tunnel stands.
            return Err(ForwardError::NoUpgrade);
        }
        headers::for_client(response.headers_mut());
        if !response.status().is_success() && !progress.is_ended() {
            // A refusal that did not wait for the body: nobody will read the rest.
            headers::close(response.headers_mut());
        }
        *response.version_mut() = Version::HTTP_11;
        Ok(Exchange::Answer(response, permit))
    }
}

fn nothing() -> UpstreamBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// The field that says that a request went through here, by the client's version
/// of HTTP.
struct Via([HeaderValue; 3]);

impl Via {
    fn new(pseudonym: &str) -> Self {
        let value = |version: &str| {
            let text = format!("{version} {pseudonym}");
            HeaderValue::from_str(&text).expect("letters, digits and a space")
        };
        Self(["1.0", "1.1", "2"].map(value))
    }

    fn of(&self, version: Version) -> &HeaderValue {
        let [http10, http11, http2] = &self.0;
        match version {
            Version::HTTP_2 => http2,
            Version::HTTP_10 => http10,
            _ => http11,
        }
    }
}

/// What an upstream made of a request.
enum Exchange {
    Answer(Response<UpstreamBody>, tokio::sync::OwnedSemaphorePermit),
    Upgraded(Response<UpstreamBody>, tunnel::Sides),
}

/// A header's value as text, if it is plain text.
fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}
