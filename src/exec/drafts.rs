//! Scripts that a model wrote and a person has to approve. A draft answers
//! nothing; approving it publishes it as what it is, a script's text.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Exec;
use super::edit::{Condition, EditError, Terms, Write, Written};
use super::history::{Author, Origin};
use crate::model::exec_id::ExecId;
use crate::model::generation::Authorship;
use crate::model::script::ScriptPath;
use crate::store::{Kind, Store, StoreError, Stored, from_record};

/// Drafts of the whole server; the oldest go first.
pub const DRAFTS_MAX: usize = 1_000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    pub id: String,
    pub path: ScriptPath,
    pub text: String,
    pub authorship: Option<Authorship>,
    pub created_at: DateTime<Utc>,
}

impl Stored for Draft {
    const KIND: Kind = Kind {
        number: 61,
        version: 1,
    };
}

impl Draft {
    /// Ids sort by time.
    pub fn new(
        path: ScriptPath,
        text: String,
        authorship: Option<Authorship>,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id: uuid::Uuid::now_v7().to_string(),
            path,
            text,
            authorship,
            created_at: now,
        }
    }
}

/// A deployment and a path: what was called, and is asked for again. By which method
/// does not matter, since one file answers all of them.
type Called = (ExecId, String);

/// Drafts in the store, and in memory which calls they stand for.
pub struct Drafts {
    store: Store,
    /// To the draft's id.
    waiting: Mutex<HashMap<Called, String>>,
}

fn key(id: &str) -> String {
    format!("exec/draft/{id}")
}

fn called(exec_id: &ExecId, path: &str) -> Called {
    (exec_id.clone(), path.trim_end_matches('/').to_owned())
}

impl Drafts {
    pub fn open(store: Store) -> Result<Self, StoreError> {
        let drafts = Self {
            store,
            waiting: Mutex::default(),
        };
        for draft in drafts.all()?.iter().rev() {
            drafts.wait(draft);
        }
        Ok(drafts)
    }

    /// The id of the draft that a call has led to and that waits for somebody: the
    /// same call would only lead to the same again.
    pub fn waiting(&self, exec_id: &ExecId, path: &str) -> Option<String> {
        let called = called(exec_id, path);
        self.waiting_calls().get(&called).cloned()
    }

    fn wait(&self, draft: &Draft) {
        if let Some(from) = &draft.authorship {
            let called = called(draft.path.exec_id(), &from.path);
            self.waiting_calls().insert(called, draft.id.clone());
        }
    }

    fn waiting_calls(&self) -> std::sync::MutexGuard<'_, HashMap<Called, String>> {
        // Entries go in and out whole; a panic elsewhere leaves it sound.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn save(&self, draft: &Draft) -> Result<(), StoreError> {
        let drafts = self.all()?;
        for old in drafts.iter().skip(DRAFTS_MAX - 1) {
            self.remove(old).await?;
        }
        self.store.put_json(&key(&draft.id), draft).await?;
        self.wait(draft);
        Ok(())
    }

    /// The newest first.
    pub fn all(&self) -> Result<Vec<Draft>, StoreError> {
        let page = self.store.range("exec/draft/", None, usize::MAX)?;
        let mut drafts = Vec::new();
        for entry in page.entries {
            drafts.push(from_record(&entry.key, &entry.record?)?);
        }
        drafts.reverse();
        Ok(drafts)
    }

    pub fn get(&self, id: &str) -> Result<Option<Draft>, StoreError> {
        // An id is a UUID: nothing else reaches the store's keys.
        match uuid::Uuid::try_parse(id) {
            Ok(id) => self.store.get_json(&key(&id.to_string())),
            Err(_) => Ok(None),
        }
    }

    pub async fn remove(&self, draft: &Draft) -> Result<bool, StoreError> {
        let removed = self.store.delete(&key(&draft.id)).await?;
        self.waiting_calls().retain(|_, id| *id != draft.id);
        Ok(removed)
    }
}

impl Exec {
    /// Publishes a draft and forgets it. It does not replace a script that came
    /// to be meanwhile.
    pub async fn approve(self: &Arc<Self>, draft: Draft) -> Result<Written, EditError> {
        let terms = Terms {
            author: Author {
                origin: Origin::Script,
                token: None,
                authorship: draft.authorship.clone().map(Box::new),
            },
            condition: Condition {
                if_not_exists: true,
                ..Condition::default()
            },
            dry_run: false,
            validate: true,
        };
        let write = Write {
            path: draft.path.clone(),
            content: draft.text.clone(),
            create_folders: true,
            terms,
        };
        let written = self.write(write).await?;
        self.drafts.remove(&draft).await?;
        Ok(written)
    }
}
