//! The logs as their API reads them. File work is done off the threads that
//! serve requests, and what was logged before a question is in its answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::LogConfig;
use super::clear::{ClearAnswer, ClearRequest};
use super::error::LogError;
use super::file_name::LogFileName;
use super::follow::{self, FOLLOW_FROM_LINES, StreamRequest};
use super::list::{self, ListRequest, LogList};
use super::place::Place;
use super::read::{self, ReadAnswer, ReadRequest};
use super::search::{self, SEARCH_TIME_MAX, SearchAnswer, SearchRequest};
use super::writer::LogWriter;

/// Searches at once. Each may keep a core busy for seconds.
pub const SEARCHES_MAX: usize = 2;
/// Streams at once. Each holds a connection and a file open.
pub const STREAMS_MAX: usize = 64;

/// Reads the logs that a [`LogWriter`] writes.
pub struct LogReader {
    dir: PathBuf,
    writer: LogWriter,
    searches: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl LogReader {
    pub fn new(config: &LogConfig, writer: LogWriter) -> LogReader {
        LogReader {
            dir: config.dir.clone(),
            writer,
            searches: Arc::new(Semaphore::new(SEARCHES_MAX)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        }
    }

    pub async fn list(&self, request: ListRequest) -> Result<LogList, LogError> {
        self.with_files(move |dir| list::list(dir, &request)).await
    }

    pub async fn read(&self, request: ReadRequest) -> Result<ReadAnswer, LogError> {
        self.with_files(move |dir| read::read(dir, &request)).await
    }

    /// Takes 10 s at most, and gives what it found by then.
    pub async fn search(&self, request: SearchRequest) -> Result<SearchAnswer, LogError> {
        let what = match request.regex {
            Some(_) => "regex searches",
            None => "searches",
        };
        let permit = permit(&self.searches, what)?;
        self.with_files(move |dir| {
            // Given back when the work ends, not when the caller goes away.
            let _permit = permit;
            search::search(dir, &request, Instant::now() + SEARCH_TIME_MAX)
        })
        .await
    }

    /// Deletes log files, those that are written to as well.
    pub async fn clear(&self, request: ClearRequest) -> Result<ClearAnswer, LogError> {
        let filter = request.filter()?;
        let cleared = self.writer.clear(filter).await?;
        cleared
            .map(ClearAnswer::from)
            .map_err(|error| LogError::of(&self.dir, error))
    }

    /// The lines of a file, and when following those of the files after it. A
    /// stream that follows ends when the log does: a server that stops should
    /// drop streams before it waits for requests under way.
    pub async fn stream(
        &self,
        request: StreamRequest,
    ) -> Result<impl Stream<Item = Result<String, LogError>> + Send + 'static + use<>, LogError>
    {
        let name = match request.file.as_deref() {
            Some(file) => LogFileName::parse(file)?,
            None => return Err(LogError::Invalid("file is required".into())),
        };
        let follow = request.follow.unwrap_or(true);
        let permit = permit(&self.streams, "streams")?;
        let flushed = self.writer.flushed();
        let last = follow.then_some(FOLLOW_FROM_LINES);
        let place = self
            .with_files(move |dir| Place::open(dir.to_owned(), name, last))
            .await?;
        Ok(follow::lines(place, follow, flushed, permit))
    }

    /// Runs file work where it may block.
    async fn with_files<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        // A log that is closed can still be read.
        match self.writer.flush().await {
            Ok(()) | Err(LogError::Closed) => {}
            Err(error) => return Err(error),
        }
        let dir = self.dir.clone();
        let done = tokio::task::spawn_blocking(move || work(&dir)).await;
        // It is not cancelled, so it panicked, or the runtime is going down.
        done.unwrap_or(Err(LogError::Closed))
    }
}

fn permit(permits: &Arc<Semaphore>, what: &'static str) -> Result<OwnedSemaphorePermit, LogError> {
    let permit = permits.clone().try_acquire_owned();
    permit.map_err(|_| LogError::Busy(what))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tempfile::TempDir;

    use super::super::line::tests::{access, execution};
    use super::super::writer::{self, LogThread};
    use super::*;

    struct Logs {
        reader: LogReader,
        writer: LogWriter,
        thread: LogThread,
        _dir: TempDir,
    }

    fn logs(file_bytes_max: u64) -> Logs {
        let dir = tempfile::tempdir().unwrap();
        let config = LogConfig {
            dir: dir.path().join("logs"),
            file_bytes_max,
            rotated_files_max: 50,
        };
        let (writer, thread) = writer::start(&config).unwrap();
        Logs {
            reader: LogReader::new(&config, writer.clone()),
            writer,
            thread,
            _dir: dir,
        }
    }

    fn file(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    #[tokio::test]
    async fn what_was_logged_before_a_question_is_in_its_answer() {
        let logs = logs(1 << 20);
        for number in 1..=3 {
            logs.writer.access(access("/x"));
            logs.writer.execution(execution("0190-a", "hello"));
            let request = ReadRequest {
                file: file("access/access.log"),
                ..ReadRequest::default()
            };
            let answer = logs.reader.read(request).await.unwrap();
            assert_eq!(answer.total_lines, number);
        }
        let request = SearchRequest {
            query: Some("HELLO".into()),
            ..SearchRequest::default()
        };
        let answer = logs.reader.search(request).await.unwrap();
        assert_eq!((answer.matches_found, answer.files_searched), (3, 2));
        let request = ReadRequest {
            execution_id: Some("0190-a".into()),
            ..ReadRequest::default()
        };
        let answer = logs.reader.read(request).await.unwrap();
        assert_eq!(answer.total_lines, 6, "of both logs");
        let list = logs.reader.list(ListRequest::default()).await.unwrap();
        assert_eq!(list.count, 2);
    }

    #[tokio::test]
    async fn clearing_deletes_and_logging_goes_on() {
        let logs = logs(1 << 20);
        logs.writer.access(access("/before"));
        let request = ClearRequest {
            confirm: Some(true),
            ..ClearRequest::default()
        };
        let cleared = logs.reader.clear(request).await.unwrap();
        assert_eq!(cleared.deleted, 1);
        assert!(cleared.total_size > 100);
        logs.writer.access(access("/after"));
        let request = ReadRequest {
            file: file("access/access.log"),
            ..ReadRequest::default()
        };
        let answer = logs.reader.read(request).await.unwrap();
        assert_eq!(answer.total_lines, 1);
        assert!(answer.lines[0].contains("/after"));
        let unconfirmed = logs.reader.clear(ClearRequest::default()).await;
        assert!(matches!(unconfirmed, Err(LogError::Invalid(_))));
    }

    #[tokio::test]
    async fn a_stream_follows_across_rotations_to_the_end_of_the_log() {
        let logs = logs(2000);
        logs.writer.execution(execution("a", "0"));
        let request = StreamRequest {
            file: file("executions/executions.log"),
            follow: None,
        };
        let mut stream = Box::pin(logs.reader.stream(request).await.unwrap());
        let message = |line: String| {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            line["message"].as_str().unwrap().to_owned()
        };
        for number in 0..40 {
            assert_eq!(
                message(stream.next().await.unwrap().unwrap()),
                number.to_string()
            );
            let next = execution("a", &(number + 1).to_string());
            logs.writer.execution(next);
            logs.writer.flush().await.unwrap();
        }
        let list = logs.reader.list(ListRequest::default()).await.unwrap();
        assert!(list.count > 2, "the log was rotated");
        // The last lines fill more than one file before the log ends.
        let last: Vec<_> = (41..80).map(|number| number.to_string()).collect();
        for text in &last {
            logs.writer.execution(execution("a", text));
        }
        logs.thread.stop();
        let rest: Vec<_> = stream.map(|line| message(line.unwrap())).collect().await;
        assert_eq!((rest[0].as_str(), &rest[1..]), ("40", &last[..]));
    }

    #[tokio::test]
    async fn a_stream_that_does_not_follow_is_the_file() {
        let logs = logs(1 << 20);
        for _ in 0..FOLLOW_FROM_LINES + 20 {
            logs.writer.access(access("/x"));
        }
        let count = async |follow| {
            let request = StreamRequest {
                file: file("access/access.log"),
                follow: Some(follow),
            };
            let stream = logs.reader.stream(request).await.unwrap();
            stream.take(FOLLOW_FROM_LINES + 20).count().await
        };
        assert_eq!(count(false).await, FOLLOW_FROM_LINES + 20);
        // Following starts at the last lines; the next ones are new.
        for _ in 0..20 {
            logs.writer.access(access("/y"));
        }
        logs.writer.flush().await.unwrap();
        assert_eq!(count(false).await, FOLLOW_FROM_LINES + 20);
        let request = StreamRequest {
            file: file("access/access.log"),
            follow: Some(true),
        };
        let stream = logs.reader.stream(request).await.unwrap();
        let first = stream.take(FOLLOW_FROM_LINES).collect::<Vec<_>>().await;
        let new = first.iter().flatten().filter(|line| line.contains("/y"));
        assert_eq!(new.count(), 20);
    }

    #[tokio::test]
    async fn too_many_at_once_are_told_to_come_again() {
        let logs = logs(1 << 20);
        logs.writer.access(access("/x"));
        let _held: Vec<_> = (0..SEARCHES_MAX)
            .map(|_| permit(&logs.reader.searches, "searches").unwrap())
            .collect();
        let request = SearchRequest {
            regex: Some("x".into()),
            ..SearchRequest::default()
        };
        let error = logs.reader.search(request).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "Too many concurrent regex searches, retry later"
        );
        let stream = || {
            logs.reader.stream(StreamRequest {
                file: file("access/access.log"),
                follow: None,
            })
        };
        let mut streams = Vec::new();
        for _ in 0..STREAMS_MAX {
            streams.push(stream().await.unwrap());
        }
        assert!(matches!(stream().await, Err(LogError::Busy("streams"))));
        streams.pop();
        assert!(stream().await.is_ok(), "a stream that ends makes room");
    }

    #[tokio::test]
    async fn a_closed_log_can_be_read() {
        let logs = logs(1 << 20);
        logs.writer.access(access("/x"));
        logs.thread.stop();
        let list = logs.reader.list(ListRequest::default()).await.unwrap();
        assert_eq!(list.count, 1);
        let request = ClearRequest {
            confirm: Some(true),
            ..ClearRequest::default()
        };
        let cleared = logs.reader.clear(request).await;
        assert!(matches!(cleared, Err(LogError::Closed)));
    }
}
