//! What goes wrong.

/// How much goes wrong in a simulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Workers that die; each is replaced by another after a while.
    pub deaths: u32,
    /// Times that the scheduler dies and is started again.
    pub restarts: u32,
    /// Workers that are told to leave; each is replaced by another.
    pub retirements: u32,
    /// Connections to the scheduler, of workers and clients, that end although both live; after a
    /// while there is another.
    pub cuts: u32,
    /// Times that two workers cannot reach each other for a while.
    pub partitions: u32,
    /// Times that a worker's disk is full for a while.
    pub full_disks: u32,
    /// Of 100 transfers to and from disk, how many take very long.
    pub slow_disk_percent: u64,
    /// Workers that stand still for up to a second and go on.
    pub pauses: u32,
    /// Times that a worker is short of memory and begins no task, for a while.
    pub memory_pauses: u32,
    /// Of 100 values asked of a peer, how many it does not hand over although it has them.
    pub refused_percent: u64,
    /// Of 100 tasks, how many raise.
    pub raising_percent: u64,
    /// Of 100 tasks, how many raise at first and not later, see `crate::flakes`.
    pub flaky_percent: u64,
    /// Of 100 spills, how many fail.
    pub spill_failing_percent: u64,
    /// Of 100 clients, how many leave before they have what they want.
    pub leaving_percent: u64,
    /// Times that a client cancels some of what it wants; mostly it wants it again a little later.
    pub cancellations: u32,
    /// Times that a policy of users wants copies of values made, or let go of.
    pub suggestions: u32,
    /// Of 100 runs of tasks, how many take very long.
    pub straggling_percent: u64,
}

impl Faults {
    /// Whether workers leave in order, and nothing else goes wrong.
    pub(crate) fn is_only_retirements(&self) -> bool {
        let others = Faults {
            retirements: 0,
            ..*self
        };
        others == Faults::default()
    }
}
