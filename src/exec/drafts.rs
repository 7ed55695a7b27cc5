//! Scripts that a model wrote and a person has to approve. A draft answers
//! nothing; approving it publishes it as what it is, a script's text.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Exec;
use super::edit::{Condition, EditError, Terms, Write, Written};
use super::history::{Author, Origin};
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

/// Drafts in the store.
pub struct Drafts {
    store: Store,
}

fn key(id: &str) -> String {
    format!("exec/draft/{id}")
}

impl Drafts {
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    pub async fn save(&self, draft: &Draft) -> Result<(), StoreError> {
        let drafts = self.all()?;
        for old in drafts.iter().skip(DRAFTS_MAX - 1) {
            self.store.delete(&key(&old.id)).await?;
        }
        self.store.put_json(&key(&draft.id), draft).await
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
        self.store.delete(&key(&draft.id)).await
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
