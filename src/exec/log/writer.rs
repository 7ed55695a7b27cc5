//! The thread that owns the log files, and the handle by which everybody else
//! adds lines.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tokio::sync::{oneshot, watch};

use super::LogConfig;
use super::appender::{Appender, LinesLost};
use super::clear::{self, ClearFilter, Cleared};
use super::error::LogError;
use super::file_name::LogKind;
use super::line::{AccessLine, ExecutionLine};
use super::queue::{self, Pushed, QUEUE_LINES_MAX, QueueReceiver, QueueSender, Record};

/// How long a line waits for its file.
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);

/// Adds lines to the logs. Adding one neither waits nor fails, and costs a
/// fraction of a microsecond. Clones write to the same files.
#[derive(Clone)]
pub struct LogWriter {
    queue: QueueSender,
    commands: Sender<Command>,
    thread: Thread,
    failed_lines: Arc<AtomicU64>,
    flushed: watch::Receiver<u64>,
}

/// Owns the thread. Dropping it writes what waits and ends the thread.
pub struct LogThread {
    commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

enum Command {
    Flush(oneshot::Sender<()>),
    Clear(ClearFilter, oneshot::Sender<io::Result<Cleared>>),
    Stop,
}

/// The logs cannot be started.
#[derive(Debug, Error)]
#[error("the log folder {path} cannot be used: {error}; check that it is a folder the server may write to", path = path.display())]
pub struct StartError {
    path: PathBuf,
    error: io::Error,
}

/// Makes the folders and starts the thread.
pub fn start(config: &LogConfig) -> Result<(LogWriter, LogThread), StartError> {
    let failed = |error| StartError {
        path: config.dir.clone(),
        error,
    };
    let appenders = LogKind::ALL.map(|kind| Appender::new(config, kind));
    for (kind, appender) in LogKind::ALL.into_iter().zip(&appenders) {
        std::fs::create_dir_all(config.dir.join(kind.name())).map_err(failed)?;
        appender.prune().map_err(failed)?;
    }
    let (sender, receiver) = queue::queue();
    let (commands, commanded) = mpsc::channel();
    let (flushed_sender, flushed) = watch::channel(0);
    let failed_lines = Arc::new(AtomicU64::new(0));
    let worker = Worker {
        dir: config.dir.clone(),
        queue: receiver,
        commands: commanded,
        appenders,
        failed_lines: failed_lines.clone(),
        failing: false,
        flushed: flushed_sender,
    };
    let thread = thread::Builder::new()
        .name("log".into())
        .spawn(|| worker.run())
        .map_err(failed)?;
    let writer = LogWriter {
        queue: sender,
        commands: commands.clone(),
        thread: thread.thread().clone(),
        failed_lines,
        flushed,
    };
    let owner = LogThread {
        commands,
        thread: Some(thread),
    };
    Ok((writer, owner))
}

impl LogWriter {
    /// Adds a request to the access log.
    pub fn access(&self, line: AccessLine) {
        self.push(Record::Access(Box::new(line)));
    }

    /// Adds a line to the execution log. Whether the script's `@log-level` keeps
    /// it is for the caller to ask; see `message::keeps_level`.
    pub fn execution(&self, line: ExecutionLine) {
        self.push(Record::Execution(Box::new(line)));
    }

    fn push(&self, record: Record) {
        // The thread looks by itself soon enough; only when the queue fills up
        // before that is a system call worth it.
        if self.queue.push(record) == Pushed::HalfFull {
            self.thread.unpark();
        }
    }

    /// Lines lost since the start, because the queue was full or the disk did
    /// not take them.
    pub fn dropped_lines(&self) -> u64 {
        self.queue.dropped_lines() + self.failed_lines.load(Ordering::Relaxed)
    }

    /// Returns when every line that was added before is in its file.
    pub async fn flush(&self) -> Result<(), LogError> {
        self.command(Command::Flush).await
    }

    /// Deletes files, the current ones too; new lines start new ones.
    pub(super) async fn clear(&self, filter: ClearFilter) -> Result<io::Result<Cleared>, LogError> {
        self.command(|reply| Command::Clear(filter, reply)).await
    }

    async fn command<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, LogError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(command(reply));
        sent.map_err(|_| LogError::Closed)?;
        self.thread.unpark();
        answer.await.map_err(|_| LogError::Closed)
    }

    /// Changes whenever lines have come to the files; closed when none will.
    pub(super) fn flushed(&self) -> watch::Receiver<u64> {
        self.flushed.clone()
    }
}

impl LogThread {
    /// Writes what waits and ends the thread. It takes as long as the disk does.
    pub fn stop(self) {}
}

impl Drop for LogThread {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        // The thread has ended already if nobody takes the command.
        let _ = self.commands.send(Command::Stop);
        thread.thread().unpark();
        if thread.join().is_err() {
            tracing::error!("the log thread failed; its last lines are lost");
        }
    }
}

/// What the thread owns.
struct Worker {
    dir: PathBuf,
    queue: QueueReceiver,
    commands: Receiver<Command>,
    /// In the order of [`LogKind::ALL`].
    appenders: [Appender; LogKind::ALL.len()],
    failed_lines: Arc<AtomicU64>,
    /// The disk did not take the last batch, and that was said.
    failing: bool,
    flushed: watch::Sender<u64>,
}

impl Worker {
    fn run(mut self) {
        loop {
            // Commands first: a line that was added before a command is among
            // the lines that are written before it is carried out.
            let commands: Vec<Command> = self.commands.try_iter().collect();
            let lines = self.write_waiting();
            for command in commands {
                if self.carry_out(command).is_break() {
                    return;
                }
            }
            if lines < QUEUE_LINES_MAX {
                thread::park_timeout(FLUSH_INTERVAL);
            }
        }
    }

    /// Writes the lines that wait, but not those that come in meanwhile without
    /// end; returns how many there were.
    fn write_waiting(&mut self) -> usize {
        let mut lines = 0;
        let [access, executions] = &mut self.appenders;
        let mut results = Vec::new();
        while lines < QUEUE_LINES_MAX {
            let Some(record) = self.queue.pop() else {
                break;
            };
            lines += 1;
            let result = match record {
                Record::Access(line) => access.push(&line),
                Record::Execution(line) => executions.push(&line),
            };
            results.extend(result.err());
        }
        let mut written = false;
        for appender in &mut self.appenders {
            match appender.flush() {
                Ok(some) => written |= some,
                Err(lost) => results.push(lost),
            }
        }
        self.count(written, &results);
        if lines > 0 {
            self.flushed.send_modify(|count| *count += 1);
        }
        lines
    }

    /// Counts lost lines, and says so once until the disk takes lines again.
    fn count(&mut self, written: bool, lost: &[LinesLost]) {
        let lines = lost.iter().map(|lost| lost.lines).sum();
        self.failed_lines.fetch_add(lines, Ordering::Relaxed);
        match lost.first() {
            Some(lost) if !self.failing => {
                self.failing = true;
                tracing::error!("{lost}");
            }
            None if written && self.failing => {
                self.failing = false;
                let lines = self.failed_lines.load(Ordering::Relaxed);
                tracing::warn!("the logs are written again; {lines} lines were lost so far");
            }
            _ => {}
        }
    }

    fn carry_out(&mut self, command: Command) -> std::ops::ControlFlow<()> {
        // Whoever asked may have gone away; then nobody needs the answer.
        match command {
            Command::Flush(reply) => {
                let _ = reply.send(());
            }
            Command::Clear(filter, reply) => {
                let _ = reply.send(clear::clear(&self.dir, &filter, SystemTime::now()));
            }
            Command::Stop => return std::ops::ControlFlow::Break(()),
        }
        std::ops::ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Value;
    use tempfile::TempDir;

    use super::super::line::tests::{access, execution};
    use super::*;

    fn config(dir: &TempDir) -> LogConfig {
        LogConfig {
            dir: dir.path().join("logs"),
            file_bytes_max: 64 << 20,
            rotated_files_max: 2,
        }
    }

    fn lines(config: &LogConfig, kind: LogKind) -> Vec<Value> {
        let text = fs::read_to_string(config.dir.join(kind.file())).unwrap_or_default();
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().unwrap()
    }

    #[tokio::test]
    async fn lines_reach_their_files_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(&dir);
        let (writer, thread) = start(&config).unwrap();
        for number in 0..100 {
            writer.access(access(&format!("/{number}?token=hush")));
            writer.execution(execution("a-1", &format!("line {number}")));
        }
        writer.flush().await.unwrap();
        let paths = lines(&config, LogKind::Access);
        let messages = lines(&config, LogKind::Executions);
        assert_eq!((paths.len(), messages.len()), (100, 100));
        for number in 0..100 {
            let path = format!("/{number}?token=[REDACTED]");
            assert_eq!(paths[number]["path"], path);
            assert_eq!(messages[number]["message"], format!("line {number}"));
        }
        assert_eq!(writer.dropped_lines(), 0);
        drop(thread);
    }

    #[test]
    fn stopping_writes_what_waits() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(&dir);
        let (writer, thread) = start(&config).unwrap();
        for _ in 0..5000 {
            writer.access(access("/"));
        }
        thread.stop();
        assert_eq!(lines(&config, LogKind::Access).len(), 5000);
        writer.access(access("/"));
        assert_eq!(writer.dropped_lines(), 1, "nobody writes any more");
    }

    #[tokio::test]
    async fn lines_come_to_the_file_without_being_asked() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, _thread) = start(&config(&dir)).unwrap();
        let mut flushed = writer.flushed();
        writer.access(access("/"));
        flushed.changed().await.unwrap();
        assert_eq!(lines(&config(&dir), LogKind::Access).len(), 1);
    }

    #[tokio::test]
    async fn a_disk_that_takes_nothing_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(&dir);
        let (writer, _thread) = start(&config).unwrap();
        fs::remove_dir(config.dir.join("access")).unwrap();
        fs::write(config.dir.join("access"), "in the way").unwrap();
        writer.access(access("/lost"));
        writer.execution(execution("a-1", "kept"));
        writer.flush().await.unwrap();
        assert_eq!(writer.dropped_lines(), 1);
        assert_eq!(lines(&config, LogKind::Executions).len(), 1);
        fs::remove_file(config.dir.join("access")).unwrap();
        writer.access(access("/again"));
        writer.flush().await.unwrap();
        assert_eq!(lines(&config, LogKind::Access)[0]["path"], "/again");
        assert_eq!(writer.dropped_lines(), 1);
    }

    #[tokio::test]
    async fn commands_after_the_end_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, thread) = start(&config(&dir)).unwrap();
        thread.stop();
        assert!(matches!(writer.flush().await, Err(LogError::Closed)));
        assert!(writer.flushed().changed().await.is_err());
    }

    #[test]
    fn a_folder_that_cannot_be_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(&dir);
        fs::write(&config.dir, "in the way").unwrap();
        let Err(error) = start(&config) else {
            panic!("a file is no folder");
        };
        assert!(error.to_string().contains("logs"), "{error}");
    }

    #[tokio::test]
    async fn many_writers_lose_nothing_within_the_queue() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(&dir);
        let (writer, thread) = start(&config).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| writer.access(access("/"))));
            }
        });
        thread.stop();
        assert_eq!(lines(&config, LogKind::Access).len(), 4000);
        assert_eq!(writer.dropped_lines(), 0);
    }
}
