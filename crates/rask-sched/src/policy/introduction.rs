//! Which workers know each other: a worker is told where another listens when it is to fetch
//! something from it for the first time, so that a worker that joins costs the same in a cluster of
//! ten workers and in one of a hundred thousand.

use rask_proto::{Missing, PeerAddress};

use crate::event::WorkerId;
use crate::prefetch::prefetch;
use crate::scheduler::Scheduler;
use crate::state::Worker;

/// So many pairs are between two steps of thinking of those to come.
const AHEAD: usize = 4;
/// The memory of a longer list is not kept for the next event.
const KEPT_MAX: usize = 1 << 16;

impl Scheduler {
    /// Tells all workers that were handed tasks where the holders of inputs listen.
    pub(crate) fn make_introductions(&mut self) {
        let mut pairs = std::mem::take(&mut self.introductions);
        for at in 0..pairs.len() {
            if let Some(&(worker, holder)) = pairs.get(at + 2 * AHEAD)
                && let (Some(worker), Some(holder)) =
                    (self.workers.find(worker), self.workers.find(holder))
            {
                prefetch(&worker.knows);
                prefetch(&holder.known_by);
                prefetch(&holder.register.address);
            }
            if let Some(&(worker, holder)) = pairs.get(at + AHEAD)
                && let (Some(worker), Some(holder)) =
                    (self.workers.find(worker), self.workers.find(holder))
                && let Some(slot) = self.workers.by_id.find_slot(pairs[at + AHEAD].1)
            {
                worker.knows.prefetch(slot);
                if let Some(first) = holder.register.address.as_bytes().first() {
                    prefetch(first);
                }
                if let Some(last) = holder.known_by.last() {
                    prefetch(last);
                }
            }
            let (worker, holder) = pairs[at];
            self.introduce(worker, holder);
        }
        pairs.clear();
        if pairs.capacity() <= KEPT_MAX {
            self.introductions = pairs;
        }
    }

    /// Tells a worker where a holder listens, if it does not know.
    fn introduce(&mut self, worker: WorkerId, holder: WorkerId) {
        if worker == holder {
            return;
        }
        let Some(slot) = self.workers.by_id.find_slot(holder) else {
            return;
        };
        let record = self.workers.find_mut(worker);
        if !record.is_some_and(|record| record.knows.insert(slot)) {
            return;
        }
        self.note_known(holder, worker);
        let Some(peer) = self.workers.find(holder) else {
            return;
        };
        let address = PeerAddress {
            worker: holder.0,
            address: peer.register.address.clone(),
        };
        self.out.joined_peer(worker, address);
    }

    /// A worker was told where a holder listens.
    fn note_known(&mut self, holder: WorkerId, worker: WorkerId) {
        let Some(peer) = self.workers.find_mut(holder) else {
            return;
        };
        let mut known_by = std::mem::take(&mut peer.known_by);
        if known_by.len() == known_by.capacity() {
            known_by.retain(|&mut id| self.workers.by_id.find_slot(id).is_some());
        }
        known_by.push(worker);
        if let Some(peer) = self.workers.find_mut(holder) {
            peer.known_by = known_by;
        }
    }

    /// Who knew a worker that has left, whose record was in this place, is told.
    pub(crate) fn tell_left(&mut self, id: WorkerId, slot: u32, left: &Worker) {
        for &peer in &left.known_by {
            if let Some(record) = self.workers.find_mut(peer) {
                record.knows.remove(slot);
                self.out.left_peer(peer, id);
            }
        }
    }

    /// Tells a worker to hold values, which others have.
    pub(crate) fn send_replicas(&mut self, worker: WorkerId, wish: Missing) {
        for &holder in &wish.holders {
            self.introduce(worker, WorkerId(holder));
        }
        self.out.replicate(worker, wish);
    }
}
