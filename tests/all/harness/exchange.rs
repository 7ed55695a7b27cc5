//! Requests and their answers, with what tests expect of them.

use std::future::IntoFuture;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::{PATIENCE, ROOT_TOKEN};

pub type HttpClient = Client<HttpConnector, Full<Bytes>>;

pub fn client() -> HttpClient {
    // No connection is used twice: the server closes those on which it refused
    // a body, and a request that meets the closing end fails.
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build_http()
}

/// A request on its way; await it for the answer.
pub struct Sending<'a> {
    client: &'a HttpClient,
    uri: String,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
}

impl<'a> Sending<'a> {
    pub fn new(client: &'a HttpClient, method: Method, uri: String) -> Self {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Self {
            client,
            uri,
            method,
            headers,
            body,
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        self.headers
            .append(name, HeaderValue::from_str(value).expect("a header value"));
        self
    }

    /// To another server at this address instead.
    pub fn instead_to(mut self, address: &str) -> Self {
        let rest = self
            .uri
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'));
        self.uri = format!(
            "http://{address}/{}",
            rest.expect("an address and a path").1
        );
        self
    }

    /// With this bearer token.
    pub fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With the root token.
    #[allow(clippy::wrong_self_convention, reason = "it reads as a sentence")]
    pub fn as_root(self) -> Self {
        self.token(ROOT_TOKEN)
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    /// What is sent, for messages; the token that a URL may hold stays in it.
    fn what(&self) -> String {
        format!("{} {}", self.method, self.uri)
    }

    /// Sends the request; for callers that expect it may fail.
    pub async fn send(self) -> Result<Reply, String> {
        let to = self.what();
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri.parse().expect("a request target");
        *request.headers_mut() = self.headers;
        let exchange = async {
            let response = self
                .client
                .request(request)
                .await
                .map_err(|error| format!("{error:?}"))?;
            let (head, body) = response.into_parts();
            let body = body
                .collect()
                .await
                .map_err(|error| format!("{error:?}"))?
                .to_bytes();
            Ok(Reply {
                to,
                status: head.status,
                headers: head.headers,
                body,
            })
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .map_err(|_| "no answer in time".to_owned())?
    }
}

impl<'a> IntoFuture for Sending<'a> {
    type Output = Reply;
    type IntoFuture = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let what = self.what();
            self.send()
                .await
                .unwrap_or_else(|error| panic!("{what}: {error}"))
        })
    }
}

/// An answer, read to its end.
#[derive(Clone)]
pub struct Reply {
    /// The request that it answers, for messages.
    pub to: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }

    #[track_caller]
    pub fn expect_json(self, status: u16, body: Value) -> Self {
        let reply = self.expect(status);
        assert_eq!(reply.json(), body);
        reply
    }

    #[track_caller]
    pub fn expect_text(self, status: u16, body: &str) -> Self {
        let reply = self.expect(status);
        assert_eq!(reply.text(), body);
        reply
    }

    /// An error of the server's own with this code.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        let reply = self.expect(status);
        assert_eq!(reply.json()["code"], code, "{reply:?}");
        reply
    }

    #[track_caller]
    pub fn expect_header(self, name: &str, value: &str) -> Self {
        assert_eq!(self.header(name), Some(value), "header {name} of {self:?}");
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = &self.body[..self.body.len().min(2_000)];
        write!(
            formatter,
            "{} answers {} {:?}\n{}",
            self.to,
            self.status,
            self.headers,
            String::from_utf8_lossy(body)
        )
    }
}

/// The head of an answer, and whatever follows it as the body.
pub fn parse_reply(bytes: &[u8]) -> Reply {
    let shown = String::from_utf8_lossy(bytes);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("not an HTTP answer: {shown:?}"));
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name: HeaderName = name.parse().expect("a header name");
        headers.append(
            name,
            HeaderValue::from_str(value.trim()).expect("a header value"),
        );
    }
    let body = Bytes::copy_from_slice(&bytes[end + 4..]);
    let to = "raw bytes".to_owned();
    Reply {
        to,
        status: status.unwrap_or_else(|| panic!("no status: {shown:?}")),
        headers,
        body,
    }
}
