//! The processes of a cluster: shells around the state machines.
//!
//! * [`scheduler`]: takes connections, feeds events to `rask_sched::Scheduler`, sends its commands.
//! * [`worker`]: runs tasks on threads, keeps values, fetches from and serves to peers.
//! * [`client`]: submits layers, follows wanted blocks, fetches results.
//! * [`calls`]: what tasks have no part in: actors, plugins, functions run on every worker.
//! * [`logs`]: what the processes log, kept for those who ask.
//! * [`supervisor`]: starts worker processes and replaces those that die.
//!
//! Each of the first three has one network thread. Messages leave from whichever thread has them
//! (see `rask_wire::FrameSender`), and a client in the scheduler's process talks to it by function
//! call, so that little is waited for between threads.

pub mod calls;
pub mod client;
mod convert;
pub mod ends;
mod error;
#[doc(hidden)]
pub mod fuzzing;
pub mod logs;
pub mod memory_guard;
mod peer;
pub mod report;
pub mod scheduler;
pub mod segments;
mod stock;
pub mod supervisor;
pub mod worker;

pub use convert::{failure_from_task, pack, task_from_failure, unpack};
pub use error::ClusterError;
