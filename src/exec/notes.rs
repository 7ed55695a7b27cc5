//! What one call has done besides answering: what it asked models, what came of
//! code that it tried, which scripts it wrote. It decides nothing; what may be
//! saved follows from it in `services`.

use std::sync::{Arc, Mutex, PoisonError};

use crate::model::generation::{Authorship, Generation, Trial};
use crate::sandbox::services::CallContext;

/// Requests to models that are kept of one call.
const GENERATIONS_MAX: usize = 16;

/// Shared by the call's services and whoever made the call.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Mutex<Noted>>);

#[derive(Debug, Default, Clone)]
pub struct Noted {
    /// The request as the caller sent it: method, path, name of a shown token.
    pub method: String,
    pub token: Option<String>,
    pub generations: Vec<Generation>,
    pub trial: Option<Trial>,
    /// Code whose trial failed.
    pub failed_code: Vec<String>,
    /// Paths of scripts that were written and answer now.
    pub written: Vec<String>,
    /// Ids of drafts that wait for somebody's approval.
    pub drafts: Vec<String>,
}

impl Notes {
    pub fn of_request(method: String, token: Option<String>) -> Self {
        let notes = Self::default();
        notes.change(|noted| (noted.method, noted.token) = (method, token));
        notes
    }

    pub fn change<T>(&self, change: impl FnOnce(&mut Noted) -> T) -> T {
        // Whole values are put in, so a panic elsewhere leaves it sound.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn now(&self) -> Noted {
        self.change(|noted| noted.clone())
    }

    pub fn generated(&self, generation: Generation) {
        self.change(|noted| {
            if noted.generations.len() < GENERATIONS_MAX {
                noted.generations.push(generation);
            }
        });
    }

    /// How a script came to be that this call writes; none when no model was asked.
    pub fn authorship(&self, call: &CallContext, by: &str) -> Option<Authorship> {
        let noted = self.now();
        if noted.generations.is_empty() {
            return None;
        }
        Some(Authorship {
            method: noted.method,
            path: call.path.clone(),
            client_ip: call.client_ip,
            token: noted.token,
            execution_id: call.execution_id.clone(),
            by: by.to_owned(),
            generations: noted.generations,
            trial: noted.trial.unwrap_or(Trial::None),
        })
    }
}
