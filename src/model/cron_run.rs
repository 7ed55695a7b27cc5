//! Which run of cron led to something, for whoever follows the trail.

use serde::{Deserialize, Serialize};

/// A run of cron.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CronRun {
    pub entry_id: String,
    pub run_id: String,
}
