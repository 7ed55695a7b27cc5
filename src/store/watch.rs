//! Learning of changes under a prefix.

use std::sync::Arc;

use tokio::sync::broadcast;

/// How many changes may wait for a slow watcher before it has to read again.
pub(super) const EVENTS_MAX: usize = 1024;

/// A durable change of a key. The value is not in it: read the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Put {
        key: Arc<str>,
    },
    Delete {
        key: Arc<str>,
    },
    /// The watcher was too slow and missed changes: read the whole prefix again.
    Missed,
}

/// The changes of the keys that start with one prefix, in the order they were made.
#[derive(Debug)]
pub struct Watch {
    prefix: String,
    events: broadcast::Receiver<Event>,
}

impl Watch {
    pub(super) fn new(prefix: &str, events: broadcast::Receiver<Event>) -> Watch {
        Watch {
            prefix: prefix.to_owned(),
            events,
        }
    }

    /// The next change, or `None` when the store has been closed.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.events.recv().await {
                Ok(event) => match &event {
                    Event::Put { key } | Event::Delete { key } if key.starts_with(&self.prefix) => {
                        return Some(event);
                    }
                    Event::Put { .. } | Event::Delete { .. } => {}
                    Event::Missed => return Some(event),
                },
                Err(broadcast::error::RecvError::Lagged(_)) => return Some(Event::Missed),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
