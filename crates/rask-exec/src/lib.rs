//! The worker's state machine: fetch, run, keep, spill, report. No clock, socket or thread.
//!
//! [`Machine`] knows tasks as integers. Its owner, the *shell*, tells it what happened
//! ([`Event`]), does what it is told at once ([`Command`]), and asks for work whenever it has a
//! thread or a connection to spare ([`Machine::pull`] gives a [`Job`]). The same events in the same
//! order give the same commands and jobs.
//!
//! Two owners use it: a whole graph on this process's threads ([`TableTopology`]), and a cluster's
//! worker, to which tasks are assigned one by one ([`Worker`]).
//!
//! The machine keeps the memory held by values, and promised to running tasks, within a budget:
//! a task is admitted when its predicted output fits; otherwise values whose next use is farthest
//! away are spilled first. One task is always let through, so that work never stops.

mod absent;
mod assigned;
mod event;
mod fetching;
mod invariants;
mod machine;
mod memory;
mod pause;
mod predict;
mod ready;
mod sharing;
mod spill;
mod state;
mod topology;
mod worker;

pub use assigned::Assigned;
pub use event::{Command, Event, Job};
pub use fetching::Fetch;
pub use machine::{Limits, Machine};
pub use pause::Pace;
pub use ready::Pull;
pub use topology::{TableTopology, Topology};
pub use worker::{Assignment, Source, Worker};

/// Number of a task in a machine.
pub type TaskId = rask_graph::TaskId;
