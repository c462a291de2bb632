//! Decisions, one file each.

mod ahead;
pub(crate) mod attention;
mod pausing;
mod placement;
mod queueing;
pub(crate) mod replicas;
pub(crate) mod rescheduling;
pub(crate) mod retirement;
mod stealing;
