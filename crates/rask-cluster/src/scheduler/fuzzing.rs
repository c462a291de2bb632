//! The journal as functions of bytes and records.

use rask_proto::Record;
use rask_sched::Scheduler;

use super::journal;
use super::memory::Memory;

/// Records as they stand in a journal.
pub fn journal_bytes(records: &[Record]) -> Vec<u8> {
    let records = records.iter().cloned();
    records.flat_map(journal::encode).collect()
}

/// The records up to the first that is not whole.
pub fn journal_records(bytes: &[u8]) -> Vec<Record> {
    journal::parse(bytes).0
}

/// A scheduler that was started again.
pub struct Journalled {
    memory: Memory,
}

impl Journalled {
    /// Has `machine` take in what a journal says.
    pub fn replay(records: Vec<Record>, machine: &mut Scheduler) -> Self {
        let mut memory = Memory::new(None);
        memory.replay(records, machine);
        Journalled { memory }
    }

    /// What of the journal is written to a smaller one.
    pub fn useful(&self, records: Vec<Record>, machine: &Scheduler) -> Vec<Record> {
        self.memory.useful(records, machine)
    }
}
