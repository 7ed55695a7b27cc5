//! Routes that write themselves, from the configuration to the part. It must not
//! decide anything that the configuration does not.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::TimeDelta;
use tokio_util::task::TaskTracker;

use crate::author::admission::Admission;
use crate::author::backoff::{Backoff, Delays};
use crate::author::budget::{Budget, Caps};
use crate::author::client::{ClientConfig, ModelClient};
use crate::author::flights::Flights;
use crate::author::prices::Prices;
use crate::author::{self, Author, MODEL_DEFAULT};
use crate::config::{Ai, Config};
use crate::store::Store;

/// The key for the models' server, and what models cost.
pub fn settings(ai: &Ai) -> anyhow::Result<(Option<String>, Prices)> {
    let prices = Prices::parse(&ai.prices)?;
    let Some(file) = ai.api_key_file.as_ref().filter(|_| ai.api_key.is_none()) else {
        return Ok((
            ai.api_key.as_ref().map(|key| key.expose().to_owned()),
            prices,
        ));
    };
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("ai.api_key_file: cannot read {name}"))?;
    let key = text.trim();
    if key.is_empty() {
        bail!("ai.api_key_file: {name} holds no key");
    }
    Ok((Some(key.to_owned()), prices))
}

/// What makes routes, with its client for models if one is configured.
pub fn open(config: &Config, store: &Store) -> anyhow::Result<Author> {
    let (ai, own) = (&config.ai, &config.author);
    let (key, prices) = settings(ai)?;
    let client = match &ai.base_url {
        Some(base_url) => Some(Arc::new(ModelClient::new(ClientConfig {
            base_url: base_url.clone(),
            key,
            silence: Duration::from_millis(ai.silence_ms),
            wire_bytes_max: 64 * ai.answer_bytes as usize,
            answer_bytes_max: ai.answer_bytes as usize,
        })?)),
        None => None,
    };
    let delays = Delays {
        first: TimeDelta::milliseconds(own.backoff_ms as i64),
        max: TimeDelta::milliseconds(own.backoff_max_ms as i64),
    };
    let caps = Caps {
        calls_per_minute: own.calls_per_minute,
        calls_per_minute_per_client: own.calls_per_minute_per_client,
        routes_per_hour: own.routes_per_hour,
        routes_per_day: own.routes_per_day,
        tokens_per_day: own.tokens_per_day,
        cost_per_day_micros: own.cost_per_day_cents.saturating_mul(10_000),
    };
    Ok(Author {
        admission: Admission {
            methods: own.methods.clone(),
            prefixes: own.prefixes.clone(),
            scanner_paths: own.scanner_paths.clone(),
        },
        flights: Flights::default(),
        backoff: Backoff::open(store.clone(), delays)?,
        budget: Arc::new(Budget::open(store.clone(), caps)?),
        client,
        prices: Arc::new(prices),
        terms: author::Terms {
            model: ai.model.clone().unwrap_or_else(|| MODEL_DEFAULT.to_owned()),
            tokens_per_call: u32::try_from(ai.tokens_per_call).unwrap_or(u32::MAX),
            prompt_bytes_max: ai.prompt_bytes as usize,
            repairs: u32::try_from(own.repairs).unwrap_or(u32::MAX),
            patience: Duration::from_millis(own.wait_ms),
        },
        tasks: TaskTracker::new(),
    })
}
