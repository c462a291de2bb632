//! Which workers have to be looked at after an event, so that an event costs the same in a cluster of
//! ten workers and in one of ten thousand.
//!
//! A worker with room that was offered everything and took nothing need not be offered it again
//! before something has changed: with the worker itself ([`touch`](Attention::touch)), or for all,
//! when there are new tasks in the common queue, or when a worker without room was given more.

use std::collections::BTreeSet;

use crate::event::{Time, WorkerId};

/// Workers without tasks of their own that may take over some of others', after one event.
const THIEVES_MAX: usize = 8;
/// Between looks for workers that have stalled.
const STALLED_CHECK_MICROS: u64 = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Attention {
    touched: BTreeSet<WorkerId>,
    /// Workers with room, as far as is known.
    open: BTreeSet<WorkerId>,
    /// Workers with tasks Placed on them that are not handed out, and perhaps some without.
    pub loaded: BTreeSet<WorkerId>,
    /// The common queue has grown.
    queue_grew: bool,
    /// A worker was given tasks that it has no room for.
    load_grew: bool,
    /// When to look for workers that have stalled. `None` if none has more than it can run.
    next_stalled_check: Option<Time>,
}

impl Attention {
    /// Something has changed with this worker.
    pub fn touch(&mut self, worker: WorkerId) {
        self.touched.insert(worker);
    }

    /// Something has changed for everybody.
    pub fn touch_all<'a>(&mut self, workers: impl Iterator<Item = &'a WorkerId>) {
        self.touched.extend(workers);
    }

    /// There is a new task in the common queue.
    pub fn on_queued(&mut self) {
        self.queue_grew = true;
    }

    /// A share may go on: its tasks may be in any queue.
    pub fn on_unblocked(&mut self) {
        self.queue_grew = true;
        self.load_grew = true;
        self.touched.extend(&self.loaded);
    }

    /// There is a new task in the queue of this worker.
    pub fn on_placed(&mut self, worker: WorkerId) {
        self.touch(worker);
        self.loaded.insert(worker);
        self.load_grew = true;
    }

    /// A worker has left.
    pub fn forget(&mut self, worker: WorkerId) {
        self.touched.remove(&worker);
        self.open.remove(&worker);
        self.loaded.remove(&worker);
    }

    /// Whether the worker has room.
    pub fn note(&mut self, worker: WorkerId, has_room: bool) {
        if has_room {
            self.open.insert(worker);
        } else {
            self.open.remove(&worker);
        }
    }

    /// How many workers have room, as far as is known.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// The workers to look at now.
    pub fn take(&mut self) -> BTreeSet<WorkerId> {
        let mut taken = std::mem::take(&mut self.touched);
        if std::mem::take(&mut self.queue_grew) {
            taken.extend(&self.open);
        }
        if std::mem::take(&mut self.load_grew) {
            taken.extend(self.open.iter().take(THIEVES_MAX));
        }
        taken
    }

    /// A worker has more tasks than threads: it may stall.
    pub fn on_overfull(&mut self, now: Time) {
        let soon = now.micros + STALLED_CHECK_MICROS;
        let planned = self
            .next_stalled_check
            .map_or(soon, |at| at.micros.min(soon));
        self.next_stalled_check = Some(Time { micros: planned });
    }

    /// When to look for workers that have stalled, if some may while others have room.
    pub fn next_stalled_check(&self) -> Option<Time> {
        self.next_stalled_check.filter(|_| !self.open.is_empty())
    }

    /// Whether it is time to look for workers that have stalled.
    pub fn is_stalled_check_due(&self, now: Time) -> bool {
        self.next_stalled_check().is_some_and(|at| now >= at)
    }

    /// There was a look; at the earliest at `micros` there can be others that have stalled.
    pub fn on_stalled_check(&mut self, now: Time, micros: Option<u64>) {
        let soon = now.micros + STALLED_CHECK_MICROS;
        self.next_stalled_check = micros.map(|micros| Time {
            micros: micros.max(soon),
        });
    }
}
