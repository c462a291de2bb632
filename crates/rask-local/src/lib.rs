//! A graph on this process's threads, within a memory budget: a shell of threads around the state
//! machine of `rask-exec`.
//!
//! [`run`] expands a plan, orders it, and runs it on the caller's thread and on those of a pool that
//! is kept from run to run. Threads take tasks from the machine in batches when tasks are short, so
//! that they seldom meet at its lock; tasks that need the same [`Scope`](rask_value::Scope) are run
//! one after the other inside a single entering of it. Scopes are entered, ops are run, and values
//! are encoded and dropped, while no lock is held.

mod error;
mod job;
mod observe;
mod options;
mod pool;
mod run;
mod setup;
mod worker;

pub use error::RunError;
pub use observe::{Observer, Progress, TaskInfo};
pub use options::Options;
pub use run::run;
