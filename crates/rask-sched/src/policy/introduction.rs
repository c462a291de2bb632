//! Which workers know each other: a worker is told where another listens when it is to fetch
//! something from it for the first time, so that a worker that joins costs the same in a cluster of
//! ten workers and in one of a hundred thousand.

use rask_proto::{Missing, PeerAddress};

use crate::event::WorkerId;
use crate::scheduler::Scheduler;
use crate::state::Worker;

impl Scheduler {
    /// Tells a worker where a holder listens, if it does not know.
    pub(crate) fn introduce(&mut self, worker: WorkerId, holder: WorkerId) {
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
            known_by.retain(|&id| self.workers.find(id).is_some());
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
