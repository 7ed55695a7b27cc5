//! The state of the call in progress: what it may still answer, what it waits
//! for, what it has scheduled. Emptied at the start of each call, so nothing of
//! one request outlives it in worker mode either.

use crate::bindings::wasi::{
    http::types::{IncomingRequest, ResponseOutparam},
    io::poll::Pollable,
    random::random,
};
use rquickjs::{Function, Persistent, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Call {
    pub request: Option<IncomingRequest>,
    pub response_out: Option<ResponseOutparam>,
    pub waiting: Vec<Waiting>,
    pub timers: Timers,
    /// Promises that were rejected while nobody listened.
    pub rejections: Vec<Rejection>,
    /// An answer waits until jobs have run and rejections are reported.
    pub held: bool,
    /// The JavaScript half has answered and has nothing left to do.
    pub finished: bool,
    /// The JavaScript half may hold something of this call, which the next must not see.
    pub leaves_traces: bool,
}

/// A promise and the reason it was rejected with.
pub type Rejection = (Persistent<Value<'static>>, Persistent<Value<'static>>);

/// A promise that resolves when the host says that something is ready.
pub struct Waiting {
    /// The stream or future that is waited for; see `forget_waiting`.
    pub owner: u64,
    pub pollable: Pollable,
    pub resolve: Persistent<Function<'static>>,
}

#[derive(Default)]
pub struct Timers {
    last_id: u64,
    queue: BTreeMap<(u64, u64), Timer>,
}

struct Timer {
    callback: Persistent<Function<'static>>,
    repeat_ns: Option<u64>,
}

/// A repeating timer waits at least this long, so that it cannot starve the rest.
const REPEAT_NS_MIN: u64 = 1_000_000;

impl Timers {
    pub fn add(
        &mut self,
        callback: Persistent<Function<'static>>,
        now_ns: u64,
        delay_ns: u64,
        repeat: bool,
    ) -> u64 {
        self.last_id += 1;
        let repeat_ns = repeat.then(|| delay_ns.max(REPEAT_NS_MIN));
        let due_ns = now_ns.saturating_add(delay_ns);
        self.queue.insert((due_ns, self.last_id), Timer { callback, repeat_ns });
        self.last_id
    }

    pub fn remove(&mut self, id: u64) {
        self.queue.retain(|(_, timer), _| *timer != id);
    }

    /// The earliest due time, in nanoseconds of the monotonic clock.
    pub fn next_due_ns(&self) -> Option<u64> {
        self.queue.keys().next().map(|(due, _)| *due)
    }

    /// Takes one timer that is due; a repeating one is queued again.
    pub fn take_due(&mut self, now_ns: u64) -> Option<Persistent<Function<'static>>> {
        let (due, id) = *self.queue.keys().next()?;
        if due > now_ns {
            return None;
        }
        let timer = self.queue.remove(&(due, id))?;
        if let Some(repeat_ns) = timer.repeat_ns {
            let callback = timer.callback.clone();
            self.queue.insert((now_ns.saturating_add(repeat_ns), id), timer);
            return Some(callback);
        }
        Some(timer.callback)
    }
}

struct Cell(RefCell<Option<Call>>);
// SAFETY: a component instance has one thread.
unsafe impl Sync for Cell {}
static CALL: Cell = Cell(RefCell::new(None));

/// Starts a call: everything of the last one is dropped. Whether that has left traces
/// in the JavaScript half; the first call of an instance finds it as it was published.
pub fn start(request: IncomingRequest, response_out: ResponseOutparam) -> bool {
    let call = Call {
        request: Some(request),
        response_out: Some(response_out),
        ..Call::default()
    };
    seed_random();
    // The old state is dropped outside of the borrow: dropping may run destructors.
    let last = CALL.0.borrow_mut().replace(call);
    match last {
        Some(last) if last.request.is_some() => last.leaves_traces,
        // Publishing has left them, and the call after this one must not see what this
        // one adds to them.
        Some(last) if last.leaves_traces => {
            leave_traces();
            false
        }
        _ => false,
    }
}

/// The JavaScript half holds something of the call in progress.
pub fn leave_traces() {
    with(|call| call.leaves_traces = true);
}

pub fn with<R>(f: impl FnOnce(&mut Call) -> R) -> R {
    f(CALL.0.borrow_mut().get_or_insert_with(Call::default))
}

/// Drops what waits for an owner that is about to go away: the host refuses to
/// drop a stream while something is subscribed to it.
pub fn forget_waiting(owner: u64) {
    let forgotten = with(|call| {
        let (gone, kept) = std::mem::take(&mut call.waiting).into_iter().partition(|one| one.owner == owner);
        call.waiting = kept;
        gone
    });
    // Outside of the borrow: dropping may run destructors.
    let _: Vec<Waiting> = forgotten;
}

/// A number that no other stream or future of this instance has.
pub fn new_owner() -> u64 {
    static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1
}

/// The state of `Math.random`, 0 before the first call. The image must not hold
/// it: two requests would draw the same numbers.
static RANDOM: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

fn seed_random() {
    RANDOM.store(0, std::sync::atomic::Ordering::Relaxed);
}

/// `Math.random()`: xorshift64*, seeded by the host on first use in a call.
pub fn random_unit() -> f64 {
    let mut state = RANDOM.load(std::sync::atomic::Ordering::Relaxed);
    if state == 0 {
        state = random::get_random_u64() | 1;
    }
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    RANDOM.store(state, std::sync::atomic::Ordering::Relaxed);
    (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
}
