//! Which workers have to be looked at after an event, so that an event costs the same in a cluster of
//! ten workers and in one of ten thousand.
//!
//! A worker with room that was offered everything and took nothing need not be offered it again
//! before something has changed: with the worker itself ([`touch`](Attention::touch)), or for all,
//! when there are new tasks in the common queue, or when a worker without room was given more.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::event::{Time, WorkerId};
use crate::scheduler::Scheduler;
use crate::state::{SlotSet, Worker};

/// Between looks at a worker that may stall.
const STALLED_CHECK_MICROS: u64 = 10_000;

/// See the module. Sets are of the places of workers' records.
#[derive(Debug, Default)]
pub(crate) struct Attention {
    touched: Vec<WorkerId>,
    /// Workers with room, as far as is known; some of them were offered everything and took nothing.
    pub open: SlotSet,
    /// Workers with a thread that has nothing to do.
    pub idle: SlotSet,
    /// Workers with tasks Placed on them that are not handed out.
    pub loaded: SlotSet,
    /// Workers to whom tasks went, while tasks were handed out, that others were too small for.
    diverted_to: Vec<WorkerId>,
    /// The common queue has grown.
    queue_grew: bool,
    /// A worker was given tasks that it may have no room for.
    load_grew: bool,
    /// Workers that have more tasks than threads, and when to look whether they have stalled.
    watched: BinaryHeap<Reverse<(u64, WorkerId)>>,
}

/// For whom there may be something new to do.
#[derive(Debug)]
pub(crate) struct News {
    /// Workers with which something has changed, in order.
    pub touched: Vec<WorkerId>,
    /// There are new tasks for everybody with room.
    pub queue_grew: bool,
}

impl Attention {
    /// Something has changed with this worker.
    #[inline]
    pub fn touch(&mut self, worker: WorkerId) {
        if self.touched.last() != Some(&worker) {
            self.touched.push(worker);
        }
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
    }

    /// There is a new task in the queue of this worker.
    #[inline]
    pub fn on_placed(&mut self, worker: WorkerId) {
        self.touch(worker);
        self.load_grew = true;
    }

    /// While tasks are handed out one went to this worker: it is offered its tasks at once, since
    /// nothing else may happen any more.
    pub fn on_diverted(&mut self, worker: WorkerId) {
        self.diverted_to.push(worker);
    }

    /// The workers of `on_diverted` since this was asked last.
    pub fn take_diverted(&mut self) -> Vec<WorkerId> {
        std::mem::take(&mut self.diverted_to)
    }

    /// A worker has left, whose record was in this place.
    pub fn forget(&mut self, slot: u32) {
        self.open.remove(slot);
        self.idle.remove(slot);
        self.loaded.remove(slot);
    }

    /// What is known of a worker's room.
    #[inline]
    pub fn note(&mut self, slot: u32, worker: &Worker, has_room: bool) {
        self.open.set(slot, has_room);
        self.idle.set(slot, worker.is_idle());
        self.loaded.set(slot, worker.placed_count > 0);
    }

    /// What has changed since this was asked last.
    pub fn take(&mut self) -> News {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        News {
            touched,
            queue_grew: std::mem::take(&mut self.queue_grew),
        }
    }

    /// Whether there may be tasks for those without any, since this was asked last.
    pub fn take_load_grew(&mut self) -> bool {
        std::mem::take(&mut self.load_grew)
    }

    /// Takes the memory of a list back.
    pub fn put_back(&mut self, mut touched: Vec<WorkerId>) {
        touched.clear();
        if self.touched.is_empty() && touched.capacity() <= KEPT_MAX {
            self.touched = touched;
        }
    }

    /// A worker has more tasks than threads: it may stall.
    pub fn watch(&mut self, worker: WorkerId, now: Time) {
        self.watch_from(worker, now.micros + STALLED_CHECK_MICROS);
    }

    /// The worker is to be looked at again then.
    pub fn watch_from(&mut self, worker: WorkerId, micros: u64) {
        self.watched.push(Reverse((micros, worker)));
    }

    /// When to look for workers that have stalled, if some may while others have nothing to do.
    pub fn next_stalled_check(&self) -> Option<Time> {
        let Reverse((micros, _)) = self.watched.peek().filter(|_| !self.idle.is_empty())?;
        Some(Time { micros: *micros })
    }

    /// A worker that may have stalled, if it is time to look at one.
    pub fn pop_watched(&mut self, now: Time) -> Option<WorkerId> {
        self.next_stalled_check().filter(|at| now >= *at)?;
        self.watched.pop().map(|Reverse((_, worker))| worker)
    }
}

impl Scheduler {
    /// Nobody is overlooked that has nothing to do, or that others could relieve.
    pub(crate) fn check_attention(&self) -> Result<(), String> {
        let attention = &self.attention;
        for (&id, worker) in self.workers.by_id.iter() {
            let Some(slot) = self.workers.by_id.find_slot(id) else {
                return Err(format!("worker {} has no record", id.0));
            };
            let is_known = (!worker.is_idle() || attention.idle.contains(slot))
                && (worker.placed_count == 0 || attention.loaded.contains(slot));
            if !is_known && !self.recovering && !attention.touched.contains(&id) {
                return Err(format!("worker {} is overlooked: {worker:?}", id.0));
            }
        }
        let gone = attention.idle.iter().chain(attention.loaded.iter());
        let mut gone =
            gone.filter(|&slot| self.workers.find(self.workers.by_id.id_at(slot)).is_none());
        match gone.next() {
            Some(slot) => Err(format!("the worker of record {slot} has left")),
            None => Ok(()),
        }
    }
}

/// The memory of a longer list is not kept for the next event.
const KEPT_MAX: usize = 4096;
