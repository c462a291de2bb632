//! Tasks whose outcome comes later, from elsewhere than a compute thread: coroutines, and calls that
//! an executor of the service runs. They take no compute thread; in the books they are running.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use rask_proto::Blocks;
use rask_value::{TaskError, ValueRef};

use super::compute::{self, Signal, with_current};
use super::core::{Key, Slot};
use super::job::{Effects, RunJob};
use super::report::{Report, write_down};
use super::{Shared, WorkerEnd};
use crate::calls::ServiceEvent;

/// The task that runs on the calling thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentTask {
    pub worker: u64,
    pub layer: u32,
    pub block: u32,
    /// The name of the layer.
    pub name: String,
    /// The layer has more blocks than this one: the number is part of the key.
    pub numbered: bool,
}

/// Which task runs on the calling thread.
pub fn current_task() -> Option<CurrentTask> {
    with_current(|shared, key, _| describe(shared, key))
}

fn describe(shared: &Shared, (layer, block): Key) -> CurrentTask {
    let (name, numbered) = shared.core.lock().describe_layer(layer);
    CurrentTask {
        worker: shared.id,
        layer,
        block,
        name,
        numbered,
    }
}

/// The outcome of the task that runs on this thread will come through the completion: whatever the
/// op returns now is disregarded. `None` outside of a worker's tasks.
pub fn defer_current() -> Option<Completion> {
    with_current(|shared, key, signal| {
        *signal = Some(Signal::Deferred);
        Completion {
            inner: Arc::new(Inner {
                shared: shared.clone(),
                key,
                run: NEXT_RUN.fetch_add(1, Ordering::Relaxed),
                state: Mutex::new(State::Starting),
            }),
        }
    })
    .inspect(|completion| STARTING.set(Some(completion.inner.clone())))
}

/// The task that runs on this thread is to be run again, elsewhere if possible: the error that it
/// ends with is disregarded.
pub fn reschedule_current() -> bool {
    with_current(|_, _, signal| *signal = Some(Signal::Reschedule)).is_some()
}

static NEXT_RUN: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The completion of the task that runs on this thread, until it has been noted.
    static STARTING: std::cell::Cell<Option<Arc<Inner>>> = const { std::cell::Cell::new(None) };
}

/// How a deferred task is brought to its end; clones share it. If the last goes away before, the
/// task fails.
#[derive(Clone)]
pub struct Completion {
    inner: Arc<Inner>,
}

/// Where a deferred task is found by its key.
pub(super) struct Place {
    inner: Weak<Inner>,
    run: u64,
}

struct Inner {
    shared: Arc<Shared>,
    key: Key,
    /// Tells this run from others of the same task.
    run: u64,
    state: Mutex<State>,
}

/// What comes first: the thread that ran the op notes what belongs to the task, or the outcome.
enum State {
    Starting,
    Running(Box<Noted>),
    /// The outcome came before the thread had noted the task.
    Early(Outcome),
    Ended,
}

struct Noted {
    /// Of the limit of its time, if it has one.
    serial: Option<u64>,
    job: RunJob,
    started: Instant,
    decoded: Vec<(Slot, ValueRef)>,
}

struct Outcome {
    result: Result<ValueRef, TaskError>,
    reschedule: bool,
}

impl Completion {
    /// Tells this run from others of the same task, in this process.
    pub fn run(&self) -> u64 {
        self.inner.run
    }

    /// Which task it is.
    pub fn task(&self) -> CurrentTask {
        describe(&self.inner.shared, self.inner.key)
    }

    /// Ends the task; `false` if it has ended before.
    pub fn finish(&self, result: Result<ValueRef, TaskError>) -> bool {
        self.inner.finish(result, false)
    }

    /// The task is to be run again, elsewhere if possible.
    pub fn reschedule(&self) -> bool {
        let error = TaskError::new("the task asked to be run elsewhere");
        self.inner.finish(Err(error), true)
    }

    /// Tells the scheduler that the task takes no thread, so that it hands out others.
    pub fn secede(&self) {
        let (shared, key) = (&self.inner.shared, self.inner.key);
        shared.core.lock().set_absent(key, true);
        shared.tell_absence(key, true);
    }
}

impl Inner {
    fn finish(&self, result: Result<ValueRef, TaskError>, reschedule: bool) -> bool {
        let outcome = Outcome { result, reschedule };
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Ended) {
            State::Starting => *state = State::Early(outcome),
            State::Running(noted) => {
                drop(state);
                report(&self.shared, *noted, outcome);
            }
            State::Early(_) | State::Ended => return false,
        }
        true
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let error = "the task was given up: what ran it is gone, and no outcome came";
        self.finish(Err(TaskError::new(error)), false);
    }
}

fn report(shared: &Shared, noted: Noted, outcome: Outcome) {
    shared.deferred.lock().remove(&noted.job.key);
    shared.note_ended(noted.serial);
    let mut ended = compute::conclude(&noted.job, outcome.result, noted.started);
    ended.decoded = noted.decoded;
    ended.reschedule = outcome.reschedule;
    let mut report = Report::default();
    write_down(shared, vec![ended], &mut report, false);
    report.send(shared);
    shared.work.notify_one();
}

impl Shared {
    /// The op has returned and the outcome is to come, or has come already.
    pub(super) fn note_deferred(
        &self,
        job: RunJob,
        serial: Option<u64>,
        started: Instant,
        decoded: Vec<(Slot, ValueRef)>,
    ) {
        let Some(inner) = STARTING.take() else { return };
        let noted = Noted {
            serial,
            job,
            started,
            decoded,
        };
        let place = Place {
            inner: Arc::downgrade(&inner),
            run: inner.run,
        };
        self.deferred.lock().insert(noted.job.key, place);
        let mut state = inner.state.lock();
        match std::mem::replace(&mut *state, State::Ended) {
            State::Early(outcome) => {
                drop(state);
                report(self, noted, outcome);
            }
            _ => *state = State::Running(Box::new(noted)),
        }
    }

    /// What the task of this thread has begun elsewhere, if anything, is not wanted any longer.
    pub(super) fn stop_starting(&self) {
        if let Some(inner) = STARTING.take() {
            let (run, kill) = (inner.run, false);
            *inner.state.lock() = State::Ended;
            self.calls.push(ServiceEvent::Stop { run, kill });
        }
    }

    /// Tells the service which of its tasks are not wanted any longer; the others.
    pub(super) fn stop_deferred(&self, blocks: &Blocks, kill: bool) -> Vec<Key> {
        let mut others = Vec::new();
        for key in blocks.iter() {
            let place = self.deferred.lock().remove(&key);
            let Some(place) = place else {
                others.push(key);
                continue;
            };
            self.disregard(&place);
            let run = place.run;
            self.calls.push(ServiceEvent::Stop { run, kill });
        }
        others
    }

    /// Whatever comes of the task is disregarded: it may be run anew at once.
    fn disregard(&self, place: &Place) {
        let Some(inner) = place.inner.upgrade() else {
            return;
        };
        let state = std::mem::replace(&mut *inner.state.lock(), State::Ended);
        let State::Running(noted) = state else { return };
        self.note_ended(noted.serial);
        let mut effects = Effects::default();
        let mut core = self.core.lock();
        core.on_ended(noted.job.slot, None, 0, &mut effects);
        drop(core);
        self.follow(effects);
    }

    /// Stops tasks. One that runs on a compute thread can be stopped with its process only, which
    /// is done where a supervisor starts another and nothing else runs.
    /// `true` if one goes on all the same.
    pub(super) fn kill(&self, blocks: &Blocks, running_count: u32) -> bool {
        let on_threads = self.stop_deferred(blocks, true);
        let core = self.core.lock();
        let running: Vec<Key> = core.running().iter().collect();
        let killed = on_threads.iter().filter(|key| running.contains(key));
        let killed_count = killed.count() as u32;
        drop(core);
        if killed_count > 0 && killed_count == running_count && self.register.supervised {
            *self.asked_end.lock() = Some(WorkerEnd::Shutdown {
                reason: "a task that was running here was killed".to_owned(),
                restart: true,
            });
            self.stop.notify_one();
            return false;
        }
        killed_count > 0
    }
}
