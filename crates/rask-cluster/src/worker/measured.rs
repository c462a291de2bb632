//! How long it takes to fetch values from each peer, for the scheduler.

use std::time::Duration;

use foldhash::HashMap;
use parking_lot::Mutex;
use rask_proto::Transfers;

/// What was measured since the last report, by the scheduler's number of the peer.
#[derive(Debug, Default)]
pub(super) struct Measured(Mutex<HashMap<u32, [u64; 4]>>);

impl Measured {
    /// So many bytes came from a peer within this time.
    pub fn add(&self, peer: u32, nbytes: u64, elapsed: Duration) {
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let columns = match nbytes < Transfers::LARGE_BYTES_MIN {
            true => [0, 0, 1, micros],
            false => [nbytes, micros, 0, 0],
        };
        let mut by_peer = self.0.lock();
        let sums = by_peer.entry(peer).or_default();
        for (sum, more) in sums.iter_mut().zip(columns) {
            *sum = sum.saturating_add(more);
        }
    }

    /// Takes what is to be reported.
    pub fn take(&self) -> Option<Transfers> {
        let by_peer = std::mem::take(&mut *self.0.lock());
        let mut transfers = Transfers::default();
        for (peer, columns) in by_peer {
            transfers.push(peer, columns);
        }
        (!transfers.workers.is_empty()).then_some(transfers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_and_small_answers_are_summed_by_peer() {
        let measured = Measured::default();
        assert_eq!(measured.take(), None);
        measured.add(7, 1 << 20, Duration::from_micros(300));
        measured.add(7, 1 << 21, Duration::from_micros(500));
        measured.add(7, 10, Duration::from_micros(90));
        measured.add(8, 10, Duration::from_micros(70));
        let transfers = measured.take().unwrap();
        let mut entries: Vec<_> = transfers.iter().collect();
        entries.sort_unstable();
        assert_eq!(entries, [(7, [3 << 20, 800, 1, 90]), (8, [0, 0, 1, 70])]);
        assert_eq!(measured.take(), None, "told once");
    }
}
