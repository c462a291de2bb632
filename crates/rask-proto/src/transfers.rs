//! What it takes to move values between workers, as measured by those who fetch.

use crate::ProtoError;
use crate::error::check_columns;

/// What came from peers since the last report, as columns with an entry a peer.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Transfers {
    /// Where it came from, by the scheduler's numbers.
    #[prost(uint32, repeated, tag = "1")]
    pub workers: Vec<u32>,
    /// Bytes that came in large answers, and how long these took from question to answer, one after
    /// the other.
    #[prost(uint64, repeated, tag = "2")]
    pub nbytes: Vec<u64>,
    #[prost(uint64, repeated, tag = "3")]
    pub micros: Vec<u64>,
    /// How many answers were small, and how long these took.
    #[prost(uint64, repeated, tag = "4")]
    pub small_counts: Vec<u64>,
    #[prost(uint64, repeated, tag = "5")]
    pub small_micros: Vec<u64>,
}

impl Transfers {
    /// Smaller answers tell how long it takes to get any, larger ones how fast bytes come.
    pub const LARGE_BYTES_MIN: u64 = 1 << 16;

    /// The entries: peer, bytes and microseconds of large answers, number and microseconds of small
    /// ones.
    pub fn iter(&self) -> impl Iterator<Item = (u32, [u64; 4])> {
        self.workers.iter().enumerate().map(|(at, &worker)| {
            let columns = [
                self.nbytes[at],
                self.micros[at],
                self.small_counts[at],
                self.small_micros[at],
            ];
            (worker, columns)
        })
    }

    /// Adds an entry.
    pub fn push(&mut self, worker: u32, columns: [u64; 4]) {
        self.workers.push(worker);
        self.nbytes.push(columns[0]);
        self.micros.push(columns[1]);
        self.small_counts.push(columns[2]);
        self.small_micros.push(columns[3]);
    }

    pub(crate) fn check(&self) -> Result<(), ProtoError> {
        let columns = [
            &self.nbytes,
            &self.micros,
            &self.small_counts,
            &self.small_micros,
        ];
        columns
            .iter()
            .try_for_each(|column| check_columns("transfers", self.workers.len(), column.len()))
    }
}
