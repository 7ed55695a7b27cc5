//! One call of a curl command: to a route of our own in process, to any other
//! host through `egress`; redirects, the output, the time it may take.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tokio::sync::watch;
use url::Url;

use super::command::CurlCommand;
use super::command::Target;
use super::output::Capture;
use super::run::{Outcome, RunResult};
use crate::egress::{Egress, Timeouts};

/// Redirects that `-L` follows.
const REDIRECTS_MAX: usize = 10;

/// A row says what a call used unless the call outlasts its answer by more.
const USAGE_PATIENCE: Duration = Duration::from_secs(1);

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// What a route used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub fuel: u64,
    pub memory_peak_bytes: u64,
}

/// A route's answer, and what it used, which is told when the call has ended. That may
/// be after the answer: a handler may go on with what it promised to `waitUntil`.
pub struct RouteAnswer {
    pub response: Response<Body>,
    pub usage: watch::Receiver<Option<Usage>>,
}

/// An answer that is still to come.
pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Calls routes of this server in process, as if the request came in by HTTP.
pub trait Routes: Send + Sync + 'static {
    fn call(self: Arc<Self>, request: Request<Bytes>, request_id: String) -> Later<RouteAnswer>;
    /// Runs a script for its `@schedule`, whatever its URL and its `@token`.
    fn fire(
        self: Arc<Self>,
        script: &str,
        request: Request<Bytes>,
        request_id: String,
    ) -> Later<RouteAnswer>;
}

/// How an attempt ended.
#[derive(Debug)]
pub struct Attempted {
    pub outcome: Outcome,
    pub result: RunResult,
}

/// Makes calls. Clones share everything.
#[derive(Clone)]
pub struct Caller {
    pub routes: Arc<dyn Routes>,
    pub egress: Egress,
    pub timeouts: Timeouts,
    /// Authorities that are this server, such as `localhost:8080` and `example.org`.
    pub own_hosts: Arc<Vec<String>>,
    /// Of one answer.
    pub response_bytes_max: u64,
}

/// The headers that tell a handler what called it.
pub type CronHeaders = Vec<(HeaderName, HeaderValue)>;

impl Caller {
    /// Does what the command says, once.
    pub async fn curl(
        &self,
        command: &CurlCommand,
        headers: &CronHeaders,
        timeout: Duration,
    ) -> Attempted {
        let timeout = command.timeout(timeout);
        let mut attempt = Attempt::default();
        let call = self.follow(command, headers, &mut attempt);
        let ended = tokio::time::timeout(timeout, call).await;
        attempt.conclude(ended, timeout).await
    }

    /// Runs a script for its `@schedule`, once.
    pub async fn script(
        &self,
        script: &str,
        headers: &CronHeaders,
        timeout: Duration,
    ) -> Attempted {
        let mut attempt = Attempt::default();
        let mut request = Request::new(Bytes::new());
        add(headers, request.headers_mut());
        let call = async {
            let id = attempt.begin();
            let answer = self.routes.clone().fire(script, request, id).await;
            attempt.usage = Some(answer.usage);
            self.read(answer.response, &mut attempt, false, false).await
        };
        let ended = tokio::time::timeout(timeout, call).await;
        attempt.conclude(ended, timeout).await
    }

    async fn follow(
        &self,
        command: &CurlCommand,
        cron: &CronHeaders,
        attempt: &mut Attempt,
    ) -> Result<(), String> {
        let mut target = command.target.clone();
        let (mut method, mut body) = (command.method.clone(), Bytes::from(command.body.clone()));
        let mut headers = command.headers.clone();
        for _ in 0..=REDIRECTS_MAX {
            let mut request = Request::new(body.clone());
            *request.method_mut() = method.clone();
            *request.headers_mut() = headers.clone();
            add(cron, request.headers_mut());
            let response = self.send(&target, request, attempt).await?;
            let next = match command.follow_redirects && response.status().is_redirection() {
                true => redirect(&target, &response),
                false => None,
            };
            let Some(next) = next else {
                return self
                    .read(response, attempt, command.show_head, command.discard_body)
                    .await;
            };
            // As curl does: 303, and 301 and 302 of a POST, are fetched by GET.
            let status = response.status().as_u16();
            if status == 303 || (method == Method::POST && [301, 302].contains(&status)) {
                method = Method::GET;
                body = Bytes::new();
                headers.remove(header::CONTENT_TYPE);
            }
            if host_of(&next) != host_of(&target) {
                headers.remove(header::AUTHORIZATION);
                headers.remove(header::COOKIE);
            }
            target = next;
        }
        Err(format!("more than {REDIRECTS_MAX} redirects"))
    }

    async fn send(
        &self,
        target: &Target,
        mut request: Request<Bytes>,
        attempt: &mut Attempt,
    ) -> Result<Response<Body>, String> {
        let bad = |error: http::uri::InvalidUri| format!("the URL cannot be called: {error}");
        let url = match target {
            Target::Own(path) => {
                *request.uri_mut() = path.parse().map_err(bad)?;
                return Ok(self.own(request, attempt).await);
            }
            Target::Url(url) => url,
        };
        *request.uri_mut() = url.parse().map_err(bad)?;
        if let Some(authority) = self.own_authority(request.uri()) {
            let path = request
                .uri()
                .path_and_query()
                .map_or("/", |path| path.as_str());
            let path = path.parse().map_err(bad)?;
            *request.uri_mut() = path;
            if let Ok(host) = HeaderValue::from_str(&authority) {
                request.headers_mut().entry(header::HOST).or_insert(host);
            }
            return Ok(self.own(request, attempt).await);
        }
        let request = request.map(Full::new);
        let sent = self.egress.send(request, self.timeouts).await;
        let response = sent.map_err(|error| error.to_string())?;
        Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
    }

    async fn own(&self, request: Request<Bytes>, attempt: &mut Attempt) -> Response<Body> {
        let id = attempt.begin();
        let answer = self.routes.clone().call(request, id).await;
        attempt.usage = Some(answer.usage);
        answer.response
    }

    /// Whether a call stays in the process.
    pub fn is_own(&self, target: &Target) -> bool {
        match target {
            Target::Own(_) => true,
            Target::Url(url) => {
                let url: Result<Uri, _> = url.parse();
                url.is_ok_and(|url| self.own_authority(&url).is_some())
            }
        }
    }

    /// The authority of a URL, if it is ours.
    fn own_authority(&self, uri: &Uri) -> Option<String> {
        let authority = uri.authority()?;
        let host = authority.host().to_ascii_lowercase();
        let default = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let with_port = format!("{host}:{}", authority.port_u16().unwrap_or(default));
        let is_own = |own: &String| *own == host || *own == with_port;
        self.own_hosts
            .iter()
            .any(is_own)
            .then(|| authority.to_string())
    }

    async fn read(
        &self,
        response: Response<Body>,
        attempt: &mut Attempt,
        show_head: bool,
        discard_body: bool,
    ) -> Result<(), String> {
        attempt.status = Some(response.status().as_u16());
        if show_head {
            attempt
                .capture
                .add(format!("HTTP/1.1 {}\r\n", response.status()).as_bytes());
            for (name, value) in response.headers() {
                attempt.capture.add(name.as_str().as_bytes());
                attempt.capture.add(b": ");
                attempt.capture.add(value.as_bytes());
                attempt.capture.add(b"\r\n");
            }
            attempt.capture.add(b"\r\n");
        }
        let mut body = response.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| format!("the answer broke off: {error}"))?;
            let Some(data) = frame.data_ref() else {
                continue;
            };
            bytes += data.len() as u64;
            if bytes > self.response_bytes_max {
                return Err(format!(
                    "the answer is larger than {} bytes",
                    self.response_bytes_max
                ));
            }
            if !discard_body {
                attempt.capture.add(data);
            }
        }
        Ok(())
    }
}

/// What is known of an attempt so far.
#[derive(Default)]
struct Attempt {
    status: Option<u16>,
    capture: Capture,
    request_id: Option<String>,
    usage: Option<watch::Receiver<Option<Usage>>>,
}

impl Attempt {
    /// Names a request to a route of our own.
    fn begin(&mut self) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        self.request_id = Some(id.clone());
        id
    }

    /// Waits a little for a call whose answer has ended: what it used comes after, and
    /// its log line.
    async fn conclude(
        self,
        ended: Result<Result<(), String>, tokio::time::error::Elapsed>,
        timeout: Duration,
    ) -> Attempted {
        let failed = self.status.filter(|status| *status >= 400);
        let (outcome, error) = match ended {
            Ok(Ok(())) => match failed {
                None => (Outcome::Ok, None),
                // The route's own limit was hit.
                Some(504) if self.usage.is_some() => {
                    (Outcome::Timeout, Some("the route took too long".to_owned()))
                }
                Some(status) => (
                    Outcome::Error,
                    Some(format!("the answer's status is {status}")),
                ),
            },
            Ok(Err(error)) => (Outcome::Error, Some(error)),
            Err(_) => {
                let seconds = timeout.as_secs_f64();
                (
                    Outcome::Timeout,
                    Some(format!("it took longer than {seconds} s")),
                )
            }
        };
        let usage = match self.usage {
            Some(mut usage) => {
                // It is told at most once. Then whoever tells it goes, with or without a word.
                let gone = async { while usage.changed().await.is_ok() {} };
                let _ = tokio::time::timeout(USAGE_PATIENCE, gone).await;
                *usage.borrow()
            }
            None => None,
        };
        let result = RunResult {
            status: self.status,
            exit_code: None,
            output: Some(self.capture.output()),
            error,
            fuel_used: usage.map(|usage| usage.fuel),
            memory_peak_bytes: usage.map(|usage| usage.memory_peak_bytes),
            request_id: self.request_id,
        };
        Attempted { outcome, result }
    }
}

fn add(cron: &CronHeaders, headers: &mut http::HeaderMap) {
    for (name, value) in cron {
        headers.insert(name.clone(), value.clone());
    }
}

/// Where an answer points to, if it points somewhere.
fn redirect(from: &Target, response: &Response<Body>) -> Option<Target> {
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    match from {
        Target::Own(path) => {
            if let Ok(url) = Url::parse(location) {
                return Some(Target::Url(url.into()));
            }
            // Resolved against a host that is not used.
            let base = Url::parse("http://own.invalid").ok()?.join(path).ok()?;
            let joined = base.join(location).ok()?;
            if joined.host_str() != base.host_str() {
                return Some(Target::Url(joined.into()));
            }
            let query = joined
                .query()
                .map(|query| format!("?{query}"))
                .unwrap_or_default();
            Some(Target::Own(format!("{}{query}", joined.path())))
        }
        Target::Url(url) => Some(Target::Url(
            Url::parse(url).ok()?.join(location).ok()?.into(),
        )),
    }
}

fn host_of(target: &Target) -> Option<String> {
    match target {
        Target::Own(_) => None,
        Target::Url(url) => {
            let url = Url::parse(url).ok()?;
            Some(format!(
                "{}:{}",
                url.host_str()?,
                url.port_or_known_default()?
            ))
        }
    }
}
