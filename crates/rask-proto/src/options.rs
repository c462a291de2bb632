//! How tasks are to be run.

/// A task in the scheduler's numbering.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct TaskNumber {
    #[prost(uint32, tag = "1")]
    pub layer: u32,
    #[prost(uint32, tag = "2")]
    pub block: u32,
}
