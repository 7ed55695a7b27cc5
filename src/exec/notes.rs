//! What one call has done besides answering: what it asked models, what came of
//! code that it tried, which scripts it wrote. It decides nothing; what may be
//! saved follows from it in `services`.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::model::generation::{Authorship, Generation, Trial};
use crate::sandbox::services::CallContext;

/// Requests to models that are kept of one call.
const GENERATIONS_MAX: usize = 16;

/// Shared by the call's services and whoever made the call.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Mutex<Noted>>);

#[derive(Debug, Default, Clone)]
pub struct Noted {
    /// The request that the script answers; none when no model may be asked.
    pub trigger: Option<Arc<Trigger>>,
    pub generations: Vec<Generation>,
    /// Requests to models that the present run of the script has made.
    pub asked: usize,
    pub trial: Option<Trial>,
    /// Code that answered the request in an isolate.
    pub tried_code: Vec<String>,
    /// Code whose trial failed.
    pub failed_code: Vec<String>,
    /// The last such code, and what a model would have to know to mend it.
    pub fault: Option<Fault>,
    /// A fault of an earlier run that a model is to mend in this one.
    pub to_mend: Option<Fault>,
    /// Paths of scripts that were written and answer now.
    pub written: Vec<String>,
    /// Ids of drafts that wait for somebody's approval.
    pub drafts: Vec<String>,
}

/// A request as it came, so that code can be tried with it.
#[derive(Debug)]
pub struct Trigger {
    pub method: Method,
    /// Path and query.
    pub target: String,
    pub headers: HeaderMap,
    /// What the script has read of the body.
    pub body: BodyCopy,
    /// How long the body is, if that was known before.
    pub body_bytes: Option<u64>,
    /// The name of the management token that was shown with it.
    pub token: Option<String>,
}

impl Trigger {
    /// Whether all of the body is in the copy, so that it could come once more.
    pub fn is_whole(&self) -> bool {
        self.body_bytes == Some(self.body.bytes().len() as u64)
    }
}

/// What was read of a body so far. Whoever adds to it limits its size.
#[derive(Debug, Clone, Default)]
pub struct BodyCopy(Arc<Mutex<Vec<u8>>>);

impl BodyCopy {
    pub fn add(&self, bytes: &[u8]) {
        self.text().extend_from_slice(bytes);
    }

    pub fn bytes(&self) -> Bytes {
        Bytes::copy_from_slice(&self.text())
    }

    fn text(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        // It is whole after each part, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Code that did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which request to a model of the run the code came from, counted from 1.
    pub asked: usize,
    pub code: String,
    pub message: String,
}

impl Notes {
    /// Of a call that may ask models.
    pub fn of_request(trigger: Trigger) -> Self {
        let notes = Self::default();
        notes.change(|noted| noted.trigger = Some(Arc::new(trigger)));
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

    /// Where to copy the body as it is read, unless all of it is there.
    pub fn body(&self) -> Option<BodyCopy> {
        self.change(|noted| {
            let trigger = noted.trigger.as_ref().filter(|one| !one.is_whole())?;
            Some(trigger.body.clone())
        })
    }

    /// Code answered the request in an isolate.
    pub fn worked(&self, code: String, status: u16) {
        self.change(|noted| {
            noted.trial = Some(Trial::Answered { status });
            noted.failed_code.retain(|failed| *failed != code);
            noted.tried_code.push(code);
        });
    }

    /// Code did not work, and this is why.
    pub fn failed(&self, code: String, trial: Trial, message: String) {
        self.change(|noted| {
            noted.trial = Some(trial);
            noted.fault = (noted.asked > 0).then(|| Fault {
                asked: noted.asked,
                code: code.clone(),
                message,
            });
            noted.failed_code.push(code);
        });
    }

    /// The script is to run once more, for a model to mend what did not work. False
    /// when nothing of the sort has happened, or it has made something else of it.
    pub fn mend(&self) -> bool {
        self.change(|noted| {
            noted.asked = 0;
            noted.to_mend = noted.fault.take();
            noted.to_mend.is_some() && noted.written.is_empty() && noted.drafts.is_empty()
        })
    }

    /// What a model has to mend with the request that it gets now.
    pub fn asks(&self) -> Option<Fault> {
        self.change(|noted| {
            noted.asked += 1;
            let now = noted.asked;
            noted.to_mend.take_if(|fault| fault.asked == now)
        })
    }

    /// How a script came to be that this call writes; none when no model was asked.
    pub fn authorship(&self, call: &CallContext, by: &str) -> Option<Authorship> {
        let noted = self.now();
        if noted.generations.is_empty() {
            return None;
        }
        let trigger = noted.trigger.as_ref();
        Some(Authorship {
            method: trigger.map_or_else(String::new, |one| one.method.to_string()),
            path: call.path.clone(),
            client_ip: call.client_ip,
            token: trigger.and_then(|one| one.token.clone()),
            execution_id: call.execution_id.clone(),
            by: by.to_owned(),
            generations: noted.generations,
            trial: noted.trial.unwrap_or(Trial::None),
        })
    }
}
