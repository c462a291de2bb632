//! Which workers know each other: a worker is told where another listens when it is to fetch
//! something from it for the first time, so that a worker that joins costs the same in a cluster of
//! ten workers and in one of a hundred thousand.
//!
//! Who was told is written down with the worker that listens, by the places of the workers' records.
//! A place is not used again before nobody's list names it (`forget_places`).

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
            if let Some(&(_, holder)) = pairs.get(at + 2 * AHEAD)
                && let Some(holder) = self.workers.find(holder)
            {
                prefetch(&holder.known_by);
                prefetch(&holder.address);
            }
            if let Some(&(worker, holder)) = pairs.get(at + AHEAD)
                && let Some(slot) = self.workers.by_id.find_slot(worker)
                && let Some(holder) = self.workers.find(holder)
            {
                holder.known_by.prefetch(slot);
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
        let Some(slot) = self.workers.by_id.find_slot(worker) else {
            return;
        };
        let Some(peer) = self.workers.find_mut(holder) else {
            return;
        };
        if !peer.known_by.insert(slot) {
            return;
        }
        let address = PeerAddress {
            worker: holder.0,
            address: peer.address.clone(),
        };
        self.out.joined_peer(worker, address);
    }

    /// Who knew a worker that has left is told.
    pub(crate) fn tell_left(&mut self, id: WorkerId, left: &Worker) {
        for slot in left.known_by.members() {
            let peer = self.workers.by_id.id_at(slot);
            if self.workers.find(peer).is_some() {
                self.out.left_peer(peer, id);
            }
        }
    }

    /// The places of workers that have left may be used again, once nobody's list names them. Looks
    /// at all lists, but only when an eighth of all places is to be had.
    pub(crate) fn forget_places(&mut self) {
        let Some(gone) = self.workers.by_id.take_resting() else {
            return;
        };
        self.workers
            .by_id
            .for_each_mut(|worker| worker.known_by.remove_all(&gone));
    }

    /// Tells a worker to hold values, which others have.
    pub(crate) fn send_replicas(&mut self, worker: WorkerId, wish: Missing) {
        for &holder in &wish.holders {
            self.introduce(worker, WorkerId(holder));
        }
        self.out.replicate(worker, wish);
    }
}
