//! Plain values that the parts speak. No I/O, no foreign crate but serde, time,
//! url for the form of host names, and cron for the times of schedules.

pub mod case;
pub mod cron_run;
pub mod diagnostic;
pub mod directives;
pub mod exec_id;
pub mod generation;
pub mod host_name;
pub mod schedule;
pub mod script;
pub mod user;
