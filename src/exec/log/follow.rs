//! `logs/stream`: the lines of a log as they are written, across rotations.

use std::collections::VecDeque;

use futures_util::Stream;
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::error::LogError;
use super::place::Place;

/// Lines that are there already and come first when following.
pub const FOLLOW_FROM_LINES: usize = 100;

/// The query of `logs/stream`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamRequest {
    /// As `logs/list` names it.
    pub file: Option<String>,
    /// True, which is the default: the last 100 lines, then those to come, until
    /// the server stops. False: the whole file as it is.
    pub follow: Option<bool>,
}

/// The lines of a stream. Nothing runs while nobody asks for the next one.
pub(super) fn lines(
    place: Place,
    follow: bool,
    flushed: watch::Receiver<u64>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<String, LogError>> + Send + 'static {
    let following = Following {
        place: Some(place),
        ready: VecDeque::new(),
        follow,
        flushed,
        _permit: permit,
    };
    stream::unfold(following, Following::next)
}

struct Following {
    /// None at the end.
    place: Option<Place>,
    ready: VecDeque<String>,
    follow: bool,
    flushed: watch::Receiver<u64>,
    /// The stream's place among the streams that may run.
    _permit: OwnedSemaphorePermit,
}

impl Following {
    async fn next(mut self) -> Option<(Result<String, LogError>, Following)> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some((Ok(line), self));
            }
            // Marked before reading: what is written meanwhile is not missed.
            self.flushed.borrow_and_update();
            match self.read().await? {
                Ok(lines) if !lines.is_empty() => self.ready = lines.into(),
                Ok(_) if self.follow && self.flushed.changed().await.is_ok() => {}
                // At the end of the log too: no change came after this reading.
                Ok(_) => {
                    let rest = self.place.take()?.rest();
                    self.ready.extend(rest);
                }
                Err(error) => {
                    self.place = None;
                    return Some((Err(error), self));
                }
            }
        }
    }

    /// The next lines, none at the end of what is written, or the end.
    async fn read(&mut self) -> Option<Result<Vec<String>, LogError>> {
        let mut place = self.place.take()?;
        let follow = self.follow;
        let task = tokio::task::spawn_blocking(move || {
            let lines = place.read(follow);
            (place, lines)
        });
        let Ok((place, lines)) = task.await else {
            return Some(Err(LogError::Closed));
        };
        self.place = Some(place);
        Some(lines)
    }
}
