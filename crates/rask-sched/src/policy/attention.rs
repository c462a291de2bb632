//! Which workers have to be looked at after an event, so that an event costs the same in a cluster of
//! ten workers and in one of ten thousand.
//!
//! A worker with room that was offered everything and took nothing need not be offered it again
//! before something has changed: with the worker itself ([`touch`](Attention::touch)), or for all,
//! when there are new tasks in the common queue, or when a worker without room was given more.

use std::collections::BTreeMap;

use crate::event::{Time, WorkerId};
use crate::scheduler::Scheduler;
use crate::state::{SlotSet, Worker};

/// Between looks at a worker that may stall.
const STALLED_CHECK_MICROS: u64 = 10_000;
/// Looks that are due within this time are due together.
const WATCHED_TOGETHER_MICROS: u64 = 1_000;

/// In which of the sets of workers one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    has_room: bool,
    is_idle: bool,
    is_loaded: bool,
}

/// See the module. Sets are of the places of workers' records.
#[derive(Debug, Default)]
pub(crate) struct Attention {
    touched: Touched,
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
    /// Workers that have more tasks than threads, by when to look whether they have stalled.
    watched: BTreeMap<u64, Vec<WorkerId>>,
}

/// Workers, once each, in the order in which they came.
#[derive(Debug, Default)]
struct Touched {
    list: Vec<WorkerId>,
    /// A bit for every worker of the list; of those with numbers beyond, which are rare, some are in
    /// the list more than once.
    marks: Vec<u64>,
}

/// Numbers of workers that have a mark.
const MARKED_MAX: u32 = 1 << 22;
/// The memory of a longer list is not kept for the next event.
const KEPT_MAX: usize = 4096;

impl Touched {
    #[inline]
    fn add(&mut self, worker: WorkerId) {
        if worker.0 >= MARKED_MAX {
            if self.list.last() != Some(&worker) {
                self.list.push(worker);
            }
            return;
        }
        let (word, mark) = (worker.0 as usize / 64, 1 << (worker.0 % 64));
        if self.marks.len() <= word {
            self.marks.resize(word + 1, 0);
        }
        if self.marks[word] & mark == 0 {
            self.marks[word] |= mark;
            self.list.push(worker);
        }
    }

    fn contains(&self, worker: WorkerId) -> bool {
        self.list.contains(&worker)
    }

    /// The list, which is empty then.
    fn take(&mut self) -> Vec<WorkerId> {
        for worker in &self.list {
            if let Some(word) = self.marks.get_mut(worker.0 as usize / 64) {
                *word = 0;
            }
        }
        std::mem::take(&mut self.list)
    }

    fn put_back(&mut self, mut list: Vec<WorkerId>) {
        list.clear();
        if self.list.is_empty() && list.capacity() <= KEPT_MAX {
            self.list = list;
        }
    }
}

/// For whom there may be something new to do.
#[derive(Debug)]
pub(crate) struct News {
    /// Workers with which something has changed, once each.
    pub touched: Vec<WorkerId>,
    /// There are new tasks for everybody with room.
    pub queue_grew: bool,
}

impl Attention {
    /// Something has changed with this worker.
    #[inline]
    pub fn touch(&mut self, worker: WorkerId) {
        self.touched.add(worker);
    }

    /// Something has changed for everybody.
    pub fn touch_all<'a>(&mut self, workers: impl Iterator<Item = &'a WorkerId>) {
        workers.for_each(|worker| self.touched.add(*worker));
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
    pub fn note(&mut self, slot: u32, worker: &mut Worker, has_room: bool) {
        let noted = Noted {
            has_room,
            is_idle: worker.is_idle(),
            is_loaded: worker.placed_count > 0,
        };
        if noted != worker.noticed {
            worker.noticed = noted;
            self.open.set(slot, noted.has_room);
            self.idle.set(slot, noted.is_idle);
            self.loaded.set(slot, noted.is_loaded);
        }
    }

    /// What has changed since this was asked last.
    pub fn take(&mut self) -> News {
        News {
            touched: self.touched.take(),
            queue_grew: std::mem::take(&mut self.queue_grew),
        }
    }

    /// Whether there may be tasks for those without any, since this was asked last.
    pub fn take_load_grew(&mut self) -> bool {
        std::mem::take(&mut self.load_grew)
    }

    /// Whether there are new tasks in the common queue.
    pub fn has_queue_grown(&self) -> bool {
        self.queue_grew
    }

    /// Takes the memory of a list back.
    pub fn put_back(&mut self, touched: Vec<WorkerId>) {
        self.touched.put_back(touched);
    }

    /// A worker has more tasks than threads: it may stall.
    pub fn watch(&mut self, worker: WorkerId, now: Time) {
        self.watch_from(worker, now.micros + STALLED_CHECK_MICROS);
    }

    /// The worker is to be looked at again then, or a little later.
    pub fn watch_from(&mut self, worker: WorkerId, micros: u64) {
        let micros = micros.next_multiple_of(WATCHED_TOGETHER_MICROS);
        self.watched.entry(micros).or_default().push(worker);
    }

    /// When to look for workers that have stalled, if some may while others have nothing to do.
    pub fn next_stalled_check(&self) -> Option<Time> {
        let (&micros, _) = self.watched.first_key_value()?;
        (!self.idle.is_empty()).then_some(Time { micros })
    }

    /// A worker that may have stalled, if it is time to look at one.
    pub fn pop_watched(&mut self, now: Time) -> Option<WorkerId> {
        self.next_stalled_check().filter(|at| now >= *at)?;
        let mut first = self.watched.first_entry()?;
        let worker = first.get_mut().pop();
        if first.get().is_empty() {
            first.remove();
        }
        worker
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
            if !is_known && !self.recovering && !attention.touched.contains(id) {
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
