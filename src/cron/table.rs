//! All entries in memory over the store: by name, by user, by when there is
//! something to do next. Plain data: it neither reads clocks nor waits.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::entry::Entry;
use super::run::Run;
use super::verdict::next_wake;

/// An entry with its state.
#[derive(Debug)]
pub struct Slot {
    pub entry: Arc<Entry>,
    /// Every occurrence up to here has its row.
    pub accounted: DateTime<Utc>,
    /// When there is something to do next.
    wake: Option<DateTime<Utc>>,
    /// Runs under way.
    pub running: Vec<Running>,
    /// Runs that wait for one of them to end.
    pub waiting: VecDeque<Run>,
    /// Rows since old ones were last deleted.
    pub rows: usize,
}

#[derive(Debug, Clone)]
pub struct Running {
    pub run_id: String,
    /// Ends the run; the reason is in its row.
    pub stop: CancellationToken,
}

#[derive(Debug, Default)]
pub struct Table {
    slots: HashMap<String, Slot>,
    /// Names by user and creation.
    users: BTreeMap<String, BTreeSet<(DateTime<Utc>, String)>>,
    queue: BTreeSet<(DateTime<Utc>, String)>,
}

impl Table {
    /// Puts an entry in, or in place of its earlier state, with what is accounted for.
    pub fn put(&mut self, entry: Arc<Entry>, accounted: DateTime<Utc>) {
        let record = &entry.record;
        let id = record.id.clone();
        let place = (record.created_at, id.clone());
        self.users
            .entry(record.user.clone())
            .or_default()
            .insert(place);
        match self.slots.get_mut(&id) {
            Some(slot) => {
                slot.entry = entry;
                slot.accounted = accounted;
            }
            None => {
                let slot = Slot {
                    entry,
                    accounted,
                    wake: None,
                    running: Vec::new(),
                    waiting: VecDeque::new(),
                    rows: 0,
                };
                self.slots.insert(id.clone(), slot);
            }
        }
        self.schedule(&id);
    }

    /// Says that occurrences up to here are accounted for.
    pub fn account(&mut self, id: &str, accounted: DateTime<Utc>) {
        if let Some(slot) = self.slots.get_mut(id) {
            slot.accounted = accounted;
            self.schedule(id);
        }
    }

    fn schedule(&mut self, id: &str) {
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        if let Some(wake) = slot.wake.take() {
            self.queue.remove(&(wake, id.to_owned()));
        }
        slot.wake = next_wake(&slot.entry, slot.accounted);
        if let Some(wake) = slot.wake {
            self.queue.insert((wake, id.to_owned()));
        }
    }

    /// Takes an entry out. What runs goes on, what waits does not.
    pub fn remove(&mut self, id: &str) -> Option<Slot> {
        let slot = self.slots.remove(id)?;
        let record = &slot.entry.record;
        if let Some(wake) = slot.wake {
            self.queue.remove(&(wake, id.to_owned()));
        }
        if let Some(places) = self.users.get_mut(&record.user) {
            places.remove(&(record.created_at, id.to_owned()));
            if places.is_empty() {
                self.users.remove(&record.user);
            }
        }
        Some(slot)
    }

    pub fn get(&self, id: &str) -> Option<&Slot> {
        self.slots.get(id)
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut Slot> {
        self.slots.get_mut(id)
    }

    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values()
    }

    pub fn count(&self) -> usize {
        self.slots.len()
    }

    pub fn users(&self) -> impl Iterator<Item = &String> {
        self.users.keys()
    }

    /// A user's entries, oldest first.
    pub fn of_user(&self, user: &str) -> Vec<Arc<Entry>> {
        let places = self.users.get(user).into_iter().flatten();
        places
            .filter_map(|(_, id)| Some(self.slots.get(id)?.entry.clone()))
            .collect()
    }

    /// When there is something to do next, for any entry.
    pub fn next_wake(&self) -> Option<DateTime<Utc>> {
        self.queue.first().map(|(wake, _)| *wake)
    }

    /// The names of up to `max` entries that have something to do now, longest due first.
    pub fn due(&self, now: DateTime<Utc>, max: usize) -> Vec<String> {
        let due = self.queue.iter().take_while(|(wake, _)| *wake <= now);
        due.take(max).map(|(_, id)| id.clone()).collect()
    }
}
