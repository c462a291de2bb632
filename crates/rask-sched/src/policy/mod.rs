//! Decisions, one file each.

mod actors;
mod admission;
mod ahead;
pub(crate) mod attention;
pub(crate) mod backoff;
pub(crate) mod bandwidth;
pub(crate) mod collecting;
pub(crate) mod congestion;
mod families;
mod holding;
mod inputs;
mod introduction;
mod moving;
mod pausing;
mod placement;
mod prediction;
mod queueing;
mod quotas;
pub(crate) mod reduction;
pub(crate) mod replicas;
pub(crate) mod rescheduling;
pub(crate) mod retirement;
mod shares;
pub(crate) mod speculation;
pub(crate) mod stealing;
mod suggestions;
pub(crate) mod unfitting;
