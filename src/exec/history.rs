//! Versions in the store: every text that was ever published, who published it
//! and when, and the manifest by which a restart finds the compiled component.
//! Saved before the live table is swapped.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::script::Manifest;
use super::versions::expired;
use crate::model::exec_id::ExecId;
use crate::model::generation::Authorship;
use crate::model::script::ScriptPath;
use crate::store::{Kind, Operation, Record, Store, StoreError, Stored, from_record, to_record};

/// Whose text it is; authority follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A file that somebody saved, or a write with a management token.
    Person,
    /// Written by another script.
    Script,
}

impl Origin {
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Script => "script",
        }
    }
}

/// Who published, and how it came in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Author {
    pub origin: Origin,
    /// The name of the management token; none for a saved file.
    pub token: Option<String>,
    /// How a model came to write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorship: Option<Box<Authorship>>,
}

impl Author {
    /// Somebody who saved a file, or came with a token of this name.
    pub fn person(token: Option<String>) -> Self {
        Self {
            origin: Origin::Person,
            token,
            authorship: None,
        }
    }
}

/// One published version of a script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Counts up from 1 per script.
    pub number: u64,
    /// The entity tag of the text: its SHA-256 in hex.
    pub hash: String,
    /// The name of the compiled component.
    pub component: String,
    pub author: Author,
    pub created_at: DateTime<Utc>,
    pub size: u64,
}

impl Stored for Version {
    const KIND: Kind = Kind {
        number: 20,
        version: 1,
    };
}
impl Stored for Manifest {
    const KIND: Kind = Kind {
        number: 21,
        version: 1,
    };
}

/// That a script wrote a text at a path.
#[derive(Debug, Default, Serialize, Deserialize)]
struct ByScript {
    /// How a model came to write it, until its version has that.
    authorship: Option<Box<Authorship>>,
}

impl Stored for ByScript {
    const KIND: Kind = Kind {
        number: 65,
        version: 1,
    };
}

const SOURCE_KIND: Kind = Kind {
    number: 22,
    version: 1,
};

const FLAG_KIND: Kind = Kind {
    number: 60,
    version: 1,
};

/// A shorter text is a version's number, never its hash.
pub const HASH_CHARS_MIN: usize = 8;

pub struct History {
    store: Store,
    versions_max: usize,
}

impl History {
    pub fn new(store: Store, versions_max: usize) -> Self {
        Self {
            store,
            versions_max,
        }
    }

    /// The manifest of the version that was published last.
    pub fn manifest(&self, path: &ScriptPath) -> Option<Manifest> {
        self.store
            .get_json(&format!("exec/manifest/{path}"))
            .ok()
            .flatten()
    }

    /// Saves a version, unless the newest one has this very text; then only the
    /// manifest, which also depends on imports. Gives the manifest its number.
    pub async fn save(
        &self,
        path: &ScriptPath,
        source: &str,
        manifest: &mut Manifest,
        author: &Author,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut batch = Vec::new();
        let versions = self.versions(path)?;
        let newest = versions.first();
        manifest.number = newest.map_or(1, |newest| newest.number);
        let same = |newest: &Version| {
            newest.hash == manifest.source_hash && newest.author.origin == author.origin
        };
        if !newest.is_some_and(same) {
            manifest.number = newest.map_or(1, |newest| newest.number + 1);
            let author = &self.with_authorship(path, &manifest.source_hash, author);
            if author.origin == Origin::Script {
                let key = origin_key(path, &manifest.source_hash);
                let record = to_record(&key, &ByScript::default())?;
                batch.push(Operation::Put { key, record });
            }
            let version = Version {
                number: manifest.number,
                hash: manifest.source_hash.clone(),
                component: manifest.version.clone(),
                author: author.clone(),
                created_at: now,
                size: source.len() as u64,
            };
            let key = version_key(path, version.number);
            batch.push(Operation::Put {
                key: key.clone(),
                record: to_record(&key, &version)?,
            });
            let text = Record {
                kind: SOURCE_KIND,
                payload: source.as_bytes().to_vec(),
            };
            batch.push(Operation::Put {
                key: source_key(path, &version.hash),
                record: text,
            });
            let newest_first: Vec<Version> = std::iter::once(version).chain(versions).collect();
            let gone = expired(&newest_first, self.versions_max, |one| {
                one.hash == manifest.source_hash
            });
            for old in gone {
                batch.push(Operation::Delete {
                    key: version_key(path, old.number),
                });
                let last = newest_first
                    .iter()
                    .filter(|one| one.hash == old.hash)
                    .count()
                    == 1;
                if last {
                    batch.push(Operation::Delete {
                        key: source_key(path, &old.hash),
                    });
                }
            }
        }
        let key = format!("exec/manifest/{path}");
        batch.push(Operation::Put {
            key: key.clone(),
            record: to_record(&key, manifest)?,
        });
        self.store.batch(batch).await
    }

    /// The versions of a script, the newest first.
    pub fn versions(&self, path: &ScriptPath) -> Result<Vec<Version>, StoreError> {
        let page = self
            .store
            .range(&format!("exec/version/{path}\0"), None, usize::MAX)?;
        let mut versions = Vec::new();
        for entry in page.entries {
            versions.push(from_record(&entry.key, &entry.record?)?);
        }
        versions.reverse();
        Ok(versions)
    }

    /// The newest version that a selector names: its number, or at least
    /// [`HASH_CHARS_MIN`] characters of its hash.
    pub fn find(&self, path: &ScriptPath, selector: &str) -> Result<Option<Version>, StoreError> {
        let number = selector
            .parse::<u64>()
            .ok()
            .filter(|_| selector.len() < HASH_CHARS_MIN);
        let by_hash = selector.len() >= HASH_CHARS_MIN;
        let names = |version: &Version| match number {
            Some(number) => version.number == number,
            None => by_hash && version.hash.starts_with(selector),
        };
        Ok(self.versions(path)?.into_iter().find(names))
    }

    /// Whose text a file has: a script's if one wrote this very text there, and
    /// nobody has adopted it.
    pub fn origin(&self, path: &ScriptPath, hash: &str) -> Origin {
        match self.store.get(&origin_key(path, hash)) {
            Ok(None) => Origin::Person,
            // What cannot be read gives no authority.
            Ok(Some(_)) | Err(_) => Origin::Script,
        }
    }

    /// Keeps whose text this is at this path, and how a model wrote it, before the
    /// text is there.
    pub async fn set_origin(
        &self,
        path: &ScriptPath,
        hash: &str,
        author: &Author,
    ) -> Result<(), StoreError> {
        let key = origin_key(path, hash);
        if author.authorship.is_none() && self.origin(path, hash) == author.origin {
            return Ok(());
        }
        let authorship = author.authorship.clone();
        match author.origin {
            Origin::Script => self.store.put_json(&key, &ByScript { authorship }).await,
            Origin::Person => self.store.delete(&key).await.map(|_| ()),
        }
    }

    /// The author of a text that was found: a crash may have come between the file
    /// and its version, and only what was kept before knows the model.
    fn with_authorship(&self, path: &ScriptPath, hash: &str, author: &Author) -> Author {
        let mut author = author.clone();
        if author.origin == Origin::Script && author.authorship.is_none() {
            let kept = self.store.get_json::<ByScript>(&origin_key(path, hash));
            author.authorship = kept.ok().flatten().and_then(|kept| kept.authorship);
        }
        author
    }

    /// Whether a person has said that nothing a script writes replaces it.
    pub fn is_pinned(&self, path: &ScriptPath) -> Result<bool, StoreError> {
        Ok(self.store.get(&pin_key(path))?.is_some())
    }

    pub async fn pin(&self, path: &ScriptPath, pinned: bool) -> Result<(), StoreError> {
        match pinned {
            true => self.store.put(&pin_key(path), flag()).await,
            false => self.store.delete(&pin_key(path)).await.map(|_| ()),
        }
    }

    /// All versions of a deployment's scripts that a model wrote, with their paths.
    pub fn authored(&self, exec_id: &ExecId) -> Result<Vec<(ScriptPath, Version)>, StoreError> {
        let prefix = format!("exec/version/{exec_id}/");
        let page = self.store.range(&prefix, None, usize::MAX)?;
        let mut found = Vec::new();
        for entry in page.entries {
            let path = entry.key.strip_prefix("exec/version/");
            let path = path.and_then(|rest| rest.split_once('\0'));
            let Some(path) = path.and_then(|(path, _)| ScriptPath::parse(path).ok()) else {
                continue;
            };
            let version: Version = from_record(&entry.key, &entry.record?)?;
            if version.author.authorship.is_some() {
                found.push((path, version));
            }
        }
        Ok(found)
    }

    /// The text of a version.
    pub fn source(&self, path: &ScriptPath, hash: &str) -> Result<Option<String>, StoreError> {
        let record = self.store.get(&source_key(path, hash))?;
        Ok(record.and_then(|record| String::from_utf8(record.payload).ok()))
    }
}

// The zero byte ends the path: no path is a prefix of another one's keys.
fn version_key(path: &ScriptPath, number: u64) -> String {
    format!("exec/version/{path}\0{number:010}")
}

fn origin_key(path: &ScriptPath, hash: &str) -> String {
    format!("exec/by-script/{path}\0{hash}")
}

fn pin_key(path: &ScriptPath) -> String {
    format!("exec/pinned/{path}")
}

/// A record whose being there is what it says.
fn flag() -> Record {
    Record {
        kind: FLAG_KIND,
        payload: Vec::new(),
    }
}

fn source_key(path: &ScriptPath, hash: &str) -> String {
    format!("exec/source/{path}\0{hash}")
}
