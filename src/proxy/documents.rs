//! Permissions that hold for more than one alias: for all that lead to a deployment,
//! and for all there are. Each document that exists must let a request in, besides
//! the alias's own. A table in memory over the store; save first, then swap.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::alias::{Alias, AliasError, Target};
use super::permission::Permissions;
use crate::model::exec_id::ExecId;
use crate::store::sealed::{MasterKey, SealedError};
use crate::store::{Entry, Kind, Store, Stored, from_record};

const KEY_PREFIX: &str = "proxy/permissions/";
const DOCUMENTS_MAX: usize = 10_000;

/// What a document is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Every alias; a server is one project.
    Project,
    /// The aliases that lead to this deployment's scripts.
    Container(ExecId),
}

impl Stored for Permissions {
    const KIND: Kind = Kind {
        number: 52,
        version: 1,
    };
}

/// Clones share the documents.
#[derive(Clone)]
pub struct Documents(Arc<Shared>);

type Table = BTreeMap<String, Arc<Permissions>>;

struct Shared {
    store: Store,
    master: MasterKey,
    /// By the name of their place.
    table: ArcSwap<Table>,
    /// Held by whoever changes the table.
    changing: Mutex<()>,
}

impl Documents {
    /// Reads all of them. One that cannot be read is an error: without it more would
    /// pass than somebody wanted.
    pub fn open(store: Store, master: MasterKey) -> Result<Self, AliasError> {
        let mut table = Table::new();
        for entry in store.range(KEY_PREFIX, None, DOCUMENTS_MAX)?.entries {
            let name = entry.key.strip_prefix(KEY_PREFIX).unwrap_or_default();
            table.insert(name.to_owned(), Arc::new(read(&entry, &master)?));
        }
        Ok(Self(Arc::new(Shared {
            store,
            master,
            table: ArcSwap::from_pointee(table),
            changing: Mutex::new(()),
        })))
    }

    /// The document of a place; everybody may pass where there is none.
    pub fn get(&self, place: &Place) -> Permissions {
        let table = self.0.table.load();
        let found = table.get(&place.name());
        found.map_or_else(Permissions::default, |found| Permissions::clone(found))
    }

    /// Those that an alias is under.
    pub fn above(&self, alias: &Alias) -> Vec<Arc<Permissions>> {
        let table = self.0.table.load();
        if table.is_empty() {
            return Vec::new();
        }
        let container = match &alias.target {
            Target::Scripts { exec_id } => Some(Place::Container(exec_id.clone())),
            Target::Upstream { .. } => None,
        };
        let places = [Some(Place::Project), container];
        let names = places.iter().flatten().map(Place::name);
        names.filter_map(|name| table.get(&name).cloned()).collect()
    }

    /// Changes a document as `change` says, with no other change in between.
    pub async fn update(
        &self,
        place: &Place,
        dry_run: bool,
        change: impl FnOnce(&mut Permissions) -> Result<(), AliasError>,
    ) -> Result<Permissions, AliasError> {
        let _changing = self.0.changing.lock().await;
        let mut document = self.get(place);
        change(&mut document)?;
        if dry_run {
            return Ok(document);
        }
        let mut table = Table::clone(&self.0.table.load());
        let name = place.name();
        if table.len() >= DOCUMENTS_MAX && !table.contains_key(&name) {
            return Err(AliasError::TooMany { max: DOCUMENTS_MAX });
        }
        let key = format!("{KEY_PREFIX}{name}");
        let mut sealed = document.clone();
        let master = &self.0.master;
        sealed.map_secrets(|secret| master.seal(&key, secret.as_bytes()))?;
        self.0.store.put_json(&key, &sealed).await?;
        table.insert(name, Arc::new(document.clone()));
        self.0.table.store(Arc::new(table));
        Ok(document)
    }
}

impl Place {
    fn name(&self) -> String {
        match self {
            Self::Project => "project".to_owned(),
            Self::Container(exec_id) => format!("container/{exec_id}"),
        }
    }
}

fn read(entry: &Entry, master: &MasterKey) -> Result<Permissions, AliasError> {
    let mut document: Permissions = from_record(&entry.key, &entry.record.clone()?)?;
    document.map_secrets(|sealed| {
        let secret = master.unseal(&entry.key, sealed)?;
        Ok::<_, SealedError>(String::from_utf8_lossy(&secret).into_owned())
    })?;
    Ok(document)
}
