//! All aliases: a table in memory over the store. Requests read it, one change at
//! a time writes it, and saves before it swaps.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use tokio::sync::Mutex;

use super::alias::{Alias, AliasError, Target, prefix, upstream};
use super::documents::Documents;
use super::permission::Permissions;
use crate::egress::upstream::Upstreams;
use crate::egress::{EgressError, Reason};
use crate::model::exec_id::ExecId;
use crate::model::host_name as name;
use crate::store::sealed::{MasterKey, SealedError};
use crate::store::{Entry, Store, from_record};

const KEY_PREFIX: &str = "proxy/alias/";
/// How many there may be.
pub const ALIASES_MAX: usize = 10_000;
/// Ids of those from the configuration start with this.
const CONFIGURED_PREFIX: &str = "config-";

/// Clones share the table.
#[derive(Clone)]
pub struct Aliases(Arc<Shared>);

struct Shared {
    store: Store,
    master: MasterKey,
    upstreams: Upstreams,
    documents: Documents,
    table: ArcSwap<Table>,
    /// Held by whoever changes the table.
    changing: Mutex<()>,
}

#[derive(Default)]
struct Table {
    /// Oldest first.
    all: Vec<Arc<Alias>>,
    exact: HashMap<String, Vec<Arc<Alias>>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Vec<Arc<Alias>>>,
}

impl Aliases {
    /// Reads all aliases; `configured` are of the form `host/prefix=target`.
    pub fn open(
        store: Store,
        master: MasterKey,
        upstreams: Upstreams,
        configured: &[String],
        now: DateTime<Utc>,
    ) -> Result<Self, AliasError> {
        let mut all = parse_all(configured, now)?;
        for entry in store.range(KEY_PREFIX, None, ALIASES_MAX)?.entries {
            match read(&entry, &master) {
                Ok(alias) => all.push(Arc::new(alias)),
                Err(error) => tracing::error!(key = entry.key, %error, "an alias is left out"),
            }
        }
        Ok(Self(Arc::new(Shared {
            documents: Documents::open(store.clone(), master.clone())?,
            store,
            master,
            upstreams,
            table: ArcSwap::from_pointee(Table::new(all)),
            changing: Mutex::new(()),
        })))
    }

    /// Takes these for the ones that came from the configuration before. If one of
    /// them cannot be read, all stay as they are.
    pub async fn configure(
        &self,
        configured: &[String],
        now: DateTime<Utc>,
    ) -> Result<(), AliasError> {
        let _changing = self.0.changing.lock().await;
        let configured = parse_all(configured, now)?;
        self.swap(|all| {
            all.retain(|alias| !alias.id.starts_with(CONFIGURED_PREFIX));
            all.extend(configured);
        });
        Ok(())
    }

    /// The alias for a host in normal form and a path. A longer prefix wins over a
    /// shorter one, an exact host over a wildcard.
    pub fn lookup(&self, host: &str, path: &str) -> Option<Arc<Alias>> {
        let table = self.0.table.load();
        if table.all.is_empty() {
            return None;
        }
        let of_host = |list: Option<&Vec<Arc<Alias>>>| {
            let mut list = list.into_iter().flatten();
            list.find(|alias| alias.holds_for(path)).cloned()
        };
        of_host(table.exact.get(host)).or_else(|| {
            let (_, rest) = host.split_once('.')?;
            of_host(table.wildcard.get(rest))
        })
    }

    /// The permissions that hold for more than one alias.
    pub fn documents(&self) -> &Documents {
        &self.0.documents
    }

    /// Oldest first.
    pub fn list(&self) -> Vec<Arc<Alias>> {
        self.0.table.load().all.clone()
    }

    pub fn get(&self, id: &str) -> Result<Arc<Alias>, AliasError> {
        let table = self.0.table.load();
        let mut found = table.all.iter().filter(|alias| alias.id == id);
        found
            .next()
            .cloned()
            .ok_or_else(|| AliasError::NotFound { id: id.to_owned() })
    }

    /// Adds an alias, or says what [`Aliases::create`] without `dry_run` would do.
    pub async fn create(&self, alias: Alias, dry_run: bool) -> Result<Arc<Alias>, AliasError> {
        let _changing = self.0.changing.lock().await;
        if self.0.table.load().all.len() >= ALIASES_MAX {
            return Err(AliasError::TooMany { max: ALIASES_MAX });
        }
        self.put(alias, dry_run).await
    }

    /// Changes an alias as `change` says, with no other change in between.
    pub async fn update(
        &self,
        id: &str,
        now: DateTime<Utc>,
        dry_run: bool,
        change: impl FnOnce(&mut Alias) -> Result<(), AliasError>,
    ) -> Result<Arc<Alias>, AliasError> {
        let _changing = self.0.changing.lock().await;
        let mut alias = Alias::clone(&*self.changeable(id)?);
        change(&mut alias)?;
        alias.updated_at = now;
        self.put(alias, dry_run).await
    }

    pub async fn remove(&self, id: &str, dry_run: bool) -> Result<(), AliasError> {
        let _changing = self.0.changing.lock().await;
        let alias = self.changeable(id)?;
        if !dry_run {
            self.0.store.delete(&format!("{KEY_PREFIX}{id}")).await?;
            self.swap(|all| all.retain(|one| one.id != alias.id));
        }
        Ok(())
    }

    fn changeable(&self, id: &str) -> Result<Arc<Alias>, AliasError> {
        let alias = self.get(id)?;
        match alias.id.starts_with(CONFIGURED_PREFIX) {
            true => Err(AliasError::Configured { id: id.to_owned() }),
            false => Ok(alias),
        }
    }

    /// Checks what depends on others, saves, swaps. The caller holds `changing`.
    async fn put(&self, alias: Alias, dry_run: bool) -> Result<Arc<Alias>, AliasError> {
        let table = self.0.table.load_full();
        let same_place = |one: &&Arc<Alias>| {
            one.id != alias.id && one.host == alias.host && one.path_prefix == alias.path_prefix
        };
        if table.all.iter().any(|one| same_place(&one)) {
            let Alias {
                host, path_prefix, ..
            } = alias;
            return Err(AliasError::InUse { host, path_prefix });
        }
        if let Some(refused) = self.refused(&alias) {
            return Err(AliasError::Refused(refused));
        }
        let alias = Arc::new(alias);
        if !dry_run {
            let key = format!("{KEY_PREFIX}{}", alias.id);
            let mut sealed = Alias::clone(&alias);
            let master = &self.0.master;
            let seal = |secret: &str| master.seal(&key, secret.as_bytes());
            sealed.permissions.map_secrets(seal)?;
            self.0.store.put_json(&key, &sealed).await?;
            self.swap(|all| match all.iter_mut().find(|one| one.id == alias.id) {
                Some(one) => *one = alias.clone(),
                None => all.push(alias.clone()),
            });
        }
        Ok(alias)
    }

    /// An upstream whose address is known and must not be reached. Our own address
    /// may be named: whether that is a loop shows only when a request comes.
    fn refused(&self, alias: &Alias) -> Option<EgressError> {
        let Target::Upstream { url, .. } = &alias.target else {
            return None;
        };
        let refused = self.0.upstreams.refused(&url.parse().ok()?)?;
        let own = matches!(
            refused,
            EgressError::Refused {
                reason: Reason::OwnListener,
                ..
            }
        );
        (!own).then_some(refused)
    }

    fn swap(&self, change: impl FnOnce(&mut Vec<Arc<Alias>>)) {
        let mut all = self.0.table.load().all.clone();
        change(&mut all);
        self.0.table.store(Arc::new(Table::new(all)));
    }
}

impl Table {
    fn new(mut all: Vec<Arc<Alias>>) -> Self {
        all.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        let mut table = Self::default();
        for alias in &all {
            let list = match alias.host.strip_prefix("*.") {
                Some(rest) => table.wildcard.entry(rest.to_owned()),
                None => table.exact.entry(alias.host.clone()),
            };
            list.or_default().push(alias.clone());
        }
        for list in table.exact.values_mut().chain(table.wildcard.values_mut()) {
            list.sort_by_key(|alias| std::cmp::Reverse(alias.path_prefix.len()));
        }
        table.all = all;
        table
    }
}

fn read(entry: &Entry, master: &MasterKey) -> Result<Alias, AliasError> {
    let mut alias: Alias = from_record(&entry.key, &entry.record.clone()?)?;
    alias.permissions.map_secrets(|sealed| {
        let secret = master.unseal(&entry.key, sealed)?;
        Ok::<_, SealedError>(String::from_utf8_lossy(&secret).into_owned())
    })?;
    Ok(alias)
}

fn parse_all(configured: &[String], now: DateTime<Utc>) -> Result<Vec<Arc<Alias>>, AliasError> {
    let texts = configured.iter().enumerate();
    texts
        .map(|(index, text)| parse(index, text, now).map(Arc::new))
        .collect()
}

/// `host/prefix=http://upstream` or `host=scripts:deployment`.
fn parse(index: usize, text: &str, now: DateTime<Utc>) -> Result<Alias, AliasError> {
    let (from, to) = text.split_once('=').ok_or(AliasError::NoTarget)?;
    let (host, path) = match from.find('/') {
        Some(at) => from.split_at(at),
        None => (from, ""),
    };
    let (target, target_path) = match to.strip_prefix("scripts:") {
        Some(exec_id) => (
            Target::Scripts {
                exec_id: ExecId::parse(exec_id)?,
            },
            None,
        ),
        None => {
            let (url, path) = upstream(to)?;
            let preserve_host = url.starts_with("http://");
            (Target::Upstream { url, preserve_host }, path)
        }
    };
    Ok(Alias {
        id: format!("{CONFIGURED_PREFIX}{index}"),
        host: name::normalise(host)?,
        path_prefix: prefix(path)?,
        target,
        target_path,
        allow_path_override: true,
        enabled: true,
        expires_at: None,
        created_at: now,
        updated_at: now,
        origin: "the configuration".to_owned(),
        permissions: Permissions::default(),
    })
}
