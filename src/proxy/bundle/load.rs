//! From the store to what is served, at a start.

use std::sync::Arc;

use super::info::info_of;
use super::record::{BundleRecord, KEY_PREFIX};
use super::{BUNDLES_MAX, BundleError, check};
use crate::proxy::sni::{CertTable, Served};
use crate::store::sealed::MasterKey;
use crate::store::{Entry, Store, from_record};

/// All bundles that can be served. Reading keys is arithmetic, so all cores
/// share it. Blocks.
pub fn read_all(store: &Store, master: &MasterKey) -> Result<Vec<Arc<Served>>, BundleError> {
    let entries = store.range(KEY_PREFIX, None, BUNDLES_MAX)?.entries;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = entries.len().div_ceil(cores).max(1);
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = entries
            .chunks(share)
            .map(|entries| scope.spawn(|| read_part(entries, master)))
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        // A thread that panicked read nothing; the others still count.
        ended.filter_map(Result::ok).collect::<Vec<_>>()
    });
    Ok(parts.into_iter().flatten().collect())
}

fn read_part(entries: &[Entry], master: &MasterKey) -> Vec<Arc<Served>> {
    let mut part = Vec::with_capacity(entries.len());
    for entry in entries {
        match read_one(entry, master) {
            Ok(served) => part.push(served),
            Err(error) => {
                tracing::error!(key = entry.key, %error, "a stored certificate is not served");
            }
        }
    }
    part
}

fn read_one(entry: &Entry, master: &MasterKey) -> Result<Arc<Served>, BundleError> {
    let record = entry.record.clone()?;
    let record: BundleRecord = from_record(&entry.key, &record)?;
    let key_pem = record.current.key_pem(&record.domain, master)?;
    let (facts, certified) = check::read(&record.current.chain_pem, &key_pem)?;
    Ok(Served::new(info_of(&record, facts), certified))
}

/// What unknown names get.
pub fn default_of(
    table: &CertTable,
    default_domain: Option<&str>,
    self_signed: &Arc<Served>,
) -> Arc<Served> {
    let chosen = default_domain.and_then(|domain| table.bundle(domain));
    chosen.unwrap_or(self_signed).clone()
}
