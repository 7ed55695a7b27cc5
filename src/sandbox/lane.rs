//! Where a call computes: in its caller's task while it is short, then on a thread of
//! its own that yields to all others, so that short calls never wait for long ones; and
//! where other work goes that computes for long.
//! It must not know what a call is.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinError;

/// A call that has computed for this long is a long one. Most take a tenth of a
/// millisecond; a thread costs as much.
const SHORT_MAX: Duration = Duration::from_millis(4);

/// How far a thread of a long call stands back, as `nice` counts: where a short call
/// wants the same core, the kernel gives that nine times as much.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// A call on its way to its end. Dropping it ends the call, wherever that is: a long
/// one within a turn (`FUEL_PER_TURN`).
pub enum Lane<F: Future> {
    Short {
        call: Pin<Box<F>>,
        computed: Duration,
    },
    Long {
        ended: oneshot::Receiver<F::Output>,
        thread: Option<JoinHandle<()>>,
    },
}

impl<F> Lane<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    pub fn new(call: F) -> Self {
        Self::Short {
            call: Box::pin(call),
            computed: Duration::ZERO,
        }
    }
}

impl<F> Future for Lane<F>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if let Self::Short { call, computed } = &mut *self {
            let began = Instant::now();
            if let Poll::Ready(output) = call.as_mut().poll(context) {
                return Poll::Ready(output);
            }
            *computed += began.elapsed();
            if *computed < SHORT_MAX {
                return Poll::Pending;
            }
            let Some((thread, gate)) = own_thread() else {
                // No thread to be had; other calls have to bear it for as long again.
                *computed = Duration::ZERO;
                return Poll::Pending;
            };
            let (end, ended) = oneshot::channel();
            let thread = Some(thread);
            let Self::Short { call, .. } =
                std::mem::replace(&mut *self, Self::Long { ended, thread })
            else {
                unreachable!("it was short a moment ago");
            };
            // The thread waits for this one message.
            let _ = gate.send(Box::pin(finish(call, end)));
        }
        let Self::Long { ended, thread } = &mut *self else {
            unreachable!("what is short has returned");
        };
        Pin::new(ended).poll(context).map(|output| {
            output.unwrap_or_else(|_| match thread.take().map(JoinHandle::join) {
                // As it would have in the caller's task.
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                _ => unreachable!("a thread that ends has said how"),
            })
        })
    }
}

/// `tokio::task::spawn_blocking`, asked for by a thread of the runtime's own. The threads
/// for such work inherit the priority of whoever starts them, and keep it; what scripts
/// lead to must not start them in a long call's thread.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    tokio::spawn(async move { tokio::task::spawn_blocking(work).await }).await?
}

/// Work that takes a core for milliseconds, such as compiling a handler: on a thread that
/// stands back from the start, and not before there is a turn for it. None if it panicked,
/// or there are no turns any more.
pub async fn in_turn<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let turn = turns.clone().acquire_owned().await.ok()?;
    let work = move || {
        // Held to the end of the work, which goes on when nobody waits for it any more.
        let _turn = turn;
        work()
    };
    let Some((_, gate)) = own_thread() else {
        return blocking(work).await.ok();
    };
    let (end, ended) = oneshot::channel();
    // The thread waits for this one message; whoever asked may have gone away.
    let _ = gate.send(Box::pin(async move {
        let _ = end.send(work());
    }));
    ended.await.ok()
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs the call to its end, or until nobody waits for it.
async fn finish<F: Future>(mut call: Pin<Box<F>>, mut end: oneshot::Sender<F::Output>) {
    // After each turn the kernel is asked who is next: it may let a thread go on to the end
    // of its slice, some milliseconds, whoever has woken up meanwhile.
    let in_turns = poll_fn(|context| {
        let polled = call.as_mut().poll(context);
        if polled.is_pending() {
            thread::yield_now();
        }
        polled
    });
    tokio::select! {
        biased;
        () = end.closed() => {}
        output = in_turns => {
            let _ = end.send(output);
        }
    }
}

/// A thread that does the one piece of work that it is sent; its sockets and timers
/// are the runtime's.
fn own_thread() -> Option<(JoinHandle<()>, std::sync::mpsc::Sender<Work>)> {
    let runtime = Handle::current();
    let (gate, work) = std::sync::mpsc::channel::<Work>();
    let thread = thread::Builder::new()
        .name("aside".to_owned())
        .spawn(move || {
            stand_back();
            if let Ok(work) = work.recv() {
                runtime.block_on(work);
            }
        });
    Some((thread.ok()?, gate))
}

#[cfg(target_os = "linux")]
fn stand_back() {
    // On Linux a thread has a priority of its own, and 0 is the calling one. Where
    // that is forbidden, long calls are as important as short ones.
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

#[cfg(not(target_os = "linux"))]
fn stand_back() {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computes for so many milliseconds, one a turn; gives the thread that it ended on.
    async fn compute(turns: u32) -> Option<String> {
        for _ in 0..turns {
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(1) {}
            tokio::task::yield_now().await;
        }
        thread::current().name().map(str::to_owned)
    }

    #[tokio::test]
    async fn a_call_that_never_yields_stays_where_it_began() {
        let here = thread::current().name().map(str::to_owned);
        assert_eq!(Lane::new(compute(0)).await, here);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_long_call_ends_on_a_thread_of_its_own() {
        assert_eq!(Lane::new(compute(40)).await.as_deref(), Some("aside"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_long_call_that_nobody_waits_for_ends() {
        struct Told(Option<oneshot::Sender<()>>);
        impl Drop for Told {
            fn drop(&mut self) {
                let _ = self.0.take().expect("it is dropped once").send(());
            }
        }
        let (sender, ended) = oneshot::channel();
        let told = Told(Some(sender));
        let endless = async move {
            let _told = told;
            loop {
                compute(1).await;
            }
        };
        let patience = tokio::time::timeout(Duration::from_millis(50), Lane::new(endless)).await;
        assert!(patience.is_err());
        ended.await.expect("the call was dropped on its thread");
    }

    #[tokio::test]
    async fn what_is_done_aside_has_its_own_thread() {
        let turns = Arc::new(Semaphore::new(1));
        let name = || thread::current().name().map(str::to_owned);
        let named = in_turn(&turns, name).await.flatten();
        assert_eq!(named.as_deref(), Some("aside"));
        let panicked = in_turn(&turns, || panic!("expected by this test")).await;
        assert_eq!(panicked, None::<()>);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_keeps_its_turn_to_its_end_and_none_begins_meanwhile() {
        let turns = Arc::new(Semaphore::new(1));
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = oneshot::channel();
        let work = in_turn(&turns, move || {
            let _ = begin.send(());
            let _ = ended.recv();
        });
        tokio::select! {
            biased;
            _ = work => panic!("it ends when this test says so"),
            began = begun => began.expect("the work is not dropped"),
        }
        assert_eq!(turns.available_permits(), 0);
        let next = tokio::time::timeout(Duration::from_millis(20), in_turn(&turns, || ()));
        assert!(next.await.is_err());
        end.send(()).expect("the work goes on");
        assert_eq!(in_turn(&turns, || "next").await, Some("next"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_reaches_the_caller() {
        let call = Lane::new(async {
            compute(40).await;
            panic!("expected by this test");
        });
        let task: tokio::task::JoinHandle<()> = tokio::spawn(call);
        assert!(task.await.expect_err("it panics").is_panic());
    }
}
