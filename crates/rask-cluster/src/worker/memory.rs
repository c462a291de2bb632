//! The memory of a worker's process, looked at again and again: what values may take follows it, and
//! where spilling does not help any more, the worker pauses. The scheduler is told at once, then
//! gets back what has not begun.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rask_exec::Pace;
use rask_proto::{FromWorker, Heartbeat};

use super::Shared;
use super::budget::Budget;
use super::job::Effects;
use crate::memory_guard::{ProcessMemory, mebibytes};
use crate::segments;

const HEARTBEAT: Duration = Duration::from_millis(500);
/// How often the process's memory is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// While the worker is paused, free memory is given back to the system so often.
const TRIM: Duration = Duration::from_secs(1);
/// Memory of freed segments is given back after being of no use for as long.
const SEGMENTS_IDLE: Duration = Duration::from_secs(2);
/// A worker that has been paused for so long begins one task at a time, if it is given any: nothing
/// else would change anything. The scheduler waits at least as long.
const CRAWLS_AFTER: Duration = Duration::from_secs(10);

/// Keeps values within what the process leaves them. For a worker that has a process of its own.
pub(super) async fn watch(shared: Arc<Shared>) {
    let Some(budget) = shared.budget else {
        return;
    };
    let mut pause: Option<Pause> = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let segments = segments::count_bytes();
        let Some(memory) = ProcessMemory::of_this_process(segments) else {
            return;
        };
        let own = memory.own_bytes;
        let is_paused = budget.decide_pause(own, pause.is_some());
        match (&mut pause, is_paused) {
            (None, true) => {
                pause = Some(Pause::begin());
                log_pause(budget, own);
            }
            (Some(_), false) => {
                pause = None;
                tracing::warn!(
                    name = shared.register.name,
                    "the worker goes on: its process has {}",
                    mebibytes(own)
                );
            }
            (Some(pause), true) => pause.trim(),
            (None, false) => {}
        }
        let pace = pause.as_ref().map(Pause::pace);
        adjust(&shared, budget, (own, segments.borrowed), pace);
    }
}

fn log_pause(budget: Budget, own: u64) {
    tracing::warn!(
        "the worker is at {}% of its memory and pauses: its process has {}, of a limit of {}; \
         tasks begin again when there is less",
        own * 100 / budget.limit.max(1),
        mebibytes(own),
        mebibytes(budget.limit),
    );
}

/// Sets the budget and the pace. Where the pace has changed, the scheduler is told. Values that are
/// mapped from others of this host cost nothing here: the budget is larger by so much.
fn adjust(shared: &Arc<Shared>, budget: Budget, (own, borrowed): (u64, u64), pace: Option<Pace>) {
    let pace = pace.unwrap_or(Pace::Full);
    let mut effects = Effects::default();
    let changed = {
        let mut core = shared.core.lock();
        let managed = core.held_bytes().saturating_sub(borrowed);
        let bytes_max = budget.decide(own, managed).saturating_add(borrowed);
        core.set_budget(bytes_max, &mut effects);
        core.set_pace(pace)
    };
    if changed {
        shared.tell(FromWorker::Heartbeat(heartbeat(shared)));
        give_back_unbegun(shared, &mut effects);
        shared.work.notify_all();
        shared.fetch_wanted.notify_one();
    }
    shared.follow(effects);
}

/// Gives back what has not begun, if the worker is paused.
pub(super) fn give_back_unbegun(shared: &Shared, effects: &mut Effects) {
    let given_back = shared.core.lock().give_back_unbegun(effects);
    if let Some(given_back) = given_back {
        shared.tell(FromWorker::Missing(given_back));
    }
}

/// Tells the scheduler how the worker is, again and again.
pub(super) async fn beat(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        shared.tell(FromWorker::Heartbeat(heartbeat(&shared)));
    }
}

/// How the worker is.
pub(super) fn heartbeat(shared: &Shared) -> Heartbeat {
    let segments = segments::count_bytes();
    let memory = ProcessMemory::of_this_process(segments).unwrap_or_default();
    let core = shared.core.lock();
    let managed_bytes = core.held_bytes().saturating_sub(segments.borrowed);
    Heartbeat {
        process_bytes: memory.resident_bytes,
        managed_bytes,
        spilled_bytes: core.spilled_bytes(),
        executing: core.running_count(),
        cpu_percent: 0.0,
        running: Some(core.running()),
        transfers: shared.measured.take(),
        own_bytes: memory.own_bytes,
        unmanaged_bytes: memory.own_bytes.saturating_sub(managed_bytes),
        paused: core.pace() != Pace::Full,
        spill_error: String::new(),
        running_growth: Vec::new(),
    }
}

/// A time without beginning tasks.
struct Pause {
    since: Instant,
    trimmed: Instant,
}

impl Pause {
    fn begin() -> Self {
        let now = Instant::now();
        give_free_memory_back();
        Pause {
            since: now,
            trimmed: now,
        }
    }

    fn pace(&self) -> Pace {
        match self.since.elapsed() >= CRAWLS_AFTER {
            true => Pace::OneByOne,
            false => Pace::Paused,
        }
    }

    fn trim(&mut self) {
        if self.trimmed.elapsed() >= TRIM {
            self.trimmed = Instant::now();
            give_free_memory_back();
        }
    }
}

/// Gives back, again and again, what was kept for large buffers to come and was of no use.
pub(super) async fn give_back_segments() {
    loop {
        tokio::time::sleep(SEGMENTS_IDLE).await;
        segments::trim(false);
    }
}

/// The C library keeps memory that was freed in the middle of its heaps, unless it is asked.
fn give_free_memory_back() {
    segments::trim(true);
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    tokio::task::spawn_blocking(|| {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> i32;
        }
        // SAFETY: may be called at any time from any thread; it takes the heaps' own locks.
        unsafe { malloc_trim(0) };
    });
}
