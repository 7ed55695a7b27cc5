//! Text to lines.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::{CRONTAB_BYTES_MAX, CRONTAB_LINES_MAX, DISABLED, Line, METADATA};
use crate::cron::entry::{Entry, EntryRecord, Misfire, Overlap, Terms, Wanted};
use crate::cron::error::CronError;

/// The variable whose zone the lines below it are in, as in cronie.
const ZONE_VARIABLE: &str = "CRON_TZ";

/// What a text became.
#[derive(Debug)]
pub struct Parsed {
    pub lines: Vec<Line>,
    pub removed_expired: usize,
}

/// What an entry has besides its own line.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metadata {
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    timezone: Option<String>,
    overlap: Option<Overlap>,
    misfire: Option<Misfire>,
    misfire_runs_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_seconds: Option<u32>,
    retries: Option<u32>,
    retry_backoff_seconds: Option<u32>,
    timeout_seconds: Option<u32>,
    jitter_seconds: Option<u32>,
    /// Only the server says when; it is read and forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
}

impl Metadata {
    pub fn of(record: &EntryRecord) -> Metadata {
        let policy = &record.policy;
        let iso = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        Metadata {
            id: Some(record.id.clone()),
            name: record.name.clone(),
            comment: record.comment.clone(),
            expires_at: record.expires_at.map(iso),
            timezone: Some(record.timezone.clone()),
            overlap: Some(policy.overlap),
            misfire: Some(policy.misfire),
            misfire_runs_max: Some(policy.misfire_runs_max),
            deadline_seconds: policy.deadline_seconds,
            retries: Some(policy.retries),
            retry_backoff_seconds: Some(policy.retry_backoff_seconds),
            timeout_seconds: Some(policy.timeout_seconds),
            jitter_seconds: Some(policy.jitter_seconds),
            created_at: None,
        }
    }

    fn into_wanted(self, schedule: &str, command: &str, enabled: bool) -> Wanted {
        Wanted {
            schedule: Some(schedule.to_owned()),
            command: Some(command.to_owned()),
            enabled: Some(enabled),
            name: Some(self.name),
            comment: Some(self.comment),
            expires_at: Some(self.expires_at),
            clear_expiration: false,
            timezone: self.timezone.map(Some),
            overlap: self.overlap,
            misfire: self.misfire,
            misfire_runs_max: self.misfire_runs_max,
            deadline_seconds: Some(self.deadline_seconds),
            retries: self.retries,
            retry_backoff_seconds: self.retry_backoff_seconds,
            timeout_seconds: self.timeout_seconds,
            jitter_seconds: self.jitter_seconds,
        }
    }
}

/// Reads a crontab. `known` are the user's entries; `is_taken` tells whether
/// anybody has an entry of that name.
pub fn parse(
    user: &str,
    text: &str,
    known: &HashMap<&str, &Arc<Entry>>,
    is_taken: impl Fn(&str) -> bool,
    terms: &Terms,
    now: DateTime<Utc>,
) -> Result<Parsed, CronError> {
    let too_large = |max, unit| Err(CronError::CrontabTooLarge { max, unit });
    if text.len() > CRONTAB_BYTES_MAX {
        return too_large(CRONTAB_BYTES_MAX, "bytes");
    }
    if text.lines().count() > CRONTAB_LINES_MAX {
        return too_large(CRONTAB_LINES_MAX, "lines");
    }
    let mut reader = Reader {
        user,
        known,
        terms: terms.clone(),
        now,
        metadata: None,
        used: HashSet::new(),
        same_line: by_line(known),
        parsed: Parsed {
            lines: Vec::new(),
            removed_expired: 0,
        },
    };
    for (index, line) in text.lines().enumerate() {
        let read = reader.line(index + 1, line, &is_taken);
        read.map_err(|error| at_line(index + 1, error))?;
    }
    match reader.metadata {
        Some((line, _)) => Err(at_line(line, nothing_follows())),
        None => Ok(reader.parsed),
    }
}

fn by_line(known: &HashMap<&str, &Arc<Entry>>) -> HashMap<String, Vec<String>> {
    let mut by_line: HashMap<String, Vec<String>> = HashMap::new();
    for entry in known.values() {
        if let Some(line) = &entry.record.raw_line {
            let ids = by_line.entry(line.clone()).or_default();
            ids.push(entry.record.id.clone());
        }
    }
    by_line
}

fn at_line(line: usize, error: CronError) -> CronError {
    CronError::CrontabLine {
        line,
        error: Box::new(error),
    }
}

fn nothing_follows() -> CronError {
    CronError::Metadata("no entry follows these metadata".to_owned())
}

struct Reader<'a> {
    user: &'a str,
    known: &'a HashMap<&'a str, &'a Arc<Entry>>,
    terms: Terms,
    now: DateTime<Utc>,
    /// Of the next entry, and where it stands.
    metadata: Option<(usize, Metadata)>,
    used: HashSet<String>,
    /// Names of entries that are lines without metadata, by line.
    same_line: HashMap<String, Vec<String>>,
    parsed: Parsed,
}

impl Reader<'_> {
    fn line(
        &mut self,
        number: usize,
        line: &str,
        is_taken: &impl Fn(&str) -> bool,
    ) -> Result<(), CronError> {
        // Other white space is a control character, which no line may have.
        let trimmed = line.trim_matches([' ', '\t']);
        if let Some(json) = trimmed.strip_prefix(METADATA.trim_end()) {
            let read = serde_json::from_str(json.trim());
            let read = read
                .map_err(|error| CronError::Metadata(format!("the metadata are wrong: {error}")))?;
            return match self.metadata.replace((number, read)) {
                None => Ok(()),
                Some(_) => Err(nothing_follows()),
            };
        }
        if let Some(entry) = trimmed.strip_prefix(DISABLED.trim_end()) {
            return self.entry(entry.trim(), None, false, is_taken);
        }
        let is_text = trimmed.is_empty() || trimmed.starts_with('#');
        let variable = variable(trimmed);
        if is_text || variable.is_some() {
            if self.metadata.is_some() {
                return Err(nothing_follows());
            }
            if let Some(sign) = line
                .chars()
                .find(|sign| crate::cron::command::breaks_line(*sign))
            {
                let sign = u32::from(sign);
                return Err(CronError::Metadata(format!("U+{sign:04X} is not allowed")));
            }
            if let Some((ZONE_VARIABLE, zone)) = variable {
                self.terms.timezone = crate::cron::entry::zone_of(zone)?;
            }
            self.parsed.lines.push(Line::Text(line.to_owned()));
            return Ok(());
        }
        let raw = self.metadata.is_none().then(|| line.to_owned());
        self.entry(trimmed, raw, true, is_taken)
    }

    fn entry(
        &mut self,
        line: &str,
        raw: Option<String>,
        enabled: bool,
        is_taken: &impl Fn(&str) -> bool,
    ) -> Result<(), CronError> {
        let (schedule, command) = split(line);
        let metadata = self.metadata.take().map(|(_, metadata)| metadata);
        let metadata = metadata.unwrap_or_default();
        let id = metadata.id.clone();
        let wanted = metadata.into_wanted(schedule, command, enabled);
        let entry = match Entry::create(self.user, wanted, &self.terms, self.now) {
            Ok(entry) => entry,
            Err(CronError::ExpiresInPast) => {
                self.parsed.removed_expired += 1;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let entry = self.named(entry, id, raw, is_taken);
        self.used.insert(entry.record.id.clone());
        self.parsed.lines.push(Line::Entry(Arc::new(entry)));
        Ok(())
    }

    /// An entry keeps its name and its age if it is the user's own; a name that is
    /// somebody else's, or used before, is not taken.
    fn named(
        &mut self,
        mut entry: Entry,
        id: Option<String>,
        raw: Option<String>,
        is_taken: &impl Fn(&str) -> bool,
    ) -> Entry {
        let id = match &raw {
            Some(line) => self.same_line.get_mut(line).and_then(Vec::pop),
            None => id,
        };
        let id = id.filter(|id| !self.used.contains(id));
        if let Some(old) = id.as_deref().and_then(|id| self.known.get(id)) {
            entry.record.id.clone_from(&old.record.id);
            entry.record.created_at = old.record.created_at;
            entry.record.revision = old.record.revision + 1;
        } else if let Some(id) = id.and_then(|id| uuid::Uuid::parse_str(&id).ok())
            && !is_taken(&id.to_string())
        {
            entry.record.id = id.to_string();
        }
        entry.record.raw_line = raw;
        entry
    }
}

/// `NAME=value`, with spaces around the sign and quotes around the value if one likes.
fn variable(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end();
    let is_name = !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then(|| (name, value.trim().trim_matches(['"', '\''])))
}

/// The schedule and the command of a line.
fn split(line: &str) -> (&str, &str) {
    let fields = if line.starts_with('@') { 1 } else { 5 };
    let mut rest = line;
    for _ in 0..fields {
        rest = rest.trim_start_matches([' ', '\t']);
        let end = rest.find([' ', '\t']).unwrap_or(rest.len());
        rest = &rest[end..];
    }
    let schedule = &line[..line.len() - rest.len()];
    (schedule, rest.trim_matches([' ', '\t']))
}

#[cfg(test)]
mod tests;
