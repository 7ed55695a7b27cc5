//! A miss -> prompt -> model -> checked script, as far as it is not the script's
//! own doing: which misses are admitted, who makes a route while others wait, and
//! what models may cost. It must not know HTTP surfaces, nor how scripts are saved.

pub mod admission;
pub mod backoff;
pub mod budget;
pub mod client;
pub mod flights;
pub mod prices;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use http::Method;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::model::exec_id::ExecId;
use crate::model::generation::{Generation, PROMPT_BYTES_MAX, TokenUsage};
use crate::sandbox::services::Making;
use crate::sandbox::services::ai::{
    Asker, Finish, ModelError, ModelRequest, Models, OnEnd, PARTS_MAX, Part, Parts, Role, failed,
};
use crate::store::StoreError;
use admission::Admission;
use backoff::{Backoff, Failed};
use budget::{Amount, Budget, OverCap, Room};
use client::{Ask, ModelClient};
use flights::{Flights, Lead, NoTurn};
use prices::Prices;

/// The model when nothing names one.
pub const MODEL_DEFAULT: &str = "gemini-2.5-flash-lite";

/// What requests to models may be.
#[derive(Debug, Clone)]
pub struct Terms {
    pub model: String,
    /// Tokens of one answer, at most and by default.
    pub tokens_per_call: u32,
    /// All messages of one request.
    pub prompt_bytes_max: usize,
    /// How often a model may mend code that did not work, for one call.
    pub repairs: u32,
    /// How long a call waits for another one that makes its route.
    pub patience: Duration,
}

/// A call of a path that no script answers yet.
#[derive(Debug, Clone)]
pub struct Miss<'a> {
    pub exec_id: &'a ExecId,
    pub method: &'a Method,
    /// Still percent-encoded.
    pub path: &'a str,
    pub client_ip: Option<IpAddr>,
    pub making: &'a Making,
}

/// Why a miss makes no route.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    #[error("no such route")]
    NotAdmitted,
    #[error("making {path} failed {failures} times; it is tried again in {seconds} s", path = .failed.path, failures = .failed.failures, seconds = .retry_after_seconds)]
    Failed {
        failed: Failed,
        retry_after_seconds: u32,
    },
    #[error(transparent)]
    OverCap(#[from] OverCap),
    #[error(transparent)]
    NoTurn(#[from] NoTurn),
}

pub struct Author {
    pub admission: Admission,
    pub flights: Flights,
    pub backoff: Backoff,
    pub budget: Arc<Budget>,
    /// None when no provider is configured.
    pub client: Option<Arc<ModelClient>>,
    pub prices: Arc<Prices>,
    pub terms: Terms,
    /// Requests to models under way; they book what they used before they end.
    pub tasks: TaskTracker,
}

/// The name of a route that may be made: deployment, method, path.
pub fn key(exec_id: &ExecId, method: &str, path: &str) -> String {
    let path = path.trim_end_matches('/');
    format!("{exec_id} {method} {path}")
}

/// The name of what is made at a time: one file answers all methods of a path, so
/// calls of another method wait too, and then find it.
pub fn turn_key(exec_id: &ExecId, path: &str) -> String {
    format!("{exec_id} {}", path.trim_end_matches('/'))
}

impl Author {
    /// Whether a call may make its route at all, now.
    pub fn check(&self, miss: &Miss<'_>) -> Result<(), NotMade> {
        let now = Utc::now();
        if !self.admission.allows(miss.method, miss.path) {
            return Err(NotMade::NotAdmitted);
        }
        let key = key(miss.exec_id, miss.method.as_str(), miss.path);
        if let Some(failed) = self.backoff.forbids(&key, now) {
            let seconds = (failed.until - now).num_seconds().max(1);
            return Err(NotMade::Failed {
                failed,
                retry_after_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
            });
        }
        Ok(self.budget.check(miss.client_ip, now)?)
    }

    /// Whether a call that has its turn may go on. The route has its room among the
    /// new ones until that is dropped.
    pub fn begin(&self, miss: &Miss<'_>) -> Result<Room, NotMade> {
        self.check(miss)?;
        Ok(self.budget.room(Utc::now())?)
    }

    /// The turn of a call, maybe after a wait; look again whether the route is there.
    pub async fn turn(&self, miss: &Miss<'_>) -> Result<Lead, NotMade> {
        let key = turn_key(miss.exec_id, miss.path);
        let turn = self.flights.turn(&key, miss.making, self.terms.patience);
        Ok(turn.await?)
    }

    /// A call has made its route, and maybe others.
    pub async fn made(&self, miss: &Miss<'_>, routes: usize) -> Result<(), StoreError> {
        let key = key(miss.exec_id, miss.method.as_str(), miss.path);
        self.budget.made_routes(routes as u64, Utc::now());
        self.budget.save().await?;
        self.backoff.forget(&key).await?;
        Ok(())
    }

    /// Calls of a path by a method have failed to make its route, or made one that
    /// nobody wants.
    pub async fn not_made(
        &self,
        exec_id: &ExecId,
        (method, path): (&str, &str),
        code: &str,
    ) -> Result<(), StoreError> {
        let now = Utc::now();
        let failed = Failed {
            exec_id: exec_id.to_string(),
            method: method.to_owned(),
            path: path.to_owned(),
            failures: 0,
            code: code.to_owned(),
            last_at: now,
            until: now,
        };
        self.backoff
            .failed(&key(exec_id, method, path), failed)
            .await
    }
}

impl Models for Author {
    fn ask(&self, asker: Asker, request: ModelRequest, on_end: OnEnd) -> Parts {
        let Some(client) = self.client.clone() else {
            return failed(not_configured());
        };
        let ask = match self.prepare(&asker, request) {
            Ok(ask) => ask,
            Err(error) => return failed(error),
        };
        let (sender, parts) = mpsc::channel(PARTS_MAX);
        let call = Call {
            client,
            budget: self.budget.clone(),
            prices: self.prices.clone(),
            asker,
            ask,
        };
        self.tasks.spawn(call.run(sender, on_end));
        parts
    }
}

/// Two lines that configure a provider: a hosted one, a local one.
fn not_configured() -> ModelError {
    ModelError::new(
        "AI_NOT_CONFIGURED",
        "no model is configured; set one of these before the start:\n\
         FOOTPATH_AI_BASE_URL=https://openrouter.ai/api/v1 FOOTPATH_AI_API_KEY=<key> FOOTPATH_AI_MODEL=google/gemini-2.5-flash-lite\n\
         FOOTPATH_AI_BASE_URL=http://127.0.0.1:11434/v1 FOOTPATH_AI_MODEL=qwen2.5-coder",
    )
}

impl Author {
    fn prepare(&self, asker: &Asker, request: ModelRequest) -> Result<Ask, ModelError> {
        let invalid = |message: String| ModelError::new("AI_INVALID", message);
        let bytes: usize = request.messages.iter().map(|one| one.content.len()).sum();
        if bytes > self.terms.prompt_bytes_max {
            let max = self.terms.prompt_bytes_max;
            return Err(invalid(format!(
                "the messages have {bytes} bytes, the limit is {max}; send less, or raise ai.prompt_bytes"
            )));
        }
        let temperature = request.temperature;
        if temperature.is_some_and(|one| !(0.0..=2.0).contains(&one)) {
            return Err(invalid("the temperature is not within 0 to 2".to_owned()));
        }
        let schema = request.schema.as_deref().map(serde_json::from_str);
        let schema = schema
            .transpose()
            .map_err(|error| invalid(format!("the schema is not JSON: {error}")))?;
        let max = self.terms.tokens_per_call;
        Ok(Ask {
            model: request.model.unwrap_or_else(|| self.terms.model.clone()),
            messages: request.messages,
            temperature,
            max_tokens: request.max_tokens.unwrap_or(max).clamp(1, max),
            schema,
            key: asker.key.clone(),
        })
    }
}

/// One request to a model, from the budget and back to it.
struct Call {
    client: Arc<ModelClient>,
    budget: Arc<Budget>,
    prices: Arc<Prices>,
    asker: Asker,
    ask: Ask,
}

type Sender = mpsc::Sender<Result<Part, ModelError>>;

impl Call {
    async fn run(self, sender: Sender, on_end: OnEnd) {
        let started = (Utc::now(), Instant::now());
        let bytes: usize = self.ask.messages.iter().map(|one| one.content.len()).sum();
        let most = TokenUsage {
            prompt_tokens: tokens_of(bytes),
            completion_tokens: self.ask.max_tokens.into(),
        };
        let expected = Amount {
            tokens: most.total(),
            cost_micros: self.prices.cost_micros(&self.ask.model, most),
        };
        let reserved = self
            .budget
            .reserve(self.asker.client_ip, expected, started.0);
        let reservation = match reserved.await {
            Ok(Ok(reservation)) => reservation,
            Ok(Err(over)) => {
                let error = ModelError {
                    code: over.cap.code(),
                    message: over.to_string(),
                    retry_after_seconds: Some(over.retry_after_seconds),
                };
                let _ = sender.send(Err(error)).await;
                return;
            }
            Err(error) => {
                let error = ModelError::new("AI_UNAVAILABLE", error.to_string());
                let _ = sender.send(Err(error)).await;
                return;
            }
        };
        let mut answered_bytes = 0;
        let to_script = sender.clone();
        let asking = self.client.ask(&self.ask, |part| {
            if let Part::Text(text) = &part {
                answered_bytes += text.len();
            }
            let to_script = to_script.clone();
            async move {
                let _ = to_script.send(Ok(part)).await;
            }
        });
        let result = tokio::select! {
            result = asking => result,
            () = sender.closed() => Err(ModelError::new("AI_ABORTED", "the script went away")),
        };
        let generation = self.generation(&result, answered_bytes, started);
        let (tokens, cost) = (generation.usage.total(), generation.cost_micros);
        self.budget.book(reservation, tokens, cost, Utc::now());
        tracing::info!(
            script = %self.asker.script,
            execution_id = self.asker.execution_id,
            model = generation.model,
            tokens,
            cost_micros = cost,
            finish = generation.finish_reason,
            "asked a model"
        );
        on_end(generation);
        // Only now: what the script does next may depend on the notes.
        let _ = sender.send(result.map(Part::Finish)).await;
        if let Err(error) = self.budget.save().await {
            tracing::error!(%error, tokens, "what a model used is not stored");
        }
    }

    fn generation(
        &self,
        result: &Result<Finish, ModelError>,
        answered_bytes: usize,
        (started_at, since): (chrono::DateTime<Utc>, Instant),
    ) -> Generation {
        let told = result.as_ref().ok().map(|finish| finish.usage);
        let told = told.filter(|usage| usage.total() > 0);
        let asked_bytes: usize = self.ask.messages.iter().map(|one| one.content.len()).sum();
        let usage = told.unwrap_or(TokenUsage {
            prompt_tokens: tokens_of(asked_bytes),
            completion_tokens: tokens_of(answered_bytes),
        });
        let (model, finish_reason, provider_id) = match result {
            Ok(finish) => (&finish.model, finish.reason.clone(), finish.id.clone()),
            Err(error) => (&self.ask.model, error.code.to_owned(), String::new()),
        };
        let model = if model.is_empty() {
            &self.ask.model
        } else {
            model
        };
        Generation {
            cost_micros: self.prices.cost_micros(&self.ask.model, usage),
            model: model.clone(),
            prompt: prompt_of(&self.ask),
            temperature: self.ask.temperature,
            max_tokens: self.ask.max_tokens,
            usage,
            estimated: told.is_none(),
            finish_reason,
            provider_id,
            started_at,
            duration_ms: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// About how many tokens a text has: four bytes each.
fn tokens_of(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

/// The messages as one text, cut where it gets too long.
fn prompt_of(ask: &Ask) -> String {
    let mut prompt = String::new();
    for message in &ask.messages {
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        prompt.push_str(role);
        prompt.push_str(": ");
        prompt.push_str(&message.content);
        prompt.push('\n');
    }
    prompt.truncate(prompt.floor_char_boundary(PROMPT_BYTES_MAX));
    prompt
}
