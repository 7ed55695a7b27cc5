//! Calls of a running server's API.

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::trust::{TrustArguments, client_tls};

#[derive(Args)]
pub struct ServerArguments {
    /// The server, with http or https.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8080",
        global = true
    )]
    server: String,
    /// A token with the permission `cron`.
    #[arg(long, env = "FOOTPATH_TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,
    #[command(flatten)]
    trust: TrustArguments,
}

pub struct Client {
    http: HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    server: String,
    token: String,
}

impl Client {
    pub fn new(arguments: &ServerArguments) -> anyhow::Result<Client> {
        let server = arguments.server.trim_end_matches('/').to_owned();
        if !["http://", "https://"]
            .iter()
            .any(|scheme| server.starts_with(scheme))
        {
            anyhow::bail!("--server {server} must start with http:// or https://");
        }
        let token = arguments.token.clone();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(client_tls(&arguments.trust)?)
            .https_or_http()
            .enable_all_versions()
            .build();
        Ok(Client {
            http: HttpClient::builder(TokioExecutor::new()).build(connector),
            server,
            token: token.context("a token is needed: set FOOTPATH_TOKEN or use --token")?,
        })
    }

    /// The answer's JSON, or its error as a message.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let sent = self.http.request(request).await;
        let response = sent.with_context(|| {
            let hint = match self.server.starts_with("https://") {
                true => "; --ca FILE trusts an authority, --insecure any certificate",
                false => "",
            };
            format!("{} does not answer{hint}", self.server)
        })?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        let value: Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} answers {status} without JSON", self.server))?;
        if !status.is_success() {
            let code = value["code"].as_str().unwrap_or_default();
            let message = value["message"].as_str().unwrap_or_default();
            anyhow::bail!("{code}: {message}");
        }
        Ok(value)
    }
}

/// A text as part of a URL.
pub fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
