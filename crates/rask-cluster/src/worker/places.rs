//! How many tasks run at a time, whatever waits: a worker has as many places as it has threads.
//!
//! A task that waits for others gives its place up (it secedes), and another thread goes on in it, so
//! that what it waits for can run here. When the task goes on itself, some thread that has nothing
//! to do leaves. Threads that left stay at hand for a while: one wait often follows another.
//!
//! Tasks that wait for something that others share with them (a lock, an event, a queue) give their
//! places up too, but not all: thousands may wait for one lock, each with a thread and its inputs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rask_proto::{Blocks, Capabilities, FromWorker};

use super::core::Key;
use super::job::Effects;
use super::threads::RunningSlot;
use super::{Shared, activity, compute};

/// How long a thread without a place stays at hand.
const AT_HAND: Duration = Duration::from_millis(500);
/// Tasks that may wait for what is shared without a place; further ones keep theirs.
const SHARING_COUNT_MAX: u32 = 32;

/// Threads that have no place, or are to have none.
#[derive(Debug, Default)]
pub(super) struct Bench {
    /// Threads that are to leave when they have nothing to do, since ones that had seceded are back.
    surplus: u32,
    /// Threads that have left and are at hand.
    waiting: u32,
    /// Of these, the ones that were called back.
    called: u32,
    /// Tasks without a place that wait for what is shared.
    sharing: u32,
}

impl Bench {
    /// Whether the calling thread, which has nothing to do, is to leave.
    pub fn takes_leave(&mut self) -> bool {
        let leaves = self.surplus > 0;
        self.surplus -= u32::from(leaves);
        leaves
    }
}

impl Shared {
    /// Some thread takes the place of one whose task waits.
    fn fill_place(self: &Arc<Self>) -> bool {
        let bench = &mut self.core.lock().bench;
        if bench.surplus > 0 {
            bench.surplus -= 1;
            return true;
        }
        if bench.waiting > bench.called {
            bench.called += 1;
            self.bench_called.notify_one();
            return true;
        }
        compute::start(self.clone())
            .inspect_err(|error| {
                tracing::warn!(%error, "no thread for the place of a task that gives it up");
            })
            .is_ok()
    }

    /// Some thread takes the place of one whose task will wait, unless the task was given up: then its
    /// place was filled. Which of the two comes first is decided under the lock of the books.
    fn leave_place(self: &Arc<Self>, task: Option<Key>, slot: &RunningSlot) -> bool {
        {
            let mut core = self.core.lock();
            if slot.is_abandoned() {
                return false;
            }
            if let Some(task) = task {
                core.set_absent(task, true);
            }
        }
        let is_filled = self.fill_place();
        if let Some(task) = task.filter(|_| !is_filled) {
            self.core.lock().set_absent(task, false);
        }
        is_filled
    }

    /// The task that had given up its place goes on, and another thread leaves, unless the task was
    /// given up. Decided like `leave_place`.
    fn take_place(&self, task: Option<Key>, slot: &RunningSlot) -> bool {
        let mut core = self.core.lock();
        if slot.is_abandoned() {
            return false;
        }
        if let Some(task) = task {
            core.set_absent(task, false);
        }
        core.bench.surplus += 1;
        drop(core);
        self.work.notify_one();
        true
    }

    /// Tasks that are not wanted any longer go on on their threads, which nobody can stop: other
    /// threads take their places, and the tasks may be run anew.
    pub(super) fn abandon(self: &Arc<Self>, tasks: &[Key]) {
        for &task in tasks {
            let mut effects = Effects::default();
            let mut core = self.core.lock();
            if !self.threads.abandon(task) {
                continue;
            }
            let had_place = !core.is_absent(task);
            core.on_given_up(task, &mut effects);
            drop(core);
            self.follow(effects);
            if had_place {
                self.fill_place();
            }
        }
    }

    /// Waits, without a place, to be called back; `false` if the thread is to end.
    pub(super) fn wait_on_bench(&self) -> bool {
        let until = Instant::now() + AT_HAND;
        let mut core = self.core.lock();
        core.bench.waiting += 1;
        loop {
            let is_late = self.bench_called.wait_until(&mut core, until).timed_out();
            let is_called = core.bench.called > 0;
            if is_called || is_late || core.stopping {
                core.bench.waiting -= 1;
                core.bench.called -= u32::from(is_called);
                return is_called;
            }
        }
    }

    /// The scheduler is told that a task that runs takes no thread, or does again, as the books have it.
    pub(super) fn tell_absence(&self, task: Key, is_absent: bool) {
        if is_absent {
            // What had to wait for the end of all that runs may begin.
            self.work.notify_one();
        }
        let blocks = Blocks::from_iter([task]);
        let known = Capabilities(self.capabilities.load(Ordering::Relaxed));
        if is_absent {
            self.tell(FromWorker::Seceded(blocks));
        } else if known.has(Capabilities::REJOINING) {
            self.tell(FromWorker::Rejoined(blocks));
        }
    }
}

/// Another thread takes the place of this one, which runs a task that will wait for others.
/// `false` if this is no compute thread, or it has happened already.
pub fn secede() -> bool {
    compute::flush_outcomes();
    let Some((shared, task, jobs)) = compute::give_up_place(Shared::leave_place) else {
        return false;
    };
    let mut effects = Effects::default();
    shared.core.lock().give_back(jobs.into_iter(), &mut effects);
    shared.follow(effects);
    if let Some(task) = task {
        shared.tell_absence(task, true);
    }
    true
}

/// This thread takes a place again: another leaves when it has nothing to do.
pub fn rejoin() {
    let back = compute::return_to_place(|shared, task, slot| shared.take_place(task, slot));
    let Some((shared, task)) = back else {
        return;
    };
    if let Some(task) = task {
        shared.tell_absence(task, false);
    }
}

/// While it exists, the task of the calling thread waits for others and has given up its place.
pub struct Absence {
    since: Instant,
    /// The worker, if the wait is one for what is shared.
    sharing: Option<Arc<Shared>>,
}

impl Absence {
    /// `None` where there is no place to give up: outside of tasks, and where that has happened.
    pub fn begin() -> Option<Absence> {
        secede().then(|| Absence {
            since: Instant::now(),
            sharing: None,
        })
    }

    /// As `begin`, for a wait for something that tasks share, of which there may be very many: `None`
    /// also if enough tasks of the worker wait like that.
    pub fn begin_sharing() -> Option<Absence> {
        let shared = compute::with_current(|shared, _, _| shared.clone())?;
        {
            let bench = &mut shared.core.lock().bench;
            if bench.sharing >= SHARING_COUNT_MAX {
                return None;
            }
            bench.sharing += 1;
        }
        if !secede() {
            shared.core.lock().bench.sharing -= 1;
            return None;
        }
        Some(Absence {
            since: Instant::now(),
            sharing: Some(shared),
        })
    }
}

impl Drop for Absence {
    fn drop(&mut self) {
        activity::note_waited(self.since);
        if let Some(shared) = &self.sharing {
            shared.core.lock().bench.sharing -= 1;
        }
        rejoin();
    }
}
