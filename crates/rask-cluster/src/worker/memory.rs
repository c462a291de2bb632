//! The memory of a worker's process, looked at again and again: what values may take follows it, and
//! where spilling does not help any more, the worker pauses. The scheduler is told at once, then
//! gets back what has not begun.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rask_exec::Pace;
use rask_proto::{FromWorker, Heartbeat};

use super::Shared;
use super::budget::Budget;
use super::growth::Grown;
use super::job::{Effects, RunJob};
use crate::memory_guard::{ProcessMemory, mebibytes};
use crate::segments;

const HEARTBEAT: Duration = Duration::from_millis(500);
/// How often the process's memory is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// While the worker is paused, free memory is given back to the system so often.
const TRIM: Duration = Duration::from_secs(1);
/// Free memory is looked at so often: what has been of no use since is given back.
const IDLE_LOOK: Duration = Duration::from_secs(2);
/// A worker that has been paused for so long begins one task at a time, if it is given any: nothing
/// else would change anything. The scheduler waits at least as long.
const CRAWLS_AFTER: Duration = Duration::from_secs(10);

/// A pause for a full disk lasts so long, unless the disk has room.
const DISK_PAUSE_MIN: Duration = Duration::from_secs(10);
/// More pages of files that are no values belong to what tasks have mapped, and go when others need the
/// memory.
const LIBRARY_BYTES_MAX: u64 = 128 << 20;
/// A task that leaves more than this share of the limit besides its value is noted in the log.
const NOTED_SHARE: f64 = 0.05;

/// Keeps values within what the process leaves them, and pauses where that does not help. A worker
/// that shares its process with others answers for its values only.
pub(super) async fn watch(shared: Arc<Shared>) {
    let Some(budget) = shared.budget else {
        return;
    };
    let mut pause: Option<Pause> = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(seen) = look(&shared) else {
            return;
        };
        shared.growth.look(seen.own);
        let is_paused = seen.decide_pause(budget, pause.as_ref());
        match (&mut pause, is_paused) {
            (None, true) => {
                pause = Some(Pause::begin(&seen));
                log_pause(budget, &seen);
            }
            (Some(_), false) => {
                pause = None;
                tracing::warn!("the worker goes on: it has {}", mebibytes(seen.own));
            }
            (Some(pause), true) => pause.trim(),
            (None, false) => {}
        }
        let pace = pause.as_ref().map(|pause| pause.pace(seen.is_disk_full));
        adjust(&shared, budget, &seen, pace);
    }
}

/// What there is at one look.
struct Seen {
    own: u64,
    /// Pages of libraries, and of values that were read back from disk.
    of_files: u64,
    /// Values, but for what is mapped from others of this host.
    managed: u64,
    borrowed: u64,
    is_disk_full: bool,
    /// Nothing is begun, since there is no room and none can be made.
    is_starved: bool,
}

fn look(shared: &Shared) -> Option<Seen> {
    let (own, of_files, borrowed) = match shared.owns_process {
        true => {
            let segments = segments::count_bytes();
            let memory = ProcessMemory::of_this_process(segments)?;
            let read_back = rask_store::mapped_bytes();
            let of_files = memory.file_bytes.min(read_back + LIBRARY_BYTES_MAX);
            (Some(memory.own_bytes), of_files, segments.borrowed)
        }
        false => (None, 0, 0),
    };
    let core = shared.core.lock();
    let managed = core.held_bytes().saturating_sub(borrowed);
    Some(Seen {
        own: own.unwrap_or(managed),
        of_files,
        managed,
        borrowed,
        is_disk_full: core.spill_error().is_some(),
        is_starved: core.is_starved(),
    })
}

impl Seen {
    /// Whether no task begins. A pause for a full disk lasts until that has room, or values leave.
    fn decide_pause(&self, budget: Budget, pause: Option<&Pause>) -> bool {
        let for_disk = match pause {
            None => self.is_starved,
            Some(pause) => {
                let target = budget.decide(self.own + self.of_files, self.managed);
                let is_over = self.managed > target || pause.since.elapsed() < DISK_PAUSE_MIN;
                pause.for_disk && self.is_disk_full && is_over
            }
        };
        for_disk || budget.decide_pause(self.own, pause.is_some())
    }
}

fn log_pause(budget: Budget, seen: &Seen) {
    let until = match seen.is_starved {
        true => "values can be written to disk, or are needed no more",
        false => "there is less",
    };
    tracing::warn!(
        "the worker is at {}% of its memory and pauses: it has {}, of a limit of {}; tasks begin \
         again when {until}",
        seen.own * 100 / budget.limit.max(1),
        mebibytes(seen.own),
        mebibytes(budget.limit),
    );
}

/// Sets the budget and the pace. Where the pace has changed, the scheduler is told. Values that are
/// mapped from others of this host cost nothing here: the budget is larger by so much.
fn adjust(shared: &Arc<Shared>, budget: Budget, seen: &Seen, pace: Option<Pace>) {
    let pace = pace.unwrap_or(Pace::Full);
    let mut effects = Effects::default();
    let changed = {
        let mut core = shared.core.lock();
        let bytes_max = budget.decide(seen.own + seen.of_files, seen.managed);
        let bytes_max = bytes_max.saturating_add(seen.borrowed);
        let hard_bytes_max = budget.decide_hard(seen.own, seen.managed);
        let hard_bytes_max = hard_bytes_max.saturating_add(seen.borrowed);
        core.set_budget(bytes_max, hard_bytes_max, &mut effects);
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
        shared.return_unused();
        shared.empty_trash();
        shared.tell(FromWorker::Heartbeat(heartbeat(&shared)));
    }
}

/// How the worker is.
pub(super) fn heartbeat(shared: &Shared) -> Heartbeat {
    let segments = segments::count_bytes();
    let memory = ProcessMemory::of_this_process(segments).unwrap_or_default();
    let core = shared.core.lock();
    let managed_bytes = core.held_bytes().saturating_sub(segments.borrowed);
    let running = core.running();
    let running_growth = shared.growth.of(running.iter());
    Heartbeat {
        activities: super::activity::take(&shared.active),
        process_bytes: memory.resident_bytes,
        managed_bytes,
        spilled_bytes: core.spilled_bytes(),
        executing: core.running_count(),
        cpu_percent: 0.0,
        running: Some(running),
        transfers: shared.measured.take(),
        own_bytes: memory.own_bytes,
        unmanaged_bytes: memory.own_bytes.saturating_sub(managed_bytes),
        paused: core.pace() != Pace::Full,
        spill_error: core.spill_error().unwrap_or_default().to_owned(),
        running_growth,
    }
}

impl Shared {
    /// A task begins: where the process is the worker's, it is watched.
    pub(super) fn begin_growth(&self, job: &RunJob) -> Option<u64> {
        let nanos = u64::from(job.layer.predict_nanos());
        self.owns_process
            .then(|| self.growth.begin(job.key, nanos))
            .flatten()
    }

    /// Says so if a task has left much in the process besides its value.
    pub(super) fn note_left(&self, job: &RunJob, grown: Grown, nbytes: u64) {
        let (Some(left), Some(budget)) = (grown.left_bytes, self.budget) else {
            return;
        };
        let left = left.saturating_sub(nbytes);
        if left as f64 > budget.limit as f64 * NOTED_SHARE {
            tracing::info!(
                "block {} of {:?} ended and left {} in the process besides its value of {}; at \
                 most it took {}",
                job.key.1,
                job.layer.name,
                mebibytes(left),
                mebibytes(nbytes),
                mebibytes(grown.most_bytes)
            );
        }
    }
}

/// A time without beginning tasks.
struct Pause {
    since: Instant,
    /// There was memory left, and no disk.
    for_disk: bool,
    trimmed: Instant,
}

impl Pause {
    fn begin(seen: &Seen) -> Self {
        let now = Instant::now();
        give_free_memory_back();
        Pause {
            since: now,
            for_disk: seen.is_starved,
            trimmed: now,
        }
    }

    /// While the disk is full, memory may be full of values that would go with the process.
    fn pace(&self, is_disk_full: bool) -> Pace {
        match self.since.elapsed() >= CRAWLS_AFTER && !is_disk_full {
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
pub(super) async fn give_back_free() {
    loop {
        tokio::time::sleep(IDLE_LOOK).await;
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
