//! Deterministic simulator of a cluster.
//!
//! [`simulate`] runs the real machines of scheduler (`rask-sched`) and workers (`rask-exec`) in one
//! thread, over a virtual network with delays, with crashes, failing tasks and impatient clients,
//! all chosen by a seed: the same seed gives the same run. After every event the scheduler's
//! invariants are checked, and at the end that every wanted block is in some memory or failed for
//! its reason.

mod client;
mod random;
mod worker;
mod world;

pub use world::{Faults, Outcome, simulate};
