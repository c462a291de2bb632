//! The dropping of superfluous copies of values, as clients steer it.

/// What a client wants, and the answer to it.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct MemoryManager {
    #[prost(enumeration = "MemoryManagerOp", tag = "1")]
    pub op: i32,
    /// In an answer: it is done at every interval.
    #[prost(bool, tag = "2")]
    pub running: bool,
}

/// What a client may want of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum MemoryManagerOp {
    /// Nothing but to know whether it runs.
    Running = 0,
    Start = 1,
    Stop = 2,
    /// Drop what is superfluous now.
    RunOnce = 3,
}
