//! The one writer: a thread that applies jobs and flushes once for many.
//!
//! Jobs that arrive while a flush runs wait in a bounded queue and share the
//! next flush (group commit). No job is acknowledged before its flush. Since
//! nothing else writes, a job may read, decide and write without a race.
//!
//! sled stops for good when the disk fails under it, so the writer refuses
//! jobs while free space is short and sled never meets a full disk. After any
//! other failure it refuses every job until the process starts again. Reads do
//! not pass here and go on, but for the few that find a page sled has yet to split.

use std::{
    fs::File,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
};

use tokio::sync::{broadcast, mpsc, oneshot};

use super::{
    Event, Operation, StoreError,
    values::{self, Applier},
};

/// Jobs that wait; a writer beyond them waits for its place.
const QUEUE_JOBS_MAX: usize = 1024;
/// Jobs that share one flush.
const GROUP_JOBS_MAX: usize = 256;
/// Below this much free space no write is accepted.
pub(super) const FREE_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// sled writes more than it is given, since it rewrites whole pages.
const WRITE_AMPLIFICATION: u64 = 4;

type Acknowledge = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type Job = Box<dyn FnOnce(Result<&mut Edit, StoreError>) -> Acknowledge + Send>;

/// Hands jobs to the writer thread and ends it when dropped.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None` only while dropping: a closed queue is what ends the thread.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// `free_bytes_min` is [`FREE_BYTES_MIN`] but for tests.
    pub fn start(
        db: sled::Db,
        dir: &Path,
        events: broadcast::Sender<Event>,
        free_bytes_min: u64,
    ) -> Result<Writer, StoreError> {
        let file = File::open(dir.join("db"))
            .map_err(|error| StoreError::io("opening the database file", &error))?;
        let edit = Edit {
            applier: Applier::new((*db).clone())?,
            dir: dir.to_owned(),
            free_bytes_min,
            events: Vec::new(),
            dirty: false,
        };
        let committer = Committer {
            db,
            file,
            edit,
            events,
            failure: None,
        };
        let (jobs, queue) = mpsc::channel(QUEUE_JOBS_MAX);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || committer.run(queue))
            .map_err(|error| StoreError::io("starting the writer thread", &error))?;
        Ok(Writer {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Runs `work` on the writer thread and returns its result once everything
    /// that it and earlier jobs wrote is on the disk. Dropping the future does
    /// not stop a job that is already in the queue.
    pub async fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Edit) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |edit| {
            let result = edit.and_then(work);
            Box::new(move |flushed| {
                // A caller that has gone away does not want the answer.
                let _ = reply.send(flushed.and(result));
            })
        });
        let stopped = || StoreError::Unavailable {
            reason: "its writer has stopped; the log says why".to_owned(),
        };
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A job may hold the last clone of the store, and cannot wait for itself.
        let is_writer = thread.thread().id() == std::thread::current().id();
        if !is_writer && thread.join().is_err() {
            tracing::error!("the store's writer thread panicked");
        }
    }
}

/// What a job may do. It exists on the writer thread only.
pub(super) struct Edit {
    applier: Applier,
    dir: PathBuf,
    free_bytes_min: u64,
    events: Vec<Event>,
    dirty: bool,
}

impl Edit {
    pub fn tree(&self) -> &sled::Tree {
        self.applier.tree()
    }

    /// Applies all operations or none. They are durable when the job is acknowledged.
    pub fn apply(&mut self, operations: &[Operation]) -> Result<(), StoreError> {
        self.check_free_space(values::stored_bytes_max(operations))?;
        self.dirty = true;
        self.applier.apply(operations)?;
        self.events
            .extend(operations.iter().map(|operation| match operation {
                Operation::Put { key, .. } => Event::Put {
                    key: Arc::from(&**key),
                },
                Operation::Delete { key } => Event::Delete {
                    key: Arc::from(&**key),
                },
            }));
        Ok(())
    }

    fn check_free_space(&self, bytes: u64) -> Result<(), StoreError> {
        if self.free_bytes_min == 0 {
            return Ok(());
        }
        let free = free_bytes(&self.dir)
            .map_err(|error| StoreError::io("asking for free space", &error))?;
        if free < self.free_bytes_min + bytes * WRITE_AMPLIFICATION {
            return Err(StoreError::Unavailable {
                reason: format!(
                    "the disk that holds {} has {free} bytes left, {} are kept free; remove something from it",
                    self.dir.display(),
                    self.free_bytes_min
                ),
            });
        }
        Ok(())
    }
}

struct Committer {
    db: sled::Db,
    /// sled's own flush writes pages but not the file's size, which a power
    /// loss would take back; this handle is for the `fdatasync` that keeps it.
    file: File,
    edit: Edit,
    events: broadcast::Sender<Event>,
    failure: Option<StoreError>,
}

impl Committer {
    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut group = Vec::with_capacity(GROUP_JOBS_MAX);
        while let Some(first) = queue.blocking_recv() {
            group.push(first);
            while group.len() < GROUP_JOBS_MAX
                && let Ok(job) = queue.try_recv()
            {
                group.push(job);
            }
            self.commit(&mut group);
        }
    }

    fn commit(&mut self, group: &mut Vec<Job>) {
        // A panic drops the job and with it the caller's reply channel.
        let acknowledgements: Vec<Acknowledge> = group
            .drain(..)
            .filter_map(|job| self.perform(job))
            .collect();
        let flushed = self.flush();
        // Watchers first: whoever has written can rely on the event being out.
        for event in self.edit.events.drain(..) {
            if flushed.is_ok() {
                // Nobody may be watching.
                let _ = self.events.send(event);
            }
        }
        for acknowledge in acknowledgements {
            acknowledge(flushed.clone());
        }
    }

    fn perform(&mut self, job: Job) -> Option<Acknowledge> {
        let failure = self.failure.clone();
        let edit = &mut self.edit;
        let performed = std::panic::catch_unwind(AssertUnwindSafe(|| match failure {
            Some(failure) => job(Err(failure)),
            None => job(Ok(edit)),
        }));
        if performed.is_err() {
            self.fail("the database panicked".to_owned());
        }
        performed.ok()
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if !std::mem::take(&mut self.edit.dirty) {
            return Ok(());
        }
        let db = &self.db;
        let flushed = std::panic::catch_unwind(AssertUnwindSafe(|| db.flush()));
        let result = match flushed {
            Ok(Ok(_)) => self.file.sync_data().map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the database panicked".to_owned()),
        };
        result.map_err(|reason| self.fail(reason))
    }

    fn fail(&mut self, reason: String) -> StoreError {
        tracing::error!(
            reason,
            "the store could not write and refuses writes from now on; mend the disk and start again"
        );
        let failure = StoreError::Unavailable {
            reason: format!("an earlier write failed ({reason}); mend the disk and start again"),
        };
        self.failure = Some(failure.clone());
        failure
    }
}

/// Bytes that an unprivileged process may still write to the disk under `dir`.
fn free_bytes(dir: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(dir)?;
    Ok(disk.f_bavail * disk.f_frsize)
}
