//! The client of an OpenAI-compatible server, by `async-openai`: one request, its
//! answer as a stream, one try. What comes is bounded in bytes, and in the time
//! until the first part and between parts. It must not know budgets.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use async_openai::types::chat::{
    ChatCompletionRequestAssistantMessage, ChatCompletionRequestMessage,
    ChatCompletionRequestSystemMessage, ChatCompletionRequestUserMessage,
    ChatCompletionResponseStream, ChatCompletionStreamOptions, CreateChatCompletionRequest,
    FinishReason, ResponseFormat, ResponseFormatJsonSchema,
};
use futures_util::StreamExt;
use http_body_util::Limited;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio::time::timeout;

use crate::model::generation::TokenUsage;
use crate::sandbox::services::ai::{Finish, Message, ModelError, Part, Role};

/// Where models are, and how patient to be.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    pub base_url: String,
    pub key: Option<String>,
    /// Until the first part of an answer, and between parts.
    pub silence: Duration,
    /// One whole answer as it comes over the wire.
    pub wire_bytes_max: usize,
    /// The text of one answer.
    pub answer_bytes_max: usize,
}

pub struct ModelClient {
    http: reqwest::Client,
    config: ClientConfig,
}

/// A request that is ready to be sent.
#[derive(Debug, Clone)]
pub struct Ask {
    pub model: String,
    pub messages: Vec<Message>,
    pub temperature: Option<f64>,
    pub max_tokens: u32,
    pub schema: Option<serde_json::Value>,
    /// `@ai-key`, in the place of the server's.
    pub key: Option<String>,
}

/// The client does not start.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("TLS for models cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the client for models cannot be made: {0}")]
    Http(#[from] reqwest::Error),
}

impl ModelClient {
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        let roots =
            rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(config.silence)
            // A key goes to the server that it is for, and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { http, config })
    }

    /// Sends a request; `each` gets the text as it comes. The end says how it went.
    pub async fn ask<W>(
        &self,
        ask: &Ask,
        mut each: impl FnMut(Part) -> W,
    ) -> Result<Finish, ModelError>
    where
        W: Future<Output = ()>,
    {
        let told = Arc::new(Mutex::new(Told::default()));
        let key = ask.key.as_ref().or(self.config.key.as_ref());
        let config = OpenAIConfig::default()
            .with_api_base(self.config.base_url.trim_end_matches('/'))
            .with_api_key(key.map(String::as_str).unwrap_or_default())
            .with_org_id("")
            .with_project_id("");
        let service = Once {
            http: self.http.clone(),
            wire_bytes_max: self.config.wire_bytes_max,
            told: told.clone(),
        };
        let client = Client::build(self.http.clone(), config).with_http_service(service);
        let failed = |error: &OpenAIError| failure(error, &told);
        let chat = client.chat();
        let opening = chat.create_stream(request(ask));
        let stream = timeout(self.config.silence, opening)
            .await
            .map_err(|_| self.silent())?
            .map_err(|error| failed(&error))?;
        let read = self.read(stream, &failed, &mut each).await;
        let told = *told.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            // What came instead of events had no end to miss.
            Err(error) if error.code == "AI_PROVIDER_CUT" && !told.is_stream => {
                Err(ModelError::new("AI_PROVIDER_INVALID", NO_ANSWER))
            }
            read => read,
        }
    }

    async fn read<W>(
        &self,
        mut stream: ChatCompletionResponseStream,
        failed: &(dyn Fn(&OpenAIError) -> ModelError + Sync),
        each: &mut impl FnMut(Part) -> W,
    ) -> Result<Finish, ModelError>
    where
        W: Future<Output = ()>,
    {
        let mut finish = Finish {
            reason: String::new(),
            usage: TokenUsage::default(),
            model: String::new(),
            id: String::new(),
        };
        let mut bytes = 0;
        while let Some(chunk) = timeout(self.config.silence, stream.next())
            .await
            .map_err(|_| self.silent())?
        {
            let chunk = chunk.map_err(|error| failed(&error))?;
            finish.id = chunk.id;
            finish.model = chunk.model;
            if let Some(usage) = chunk.usage {
                finish.usage.prompt_tokens = usage.prompt_tokens.into();
                finish.usage.completion_tokens = usage.completion_tokens.into();
            }
            // More than one answer was not asked for.
            let Some(choice) = chunk.choices.into_iter().next() else {
                continue;
            };
            if let Some(reason) = choice.finish_reason {
                reason_name(reason).clone_into(&mut finish.reason);
            }
            let Some(text) = choice.delta.content.filter(|text| !text.is_empty()) else {
                continue;
            };
            bytes += text.len();
            if bytes > self.config.answer_bytes_max {
                let max = self.config.answer_bytes_max;
                let message = format!("the model's answer is longer than {max} bytes");
                return Err(ModelError::new("AI_PROVIDER_TOO_LARGE", message));
            }
            each(Part::Text(text)).await;
        }
        if finish.reason.is_empty() {
            let message = "the model's answer ended before it was complete";
            return Err(ModelError::new("AI_PROVIDER_CUT", message));
        }
        Ok(finish)
    }

    fn silent(&self) -> ModelError {
        let seconds = self.config.silence.as_secs_f64();
        let message = format!("the model's server said nothing for {seconds} s");
        ModelError::new("AI_PROVIDER_TIMEOUT", message)
    }
}

#[expect(
    deprecated,
    reason = "compatible servers know max_tokens, few the name after it"
)]
fn request(ask: &Ask) -> CreateChatCompletionRequest {
    CreateChatCompletionRequest {
        model: ask.model.clone(),
        messages: ask.messages.iter().map(message).collect(),
        temperature: ask.temperature.map(|one| one as f32),
        max_tokens: Some(ask.max_tokens),
        response_format: ask
            .schema
            .as_ref()
            .map(|schema| ResponseFormat::JsonSchema {
                json_schema: ResponseFormatJsonSchema {
                    description: None,
                    name: "answer".to_owned(),
                    schema: schema.clone(),
                    strict: None,
                },
            }),
        stream_options: Some(ChatCompletionStreamOptions {
            include_usage: Some(true),
            include_obfuscation: None,
        }),
        ..CreateChatCompletionRequest::default()
    }
}

fn message(message: &Message) -> ChatCompletionRequestMessage {
    let text = message.content.as_str();
    match message.role {
        Role::System => ChatCompletionRequestSystemMessage::from(text).into(),
        Role::User => ChatCompletionRequestUserMessage::from(text).into(),
        Role::Assistant => ChatCompletionRequestAssistantMessage::from(text).into(),
    }
}

fn reason_name(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ContentFilter => "content-filter",
        FinishReason::ToolCalls => "tool-calls",
        FinishReason::FunctionCall => "other",
    }
}

/// What the head of an answer said, which the crate's errors lose.
#[derive(Debug, Default, Clone, Copy)]
struct Told {
    status: Option<u16>,
    /// It comes as events, one a part.
    is_stream: bool,
    retry_after_seconds: Option<u32>,
}

const NO_ANSWER: &str = "the model's server sent what is no answer";

fn failure(error: &OpenAIError, told: &Mutex<Told>) -> ModelError {
    let told = *told.lock().unwrap_or_else(PoisonError::into_inner);
    let (code, message) = match (told.status, error) {
        (Some(429), _) => (
            "AI_PROVIDER_RATE_LIMIT",
            "the model's server asks to wait".to_owned(),
        ),
        (Some(401 | 403), _) => (
            "AI_PROVIDER_AUTH",
            "the model's server refuses the key; see ai.api_key".to_owned(),
        ),
        (Some(status @ 400..), _) => (
            "AI_PROVIDER_ERROR",
            format!("the model's server answered with the status {status}"),
        ),
        (None, OpenAIError::Reqwest(error)) if error.is_connect() => (
            "AI_PROVIDER_UNREACHABLE",
            "the model's server cannot be reached; see ai.base_url".to_owned(),
        ),
        (_, OpenAIError::JSONDeserialize(..)) => ("AI_PROVIDER_INVALID", NO_ANSWER.to_owned()),
        (None, _) => (
            "AI_PROVIDER_UNREACHABLE",
            "the model's server closed the connection".to_owned(),
        ),
        (Some(_), _) => (
            "AI_PROVIDER_CUT",
            "the model's answer ended before it was complete".to_owned(),
        ),
    };
    ModelError {
        code,
        message,
        retry_after_seconds: told.retry_after_seconds,
    }
}

/// Sends a request once. The crate's own service tries up to four times, which
/// would count against nobody's budget.
#[derive(Clone)]
struct Once {
    http: reqwest::Client,
    wire_bytes_max: usize,
    told: Arc<Mutex<Told>>,
}

impl tower::Service<HttpRequestFactory> for Once {
    type Response = reqwest::Response;
    type Error = OpenAIError;
    type Future = Pin<Box<dyn Future<Output = Result<reqwest::Response, OpenAIError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, factory: HttpRequestFactory) -> Self::Future {
        let Self {
            http,
            wire_bytes_max,
            told,
        } = self.clone();
        Box::pin(async move {
            let request = factory.build().await?;
            let response = http.execute(request).await?;
            let media = response.headers().get(CONTENT_TYPE);
            let media = media.and_then(|value| value.to_str().ok());
            let is_stream = media.is_some_and(|media| media.starts_with("text/event-stream"));
            let retry_after = response.headers().get(RETRY_AFTER);
            let seconds = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Told {
                status: Some(response.status().as_u16()),
                is_stream,
                retry_after_seconds: seconds,
            };
            let response: http::Response<reqwest::Body> = response.into();
            let limit = |body| reqwest::Body::wrap(Limited::new(body, wire_bytes_max));
            Ok(response.map(limit).into())
        })
    }
}
