//! Decisions, one file each.

mod placement;
mod queueing;
mod stealing;
