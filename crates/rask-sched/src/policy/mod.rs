//! Decisions, one file each.

mod ahead;
mod placement;
mod queueing;
pub(crate) mod rescheduling;
mod stealing;
