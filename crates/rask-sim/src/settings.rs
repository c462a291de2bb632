//! What a simulation is given, and what comes of it.

use crate::{Faults, Hosts};

/// How large a simulation is.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub workers: u32,
    /// Of each worker.
    pub threads: u32,
    /// Of each worker.
    pub memory_bytes_max: Option<u64>,
    pub clients: u32,
    /// Most layers of a graph, and most blocks of a layer.
    pub layers: u64,
    pub blocks: u64,
    pub hosts: Hosts,
    /// Tasks that take long are begun a second time elsewhere.
    pub speculates: bool,
    /// Superfluous copies of values are dropped.
    pub drops_replicas: bool,
    pub faults: Faults,
    /// The scheduler is so long busy with others before it looks at a report, and then takes in
    /// together what has come; 0: at once.
    pub together_micros: u64,
    /// More happenings than this are taken for a standstill.
    pub happenings_max: u64,
    /// Print what happens.
    pub trace: bool,
}

impl Settings {
    /// A small cluster on which everything goes wrong.
    pub fn with_every_fault() -> Self {
        Settings {
            workers: 3,
            threads: 2,
            memory_bytes_max: Some(5000),
            clients: 3,
            layers: 6,
            blocks: 12,
            speculates: true,
            drops_replicas: true,
            hosts: Hosts {
                count: 2,
                slow_nanos_per_byte: 10_000,
                ..Hosts::default()
            },
            faults: Faults {
                deaths: 4,
                restarts: 2,
                retirements: 2,
                cuts: 4,
                partitions: 3,
                full_disks: 2,
                slow_disk_percent: 5,
                pauses: 3,
                memory_pauses: 3,
                refused_percent: 5,
                raising_percent: 2,
                flaky_percent: 10,
                spill_failing_percent: 10,
                leaving_percent: 20,
                cancellations: 4,
                suggestions: 4,
                straggling_percent: 3,
            },
            together_micros: 0,
            happenings_max: 200_000,
            trace: false,
        }
    }
}

/// What came of a simulation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    pub happenings: u64,
    /// Simulated time.
    pub micros: u64,
    /// When the last client had what it wanted.
    pub done_micros: u64,
    /// When the last task ended.
    pub computed_micros: u64,
    pub tasks_run: u64,
    /// Runs of tasks that raised and were to be run again.
    pub tasks_raised: u64,
    pub values_spilled: u64,
    pub values_fetched: u64,
    /// By workers.
    pub bytes_fetched: u64,
    pub workers_died: u64,
    pub workers_retired: u64,
    /// Times that the scheduler died and was started again.
    pub restarts: u64,
    /// Times that a worker or client lost its connection to the scheduler and got another.
    pub reconnections: u64,
    /// Times that a client cancelled some of what it wanted.
    pub cancellations: u64,
    /// Copies that policies of users wanted made, or let go of.
    pub suggestions: u64,
    /// Times that a worker began no tasks since it was short of memory.
    pub memory_pauses: u64,
    /// Tasks that paused workers ran one at a time.
    pub tasks_crawled: u64,
    /// Most bytes held by any worker at a time.
    pub held_most: u64,
    /// In a study: most bytes in the memory of all workers together at a time, with what tasks are
    /// making.
    pub held_together_most: u64,
}
