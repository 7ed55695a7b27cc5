//! The bounded way from requests to the thread that writes. It never waits:
//! what has no place is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};

use super::line::{AccessLine, ExecutionLine};

/// Lines that wait at most: more than a second of a busy server.
pub const QUEUE_LINES_MAX: usize = 32_768;
/// Memory of all waiting lines, about.
pub const QUEUE_BYTES_MAX: usize = 32 << 20;

/// One line on its way. Boxed, so that an empty queue is small.
pub enum Record {
    Access(Box<AccessLine>),
    Execution(Box<ExecutionLine>),
}

impl Record {
    /// The line's part of [`QUEUE_BYTES_MAX`]. Even the smallest takes its place
    /// of [`QUEUE_LINES_MAX`], so that one number bounds both.
    fn weight(&self) -> usize {
        let bytes = match self {
            Record::Access(line) => line.bytes(),
            Record::Execution(line) => line.bytes(),
        };
        bytes.max(QUEUE_BYTES_MAX / QUEUE_LINES_MAX)
    }
}

/// What the sending and the receiving side both know.
#[derive(Debug, Default)]
struct Level {
    /// Weight of all lines that wait.
    bytes: AtomicUsize,
    dropped_lines: AtomicU64,
}

/// Sends lines; clones share the queue.
#[derive(Clone)]
pub struct QueueSender {
    records: SyncSender<(usize, Record)>,
    level: Arc<Level>,
}

/// The other end.
pub struct QueueReceiver {
    records: Receiver<(usize, Record)>,
    level: Arc<Level>,
}

/// What became of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed {
    Queued,
    /// The queue is half full with this line: time to wake the other end.
    HalfFull,
    Dropped,
}

pub fn queue() -> (QueueSender, QueueReceiver) {
    let (sender, receiver) = mpsc::sync_channel(QUEUE_LINES_MAX);
    let level = Arc::new(Level::default());
    let sender = QueueSender {
        records: sender,
        level: level.clone(),
    };
    let receiver = QueueReceiver {
        records: receiver,
        level,
    };
    (sender, receiver)
}

impl QueueSender {
    pub fn push(&self, record: Record) -> Pushed {
        let weight = record.weight();
        let before = self.level.bytes.fetch_add(weight, Ordering::Relaxed);
        let fits = before + weight <= QUEUE_BYTES_MAX;
        if !fits || self.records.try_send((weight, record)).is_err() {
            self.level.bytes.fetch_sub(weight, Ordering::Relaxed);
            self.level.dropped_lines.fetch_add(1, Ordering::Relaxed);
            return Pushed::Dropped;
        }
        let half = QUEUE_BYTES_MAX / 2;
        match before < half && before + weight >= half {
            true => Pushed::HalfFull,
            false => Pushed::Queued,
        }
    }

    /// Lines that found no place since the start.
    pub fn dropped_lines(&self) -> u64 {
        self.level.dropped_lines.load(Ordering::Relaxed)
    }
}

impl QueueReceiver {
    /// The next line that waits, if any.
    pub fn pop(&self) -> Option<Record> {
        let (weight, record) = self.records.try_recv().ok()?;
        self.level.bytes.fetch_sub(weight, Ordering::Relaxed);
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::{access, execution};
    use super::*;

    fn small() -> Record {
        Record::Access(Box::new(access("/")))
    }

    fn large() -> Record {
        let message = "x".repeat(QUEUE_BYTES_MAX / 4);
        Record::Execution(Box::new(execution("a", &message)))
    }

    #[test]
    fn a_full_queue_drops_and_counts_and_takes_lines_again() {
        let (sender, receiver) = queue();
        for number in 1..=QUEUE_LINES_MAX {
            let expected = match number == QUEUE_LINES_MAX / 2 {
                true => Pushed::HalfFull,
                false => Pushed::Queued,
            };
            assert_eq!(sender.push(small()), expected, "{number}");
        }
        assert_eq!(sender.push(small()), Pushed::Dropped);
        assert_eq!(sender.push(small()), Pushed::Dropped);
        assert_eq!(sender.dropped_lines(), 2);
        assert!(receiver.pop().is_some());
        assert_eq!(sender.push(small()), Pushed::Queued);
        assert_eq!(sender.dropped_lines(), 2);
        let left = std::iter::from_fn(|| receiver.pop()).count();
        assert_eq!(left, QUEUE_LINES_MAX);
    }

    #[test]
    fn few_large_lines_fill_it_too() {
        let (sender, receiver) = queue();
        let pushed: Vec<_> = (0..5).map(|_| sender.push(large())).collect();
        use Pushed::{Dropped, HalfFull, Queued};
        assert_eq!(pushed, [Queued, HalfFull, Queued, Dropped, Dropped]);
        assert_eq!(sender.push(small()), Queued, "what fits still comes in");
        while receiver.pop().is_some() {}
        assert_eq!(sender.push(large()), Queued);
    }

    #[test]
    fn a_line_for_nobody_is_dropped() {
        let (sender, receiver) = queue();
        drop(receiver);
        assert_eq!(sender.push(small()), Pushed::Dropped);
        assert_eq!(sender.dropped_lines(), 1);
    }
}
