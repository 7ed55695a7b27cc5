//! Two upgraded connections, such as of a WebSocket: bytes go through in both
//! directions until one side ends, both are silent, or the server stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::OwnedSemaphorePermit;

use super::body::Progress;
use crate::proxy::log::Pending;
use crate::shutdown::Shutdown;

/// Read at once, in each direction.
const PIECE_BYTES: usize = 16 << 10;
/// A tunnel ends so soon after whoever has it may have it no longer.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// The other side has this long to become an upgraded connection too.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// Both ends, before they are there.
pub struct Sides {
    pub client: OnUpgrade,
    pub upstream: OnUpgrade,
    pub permit: OwnedSemaphorePermit,
}

/// Whoever was let in stays as long as this says so; it is asked now and then.
pub type StillOpen = Arc<dyn Fn() -> bool + Send + Sync>;

pub async fn run(
    sides: Sides,
    idle: Duration,
    stop: Shutdown,
    pending: Pending,
    still_open: StillOpen,
) {
    let Sides {
        client,
        upstream,
        permit,
    } = sides;
    let both = async { tokio::try_join!(client, upstream) };
    match tokio::time::timeout(UPGRADE_TIMEOUT, both).await {
        Ok(Ok((client, upstream))) => {
            tokio::select! {
                () = relay(client, upstream, idle, &pending) => {}
                () = stop.requested() => {}
                () = closed(still_open) => {}
            }
        }
        Ok(Err(error)) => tracing::debug!(%error, "an upgraded connection did not come about"),
        Err(_) => tracing::debug!("an upgraded connection did not come about in time"),
    }
    drop((permit, pending));
}

async fn closed(still_open: StillOpen) {
    while still_open() {
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
}

async fn relay(client: Upgraded, upstream: Upgraded, idle: Duration, pending: &Pending) {
    let (client_reader, client_writer) = split(TokioIo::new(client));
    let (upstream_reader, upstream_writer) = split(TokioIo::new(upstream));
    let progress = Progress::new();
    let (bytes_in, bytes_out) = (pending.bytes_in(), pending.bytes_out());
    let both = async {
        tokio::join!(
            copy(client_reader, upstream_writer, &bytes_in, &progress),
            copy(upstream_reader, client_writer, &bytes_out, &progress),
        )
    };
    tokio::select! {
        _ = both => {}
        () = progress.silent_for(idle) => {}
    }
}

/// Until the reader's end or a failure; either ends the writer too.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    bytes: &AtomicU64,
    progress: &Progress,
) {
    let mut piece = vec![0; PIECE_BYTES];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        progress.touch();
        if to.write_all(&piece[..count]).await.is_err() || to.flush().await.is_err() {
            break;
        }
        bytes.fetch_add(count as u64, Ordering::Relaxed);
    }
    let _ = to.shutdown().await;
}
