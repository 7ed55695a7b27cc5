//! Lines to text.

use super::{DISABLED, Line, METADATA};
use crate::cron::crontab::parse::Metadata;

/// The text of a crontab, each line ended.
pub fn render(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        match line {
            Line::Text(line) => text.push_str(line),
            Line::Entry(entry) => {
                let record = &entry.record;
                if let Some(line) = &record.raw_line {
                    text.push_str(line);
                } else {
                    // Plain data always has a JSON form.
                    let metadata = serde_json::to_string(&Metadata::of(record)).unwrap_or_default();
                    text.push_str(METADATA);
                    text.push_str(&metadata);
                    text.push('\n');
                    if !record.enabled {
                        text.push_str(DISABLED);
                    }
                    text.push_str(&record.schedule);
                    text.push(' ');
                    text.push_str(&record.command);
                }
            }
        }
        text.push('\n');
    }
    text
}
