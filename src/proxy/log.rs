//! The access log of the listeners: who asked when for what, who answered and
//! how, and by which certificate. The newest lines are kept in memory; whoever
//! wants more follows the stream.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use tokio::sync::broadcast;

/// Lines that a slow follower may lag behind.
const FOLLOWERS_LAG_MAX: usize = 4096;
/// A caller who went away before an answer (as nginx has it).
const STATUS_CALLER_GONE: u16 = 499;

/// One line.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// Counts from 1 since the start.
    pub id: u64,
    pub trace_id: String,
    pub at: DateTime<Utc>,
    pub kind: Kind,
    pub method: Option<Method>,
    pub host: String,
    /// Path and query, without tokens.
    pub url: String,
    pub client_ip: Option<IpAddr>,
    pub status: u16,
    /// Who answered; none for this server itself.
    pub upstream: Option<String>,
    pub alias: Option<String>,
    /// The permission group that let it in.
    pub group: Option<String>,
    /// The name of the management token that came along.
    pub token: Option<String>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub duration_ms: u64,
    /// Such as `TLSv1.3`.
    pub tls: Option<&'static str>,
    /// Of the certificate that was shown.
    pub fingerprint: Option<Arc<str>>,
    /// What went wrong, or what happened.
    pub message: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    Response,
    #[default]
    Event,
}

/// Numbers since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    pub lines: u64,
    pub kept: usize,
    pub responses: u64,
    /// By the first digit of the status, from 1 to 5.
    pub by_class: [u64; 5],
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// Clones share the lines.
#[derive(Clone)]
pub struct AccessLog(Arc<Shared>);

struct Shared {
    kept: Mutex<Kept>,
    entries_max: usize,
    followers: broadcast::Sender<Arc<Line>>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<Arc<Line>>,
    stats: Stats,
}

impl AccessLog {
    pub fn new(entries_max: usize) -> Self {
        let (followers, _) = broadcast::channel(FOLLOWERS_LAG_MAX);
        Self(Arc::new(Shared {
            kept: Mutex::default(),
            entries_max,
            followers,
        }))
    }

    /// Starts the line of a request; dropping it writes the line.
    pub fn begin(&self, line: Line) -> Pending {
        Pending {
            log: self.clone(),
            line: Box::new(line),
            started: Instant::now(),
            bytes_in: Arc::default(),
            bytes_out: Arc::default(),
        }
    }

    pub fn write(&self, mut line: Line) {
        let (line, oldest) = {
            // Whoever panicked, each line is whole.
            let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.stats.lines += 1;
            line.id = kept.stats.lines;
            if line.kind == Kind::Response {
                kept.stats.responses += 1;
                kept.stats.bytes_in += line.bytes_in;
                kept.stats.bytes_out += line.bytes_out;
                let class = usize::from(line.status / 100).clamp(1, 5) - 1;
                kept.stats.by_class[class] += 1;
            }
            let line = Arc::new(line);
            kept.lines.push_back(line.clone());
            let is_full = kept.lines.len() > self.0.entries_max;
            let oldest = is_full.then(|| kept.lines.pop_front());
            (line, oldest)
        };
        // Not under the lock, for which each request waits.
        drop(oldest);
        // Nobody may follow.
        let _ = self.0.followers.send(line);
    }

    /// Newest first.
    pub fn newest(&self) -> Vec<Arc<Line>> {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.lines.iter().rev().cloned().collect()
    }

    pub fn stats(&self) -> Stats {
        let kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Stats {
            kept: kept.lines.len(),
            ..kept.stats
        }
    }

    /// Lines from now on.
    pub fn follow(&self) -> broadcast::Receiver<Arc<Line>> {
        self.0.followers.subscribe()
    }
}

/// A line that is not written yet.
pub struct Pending {
    log: AccessLog,
    /// In a box: it goes through many hands.
    pub line: Box<Line>,
    started: Instant,
    bytes_in: Arc<AtomicU64>,
    bytes_out: Arc<AtomicU64>,
}

impl Pending {
    pub fn answered(&mut self, status: StatusCode) {
        self.line.status = status.as_u16();
    }

    /// Counts what the client sends.
    pub fn bytes_in(&self) -> Arc<AtomicU64> {
        self.bytes_in.clone()
    }

    /// Counts what the client gets.
    pub fn bytes_out(&self) -> Arc<AtomicU64> {
        self.bytes_out.clone()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        line.duration_ms = self.started.elapsed().as_millis() as u64;
        line.bytes_in += self.bytes_in.load(Ordering::Relaxed);
        line.bytes_out += self.bytes_out.load(Ordering::Relaxed);
        if line.kind == Kind::Response && line.status == 0 {
            line.status = STATUS_CALLER_GONE;
        }
        self.log.write(*line);
    }
}

impl Line {
    /// An event of the server's own, such as the first handshake with a certificate.
    pub fn event(at: DateTime<Utc>, message: String) -> Self {
        Self {
            at,
            kind: Kind::Event,
            message: Some(message),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept_and_all_are_counted() {
        let log = AccessLog::new(2);
        for status in [200, 404, 502] {
            let line = Line {
                kind: Kind::Response,
                ..Line::event(Utc::now(), String::new())
            };
            let mut pending = log.begin(line);
            pending.answered(StatusCode::from_u16(status).unwrap());
            pending.bytes_out().fetch_add(10, Ordering::Relaxed);
        }
        drop(log.begin(Line {
            kind: Kind::Response,
            ..Line::event(Utc::now(), String::new())
        }));
        let newest: Vec<(u64, u16)> = log
            .newest()
            .iter()
            .map(|line| (line.id, line.status))
            .collect();
        assert_eq!(newest, [(4, 499), (3, 502)]);
        let stats = log.stats();
        assert_eq!(
            (stats.responses, stats.by_class, stats.bytes_out),
            (4, [0, 1, 0, 2, 1], 30)
        );
    }
}
