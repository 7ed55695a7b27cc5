//! A user's entries as a crontab, and a crontab as entries. What a client wrote
//! there is not believed: metadata is checked as if it came by the API.

mod parse;
mod render;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::error::CronError;
use super::manage::put;
use super::scripts::SCRIPTS_USER;
use super::{CRONTABS, Cron};
use crate::store::{Kind, Operation, Stored, to_record};
use parse::Parsed;

/// The largest crontab, in bytes.
pub const CRONTAB_BYTES_MAX: usize = 256 << 10;
/// The most lines of a crontab.
pub const CRONTAB_LINES_MAX: usize = 10_000;

/// In front of what belongs to the entry on the next line, as JSON.
const METADATA: &str = "# hoody-cron: ";
/// In front of an entry that is disabled.
const DISABLED: &str = "# hoody-cron-disabled: ";

/// A line of a crontab, or the two of an entry.
#[derive(Debug, Clone)]
pub enum Line {
    Entry(Arc<Entry>),
    /// A comment or a variable.
    Text(String),
}

/// What takes, or would take, the place of a user's entries.
#[derive(Debug)]
pub struct Replaced {
    pub crontab: String,
    /// Entries that were left out since they have expired.
    pub removed_expired: usize,
}

/// What a crontab holds besides entries, in order.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Layout(Vec<Placed>);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Placed {
    Entry(String),
    Text(String),
}

impl Stored for Layout {
    const KIND: Kind = Kind {
        number: 34,
        version: 1,
    };
}

impl Cron {
    /// The lines of a user's crontab. Entries that came by the API stand at its end.
    pub async fn lines(self: &Arc<Self>, user: &str) -> Result<Vec<Line>, CronError> {
        let entries = self.entries(user).await;
        let Layout(placed) = self.layout(user)?;
        let by_id: HashMap<&str, &Arc<Entry>> = entries
            .iter()
            .map(|entry| (entry.record.id.as_str(), entry))
            .collect();
        let mut lines = Vec::new();
        let mut seen = HashSet::new();
        for place in placed {
            match place {
                Placed::Text(text) => lines.push(Line::Text(text)),
                Placed::Entry(id) => {
                    if let Some(entry) = by_id.get(id.as_str()) {
                        lines.push(Line::Entry(Arc::clone(entry)));
                        seen.insert(entry.record.id.clone());
                    }
                }
            }
        }
        let others = entries
            .iter()
            .filter(|entry| !seen.contains(&entry.record.id));
        lines.extend(others.cloned().map(Line::Entry));
        Ok(lines)
    }

    fn layout(&self, user: &str) -> Result<Layout, CronError> {
        let layout = self.store.get_json(&format!("{CRONTABS}{user}"))?;
        Ok(layout.unwrap_or_default())
    }

    /// A user's crontab.
    pub async fn crontab(self: &Arc<Self>, user: &str) -> Result<String, CronError> {
        Ok(render::render(&self.lines(user).await?))
    }

    /// Everybody who has a crontab.
    pub fn crontab_users(&self) -> Result<Vec<String>, CronError> {
        let keys = self.store.keys(CRONTABS, None, usize::MAX)?.entries;
        let mut users: Vec<String> = keys
            .into_iter()
            .map(|key| key[CRONTABS.len()..].to_owned())
            .chain(self.users())
            .filter(|user| user != SCRIPTS_USER)
            .collect();
        users.sort();
        users.dedup();
        Ok(users)
    }

    /// Replaces all entries of a user. In a dry run new entries have names that will
    /// be others.
    pub async fn replace_crontab(
        self: &Arc<Self>,
        user: &str,
        text: &str,
        dry_run: bool,
        now: DateTime<Utc>,
    ) -> Result<Replaced, CronError> {
        let _changing = self.changing(user).lock().await;
        let old = self.entries(user).await;
        let known: HashMap<&str, &Arc<Entry>> = old
            .iter()
            .map(|entry| (entry.record.id.as_str(), entry))
            .collect();
        let is_taken = |id: &str| self.table().get(id).is_some();
        let parsed = parse::parse(user, text, &known, is_taken, &self.settings.terms, now)?;
        let Parsed {
            lines,
            removed_expired,
        } = parsed;
        let entries = lines.iter().filter_map(|line| match line {
            Line::Entry(entry) => Some(entry),
            Line::Text(_) => None,
        });
        let entries: Vec<Arc<Entry>> = entries.cloned().collect();
        let max = self.settings.entries_max;
        if self.table().count() - old.len() + entries.len() > max {
            return Err(CronError::TooManyEntries { max });
        }
        let replaced = Replaced {
            crontab: render::render(&lines),
            removed_expired,
        };
        if dry_run {
            return Ok(replaced);
        }
        let placed = lines.into_iter().map(|line| match line {
            Line::Entry(entry) => Placed::Entry(entry.record.id.clone()),
            Line::Text(text) => Placed::Text(text),
        });
        self.swap_crontab(user, &old, &entries, Layout(placed.collect()), now)
            .await?;
        Ok(replaced)
    }

    async fn swap_crontab(
        self: &Arc<Self>,
        user: &str,
        old: &[Arc<Entry>],
        new: &[Arc<Entry>],
        layout: Layout,
        now: DateTime<Utc>,
    ) -> Result<(), CronError> {
        let key = format!("{CRONTABS}{user}");
        let mut operations = vec![Operation::Put {
            record: to_record(&key, &layout)?,
            key,
        }];
        let kept: HashSet<&str> = new.iter().map(|entry| entry.record.id.as_str()).collect();
        let gone: Vec<&str> = old
            .iter()
            .map(|entry| entry.record.id.as_str())
            .filter(|id| !kept.contains(id))
            .collect();
        operations.extend(gone.iter().flat_map(|id| super::manage::deleted(user, id)));
        let before: HashMap<&str, &Arc<Entry>> = old
            .iter()
            .map(|entry| (entry.record.id.as_str(), entry))
            .collect();
        let mut changed = Vec::new();
        for entry in new {
            let before = before.get(entry.record.id.as_str());
            let same_times =
                before.is_some_and(|old| old.schedule == entry.schedule && old.zone == entry.zone);
            let accounted = (!same_times).then_some(now);
            operations.extend(put(entry, accounted)?);
            changed.push((entry.clone(), accounted));
        }
        self.store.batch(operations).await?;
        let mut rows = Vec::new();
        for id in gone {
            rows.extend(self.take_out(id));
        }
        {
            let mut table = self.table();
            for (entry, accounted) in changed {
                let known = table.get(&entry.record.id).map(|slot| slot.accounted);
                table.put(entry, accounted.or(known).unwrap_or(now));
            }
        }
        self.store.batch(rows).await?;
        self.changed.notify_one();
        Ok(())
    }
}
