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
        let knows = |record: &Worker| record.knows.contains(&holder);
        if self.workers.find(worker).is_none_or(knows) {
            return;
        }
        let Some(peer) = self.workers.find_mut(holder) else {
            return;
        };
        peer.known_by.insert(worker);
        let address = PeerAddress {
            worker: holder.0,
            address: peer.register.address.clone(),
        };
        if let Some(record) = self.workers.find_mut(worker) {
            record.knows.insert(holder);
        }
        self.out.joined_peer(worker, address);
    }

    /// Who knew a worker that has left is told.
    pub(crate) fn tell_left(&mut self, id: WorkerId, left: &Worker) {
        for &peer in &left.knows {
            if let Some(peer) = self.workers.find_mut(peer) {
                peer.known_by.remove(&id);
            }
        }
        for &peer in &left.known_by {
            if let Some(record) = self.workers.find_mut(peer) {
                record.knows.remove(&id);
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
