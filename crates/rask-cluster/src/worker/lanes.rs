//! What each compute thread has taken and not been done with. A batch is taken because its tasks are
//! thought to be short; where one of them is not, those behind it and the outcomes before it do not
//! wait for it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rask_value::Scope;

use super::Shared;
use super::compute::{Outcome, is_same, scope_of};
use super::job::{Effects, Job, RunJob};
use super::report::{Report, write_down};

/// Between looks, while threads have batches.
const LOOK: Duration = Duration::from_millis(5);
/// What a thread has waits so long for the task that it runs.
const WAIT_MAX: Duration = Duration::from_millis(5);

/// What a thread has.
#[derive(Default)]
pub(super) struct Lane {
    taken: Mutex<Taken>,
    /// What is in the books and has not been told.
    report: Mutex<Report>,
}

#[derive(Default)]
struct Taken {
    /// Jobs that have not begun.
    batch: VecDeque<Job>,
    /// What came of tasks and is not in the books.
    outcomes: Vec<Outcome>,
    /// When the task that runs began.
    begun: Option<Instant>,
}

/// What is at the front of a batch.
pub(super) enum Front {
    Tasks(Arc<super::layer::RunLayer>),
    Transfer(Job),
}

impl Lane {
    pub fn put(&self, jobs: impl Iterator<Item = Job>) {
        self.taken.lock().batch.extend(jobs);
    }

    /// Takes out all jobs that have not begun.
    pub fn take_batch(&self) -> VecDeque<Job> {
        std::mem::take(&mut self.taken.lock().batch)
    }

    pub fn find_front(&self) -> Option<Front> {
        let batch = &mut self.taken.lock().batch;
        match batch.front()? {
            Job::Run(job) => Some(Front::Tasks(job.layer.clone())),
            Job::Spill { .. } | Job::Unspill { .. } => batch.pop_front().map(Front::Transfer),
        }
    }

    /// The next task of the batch, if its scope is this one; it is taken to begin now.
    pub fn next_task(&self, scope: Option<&'static dyn Scope>) -> Option<RunJob> {
        let mut taken = self.taken.lock();
        let Job::Run(front) = taken.batch.front()? else {
            return None;
        };
        if !is_same(scope_of(front), scope) {
            return None;
        }
        let Some(Job::Run(job)) = taken.batch.pop_front() else {
            return None;
        };
        taken.begun = Some(Instant::now());
        Some(job)
    }

    /// The task that ran has come to this, or its outcome comes later.
    pub fn end_task(&self, outcome: Option<Outcome>) {
        let mut taken = self.taken.lock();
        taken.outcomes.extend(outcome);
        taken.begun = None;
    }

    /// Whether the scheduler should be told before something that takes so long; zero is unknown.
    pub fn is_due(&self, before: Duration) -> bool {
        let report = self.report.lock();
        if before.is_zero() {
            return !report.is_empty() || !self.taken.lock().outcomes.is_empty();
        }
        report.is_due(Instant::now(), before)
    }

    /// Outcomes go into the books, so that what waits for them can run.
    pub fn write_down(&self, shared: &Shared, stays: bool) {
        self.write_into(&mut self.report.lock(), shared, stays);
    }

    /// The scheduler is told of everything.
    pub fn flush(&self, shared: &Shared, stays: bool) {
        let mut report = self.report.lock();
        self.write_into(&mut report, shared, stays);
        if !report.is_empty() {
            std::mem::take(&mut *report).send(shared);
        }
    }

    fn write_into(&self, report: &mut Report, shared: &Shared, stays: bool) {
        let outcomes = std::mem::take(&mut self.taken.lock().outcomes);
        write_down(shared, outcomes, report, stays);
    }

    /// Whether there is something that may have to wait.
    fn is_loaded(&self) -> bool {
        let taken = self.taken.lock();
        let is_empty = taken.batch.is_empty() && taken.outcomes.is_empty();
        drop(taken);
        !is_empty || !self.report.lock().is_empty()
    }

    /// Whether something waits for a task that takes longer than was thought, or for too long.
    fn is_held_up(&self, now: Instant) -> bool {
        if self.report.lock().is_due(now, Duration::ZERO) {
            return true;
        }
        let taken = self.taken.lock();
        let is_late = taken.begun.is_some_and(|begun| now - begun > WAIT_MAX);
        is_late && !(taken.batch.is_empty() && taken.outcomes.is_empty())
    }
}

/// The lanes of all threads.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: Mutex<Vec<Weak<Lane>>>,
    watched: AtomicBool,
    wanted: tokio::sync::Notify,
}

impl Lanes {
    /// Of a new thread.
    pub fn add(&self) -> Arc<Lane> {
        let lane = Arc::new(Lane::default());
        let mut lanes = self.lanes.lock();
        lanes.retain(|lane| lane.strong_count() > 0);
        lanes.push(Arc::downgrade(&lane));
        lane
    }

    /// Some thread has more than one job.
    pub fn want_watch(&self) {
        if !self.watched.swap(true, Ordering::AcqRel) {
            self.wanted.notify_one();
        }
    }

    fn all(&self) -> Vec<Arc<Lane>> {
        self.lanes.lock().iter().filter_map(Weak::upgrade).collect()
    }
}

/// Looks after lanes that are held up.
pub(super) async fn watch(shared: Arc<Shared>) {
    loop {
        shared.lanes.wanted.notified().await;
        loop {
            tokio::time::sleep(LOOK).await;
            shared.free_held_up();
            if shared.lanes.all().iter().any(|lane| lane.is_loaded()) {
                continue;
            }
            shared.lanes.watched.store(false, Ordering::Release);
            // One that was loaded just before was not told of.
            if !shared.lanes.all().iter().any(|lane| lane.is_loaded()) {
                break;
            }
            shared.lanes.watched.store(true, Ordering::Release);
        }
    }
}

impl Shared {
    fn free_held_up(&self) {
        let now = Instant::now();
        let lanes = self.lanes.all().into_iter();
        for lane in lanes.filter(|lane| lane.is_held_up(now)) {
            lane.flush(self, false);
            let mut effects = Effects::default();
            let jobs = lane.take_batch();
            self.core.lock().give_back(jobs.into_iter(), &mut effects);
            self.follow(effects);
        }
    }
}
