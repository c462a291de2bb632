//! What happens to the scheduler, and what it wants done.

use rask_proto::{
    Blocks, FromClient, FromWorker, Register, Suggestions, TaskFailed, TaskTroubles, ToClient,
    ToWorker,
};

/// Time since the scheduler started, as the shell measures it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    pub micros: u64,
}

/// A connected client; numbers are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u32);

/// A connected worker; numbers are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u32);

/// Something that happened. Messages of one peer come in the order in which it sent them.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    ClientJoined {
        client: ClientId,
    },
    /// The client's connection ended: everything it wanted is wanted no more.
    ClientLeft {
        client: ClientId,
    },
    FromClient {
        client: ClientId,
        message: FromClient,
    },
    /// The client is back: it is told how everything is that it wants.
    ClientResumed {
        client: ClientId,
    },
    /// Workers that are not back by now are taken for dead.
    RecoveryEnded,
    /// It is as late as [`Scheduler::next_deadline`](crate::Scheduler::next_deadline) said, or
    /// earlier.
    TimePassed,
    /// Policies of users want copies made, or let go of.
    Suggested {
        suggestions: Suggestions,
    },
    /// A worker said who it is.
    WorkerJoined {
        worker: WorkerId,
        register: Register,
    },
    /// The worker's connection ended, for this reason as far as is known.
    WorkerLeft {
        worker: WorkerId,
        reason: String,
    },
    FromWorker {
        worker: WorkerId,
        message: FromWorker,
    },
}

/// What a scheduler has to remember to be itself after a restart.
#[derive(Clone, Debug, PartialEq)]
pub enum JournalEntry {
    /// The client's message; the layers of a submission got these numbers.
    Said { numbers: Vec<u32> },
    /// A task failed for good.
    Failed(Box<TaskFailed>),
    /// Tasks that nobody waits for ended.
    Forgotten(Blocks),
    /// A task raised, and is run again.
    Troubled(TaskTroubles),
}

/// Something to do. Messages to one peer must be sent in the order in which they come.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    ToClient {
        client: ClientId,
        message: ToClient,
    },
    ToWorker {
        worker: WorkerId,
        message: ToWorker,
    },
    /// The worker broke the protocol: end its connection (a `WorkerLeft` follows).
    DropWorker {
        worker: WorkerId,
        reason: String,
    },
    /// To be on disk before any later command is carried out.
    Journal {
        client: Option<ClientId>,
        entry: JournalEntry,
    },
    /// A client asked the scheduler to end.
    Stop,
}
