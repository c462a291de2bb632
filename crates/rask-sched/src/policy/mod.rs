//! Decisions, one file each.

mod placement;
mod queueing;
pub(crate) mod rescheduling;
mod stealing;
